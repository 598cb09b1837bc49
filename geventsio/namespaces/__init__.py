"""Namespaces: those that exist, those that clients call into being, and their handlers as classes."""

from __future__ import annotations

__all__: list[str] = []
