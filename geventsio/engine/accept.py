"""From a websocket's opening handshake to a connection."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic
from typing import Any, NamedTuple

import gevent

from geventsio.engine.counts import CountingSocket, Traffic
from geventsio.engine.drain import TURN
from geventsio.engine.requests import check_handshake, upgrade_headers
from geventsio.engine.responses import ErrorCode, RequestError, Response
from geventsio.engine.runtime import Runtime
from geventsio.engine.takeover import StartResponse, TakenSocket, can_take_over, is_upgraded, take_over
from geventsio.engine.timeouts import Timeouts
from geventsio.engine.websocket import Deflation, Limits, WebSocketConnection
from geventsio.protocol.deflate import negotiate
from geventsio.protocol.websocket import build_text
from geventsio.types import DisconnectReason

__all__ = ["Accepted", "Acceptor", "refuse"]

logger = logging.getLogger("geventsio.engine")

#: Seconds that clients have to end their close handshakes when the process stops.
LAST_WORDS = 1.0

Environ = dict[str, Any]
Headers = Iterable[tuple[str, str]]


class _Nobody:
    """Receives until the connection's owner has set its own receiver."""

    def receive(self, message: str | bytes) -> None:
        pass

    def connection_lost(self, reason: DisconnectReason) -> None:
        pass


class Accepted(NamedTuple):
    """A new connection that does not read yet."""

    connection: WebSocketConnection
    taken: TakenSocket

    def serve(self) -> None:
        """Begin to read. Waits for the connection's end where the server's greenlet must not go on; may switch."""
        self.connection.start(self.taken.already_read)
        if self.taken.is_borrowed:
            self.connection.wait()


class Acceptor:
    """Answers handshakes and makes connections.

    Args:
        runtime: the hub's.
        limits: what each client may do.
        close_timeout: seconds that a close handshake may take.
        deflate_threshold: bytes from which on messages are compressed; None agrees to no compression.
        traffic: where the connections' bytes are counted; None if nobody wants to know.
    """

    def __init__(
        self,
        runtime: Runtime,
        limits: Limits,
        close_timeout: float,
        deflate_threshold: int | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self._traffic = traffic
        self._runtime = runtime
        self._limits = limits
        self._deflate_threshold = deflate_threshold
        #: Whether the log shall say so when a server gives no access to its sockets; once is enough.
        self.warns = True
        self._closing: Timeouts[WebSocketConnection] = Timeouts(runtime.clock, close_timeout, WebSocketConnection.abort)

    def check(self, environ: Environ) -> None:
        """Check a handshake.

        Raises:
            RequestError: the request is no handshake, or this server gives no access to its sockets.
        """
        check_handshake(environ)
        if not can_take_over(environ):
            raise RequestError(ErrorCode.BAD_REQUEST, "this WSGI server gives no access to its sockets")

    def can_accept(self, environ: Environ) -> bool:
        """Whether this WSGI server gives access to its sockets; the log says once what to do if it does not."""
        if can_take_over(environ):
            return True
        if self.warns:
            self.warns = False
            logger.warning(
                "this WSGI server (%s) gives no access to its gevent sockets: clients stay with polling. Websockets "
                "need gunicorn -k gevent, gevent.pywsgi, or Werkzeug's server in a process patched by gevent.monkey",
                environ.get("SERVER_SOFTWARE", "unknown"),
            )
        return False

    def accept(self, environ: Environ, start_response: StartResponse, headers: Headers = ()) -> Accepted:
        """Answer a handshake that `check` accepted. May switch greenlets.

        The caller sets the connection's receiver and calls `serve`.

        Args:
            environ: the request's.
            start_response: the server's.
            headers: more headers of the answer, where the server has not given it already.
        """
        return self._take(environ, start_response, headers)

    def finish(self) -> None:
        """Let clients take in our last words before the process goes, but not for long. Switches greenlets."""
        give_up = monotonic() + LAST_WORDS
        gevent.sleep(TURN)  # polls that were woken have yet to be answered
        while self._closing and monotonic() < give_up:
            gevent.sleep(TURN)

    def refuse_upgraded(self, environ: Environ, start_response: StartResponse, error: RequestError) -> None:
        """Refuse a websocket whose 101 the server has sent already: see `refuse`."""
        if can_take_over(environ):
            accepted = self._take(environ, start_response)
            refuse(accepted.connection, error)
            accepted.serve()

    def _take(self, environ: Environ, start_response: StartResponse, more: Headers = ()) -> Accepted:
        headers = [*upgrade_headers(environ), *more]
        deflation = self._negotiate(environ, headers)
        taken = take_over(environ, start_response, headers)
        sock = taken.sock if self._traffic is None else CountingSocket(taken.sock, self._traffic)
        connection = WebSocketConnection(self._runtime, sock, _Nobody(), self._limits, self._closing, deflation)
        return Accepted(connection, taken)

    def _negotiate(self, environ: Environ, headers: list[tuple[str, str]]) -> Deflation | None:
        """Agree to compression in `headers`, unless it is off or the answer has gone out already."""
        if self._deflate_threshold is None or is_upgraded(environ):
            return None
        agreement = negotiate(environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", ""))
        if agreement is None:
            return None
        headers.append(("Sec-WebSocket-Extensions", agreement.header))
        return Deflation(self._deflate_threshold, agreement.window_bits)


def refuse(connection: WebSocketConnection, error: RequestError) -> None:
    """Close a new connection with an error.

    The official client does not hear of a websocket that is closed before its open packet, and waits for that for
    20 s. It takes a message that is no Engine.IO packet for a failed attempt, and makes the next one in time.
    """
    connection.outbox.write(build_text(Response.error(error).body))
    connection.close(error.close_code, error.message)
