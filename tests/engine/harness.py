"""An Engine.IO server on gevent's pywsgi in the test's own process, with a record of what it called back."""

from __future__ import annotations

__all__ = ["DEADLINE", "KINDS", "Peer", "Site", "count", "take", "until"]

import gc
import io
import os
from collections.abc import Callable
from time import monotonic
from typing import Any, TextIO, TypeVar

import gevent
from gevent.pywsgi import WSGIServer
from gevent.ssl import SSLContext

from geventsio.engine import EngineServer, Session
from geventsio.types import DisconnectReason
from tests.engine.peer import Address, Connection, PollingPeer, WebSocketPeer
from tests.engine.peer3 import PollingPeer3

#: Seconds after which a test gives up waiting for something that must happen; never a measure of speed.
DEADLINE = float(os.environ.get("GEVENTSIO_TEST_DEADLINE", "30"))

#: The ways to hold a session: see `Site.open`.
KINDS = ("polling", "websocket", "upgraded")

Peer = PollingPeer | WebSocketPeer
P = TypeVar("P", bound=Connection | PollingPeer | PollingPeer3)
WSGIApp = Callable[[dict[str, Any], Any], Any]


def until(condition: Callable[[], object], what: str = "") -> None:
    """Let other greenlets run until the condition holds."""
    end = monotonic() + DEADLINE
    while True:
        begin = monotonic()
        if condition():
            return
        assert monotonic() < end, what or "the condition never came true"
        # Looking may take long, as `count` does: then nobody is heard meanwhile, and deadlines are put off by as much.
        gevent.sleep(0.001 + 4 * (monotonic() - begin))


def count(*types: type) -> int:
    """How many objects of these types there are, once the garbage is collected."""
    gc.collect()
    # Not isinstance: lazy objects of others, such as Django settings, would have to say what they are.
    return sum(issubclass(type(item), types) for item in gc.get_objects())


def take(stream: io.StringIO) -> str:
    """Return what was written to a stream, and empty it."""
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return text


def echo(session: Session, data: str | bytes) -> None:
    """Send a message back."""
    session.send(data)


class Site:
    """The server and the peers that a test opens to it.

    Args:
        errors: where pywsgi writes what should not have happened.
        on_connect: called besides the record; so are the next two.
        on_message: the default sends messages back.
        on_close: see above.
        wrap: puts a WSGI middleware around the engine.
        listener: address to listen on.
        server: options of the WSGI server.
        options: of the engine.
    """

    def __init__(
        self,
        errors: TextIO,
        on_connect: Callable[[Session], object] | None = None,
        on_message: Callable[[Session, str | bytes], object] = echo,
        on_close: Callable[[Session, DisconnectReason], object] | None = None,
        *,
        wrap: Callable[[WSGIApp], WSGIApp] | None = None,
        listener: Any = ("127.0.0.1", 0),
        server: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        #: In the order in which they were called back.
        self.sessions: list[Session] = []
        self.messages: list[str | bytes] = []
        self.endings: list[tuple[Session, DisconnectReason]] = []
        self._hooks = (on_connect, on_message, on_close)
        # Tests block the hub on purpose, and a busy machine does.
        options.setdefault("blocked_threshold", None)
        self.engine = EngineServer(self._connected, self._received, self._closed, **options)
        app: WSGIApp = wrap(self.engine) if wrap else self.engine
        self._server = WSGIServer(listener, app, log=None, error_log=errors, **(server or {}))
        self._server.start()
        self.address: Address = self._server.socket.getsockname()
        #: With which peers speak TLS, if they do.
        self.tls: SSLContext | None = None
        self._peers: list[Peer | Connection | PollingPeer3] = []

    # Peers

    def connect(self) -> Connection:
        """Open a connection that sends nothing by itself."""
        return self.keep(Connection(self.address, self.tls))

    def polling(self, **options: Any) -> PollingPeer:
        """Open a session by polling."""
        return self.keep(PollingPeer(self.address, tls=self.tls, **options))

    def websocket(self, **options: Any) -> WebSocketPeer:
        """Open a session by websocket."""
        return self.keep(WebSocketPeer(self.address, tls=self.tls, **options)).open()

    def second_websocket(self, peer: PollingPeer) -> WebSocketPeer:
        """Open a websocket for a session that there is already."""
        return self.keep(WebSocketPeer(self.address, peer.websocket_target, tls=self.tls))

    def open(self, kind: str) -> Peer:
        """Open a session of one of the `KINDS`; its callback `on_connect` has been called."""
        known = len(self.sessions)
        peer: Peer = self.websocket() if kind == "websocket" else self.polling()
        until(lambda: len(self.sessions) > known)
        if kind == "upgraded":
            assert isinstance(peer, PollingPeer)
            session = self.sessions[-1]
            peer = self.keep(peer.upgrade())
            until(lambda: session.transport == "websocket")
        return peer

    def forget_peers(self) -> list[Peer | Connection | PollingPeer3]:
        """Return all peers, which are the caller's to close now."""
        peers, self._peers = self._peers, []
        return peers

    # The record

    def session(self, index: int = -1) -> Session:
        """Return a session, of those that have been opened; waits until there is one."""
        until(lambda: self.sessions)
        return self.sessions[index]

    def ending(self) -> DisconnectReason:
        """Wait for the end of the only session that there was, and return its reason."""
        until(lambda: self.endings, "no session has ended")
        [(session, reason)] = self.endings
        assert self.sessions == [session]
        return reason

    def open_sessions(self) -> int:
        """How many sessions the engine keeps."""
        return len(self.engine.sessions)

    # The end

    def close(self) -> None:
        """Close all peers, and the server; fail if anything is left."""
        try:
            for peer in self._peers:
                peer.close()
            until(lambda: not self.engine.sessions, f"sessions are left: {self.engine.sessions}")
            until(lambda: not self._busy_workers(), "callbacks are still running")
            ended = [session for session, _ in self.endings]
            assert sorted(map(id, ended)) == sorted(map(id, self.sessions)), "on_close was not called once for each"
        finally:
            self._server.stop(timeout=0)

    def _busy_workers(self) -> int:
        # Asked for only if there is one: to ask makes it.
        return self.engine.runtime.workers.busy if "runtime" in self.engine.__dict__ else 0

    def keep(self, peer: P) -> P:
        """Close a peer with the site, and return it."""
        self._peers.append(peer)
        return peer

    def _connected(self, session: Session) -> None:
        self.sessions.append(session)
        if self._hooks[0]:
            self._hooks[0](session)

    def _received(self, session: Session, data: str | bytes) -> None:
        self.messages.append(data)
        self._hooks[1](session, data)

    def _closed(self, session: Session, reason: DisconnectReason) -> None:
        self.endings.append((session, reason))
        if self._hooks[2]:
            self._hooks[2](session, reason)
