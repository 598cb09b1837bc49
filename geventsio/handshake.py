"""What is told of the request that opened a connection, in the shape that the official server gives it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from time import monotonic
from typing import Any, TypedDict
from urllib.parse import parse_qs, quote

import msgspec

__all__ = ["HandshakeInfo", "describe_request", "pack_auth"]


class HandshakeInfo(TypedDict):
    """The handshake of a connection.

    Attributes:
        headers: of the HTTP request, by their names in lower case.
        query: its parameters; a list of those that stand there several times.
        auth: the payload with which the client connected to the namespace.
        address: the client's.
        secure: whether it came over TLS.
        xdomain: whether it has an Origin header.
        issued: when it came, in milliseconds since 1970 as in JavaScript.
        url: its path and query.
    """

    headers: dict[str, str]
    query: dict[str, str | list[str]]
    auth: Any
    address: str
    secure: bool
    xdomain: bool
    issued: int
    url: str


def describe_request(environ: dict[str, Any], opened: float, auth: Any) -> HandshakeInfo:
    """Describe a request by its environ, when it came (monotonic seconds) and what `pack_auth` returned."""
    query = environ.get("QUERY_STRING", "")
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    # The only use of a clock that may be set: users compare it with their own.
    issued = datetime.now(timezone.utc) - timedelta(seconds=monotonic() - opened)
    return {
        "headers": _headers(environ),
        "query": {
            name: values[0] if len(values) == 1 else values
            for name, values in parse_qs(query, keep_blank_values=True).items()
        },
        "auth": msgspec.msgpack.decode(auth) if type(auth) is bytes else {} if auth is None else auth,
        "address": environ.get("REMOTE_ADDR", ""),
        "secure": environ.get("wsgi.url_scheme") == "https",
        "xdomain": "HTTP_ORIGIN" in environ,
        "issued": round(issued.timestamp() * 1000),
        "url": quote(path) + (f"?{query}" if query else ""),
    }


def pack_auth(auth: dict[str, Any]) -> Any:
    """Make what is kept of an auth payload: a third of its size, and nothing of an empty one."""
    if not auth:
        return None
    try:
        return msgspec.msgpack.encode(auth)
    # JavaScript has larger numbers, and halves of characters; a parser of the user's may have any types.
    except (OverflowError, UnicodeError, TypeError):
        return auth


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers
