"""Bytes to values and back: Engine.IO, Socket.IO and RFC 6455 without gevent, sockets or a clock."""

from __future__ import annotations

__all__: list[str] = []
