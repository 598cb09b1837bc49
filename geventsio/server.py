"""The Socket.IO server."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from time import monotonic
from typing import Any, ParamSpec, TypeVar, overload

from gevent import Greenlet

from geventsio.adapters.base import Adapter
from geventsio.adapters.local import LocalAdapter
from geventsio.background import spawn
from geventsio.client import Client
from geventsio.client4 import Client4
from geventsio.config import check_duration, split_options
from geventsio.engine.drain import TURN
from geventsio.engine.native import NativePool, called_in_hub, in_hub
from geventsio.engine.release import release
from geventsio.engine.server import EngineServer
from geventsio.engine.session import Session
from geventsio.engine.timeouts import Timeouts
from geventsio.errors import NamespaceError
from geventsio.handling.dispatch import describe_job
from geventsio.handling.registry import HandlerKinds
from geventsio.handling.unit_of_work import UnitOfWork
from geventsio.hints import Hints
from geventsio.metrics import Metrics, check_metrics
from geventsio.namespaces.class_namespace import ClassNamespace
from geventsio.namespaces.namespace import Namespace, normal_path
from geventsio.namespaces.table import DynamicNamespace, Namespaces
from geventsio.protocol.parser import make_parser
from geventsio.sending.ack import PendingAck
from geventsio.sending.broadcasting import Broadcaster, Target
from geventsio.sending.choosing import Chooser
from geventsio.sending.operators import BroadcastOperator
from geventsio.socket import Socket
from geventsio.types import DisconnectReason, ProtocolVersion, TransportType
from geventsio.wsgi import ClientFiles, Environ, Layer, StartResponse, WSGIApp, run

__all__ = ["SocketIO"]

logger = logging.getLogger("geventsio")

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
U = TypeVar("U", bound=UnitOfWork)


class SocketIO(Hints, Chooser[BroadcastOperator], Broadcaster):
    """A Socket.IO server for gevent and WSGI.

    `ns` registers namespaces; `layer` wraps a WSGI app, `service` makes one, `run` serves it. The operators
    (`emit`, `to`, ...) are shortcuts for those of the namespace `/`, which must have been registered.

    Args:
        adapter: makes the adapter of each namespace, from its path and its sockets.
        metrics: counts and measures; None for nothing of that.
        options: see `geventsio.config.EngineOptions` and `SocketIOOptions`; durations in seconds, sizes in bytes.

    Raises:
        TypeError: an option does not exist (the message names the closest match) or has the wrong type.
        ValueError: an option is out of range.
    """

    def __init__(
        self, *, adapter: Callable[..., Adapter] = LocalAdapter, metrics: Metrics | None = None, **options: Any
    ) -> None:
        if not callable(adapter):
            raise TypeError(f"adapter must make an adapter from a path and its sockets, as a class; not {adapter!r}")
        engine_options, self.options = split_options(options)
        self.parser = make_parser(self.options.parser, self.options.max_attachments, self.options.max_attachment_bytes)
        injectable = {Socket: "socket", SocketIO: "socket.io"}
        injectable |= {ProtocolVersion: "socket.protocol", TransportType: "socket.transport"}
        self.kinds = HandlerKinds(injectable, self.options.concurrent_handlers)
        self.kinds.provide(self.options.state)
        self.engine = EngineServer(self._connected, _receive, _closed, inline=True, **vars(engine_options))
        self.engine.describe_job = describe_job
        self.engine.drained_with = self
        self.native = NativePool(self.engine, self.options.threadpool_size)
        self.socket_class: type[Socket] = Socket
        self.namespace_class: type[Namespace] = Namespace
        self.metrics = metrics
        if metrics is not None:
            check_metrics(metrics).attach(self)
        self.namespaces = Namespaces(self, adapter)
        self._closing: Greenlet[..., None] | None = None
        self._ack_deadlines: dict[float, Timeouts[PendingAck]] = {}
        #: Called with what has escaped from a handler and no error handler has taken; must not raise. For tests.
        self.error_hooks: list[Callable[[BaseException], object]] = []
        self._has_reported_main = False
        self._files = ClientFiles(self.options.client_dir) if self.options.serve_client else None

    # Namespaces

    @overload
    def ns(self, path: str) -> Namespace: ...
    @overload
    def ns(self, path: str, handler: F) -> F: ...
    def ns(self, path: str, handler: F | None = None) -> Namespace | F:
        """Get or create a namespace; as a decorator, register its connect handler. May switch greenlets.

        Args:
            path: a missing leading slash is added.
            handler: the connect handler.

        Raises:
            HandlerSignatureError: the handler's parameters can't be resolved.
            NamespaceError: the namespace has a connect handler already.
            AdapterError: its adapter can't be prepared.
        """
        namespace = in_hub(self.namespaces.create, normal_path(path))
        return namespace if handler is None else namespace(handler)

    @overload
    def dyn_ns(self, pattern: str | re.Pattern[str]) -> DynamicNamespace: ...
    @overload
    def dyn_ns(self, pattern: str | re.Pattern[str], handler: F) -> F: ...
    def dyn_ns(self, pattern: str | re.Pattern[str], handler: F | None = None) -> DynamicNamespace | F:
        """Let clients create namespaces, whose handlers are registered once; as a decorator, their connect handler.

        In a pattern, `{name}` stands for a part of a segment that is not empty, `{*name}` for all that is left, and
        `{{` and `}}` for braces; see `socket.params` for their values. A namespace that exists comes before patterns.
        Where several patterns match, the first segment in which they differ decides: a fixed one comes before a
        parameter with a prefix or a suffix, this before a bare parameter, and before a catch-all.

        Refuse in a middleware whoever asks for a namespace that should not be.

        Args:
            pattern: such as "/client/{id}"; or a compiled regular expression for the whole path, which is tried
                when no pattern matches, and whose named groups are the parameters. Beware of those that take
                long on some paths: all clients wait meanwhile.
            handler: the connect handler.

        Raises:
            HandlerSignatureError: the handler's parameters can't be resolved.
            PatternError: it is no pattern, or another one matches the same paths.
        """
        template = DynamicNamespace(self, pattern)
        if handler is not None:
            template(handler)
        self.namespaces.add(template)
        return template if handler is None else handler

    def delete_ns(self, path: str) -> None:
        """Delete a namespace, if it exists: its sockets are disconnected, and nobody connects to it any more.

        The clients are told, the disconnect handlers run, then the adapter is closed; none of this is waited for.
        Clients whose middlewares are running are refused when these have ended. A pattern that matches the path makes
        a new namespace when the next client asks for it. Legal in any handler, and in any OS thread.

        Raises:
            ValueError: the path is `/`, which clients of older protocols must find (see `allow_eio3`).
        """
        path = normal_path(path)
        if path == "/" and self.engine.options.allow_eio3:
            raise ValueError("the namespace '/' can't be deleted with allow_eio3: its clients are in it without asking")
        self.call(self.namespaces.delete, path)

    def register(self, handlers: ClassNamespace) -> Namespace:
        """Register the methods of an object as the handlers of its namespace, and return that.

        Raises:
            HandlerSignatureError, NamespaceError, ValueError: see `ClassNamespace.attach`.
        """
        namespace = self.ns(handlers.path)
        handlers.attach(namespace)
        return namespace

    def unit_of_work(self, factory: U) -> U:
        """Enter a context manager around each job of each socket; also as a decorator.

        A job is what runs at a stretch: the connect middlewares with the connect handler; the listeners, middlewares
        and the handler of one event; a disconnect handler; a callback of an acknowledgement; an error handler; and a
        greenlet that one of these starts with `spawn`, as long as it runs. The factory is called anew for each of
        them, with the call: `call.socket`, `call.event` ("connect", "disconnect" or "ack" where there is no event),
        `call.args`, and `call.kind`, which tells error handlers and greenlets from what has failed or started them.
        Several are nested in the order in which they were added, the first one outermost.

            @io.unit_of_work
            @contextmanager
            def transaction(call: EventCall) -> Iterator[None]:
                with Session.begin():
                    yield

        Exceptions of a job pass through, refusals (`ConnectRefused`) and closed sockets included, before they are
        reported and given to the error handler, which has a unit of work of its own. Where a unit can't be entered, or
        raises when it is left, that is reported as if the handler had raised it; before the client is connected, it is
        refused with "Internal server error". What a handler returns answers its event after the unit has ended, and
        not if it has failed. Units may block. Events that nobody handles have none.

        Raises:
            TypeError: the factory can't be called.
        """
        if not callable(factory):
            raise TypeError(f"a unit of work is a function that returns a context manager, not {factory!r}")
        self.kinds.units = (*self.kinds.units, factory)
        return factory

    def of(self, path: str) -> Namespace:
        """The namespace of this path.

        Raises:
            NamespaceError: it has not been registered.
        """
        namespace = self.namespaces.get(normal_path(path))
        if namespace is None:
            raise NamespaceError(f"the namespace {path!r} is not registered: register it with io.ns({path!r})")
        return namespace

    def nsps(self) -> list[Namespace]:
        """All namespaces that exist."""
        return self.namespaces.live()

    def sockets(self) -> list[Socket]:
        """The sockets of `/` on this server."""
        return self.of("/").broadcast().sockets()

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

        Raises:
            TypeError: that server has no such option, or its `ssl_context` is the standard library's, not patched.
        """
        run(self, app, host, port, **server_options)

    @called_in_hub
    def close(self, timeout: float | None = None) -> bool:
        """Close all connections with "server shutting down" and refuse new ones. May switch greenlets.

        Every disconnect handler runs once.

        Args:
            timeout: seconds to wait for the disconnect handlers, and then for the adapters, which are closed when
                all handlers have ended; None waits for ever, 0 does not wait.

        Returns:
            Whether all handlers have ended.
        """
        is_done = self.engine.close(timeout)
        if is_done:
            self.namespaces.close(timeout)
        elif self._closing is None:
            self._closing = Greenlet.spawn(self._close_adapters)
        return is_done

    @called_in_hub
    def drain(self, limit: float | None = None) -> bool:
        """Do what `close` does at the pace that `drain_timeout` asks for, before the process stops. Switches greenlets.

        It happens by itself in `run`, under gunicorn, and when the interpreter exits. Call it when signals stop a
        server of your own: `gevent.signal_handler(signal.SIGTERM, lambda: (io.drain(), server.stop()))`.

        Args:
            limit: seconds that all of it may take.

        Returns:
            Whether all disconnect handlers have ended.
        """
        begin = monotonic()
        is_done = self.engine.drain(limit)
        rest = self.engine.options.close_timeout
        if limit is not None:
            rest = min(rest, limit - (monotonic() - begin))
        self.namespaces.close(max(rest, TURN))
        return is_done

    # Greenlets of the application

    def spawn(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Greenlet[..., Any]:
        """Run a function in a new greenlet, which knows the handler that it is started by; see `geventsio.context`.

        What escapes from the function is logged, and given to the error handler of the handler's socket or namespace;
        the greenlet's value is None then. A socket that is closed is no error, as in handlers.

        Raises:
            RuntimeError: called in an OS thread other than the one that serves the clients.
        """
        return self.spawn_later(0, function, *args, **kwargs)

    def spawn_later(
        self, seconds: float, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs
    ) -> Greenlet[..., Any]:
        """Do what `spawn` does, after this many seconds. To call it off, kill the greenlet.

        Raises:
            ValueError, TypeError: the seconds are no number, or less than 0.
        """
        if seconds != 0:
            check_duration("seconds", seconds)
        return in_hub(spawn, self, seconds, function, *args, **kwargs)

    # What namespaces, clients and operators use

    def release(self) -> None:
        """Let go of the hub when nobody is connected: see `geventsio.engine.release`."""
        release(self.engine)
        self.__dict__.pop("connecting", None)
        self.native.close()
        self._ack_deadlines.clear()

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function that does not block: here, or in the hub's thread when this is another."""
        self.engine.call(function, *args)

    def check_thread(self, what: str = "clients and other servers can only be waited for") -> None:
        """Refuse what a thread can't do that has no part in serving.

        Raises:
            RuntimeError: called in an OS thread other than the one that serves the clients.
        """
        if self.engine.has_started and self.engine.runtime.is_foreign_thread():
            raise RuntimeError(
                f"{what} in the thread that serves the clients: use emit here, or run this in a greenlet"
            )

    def ack_deadlines(self, timeout: float | None) -> Timeouts[PendingAck]:
        """The deadlines of acknowledgements that are awaited this many seconds; None for `ack_timeout`."""
        seconds = self.options.ack_timeout if timeout is None else timeout
        deadlines = self._ack_deadlines.get(seconds)
        if deadlines is None:
            self._ack_deadlines = {key: kept for key, kept in self._ack_deadlines.items() if kept}
            expire = _expire if self.metrics is None else self.metrics.expire_ack
            deadlines = Timeouts(self.engine.runtime.clock, seconds, expire)
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
        return Timeouts(self.engine.runtime.clock, self.options.connect_timeout, Client.not_connected)

    def _target(self) -> Target:
        return self.of("/")._target()

    def _choose(self, *step: Any) -> BroadcastOperator:
        return self.of("/")._choose(*step)

    def _set(self, volatile: bool = False, timeout: float | None = None) -> BroadcastOperator:
        return self.of("/")._set(volatile, timeout)

    def _close_adapters(self) -> None:
        self.engine.callbacks.wait(None)
        self.namespaces.close(None)

    def _connected(self, session: Session) -> None:
        client = session.data = (Client if session.protocol == 4 else Client4)(self, session)
        client.start()


def _receive(session: Session, data: str | bytes) -> None:
    session.data.receive(data)


def _closed(session: Session, reason: DisconnectReason) -> None:
    session.data.closed(reason)


def _expire(pending: PendingAck) -> None:
    pending.expire()
