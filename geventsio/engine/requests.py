"""What a request asks for, checked in the order of the official server."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import parse_qs

from geventsio.config import EngineOptions
from geventsio.engine.responses import ErrorCode, RequestError
from geventsio.engine.takeover import is_upgraded
from geventsio.protocol.websocket import accept_key, is_valid_key

__all__ = [
    "EngineRequest",
    "check_handshake",
    "is_multiplexed",
    "is_upgrade",
    "parse_request",
    "upgrade_headers",
    "wants_close",
]

Environ = dict[str, Any]

#: Parameters that a query may have; clients send four, or six.
MAX_FIELDS = 100


class EngineRequest(NamedTuple):
    """The query of an Engine.IO request.

    Attributes:
        transport: its name.
        sid: of the session; None to open one.
        is_websocket: whether that is the transport.
        protocol: version of Engine.IO.
        base64: whether a client of version 3 can't read binary payloads.
    """

    transport: str
    sid: str | None
    is_websocket: bool
    protocol: int
    base64: bool


def parse_request(environ: Environ, options: EngineOptions) -> EngineRequest:
    """Read and check a request, except for its session and its origin.

    Raises:
        RequestError: the request can't be served.
    """
    query = _first_values(environ.get("QUERY_STRING", ""))
    transport = query.get("transport", "")
    if transport not in ("polling", "websocket"):
        raise RequestError(ErrorCode.UNKNOWN_TRANSPORT)
    protocol = _protocol(query.get("EIO", ""), options)
    if transport not in options.transports:
        raise RequestError(ErrorCode.BAD_REQUEST, f"the transport {transport} is not enabled")
    sid = query.get("sid")
    method = environ.get("REQUEST_METHOD", "")
    is_websocket = transport == "websocket"
    if is_websocket and is_multiplexed(environ):
        raise _needs_http_1()
    if not is_websocket and _asks_for_websocket(environ):
        raise RequestError(ErrorCode.BAD_REQUEST, "a websocket handshake for the transport polling")
    if sid is None and method != "GET":
        raise RequestError(ErrorCode.BAD_HANDSHAKE_METHOD)
    if is_websocket and method != "GET":
        raise RequestError(ErrorCode.BAD_REQUEST, f"{method} on a websocket")
    return EngineRequest(transport, sid, is_websocket, protocol, bool(query.get("b64")))


def _protocol(version: str, options: EngineOptions) -> int:
    """Return the version of Engine.IO, if it is served."""
    if version == "4" or (version == "3" and options.allow_eio3):
        return int(version)
    hint = (
        "socket.io-client 1 and 2 speak version 3, which allow_eio3=True lets in"
        if version == "3"
        else ("version 4 belongs to socket.io-client 3 and newer")
    )
    raise RequestError(
        ErrorCode.UNSUPPORTED_PROTOCOL_VERSION, f"the client speaks Engine.IO version {version[:8]!r}; {hint}"
    )


def check_handshake(environ: Environ) -> None:
    """Check a websocket's opening handshake (RFC 6455 section 4.2.1).

    Raises:
        RequestError: the request is no handshake, or one that we can't answer.
    """
    if is_multiplexed(environ):
        raise _needs_http_1()
    if environ.get("REQUEST_METHOD") != "GET":
        raise RequestError(ErrorCode.BAD_HANDSHAKE_METHOD)
    if not _asks_for_websocket(environ):
        raise RequestError(
            ErrorCode.BAD_REQUEST,
            "a websocket request without 'Upgrade: websocket': a proxy in between does not pass it on",
            is_misconfiguration=True,
        )
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1" or environ.get("HTTP_VERSION", "1.1") != "1.1":
        raise _needs_http_1()
    if environ.get("CONTENT_LENGTH", "") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ:
        raise RequestError(ErrorCode.BAD_REQUEST, "a websocket handshake with a body")
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        raise RequestError(ErrorCode.UNSUPPORTED_WEBSOCKET_VERSION)
    if not is_valid_key(environ.get("HTTP_SEC_WEBSOCKET_KEY", "")):
        raise RequestError(ErrorCode.BAD_REQUEST, "an invalid Sec-WebSocket-Key")


def _needs_http_1() -> RequestError:
    message = "WebSockets need HTTP/1.1"
    return RequestError(ErrorCode.BAD_REQUEST, message, message)


def _asks_for_websocket(environ: Environ) -> bool:
    return (
        is_upgraded(environ)
        or "websocket" in _tokens(environ.get("HTTP_UPGRADE"))
        and "upgrade" in _tokens(environ.get("HTTP_CONNECTION"))
    )


def upgrade_headers(environ: Environ) -> list[tuple[str, str]]:
    """The headers of the answer to a handshake that `check_handshake` accepted."""
    if is_upgraded(environ):
        return []
    return [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(environ["HTTP_SEC_WEBSOCKET_KEY"])),
    ]


def is_multiplexed(environ: Environ) -> bool:
    """Whether a request shares its connection with others, as in HTTP/2: then that is not ours to take or to end.

    RFC 8441 would open a websocket in one of its streams, but WSGI servers have no way to hand on a stream.
    """
    return not environ.get("SERVER_PROTOCOL", "HTTP/1.1").startswith("HTTP/1")


def is_upgrade(environ: Environ) -> bool:
    """Whether a request asks for another protocol.

    Where it is refused, nothing else may follow on the connection: a proxy in between may take it for a websocket,
    and what is in there for requests.
    """
    return "HTTP_UPGRADE" in environ


def wants_close(environ: Environ) -> bool:
    """Whether the client ends the connection with this answer, which should then say so (RFC 9112 section 9.6).

    pywsgi closes without a word, and clients with a pool of connections send their next request into it.
    """
    return "close" in _tokens(environ.get("HTTP_CONNECTION")) and not is_multiplexed(environ)


def _first_values(query: str) -> dict[str, str]:
    if "%" not in query and "+" not in query and query.count("&") < MAX_FIELDS:
        # Nearly every query; the general way takes longer than all else that is done for a request.
        values: dict[str, str] = {}
        for field in query.split("&"):
            name, _, value = field.partition("=")
            values.setdefault(name, value)
        return values
    return _first_unquoted_values(query)


def _first_unquoted_values(query: str) -> dict[str, str]:
    try:
        values = parse_qs(query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise RequestError(ErrorCode.BAD_REQUEST, "too many query parameters") from None
    return {name: items[0] for name, items in values.items()}


def _tokens(header: object) -> list[str]:
    return [token.strip().lower() for token in header.split(",")] if isinstance(header, str) else []
