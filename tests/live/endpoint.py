"""Where a test's server listens, and how a client reaches it."""

from __future__ import annotations

__all__ = ["Endpoint", "UNKNOWN_SID", "error"]

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.live.harness import Server
from tests.live.http_client import PollingSession, Reply
from tests.live.ws_client import Refused, WebSocket

#: A well-formed session id that no server has given out.
UNKNOWN_SID = "AAAAAAAAAAAAAAAAAAAA"

_MESSAGES = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    4: "Forbidden",
    5: "Unsupported protocol version",
}


def error(reply: Reply) -> int:
    """Return the Engine.IO error code of a reply that must be a complete error answer."""
    assert reply.status == 400, reply
    assert reply.content_type.startswith("application/json"), reply
    code = reply.json["code"]
    assert reply.json == {"code": code, "message": _MESSAGES[code]}
    return int(code)


@dataclass(frozen=True)
class Endpoint:
    """A running server, its kind (one of `SERVERS`) and the path of its protocol."""

    server: Server
    kind: str
    path: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.server.address

    def open_polling(self) -> PollingSession:
        """Open an Engine.IO session over HTTP long-polling."""
        return PollingSession(self.address, self.path)

    def open_websocket(self, sid: str | None = None) -> WebSocket:
        """Open a WebSocket for a new Engine.IO session, or for the upgrade of `sid`; the open packet is not read."""
        query = "EIO=4&transport=websocket" + (f"&sid={sid}" if sid else "")
        return WebSocket(self.address, f"{self.path}?{query}")

    def open_websocket_session(self) -> WebSocket:
        """Open an Engine.IO session over WebSocket and read its open packet."""
        socket = self.open_websocket()
        packet = socket.receive_text()
        assert packet.startswith("0{"), packet
        return socket

    def check_closes_second_websocket(self, sid: str) -> None:
        """Open one WebSocket more for a session that has one; it must be closed at once."""
        with self.open_websocket(sid) as socket:
            closing = socket.closing()
        assert (closing.code, closing.messages) == (1008, [])

    def refuse_websocket(self, query: str, code: int) -> None:
        """Open a WebSocket with a query that must be refused with an Engine.IO error code."""
        target = f"{self.path}?{query}"
        if self.kind == "gevent-websocket":
            # Its handler has sent the 101 before the application is called: there a refusal is a message that is no
            # Engine.IO packet, and a Close frame.
            with WebSocket(self.address, target) as socket:
                closing = socket.closing()
            assert (closing.code, closing.reason) == (1008, _MESSAGES[code])
            [message] = closing.messages
            assert json.loads(message) == {"code": code, "message": _MESSAGES[code]}
            return
        with pytest.raises(Refused) as refused, WebSocket(self.address, target):
            pass
        answer: Any = refused.value
        assert (answer.status, json.loads(answer.body)) == (400, {"code": code, "message": _MESSAGES[code]})
