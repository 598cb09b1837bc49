"""Sending: choosing sockets, emitting to them, and the acknowledgements that come back."""

from __future__ import annotations

__all__: list[str] = []
