"""What the test clients of one server share: its clock, its rest, and the errors of its handlers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import gevent
from gevent.event import Event

from geventsio.server import SocketIO
from geventsio.testing.clock import FakeClock
from geventsio.types import DisconnectReason
from geventsio.wsgi import Layer

__all__ = ["Bench", "find_server"]

T = TypeVar("T")

#: Looks in a row that must find nothing to do. One would be enough with libev; libuv's idea of idle is weaker.
QUIET_LOOKS = 3

#: Seconds after which a server that is never at rest is given up.
RESTLESS = 10.0


class Bench:
    """A server under test.

    Args:
        io: the server; its hub is taken now.

    Attributes:
        errors: what escaped from handlers and has not been raised to the test yet.
        clock: the server's time.
    """

    _benches: WeakKeyDictionary[SocketIO, Bench] = WeakKeyDictionary()

    def __init__(self, io: SocketIO) -> None:
        self.io = io
        if io.engine.has_started and io.engine.runtime.is_foreign_thread():
            raise RuntimeError("this server is in use in another thread: let its live server come to an end first")
        runtime = self._runtime = io.engine.runtime
        if runtime.watchdog is not None:
            runtime.watchdog.ignores_others = True
        self._warned = io.engine.acceptor.warns
        io.engine.acceptor.warns = False  # test clients bring no sockets
        self.errors: list[BaseException] = []
        self.clock = FakeClock(runtime.loop, runtime.clock, self.rest, self._moved)
        self._news = Event()
        self._users = 0
        self._raising_users = 0
        self._sids: list[str] = []
        io.error_hooks.append(self.failed)

    @classmethod
    def enter(cls, io: SocketIO, raises: bool) -> Bench:
        """The bench of a server, with one more user, who may want to have its handlers' errors raised."""
        bench = cls._benches.get(io)
        if bench is None:
            bench = cls._benches[io] = cls(io)
        bench._users += 1
        bench._raising_users += raises
        return bench

    def leave(self, timeout: float, raises: bool) -> None:
        """Count one user less; the last one leaves the server as it was found. Switches greenlets.

        Args:
            timeout: seconds that handlers have to end.
            raises: as the user told `enter`.
        """
        self.rest()
        self._users -= 1
        self._raising_users -= raises
        if self._users:
            return
        self._drop_sessions()
        workers = self._runtime.workers
        self.wait_for(lambda: not workers.busy, timeout)
        self._benches.pop(self.io, None)
        self.io.error_hooks.remove(self.failed)
        self.clock.give_back()
        if self._runtime.watchdog is not None:
            self._runtime.watchdog.ignores_others = False
        self.io.engine.acceptor.warns = self._warned
        if workers.busy:
            message = f"{workers.busy} of the server's handlers still run, or wait, when the last test client has left"
            warnings.warn(message, ResourceWarning, stacklevel=3)
        elif not self.io.engine.sessions:
            self.io.release()

    def opened(self, sid: str) -> None:
        """Take note of a session, which is to be closed in the end, come what may."""
        self._sids.append(sid)

    def rest(self) -> None:
        """Let the server run until there is nothing that it could do at once. Switches greenlets.

        Its handlers have ended then, or wait for something: time, an acknowledgement, a lock, the network.

        Raises:
            RuntimeError: it goes on and on.
        """
        looks = 0
        restless = gevent.Timeout.start_new(RESTLESS)
        try:
            while looks < QUIET_LOOKS:
                gevent.idle()
                # Callbacks may be waiting that the loop left for its next round, and what is held back for some
                # milliseconds so that it travels apart from what went before.
                is_quiet = not getattr(self._runtime.loop, "_callbacks", ()) and not self._runtime.held
                looks = looks + 1 if is_quiet else 0
        except gevent.Timeout as error:
            if error is not restless:
                raise
            raise RuntimeError(f"the server did not come to rest in {RESTLESS:g} seconds") from None
        finally:
            restless.close()

    def wait_for(self, probe: Callable[[], T], timeout: float) -> T:
        """Let the server run until the probe is true, for `timeout` real seconds at most; return what it says then.

        The server is at rest afterwards. Switches greenlets.
        """
        self.rest()
        end = monotonic() + timeout
        while not probe() and (left := end - monotonic()) > 0:
            self._news.clear()
            self._news.wait(min(left, 0.05))
        self.rest()
        return probe()

    def tell(self) -> None:
        """Have those look who wait: something has changed."""
        self._news.set()

    def failed(self, error: BaseException) -> None:
        """Take an exception that escaped from a handler, or from the WSGI app."""
        self.errors.append(error)
        self.tell()

    def _moved(self) -> None:
        """Raise what has escaped while the clock was moved; it belongs to all users."""
        if self._raising_users:
            self.raise_error()

    def _drop_sessions(self) -> None:
        """End the sessions whose clients can't do it, because the WSGI app fails them."""
        for sid in self._sids:
            session = self.io.engine.sessions.get(sid)
            if session is not None:
                session.drop(DisconnectReason.TRANSPORT_ERROR)
                session.forget()
        self._sids.clear()
        self.rest()

    def raise_error(self) -> None:
        """Raise the first of the errors, if there is one."""
        if self.errors:
            raise self.errors.pop(0)


def find_server(app: Any) -> SocketIO | None:
    """The server in a WSGI app whose `layer` or `service` is its outermost part, or its `wsgi_app`."""
    for candidate in (app, getattr(app, "wsgi_app", None)):
        if isinstance(candidate, SocketIO):
            return candidate
        if isinstance(candidate, Layer):
            server = getattr(candidate.handle, "__self__", None)
            if isinstance(server, SocketIO):
                return server
    return None
