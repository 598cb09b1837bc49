"""The site's Socket.IO server."""

from __future__ import annotations

from geventsio import SocketIO

io = SocketIO()
