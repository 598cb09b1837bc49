"""HTTP answers of the Engine.IO server."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from http import HTTPStatus
from typing import NamedTuple

import orjson

from geventsio.protocol.eio_payload import TEXT
from geventsio.protocol.websocket import CloseCode

__all__ = ["DONE", "ErrorCode", "RequestError", "Response"]

_NO_STORE = ("Cache-Control", "no-store")

_STATUS_LINES = {status: f"{status.value} {status.phrase}" for status in HTTPStatus}


class ErrorCode(Enum):
    """The official error codes with their messages and HTTP statuses; None where there is no official code."""

    UNKNOWN_TRANSPORT = (0, "Transport unknown", HTTPStatus.BAD_REQUEST)
    UNKNOWN_SID = (1, "Session ID unknown", HTTPStatus.BAD_REQUEST)
    BAD_HANDSHAKE_METHOD = (2, "Bad handshake method", HTTPStatus.BAD_REQUEST)
    BAD_REQUEST = (3, "Bad request", HTTPStatus.BAD_REQUEST)
    FORBIDDEN = (4, "Forbidden", HTTPStatus.FORBIDDEN)
    UNSUPPORTED_PROTOCOL_VERSION = (5, "Unsupported protocol version", HTTPStatus.BAD_REQUEST)
    PAYLOAD_TOO_LARGE = (None, "Payload too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    UNSUPPORTED_WEBSOCKET_VERSION = (None, "Unsupported websocket version", HTTPStatus.UPGRADE_REQUIRED)
    SHUTTING_DOWN = (None, "Server is shutting down", HTTPStatus.SERVICE_UNAVAILABLE)
    OVERLOADED = (None, "Too many connections", HTTPStatus.SERVICE_UNAVAILABLE)
    TOO_MANY_CONNECTIONS = (None, "Too many connections of one client", HTTPStatus.TOO_MANY_REQUESTS)
    TOO_MANY_REQUESTS = (None, "Too many requests", HTTPStatus.TOO_MANY_REQUESTS)
    SEVERAL_PROCESSES = (None, "Polling needs sticky sessions", HTTPStatus.INTERNAL_SERVER_ERROR)
    REQUEST_TIMEOUT = (None, "Request timeout", HTTPStatus.REQUEST_TIMEOUT)


#: Seconds after which it is worth trying again, by the error that says so.
RETRY_AFTER = {
    ErrorCode.SHUTTING_DOWN: 1,
    ErrorCode.OVERLOADED: 5,
    ErrorCode.TOO_MANY_CONNECTIONS: 5,
    ErrorCode.TOO_MANY_REQUESTS: 1,
}


class RequestError(Exception):
    """A request that is answered with an error.

    Attributes:
        code: which error.
        message: what the client is told.
        detail: why, for the log; never sent.
        ends_connection: nobody can tell where the next request begins.
        is_misconfiguration: the client can't help it, an administrator can.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str = "",
        message: str | None = None,
        ends_connection: bool = False,
        is_misconfiguration: bool = False,
    ) -> None:
        self.code = code
        self.is_misconfiguration = is_misconfiguration
        self.ends_connection = ends_connection
        self.message: str = code.value[1] if message is None else message
        super().__init__(detail or self.message)

    @property
    def close_code(self) -> int:
        """What says the same on a websocket whose handshake the server has answered already."""
        return CloseCode.TRY_AGAIN_LATER if self.code in RETRY_AFTER else CloseCode.POLICY_VIOLATION


class Response(NamedTuple):
    """A whole answer: its body is one chunk, so that the server can send it with one length."""

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def payload(cls, body: bytes, more: Iterable[tuple[str, str]] = (), content_type: str = TEXT) -> Response:
        """Answer a poll or a handshake; with more headers."""
        return cls(HTTPStatus.OK, (("Content-Type", content_type), _NO_STORE, *more), body)

    @classmethod
    def empty(cls) -> Response:
        """Answer a preflight request."""
        return cls(HTTPStatus.NO_CONTENT, (), b"")

    @classmethod
    def error(cls, error: RequestError) -> Response:
        """Answer with an error as the official server words it."""
        code = error.code
        number, _, status = code.value
        fields = {"message": error.message} if number is None else {"code": number, "message": error.message}
        headers = [("Content-Type", "application/json"), _NO_STORE]
        if code is ErrorCode.UNSUPPORTED_WEBSOCKET_VERSION:
            headers.append(("Sec-WebSocket-Version", "13"))
        if code in RETRY_AFTER:
            headers.append(("Retry-After", str(RETRY_AFTER[code])))
        return cls(status, tuple(headers), orjson.dumps(fields))

    @property
    def status_line(self) -> str:
        """The status as WSGI wants it."""
        return _STATUS_LINES[self.status]

    def wsgi_headers(self, more: Iterable[tuple[str, str]] = ()) -> list[tuple[str, str]]:
        """All headers, with the body's length."""
        headers = [*self.headers, *more]
        if self.status is not HTTPStatus.NO_CONTENT:
            headers.append(("Content-Length", str(len(self.body))))
        return headers


#: What answers a POST.
DONE = Response(HTTPStatus.OK, (("Content-Type", "text/html"), _NO_STORE), b"ok")
