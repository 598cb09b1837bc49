"""Engine.IO over gevent: sessions and their transports. Usable alone, without Socket.IO."""

from __future__ import annotations

from geventsio.engine.plain import PlainWebSocket, websocket_app
from geventsio.engine.server import EngineServer
from geventsio.engine.session import Session

__all__ = ["EngineServer", "PlainWebSocket", "Session", "websocket_app"]
