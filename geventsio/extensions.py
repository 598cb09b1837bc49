"""Typed maps: values found by their types, kept with a socket or with the HTTP request that opened its connection."""

from __future__ import annotations

from typing import Any, TypeVar

from geventsio.engine.handshake import EXTENSIONS_KEY

__all__ = ["Extensions", "http_extensions"]

T = TypeVar("T")


class Extensions:
    """At most one value of each type, found by its exact type.

    What a middleware inserts into `socket.extensions`, handlers take as `Extension[T]`. It lives as long as the socket
    and is still there in the disconnect handler; other namespaces of the same client have their own.
    """

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[type, Any] = {}

    def insert(self, value: T) -> T | None:
        """Put in a value, and return the one of its type that it replaces, or None."""
        replaced: T | None = self._values.get(type(value))
        self._values[type(value)] = value
        return replaced

    def get(self, cls: type[T]) -> T | None:
        """Return the value of a type, or None."""
        value: T | None = self._values.get(cls)
        return value

    def remove(self, cls: type[T]) -> T | None:
        """Take out the value of a type and return it; None if there is none."""
        value: T | None = self._values.pop(cls, None)
        return value

    def clear(self) -> None:
        """Take out all."""
        self._values.clear()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, cls: object) -> bool:
        return cls in self._values

    def __repr__(self) -> str:
        return f"<Extensions: {', '.join(cls.__name__ for cls in self._values) or 'none'}>"


def http_extensions(environ: dict[str, Any]) -> Extensions:
    """Return the typed map of an HTTP request, made when it is first asked for.

    WSGI middlewares around `SocketIO.layer` put values in, and handlers take them as `HttpExtension[T]`:

        def authenticate(environ, start_response):
            http_extensions(environ).insert(User(environ["HTTP_X_USER"]))
            return app(environ, start_response)

    Only what the request that opens the connection has counts, and it is kept as long as the connection.

    Args:
        environ: the request's WSGI environ, or `socket.environ`; the map is under the key "geventsio.extensions".
    """
    extensions = environ.get(EXTENSIONS_KEY)
    if extensions is None:
        extensions = environ[EXTENSIONS_KEY] = Extensions()
    if not isinstance(extensions, Extensions):
        raise TypeError(f"environ[{EXTENSIONS_KEY!r}] must be a geventsio.Extensions, not {extensions!r}")
    return extensions
