"""The applications behind `python -m tests.conformance.server`: one for each protocol suite."""

from __future__ import annotations

__all__ = ["SUITES", "Timing", "engine", "engine3", "socket", "socket4", "socket_msgpack", "websocket"]

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geventsio import Data, Socket, SocketIO
from geventsio.engine import EngineServer, PlainWebSocket, Session, websocket_app

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_MAX_PAYLOAD = 1_000_000
_MAX_WEBSOCKET_MESSAGE = 16 * 1024 * 1024
# Autobahn's case 9.3.1 sends 4 MiB in fragments of 64 bytes.
_MAX_WEBSOCKET_FRAGMENTS = 65_536


# The tests send what it complains about, and take any other word of a server for a failure.
logging.getLogger("geventsio.engine.complaints").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Timing:
    """The timeouts of a suite's server, in seconds; the defaults are those that the official suites expect."""

    ping_interval: float = 0.3
    ping_timeout: float = 0.2
    connect_timeout: float = 1.0


def engine(timing: Timing, allow_eio3: bool = False) -> WSGIApplication:
    """Engine.IO on `/engine.io/`: every message is sent back, text as text and binary as binary."""

    def on_message(session: Session, data: str | bytes) -> None:
        session.send(data)

    return EngineServer(
        on_message=on_message,
        req_path="/engine.io",
        ping_interval=timing.ping_interval,
        ping_timeout=timing.ping_timeout,
        max_payload=_MAX_PAYLOAD,
        blocked_threshold=None,  # a test machine that stalls is no finding
        per_message_deflate=True,
        cors_allowed_origins="*",
        allow_eio3=allow_eio3,
    )


def engine3(timing: Timing) -> WSGIApplication:
    """The same for Engine.IO v3 and v4."""
    return engine(timing, allow_eio3=True)


def socket(timing: Timing, parser: str = "common", allow_eio3: bool = False) -> WSGIApplication:
    """Socket.IO on `/socket.io/` with the namespaces `/` and `/custom`, which behave alike."""
    io = SocketIO(
        parser=parser,
        ping_interval=timing.ping_interval,
        ping_timeout=timing.ping_timeout,
        connect_timeout=timing.connect_timeout,
        max_payload=_MAX_PAYLOAD,
        blocked_threshold=None,  # a test machine that stalls is no finding
        per_message_deflate=True,
        cors_allowed_origins="*",
        allow_eio3=allow_eio3,
    )
    for path in ("/", "/custom"):
        namespace = io.ns(path)
        namespace(_send_auth)
        namespace.on("message", _send_back)
        namespace.on("message-with-ack", _acknowledge)
        namespace.on("emit-with-ack", _ask)
    return io.service()


def socket4(timing: Timing) -> WSGIApplication:
    """The same for Socket.IO v4 and v5."""
    return socket(timing, allow_eio3=True)


def socket_msgpack(timing: Timing) -> WSGIApplication:
    """The same with the msgpack parser."""
    return socket(timing, "msgpack")


def _send_auth(socket: Socket, auth: Data[Any]) -> None:
    socket.emit("auth", {} if auth is None else auth)


def _send_back(socket: Socket, *args: Any) -> None:
    socket.emit("message-back", *args)


def _acknowledge(*args: Any) -> tuple[Any, ...]:
    return args


def _ask(socket: Socket, *args: Any) -> None:
    answer = socket.emit_with_ack("emit-with-ack", *args).result()
    values = () if answer is None else answer if isinstance(answer, tuple) else (answer,)
    socket.emit("emit-with-ack", *values)


def websocket(timing: Timing) -> WSGIApplication:
    """A plain WebSocket on `/`: every message is sent back as it came, and compressed if the client can take that."""

    def on_message(connection: PlainWebSocket, data: str | bytes) -> None:
        connection.send(data)

    return websocket_app(on_message, _MAX_WEBSOCKET_MESSAGE, _MAX_WEBSOCKET_FRAGMENTS, per_message_deflate=1)


SUITES: dict[str, Callable[[Timing], WSGIApplication]] = {
    "engine": engine,
    "engine3": engine3,
    "socket": socket,
    "socket4": socket4,
    "socket-msgpack": socket_msgpack,
    "websocket": websocket,
}
