"""A plain WebSocket endpoint over the same transport, without Engine.IO."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from geventsio.config import size_threshold
from geventsio.engine.accept import Acceptor
from geventsio.engine.drain import drain_at_exit, in_turns
from geventsio.engine.outbox import Bounds
from geventsio.engine.responses import ErrorCode, RequestError, Response
from geventsio.engine.runtime import Runtime
from geventsio.engine.takeover import StartResponse
from geventsio.engine.websocket import Limits, WebSocketConnection
from geventsio.engine.workers import JobQueue
from geventsio.errors import BufferFullError, SocketClosedError
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.websocket import MAX_FRAGMENTS, CloseCode
from geventsio.types import DisconnectReason

__all__ = ["PlainWebSocket", "websocket_app"]

CLOSE_TIMEOUT = 5.0
DRAIN_TIMEOUT = 5.0

#: Messages of one connection that may wait for their callback before reading pauses.
MAX_PENDING = 64


class PlainWebSocket:
    """One client of `websocket_app`."""

    __slots__ = ("_app", "_connection", "_jobs")

    def __init__(self, app: _WebSocketApp, connection: WebSocketConnection) -> None:
        self._app = app
        self._connection = connection
        self._jobs = JobQueue(app.runtime.workers)

    def send(self, message: str | bytes) -> None:
        """Send a text or a binary message.

        Raises:
            SocketClosedError: the connection is closed.
            BufferFullError: the client does not read.
        """
        if not self._connection.is_open:
            raise SocketClosedError("the websocket is closed")
        group = PacketGroup(message.encode()) if isinstance(message, str) else PacketGroup(None, (message,))
        if not self._connection.outbox.send(group):
            raise BufferFullError("the client does not read")

    def receive(self, message: str | bytes) -> None:
        """Take a message from the connection."""
        self._jobs.submit(self._app.on_message, self, message)
        if len(self._jobs) >= MAX_PENDING:
            self._connection.pause()
            self._jobs.drained = self._connection.resume

    def connection_lost(self, reason: DisconnectReason) -> None:
        """Learn that the connection is gone, and for what reason."""
        self._app.clients.discard(self)

    def close(self, code: int = CloseCode.NORMAL) -> None:
        """Send what waits, say goodbye with a close code of RFC 6455, and end the connection."""
        self._connection.close(code)
        self._app.clients.discard(self)


class _WebSocketApp:
    def __init__(
        self,
        on_message: Callable[[PlainWebSocket, str | bytes], object],
        limits: Limits,
        deflate_threshold: int | None,
    ) -> None:
        self.on_message = on_message
        self._limits = limits
        self._deflate_threshold = deflate_threshold
        self._is_draining = False
        self.clients: set[PlainWebSocket] = set()

    @cached_property
    def runtime(self) -> Runtime:
        drain_at_exit(self)
        return Runtime()

    @cached_property
    def _acceptor(self) -> Acceptor:
        return Acceptor(self.runtime, self._limits, CLOSE_TIMEOUT, self._deflate_threshold)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            if self._is_draining:
                raise RequestError(ErrorCode.SHUTTING_DOWN)
            self._acceptor.check(environ)
        except RequestError as error:
            response = Response.error(error)
            start_response(response.status_line, response.wsgi_headers())
            return [response.body]
        accepted = self._acceptor.accept(environ, start_response)
        client = accepted.connection.receiver = PlainWebSocket(self, accepted.connection)
        self.clients.add(client)
        accepted.serve()
        return []

    def drain(self, limit: float | None = None) -> None:
        """See `Drainable`."""
        self._is_draining = True
        seconds = DRAIN_TIMEOUT if limit is None else min(DRAIN_TIMEOUT, limit)
        in_turns(list(self.clients), seconds, lambda client: client.close(CloseCode.GOING_AWAY))
        self._acceptor.finish()


def websocket_app(
    on_message: Callable[[PlainWebSocket, str | bytes], object],
    max_message_size: int = 1_000_000,
    max_fragments: int = MAX_FRAGMENTS,
    per_message_deflate: bool | int = False,
) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """Make a WSGI app that speaks plain WebSocket (RFC 6455) on every path.

    Args:
        on_message: called with the client and a str or bytes, in order for each client; it may block.
        max_message_size: bytes of one message.
        max_fragments: frames that a client may cut one message into.
        per_message_deflate: as the option of `EngineServer`.
    """
    limits = Limits(Bounds(10_000, 4 * max_message_size), max_message_size, max_fragments)
    return _WebSocketApp(on_message, limits, size_threshold("per_message_deflate", per_message_deflate))
