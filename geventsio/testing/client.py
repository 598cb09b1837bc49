"""A client in the process of the test: it calls the WSGI app as a web server would for a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.test import Client

from geventsio.errors import ProtocolError
from geventsio.namespaces.namespace import normal_path
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import Packet, PacketType
from geventsio.server import SocketIO
from geventsio.testing.bench import Bench, find_server
from geventsio.testing.clock import FakeClock
from geventsio.testing.errors import ConnectError, NotReceived
from geventsio.testing.polling import PollingSession
from geventsio.testing.socket import TestSocket
from geventsio.testing.web import Listener, Session, Web
from geventsio.testing.websocket import WebSocketSession
from geventsio.types import TransportType

__all__ = ["TestClient"]

_TRANSPORTS: dict[TransportType, Callable[[Bench, Web, Listener], Session]] = {
    TransportType.POLLING: PollingSession,
    TransportType.WEBSOCKET: WebSocketSession,
}


class _Connecting:
    """A namespace that has not answered yet."""

    def __init__(self, socket: TestSocket) -> None:
        self.socket = socket
        self.accepted = False
        self.refusal: ConnectError | None = None


class TestClient:
    """A Socket.IO client without a network, for tests in plain synchronous code.

    Its packets are encoded by the real codecs and go through the real WSGI entry, and so do the server's. Everything
    that it does ends with the server at rest, so there is nothing to wait for and nothing to sleep for: `emit` comes
    back when the server's handlers have ended, or wait for something. One client may be in several namespaces; make
    several clients for several users. Use it in one thread, as a context manager, or call `close`.

    Args:
        app: a `SocketIO`, or the WSGI app that holds one.
        io: the server in `app`, where it can't be found: behind other middlewares than `io.layer`.
        transport: "polling", or "websocket" over a pair of connected sockets; there is no upgrade between them.
        path: of the Socket.IO server; None for its `req_path`.
        headers: of each request.
        query: of each request's URL.
        cookies: to begin with; what the server sets is kept, as in a browser.
        environ: put into the WSGI environ of each request.
        timeout: real seconds that waiting takes at most, unless a method is told otherwise.
        raise_handler_errors: whether what escapes from the server's handlers is raised in the test, by whatever method
            the server came to rest in; if not, it is only logged, and kept in `handler_errors`.

    Attributes:
        io: the server.
        http: a `werkzeug.test.Client` of the same app, with the same cookies: log in with it before connecting.
        timeout: see above.

    Raises:
        TypeError: there is no server to be found in `app`.
        RuntimeError: the server is in use in another thread.
        ValueError: there is no such transport.
    """

    __test__ = False  # or pytest would take it for a test

    def __init__(
        self,
        app: Any,
        *,
        io: SocketIO | None = None,
        transport: str = "polling",
        path: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        environ: Mapping[str, Any] | None = None,
        timeout: float = 1.0,
        raise_handler_errors: bool = True,
    ) -> None:
        server = io or find_server(app)
        if server is None:
            raise TypeError(f"there is no SocketIO to be found in {app!r}: pass it as TestClient(app, io=io)")
        self.io = server
        self.parser = server.parser
        self.timeout = timeout
        self._transport: Callable[[Bench, Web, Listener], Session] = _TRANSPORTS[TransportType(transport)]
        self.http = Client(server.service() if isinstance(app, SocketIO) else app)
        for name, value in (cookies or {}).items():
            _set_cookie(self.http, name, value)
        path = server.engine.options.req_path if path is None else path.rstrip("/")
        self._bench = Bench.enter(server, raise_handler_errors)
        self._web = Web(self._bench, self.http, path + "/", query or {}, headers or {}, environ or {})
        self._raises = raise_handler_errors
        self._is_closed = False
        self._session: Session | None = None
        self._decoder = getattr(self.parser, "client_decoder", self.parser.decoder)()
        self._sockets: dict[str, TestSocket] = {}
        self._connecting: dict[str, _Connecting] = {}

    def __repr__(self) -> str:
        return f"<TestClient in {', '.join(self._sockets) or 'no namespace'}>"

    def __enter__(self) -> TestClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._close(raises=kind is None)

    # What tests use

    @property
    def clock(self) -> FakeClock:
        """The server's clock, which stands still as long as there is a test client."""
        return self._bench.clock

    @property
    def handler_errors(self) -> list[BaseException]:
        """What has escaped from handlers of the server and has not been raised to the test."""
        return self._bench.errors

    def connect(self, namespace: str = "/", auth: object = None, timeout: float | None = None) -> TestSocket:
        """Connect to a namespace; the first one opens the connection. Switches greenlets.

        Args:
            namespace: its path.
            auth: what the connect handler and the middlewares are given; a dict, as with the official client.
            timeout: real seconds that each of the two handshakes may take; None for the client's `timeout`.

        Raises:
            ConnectError: the server refuses.
            NotReceived: it does not answer in time.
            RuntimeError: the client is in this namespace already, or has been closed.
        """
        namespace = normal_path(namespace)
        if self._is_closed or namespace in self._sockets:
            raise RuntimeError("the client is closed" if self._is_closed else f"the client is in {namespace} already")
        seconds = self.timeout if timeout is None else timeout
        session = self._session = self._opened(seconds)
        waiting = self._connecting[namespace] = _Connecting(TestSocket(self, namespace))
        session.send(self.parser.encode_connect(namespace, auth))
        try:
            self.wait_for(lambda: waiting.accepted or waiting.refusal is not None, seconds)
        finally:
            self._connecting.pop(namespace, None)
        if waiting.refusal is not None:
            self._close_unused()
            self.settle()
            raise waiting.refusal
        if not waiting.accepted:
            raise NotReceived(f"the server did not answer the CONNECT to {namespace} within {seconds:g} seconds")
        return waiting.socket

    def settle(self) -> None:
        """Let the server come to rest, and raise what has escaped from its handlers. Switches greenlets.

        All methods do it. Call it yourself after the server was set going by something else, such as `io.emit(...)`.

        Raises:
            Exception: a handler's, with its own traceback.
            RuntimeError: the server goes on and on.
        """
        self.rest()
        if self._raises:
            self._bench.raise_error()

    def vanish(self) -> None:
        """Lose the network: nothing is sent or fetched any more, and nobody is told. Switches greenlets.

        The server notices when the client misses a ping: `client.clock.advance(...)` by `ping_interval + ping_timeout`.
        """
        self.rest()
        if self._session is not None:
            self._session.listens = False

    def close(self) -> None:
        """End the connection, as a browser does whose page is left. Switches greenlets.

        The last client to leave gives the server its clock back, and waits for its handlers to end.
        """
        self._close(raises=True)

    # What its sockets use

    def rest(self) -> None:
        """Let the server come to rest. Switches greenlets."""
        self._bench.rest()

    def wait_for(self, probe: Callable[[], object], timeout: float) -> None:
        """Let the server run until the probe is true or the time is over. Switches greenlets.

        Raises:
            Exception: a handler's.
        """
        errors = self._bench.errors
        self._bench.wait_for(lambda: probe() or (self._raises and errors), timeout)
        if self._raises:
            self._bench.raise_error()

    def send(self, group: PacketGroup) -> None:
        """Send packets, and let the server come to rest. Switches greenlets."""
        if self._session is not None:
            self._session.send(group)
        self.settle()

    def leave(self, socket: TestSocket, reason: str) -> None:
        """Leave a namespace."""
        if self._session is not None:
            self._session.send(self.parser.encode_disconnect(socket.namespace))
        self._forget(socket.namespace, reason)

    # What the session uses

    def message(self, data: str | bytes) -> None:
        """Take a message from the server; see `geventsio.testing.web.Listener`."""
        decoder = self._decoder
        packet = decoder.add_text(data) if isinstance(data, str) else decoder.add_binary(data)
        if packet is not None:
            self._receive(packet)
            self._bench.tell()

    def ended(self, reason: str) -> None:
        """Learn that the session has ended; see `geventsio.testing.web.Listener`."""
        self._session = None
        self._decoder.reset()
        for namespace in list(self._sockets):
            self._forget(namespace, reason)
        for waiting in self._connecting.values():
            waiting.refusal = ConnectError(f"the connection ended: {reason}")

    def _receive(self, packet: Packet) -> None:
        socket = self._sockets.get(packet.namespace)
        waiting = self._connecting.get(packet.namespace)
        kind = packet.type
        if kind is PacketType.CONNECT and waiting is not None:
            waiting.accepted = True
            waiting.socket.id = packet.data["sid"]
            self._sockets[packet.namespace] = waiting.socket
        elif kind is PacketType.CONNECT_ERROR and waiting is not None:
            data = packet.data if isinstance(packet.data, dict) else {"message": packet.data}
            waiting.refusal = ConnectError(str(data.get("message")), data.get("data"))
        elif socket is None:
            return
        elif kind is PacketType.EVENT:
            socket.take_event(packet.data, packet.id)
        elif kind is PacketType.ACK:
            socket.take_ack(packet.id, packet.data)
        elif kind is PacketType.DISCONNECT:
            self._forget(packet.namespace, "io server disconnect")
        else:
            raise ProtocolError(f"unexpected {kind.name} packet")

    def _opened(self, timeout: float) -> Session:
        session = self._session
        if session is None or not session.is_open:
            session = self._transport(self._bench, self._web, self)
            session.open(timeout)
        return session

    def _forget(self, namespace: str, reason: str) -> None:
        """Take it that a namespace is left. The official client closes its connection with the last one."""
        self._sockets.pop(namespace).ended(reason)
        self._close_unused()

    def _close_unused(self) -> None:
        session = self._session
        if session is not None and not self._sockets and not self._connecting:
            self._session = None
            session.close()

    def _close(self, raises: bool) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._bench.rest()
        session, self._session = self._session, None
        if session is not None:
            session.close()
        for namespace in list(self._sockets):
            self._forget(namespace, "forced close")
        try:
            self._bench.leave(self.timeout, self._raises)
        finally:
            if raises and self._raises:
                self._bench.raise_error()


def _set_cookie(http: Client, name: str, value: str) -> None:
    set_cookie: Any = http.set_cookie
    if hasattr(http, "get_cookie"):
        set_cookie(name, value)
    else:  # werkzeug before 2.3 wants the server's name first
        set_cookie("localhost", name, value)
