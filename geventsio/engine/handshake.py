"""What a session begins with: its id, and a compact record of the HTTP request that opened it."""

from __future__ import annotations

import secrets
from time import monotonic
from typing import Any

__all__ = ["Handshake", "new_sid"]

#: Bytes of randomness in a session id: 20 characters.
SID_BYTES = 15

#: Most clients of a server send the same header names, and many of the same values.
MAX_SHARED = 1024
MAX_SHARED_LENGTH = 256

#: Worth nothing after the handshake, and different for each client.
DROPPED = frozenset({"HTTP_SEC_WEBSOCKET_KEY", "RAW_URI"})

#: Different for each client, or secret: not put among the shared values.
PRIVATE = frozenset({"HTTP_COOKIE", "HTTP_AUTHORIZATION", "QUERY_STRING", "REMOTE_PORT"})

#: The typed map that WSGI middlewares outside ours may fill.
EXTENSIONS_KEY = "geventsio.extensions"

_shared_keys: dict[tuple[str, ...], tuple[str, ...]] = {}
_shared_values: dict[str, str] = {}


def new_sid() -> str:
    """Return the id of a new session: a secret, by which its later requests are known."""
    return secrets.token_urlsafe(SID_BYTES)


class Handshake:
    """What is kept of a WSGI environ: all its strings, and the extensions of outer middlewares.

    A server's own environ takes 5 KB and more, and holds on to sockets and buffers.

    Attributes:
        opened: when the request came (monotonic seconds).
    """

    __slots__ = ("_keys", "_values", "opened")

    def __init__(self, environ: dict[str, Any]) -> None:
        kept = {
            key: value if key in PRIVATE else _share(value)
            for key, value in environ.items()
            if (type(value) is str and key not in DROPPED) or key == EXTENSIONS_KEY
        }
        keys = tuple(kept)
        if len(_shared_keys) < MAX_SHARED:
            keys = _shared_keys.setdefault(keys, keys)
        else:
            keys = _shared_keys.get(keys, keys)
        self.opened = monotonic()
        self._keys = keys
        self._values = tuple(kept.values())

    @property
    def environ(self) -> dict[str, Any]:
        """The request's WSGI environ, built anew: strings only, without streams and server objects."""
        return dict(zip(self._keys, self._values, strict=True))

    @property
    def extensions(self) -> Any:
        """The typed map that middlewares outside ours have filled; None if there is none."""
        keys = self._keys
        return self._values[keys.index(EXTENSIONS_KEY)] if EXTENSIONS_KEY in keys else None


def _share(value: Any) -> Any:
    if type(value) is not str or len(value) > MAX_SHARED_LENGTH:
        return value
    if len(_shared_values) < MAX_SHARED:
        return _shared_values.setdefault(value, value)
    return _shared_values.get(value, value)
