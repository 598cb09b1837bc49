"""Measurements of geventsio beside its peers."""

from __future__ import annotations

__all__: list[str] = []
