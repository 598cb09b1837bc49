"""The Socket.IO server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, TypeVar, overload

from geventsio.ack import AckStream, PendingAck
from geventsio.adapters.base import Adapter
from geventsio.adapters.local import LocalAdapter
from geventsio.client import Client
from geventsio.client4 import Client4
from geventsio.config import split_options
from geventsio.dispatch import describe_job
from geventsio.engine.server import EngineServer
from geventsio.engine.session import Session
from geventsio.engine.timeouts import Timeouts
from geventsio.errors import NamespaceError
from geventsio.namespace import Namespace, normal_path
from geventsio.operators import BroadcastOperator
from geventsio.protocol.common_parser import CommonParser
from geventsio.registry import HandlerKinds
from geventsio.socket import Socket
from geventsio.types import DisconnectReason, ProtocolVersion, TransportType
from geventsio.wsgi import ClientFiles, Environ, Layer, StartResponse, WSGIApp, run

__all__ = ["SocketIO"]

logger = logging.getLogger("geventsio")

F = TypeVar("F", bound=Callable[..., Any])


class SocketIO:
    """A Socket.IO server for gevent and WSGI.

    `ns` registers namespaces; `layer` wraps a WSGI app, `service` makes one, `run` serves it. The operators
    (`emit`, `to`, ...) are shortcuts for those of the namespace `/`, which must have been registered.

    Args:
        adapter: makes the adapter of each namespace, from its path and its sockets.
        options: see `geventsio.config.EngineOptions` and `SocketIOOptions`; durations in seconds, sizes in bytes.

    Raises:
        TypeError: an option does not exist (the message names the closest match) or has the wrong type.
        ValueError: an option is out of range.
    """

    def __init__(self, *, adapter: Callable[..., Adapter] = LocalAdapter, **options: Any) -> None:
        engine_options, self.options = split_options(options)
        self.parser = CommonParser(self.options.max_attachments)
        self.kinds = HandlerKinds(
            {
                Socket: "socket",
                SocketIO: "socket.io",
                ProtocolVersion: "socket.protocol",
                TransportType: "socket.transport",
            }
        )
        self.engine = EngineServer(self._connected, _receive, _closed, inline=True, **vars(engine_options))
        self.engine.describe_job = describe_job
        self._adapter = adapter
        self._namespaces: dict[str, Namespace] = {}
        self._ack_deadlines: dict[float, Timeouts[PendingAck]] = {}
        self._has_reported_main = False
        self._files = ClientFiles(self.options.client_dir) if self.options.serve_client else None

    # Namespaces

    @overload
    def ns(self, path: str) -> Namespace: ...
    @overload
    def ns(self, path: str, handler: F) -> F: ...
    def ns(self, path: str, handler: F | None = None) -> Namespace | F:
        """Get or create a namespace; as a decorator, register its connect handler.

        Args:
            path: a missing leading slash is added.
            handler: the connect handler.

        Raises:
            HandlerSignatureError: the handler's parameters can't be resolved.
            NamespaceError: the namespace has a connect handler already.
        """
        path = normal_path(path)
        namespace = self._namespaces.get(path)
        if namespace is None:
            namespace = Namespace(self, path, self._adapter)
            namespace.adapter.init()
            self._namespaces[path] = namespace
        return namespace if handler is None else namespace(handler)

    def of(self, path: str) -> Namespace:
        """The namespace of this path.

        Raises:
            NamespaceError: it has not been registered.
        """
        namespace = self._namespaces.get(normal_path(path))
        if namespace is None:
            raise NamespaceError(f"the namespace {path!r} is not registered: register it with io.ns({path!r})")
        return namespace

    def nsps(self) -> list[Namespace]:
        """All registered namespaces."""
        return list(self._namespaces.values())

    # Operators on the namespace "/"

    def emit(self, event: str, *args: object) -> None:
        """Send an event to all sockets of `/`; see `BroadcastOperator.emit`."""
        self.of("/").emit(event, *args)

    def emit_with_ack(self, event: str, *args: object) -> AckStream:
        """Send an event to all sockets of `/` and return the stream of answers."""
        return self.of("/").emit_with_ack(event, *args)

    def to(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Choose the members of these rooms of `/`."""
        return self.of("/").to(rooms)

    def within(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Choose the members of these rooms of `/`."""
        return self.of("/").within(rooms)

    def except_(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Choose all sockets of `/` but for the members of these rooms."""
        return self.of("/").except_(rooms)

    def local(self) -> BroadcastOperator:
        """Choose the sockets of `/` on this server."""
        return self.of("/").local()

    def broadcast(self) -> BroadcastOperator:
        """Choose all sockets of `/`."""
        return self.of("/").broadcast()

    def timeout(self, seconds: float) -> BroadcastOperator:
        """Wait this long for acknowledgements, instead of `ack_timeout`."""
        return self.of("/").timeout(seconds)

    def sockets(self) -> list[Socket]:
        """The sockets of `/` on this server."""
        return self.of("/").broadcast().sockets()

    def join(self, rooms: str | Iterable[str]) -> None:
        """Put all sockets of `/` into rooms."""
        self.of("/").join(rooms)

    def leave(self, rooms: str | Iterable[str]) -> None:
        """Take all sockets of `/` out of rooms."""
        self.of("/").leave(rooms)

    def rooms(self) -> frozenset[str]:
        """All rooms of `/` that have members."""
        return self.of("/").rooms()

    def disconnect(self, close: bool = False) -> None:
        """Disconnect all sockets of `/`; with `close`, their whole connections."""
        self.of("/").disconnect(close)

    def get_socket(self, socket_id: str) -> Socket | None:
        """The socket of `/` with this id, if it is connected to this server."""
        return self.of("/").get_socket(socket_id)

    # WSGI

    def layer(self, app: WSGIApp) -> WSGIApp:
        """Wrap a WSGI app: requests to `req_path` are ours, all others are the app's."""
        return Layer(self.engine.options.req_path, self.handle, app)

    def service(self) -> WSGIApp:
        """Make a WSGI app that stands alone: requests to anything but `req_path` are answered 404."""
        return Layer(self.engine.options.req_path, self.handle, None)

    def handle(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request to `req_path` or below it. May switch greenlets."""
        below = environ.get("PATH_INFO", "")[len(self.engine.options.req_path) :].strip("/")
        if not below:
            return self.engine.handle(environ, start_response)
        if self._files is not None:
            return self._files(below, environ, start_response)
        start_response("404 Not Found", [("Content-Length", "0")])
        return []

    def run(self, app: Any = None, host: str = "127.0.0.1", port: int = 3000, **server_options: Any) -> None:
        """Serve an app with gevent's pywsgi until SIGINT or SIGTERM, then say goodbye to all clients.

        For development and small deployments. Switches greenlets.

        Args:
            app: a WSGI app, wrapped already or not; None serves only Socket.IO.
            host: the address to listen on.
            port: the port; 0 takes a free one.
            server_options: for `gevent.pywsgi.WSGIServer`, such as `keyfile` and `certfile`.
        """
        run(self, app, host, port, **server_options)

    def close(self, timeout: float | None = None) -> bool:
        """Close all connections with "server shutting down" and refuse new ones. May switch greenlets.

        Every disconnect handler runs once.

        Args:
            timeout: seconds to wait for the disconnect handlers; None waits for ever, 0 does not wait.

        Returns:
            Whether all of them have ended.
        """
        return self._close_adapters(self.engine.close(timeout))

    def drain(self, limit: float | None = None) -> bool:
        """Do what `close` does at the pace that `drain_timeout` asks for, before the process stops. Switches greenlets.

        It happens by itself in `run`, under gunicorn, and when the interpreter exits. Call it when signals stop a
        server of your own: `gevent.signal_handler(signal.SIGTERM, lambda: (io.drain(), server.stop()))`.

        Args:
            limit: seconds that all of it may take.

        Returns:
            Whether all disconnect handlers have ended.
        """
        return self._close_adapters(self.engine.drain(limit))

    # What namespaces, clients and operators use

    def find_namespace(self, path: str) -> Namespace | None:
        """The namespace that a client asks for."""
        return self._namespaces.get(path)

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function that does not block: here, or in the hub's thread when this is another."""
        self.engine.call(function, *args)

    def check_thread(self) -> None:
        """Refuse to wait for acknowledgements in a thread that has no part in serving.

        Raises:
            RuntimeError: called in an OS thread other than the one that serves the clients.
        """
        if self.engine.has_started and self.engine.runtime.is_foreign_thread():
            raise RuntimeError(
                "acknowledgements can only be awaited in the thread that serves the clients: use emit here, "
                "or run this in a greenlet"
            )

    def ack_deadlines(self, timeout: float | None) -> Timeouts[PendingAck]:
        """The deadlines of acknowledgements that are awaited this many seconds; None for `ack_timeout`."""
        seconds = self.options.ack_timeout if timeout is None else timeout
        deadlines = self._ack_deadlines.get(seconds)
        if deadlines is None:
            self._ack_deadlines = {key: kept for key, kept in self._ack_deadlines.items() if kept}
            deadlines = Timeouts(self.engine.runtime.loop, seconds, _expire)
            self._ack_deadlines[seconds] = deadlines
        return deadlines

    def report_no_main_namespace(self) -> None:
        """Tell the log, once, why clients of Socket.IO v4 can't be served."""
        if not self._has_reported_main:
            self._has_reported_main = True
            logger.error(
                "closed a connection: socket.io-client 1 and 2 need the namespace '/', which is not registered: "
                "register it with io.ns('/')"
            )

    @cached_property
    def connecting(self) -> Timeouts[Client]:
        """Clients that are in no namespace yet, with the time they have to connect to one."""
        return Timeouts(self.engine.runtime.loop, self.options.connect_timeout, _close_unconnected)

    def _close_adapters(self, done: bool) -> bool:
        for namespace in self._namespaces.values():
            namespace.adapter.close()
        return done

    def _connected(self, session: Session) -> None:
        client = session.data = (Client if session.protocol == 4 else Client4)(self, session)
        client.start()


def _receive(session: Session, data: str | bytes) -> None:
    session.data.receive(data)


def _closed(session: Session, reason: DisconnectReason) -> None:
    session.data.closed(reason)


def _close_unconnected(client: Client) -> None:
    client.session.close(DisconnectReason.FORCED_SERVER_CLOSE)


def _expire(pending: PendingAck) -> None:
    pending.expire()
