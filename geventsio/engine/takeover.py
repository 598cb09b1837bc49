"""Getting a websocket's socket out of the WSGI server's hands, quietly.

The request ends as soon as the handshake is answered: the WSGI server's greenlet is free again, and the
connection costs none. How the servers hold the socket is theirs to change, so all that is used of it is
looked up with `getattr`; where it is not found, `find_socket` returns None and websockets are refused.
"""

from __future__ import annotations

import _socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

from geventsio.engine.outbox import RawSocket

__all__ = ["StartResponse", "can_take_over", "find_socket", "is_upgraded", "no_delay", "take_over"]

StartResponse = Callable[..., Callable[[bytes], object]]
Environ = dict[str, Any]
Headers = list[tuple[str, str]]

TCP_NODELAY = 1


class _Ended:
    """Stands in for a socket that gunicorn's keep-alive loop goes on reading from."""

    def recv(self, size: int) -> bytes:
        return b""


def is_upgraded(environ: Environ) -> bool:
    """Whether the server (gevent-websocket's handler) has answered the websocket handshake itself."""
    return environ.get("wsgi.websocket") is not None


def find_socket(environ: Environ) -> Any:
    """Return the gevent socket that a request came in on; None for a server that we do not know."""
    upgraded = environ.get("wsgi.websocket")
    if upgraded is not None:
        return getattr(getattr(upgraded, "handler", None), "socket", None)
    sock = environ.get("gunicorn.socket")
    if sock is None:
        sock = getattr(getattr(_pywsgi_reader(environ), "raw", None), "_sock", None)
    return sock


def can_take_over(environ: Environ) -> bool:
    """Whether this server's socket can be driven by callbacks of the hub."""
    sock = find_socket(environ)
    return hasattr(sock, "detach") and hasattr(sock, "_sock") and not isinstance(sock, ssl.SSLSocket)


def take_over(environ: Environ, start_response: StartResponse, headers: Headers) -> tuple[RawSocket, bytes]:
    """Answer the handshake and take the connection.

    May switch greenlets while the answer is written.

    Args:
        environ: the request's, for which `can_take_over` is true.
        start_response: the server's.
        headers: of the 101 answer.

    Returns:
        The non-blocking socket, which is the caller's now, and what the server had read past the request.
    """
    sock = find_socket(environ)
    reader = _pywsgi_reader(environ)
    if not is_upgraded(environ):
        write = start_response("101 Switching Protocols", headers)
        write(b"")
    family, kind, proto = sock.family, sock.type, sock.proto
    raw = _socket.socket(family, kind, proto, fileno=sock.detach())
    raw.setblocking(False)
    no_delay(raw)
    if is_upgraded(environ):
        # Or gevent-websocket sends a close frame when the app returns, on a descriptor that may be another's by then.
        environ["wsgi.websocket"].closed = True
    if environ.get("gunicorn.socket") is sock:
        return raw, _end_gunicorn(environ)
    return raw, _drain_reader(reader)


def no_delay(sock: Any) -> None:
    """Switch Nagle's algorithm off; sockets that have none (Unix) are left alone.

    pywsgi sends an answer's head and body in two segments: without this, each waits 40 ms for the ACK.
    """
    try:
        sock.setsockopt(_socket.IPPROTO_TCP, TCP_NODELAY, 1)
    except OSError:
        pass


def _pywsgi_reader(environ: Environ) -> Any:
    upgraded = environ.get("wsgi.websocket")
    if upgraded is not None:
        return getattr(getattr(upgraded, "handler", None), "rfile", None)
    body = environ.get("wsgi.input")
    return getattr(body, "rfile", body)


def _end_gunicorn(environ: Environ) -> bytes:
    """Make gunicorn's keep-alive loop end, and return what it had read ahead."""
    unreader = getattr(getattr(environ["wsgi.input"], "reader", None), "unreader", None)
    if unreader is None:
        return b""
    unreader.sock = _Ended()
    return _read_ahead(unreader)


def _read_ahead(unreader: Any) -> bytes:
    chunks: Iterable[bytes] = iter(unreader.read, b"")
    return b"".join(chunks)


def _drain_reader(reader: Any) -> bytes:
    """Return what pywsgi's buffered reader holds; it can't read more, as its socket is detached."""
    try:
        return bytes(reader.read(len(reader.peek())))
    except (OSError, ValueError, AttributeError):
        return b""
