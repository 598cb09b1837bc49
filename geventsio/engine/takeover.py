"""Getting a websocket's socket out of the WSGI server's hands, quietly.

The request ends as soon as the handshake is answered: the WSGI server's greenlet is free again, and the
connection costs none. A TLS socket can't be taken out of its object, and Werkzeug's server for development
looks at its socket once more, so there the server's greenlet waits until the connection has ended; it is
driven the same way. How the servers hold the socket is theirs to
change, so all that is used of it is looked up with `getattr`; where it is not found, `find_socket` returns
None and websockets are refused.
"""

from __future__ import annotations

import _socket
import socket
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakSet

from geventsio.engine.outbox import RawSocket

__all__ = [
    "StartResponse",
    "TakenSocket",
    "answer_without_delay",
    "can_take_over",
    "end_connection",
    "find_socket",
    "is_upgraded",
    "no_delay",
    "take_over",
]

StartResponse = Callable[..., Callable[[bytes], object]]
Environ = dict[str, Any]
Headers = list[tuple[str, str]]

#: Sockets that `answer_without_delay` has seen: a system call for each request would be wasted.
_undelayed: WeakSet[Any] = WeakSet()


class TakenSocket(NamedTuple):
    """A connection that is ours now.

    Attributes:
        sock: the non-blocking socket.
        already_read: what the server had read past the request.
        is_borrowed: the server's greenlet must wait until the connection has ended.
    """

    sock: RawSocket
    already_read: bytes
    is_borrowed: bool


class _Ended:
    """Stands in for a socket that gunicorn's keep-alive loop goes on reading from."""

    def recv(self, size: int) -> bytes:
        return b""


class _Kept:
    """A socket that its server comes back to: it keeps its descriptor, and is closed by the server."""

    def __init__(self, sock: Any) -> None:
        sock.setblocking(False)
        self.fileno = sock.fileno
        self.recv = sock._sock.recv
        self.send = sock._sock.send
        self.shutdown = sock._sock.shutdown

    def close(self) -> None:
        try:
            self.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def is_upgraded(environ: Environ) -> bool:
    """Whether the server (gevent-websocket's handler) has answered the websocket handshake itself."""
    return environ.get("wsgi.websocket") is not None


def find_socket(environ: Environ) -> Any:
    """Return the gevent socket that a request came in on; None for a server that we do not know."""
    upgraded = environ.get("wsgi.websocket")
    if upgraded is not None:
        return getattr(getattr(upgraded, "handler", None), "socket", None)
    sock = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if sock is None:
        sock = getattr(getattr(_pywsgi_reader(environ), "raw", None), "_sock", None)
    return sock


def can_take_over(environ: Environ) -> bool:
    """Whether this server's socket can be driven by callbacks of the hub."""
    sock = find_socket(environ)
    if "werkzeug.socket" in environ and not environ.get("wsgi.multithread"):
        return False  # one request at a time: a websocket would be the last
    return hasattr(sock, "detach") and hasattr(sock, "_sock")


def take_over(environ: Environ, start_response: StartResponse, headers: Headers) -> TakenSocket:
    """Answer the handshake and take the connection.

    May switch greenlets while the answer is written.

    Args:
        environ: the request's, for which `can_take_over` is true.
        start_response: the server's.
        headers: of the 101 answer.
    """
    sock = find_socket(environ)
    reader = _pywsgi_reader(environ)
    if not is_upgraded(environ):
        write = start_response("101 Switching Protocols", headers)
        if "werkzeug.socket" in environ:
            # It would add `Connection: close` to them. When the app returns it tries to send its own answer,
            # into a connection that is shut by then, which it takes for a client that left.
            lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in headers), "\r\n"]
            sock.sendall("\r\n".join(lines).encode())
        else:
            _omit_body(write)
            write(b"")
    else:
        # Or gevent-websocket sends a close frame when the app returns, on a descriptor that may be another's by then.
        environ["wsgi.websocket"].closed = True
    no_delay(sock)
    is_borrowed = hasattr(sock, "unwrap") or "werkzeug.socket" in environ
    raw = _borrow(sock) if is_borrowed else _detach(sock)
    if environ.get("gunicorn.socket") is sock:
        return TakenSocket(raw, _end_gunicorn(environ), is_borrowed)
    return TakenSocket(raw, _drain_reader(reader), is_borrowed)


def end_connection(environ: Environ, start_response: StartResponse) -> None:
    """Have the server close the connection when the request's answer is out, whatever the client has sent besides.

    The answer must say `Connection: close`, which is all that pywsgi needs to know, but for a body that has not
    been read: it would wait for its end. gunicorn takes no such header from an application.
    """
    if "gunicorn.socket" in environ:
        _end_gunicorn(environ)
        force_close = getattr(getattr(start_response, "__self__", None), "force_close", None)
        if force_close is not None:
            force_close()
        return
    sock = find_socket(environ)
    try:
        # Not the method of an SSLSocket, which would go on in plain text.
        getattr(sock, "_sock", sock).shutdown(socket.SHUT_RD)
    except (AttributeError, OSError):
        pass


def no_delay(sock: Any) -> None:
    """Switch Nagle's algorithm off; sockets that have none (Unix), or that are unknown, are left alone.

    pywsgi sends an answer's head and body in two segments: without this, each waits 40 ms for the ACK.
    """
    if sock is not None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass


def answer_without_delay(environ: Environ) -> None:
    """Do for a request's connection what `no_delay` does, once."""
    sock = find_socket(environ)
    if sock is not None and sock not in _undelayed:
        no_delay(sock)
        if hasattr(sock, "__weakref__"):
            _undelayed.add(sock)


def _detach(sock: Any) -> RawSocket:
    family, kind, proto = sock.family, sock.type, sock.proto
    raw = _socket.socket(family, kind, proto, fileno=sock.detach())
    raw.setblocking(False)
    return raw


def _borrow(sock: Any) -> RawSocket:
    if not hasattr(sock, "unwrap"):
        return _Kept(sock)
    # Imported here: who imports geventsio before patching should not find `ssl` imported too early.
    from geventsio.engine.tls import TLSSocket

    return TLSSocket(sock)


def _pywsgi_reader(environ: Environ) -> Any:
    upgraded = environ.get("wsgi.websocket")
    if upgraded is not None:
        return getattr(getattr(upgraded, "handler", None), "rfile", None)
    body = environ.get("wsgi.input")
    return getattr(body, "rfile", body)


def _omit_body(write: Callable[[bytes], object]) -> None:
    """Keep gunicorn before 26 from announcing a chunked body: it would write its end when the app returns."""
    response: Any = getattr(write, "__self__", None)
    if getattr(response, "chunked", False):
        response.chunked = False


def _end_gunicorn(environ: Environ) -> bytes:
    """Make gunicorn's keep-alive loop end, and return what it had read ahead."""
    unreader = getattr(getattr(environ["wsgi.input"], "reader", None), "unreader", None)
    if unreader is None:
        return b""
    unreader.sock = _Ended()
    return b"".join(iter(unreader.read, b""))


def _drain_reader(reader: Any) -> bytes:
    """Return what pywsgi's buffered reader holds; its socket is detached or non-blocking, so it can't wait for more."""
    try:
        return bytes(reader.read(len(reader.peek())))
    except (OSError, ValueError, AttributeError):
        return b""
