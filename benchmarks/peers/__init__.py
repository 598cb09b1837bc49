"""Servers of other projects with the same behaviour as `benchmarks.server`."""

from __future__ import annotations

__all__: list[str] = []
