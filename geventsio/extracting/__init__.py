"""What handlers' parameters say about where they come from, and clients' data turned into types."""

from __future__ import annotations

__all__: list[str] = []
