"""The Socket.IO server, in a module of its own, so that everything else can import it."""

from __future__ import annotations

from geventsio import SocketIO

__all__ = ["io"]

io = SocketIO()
