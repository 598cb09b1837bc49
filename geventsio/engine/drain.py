"""Shutdown: the last callbacks run, and the process waits for them, but not for ever."""

from __future__ import annotations

import atexit
import weakref
from time import monotonic
from typing import Protocol

from gevent.event import Event

__all__ = ["WaitGroup", "drain_all", "drain_at_exit"]

#: Seconds that the handlers of all servers of the process may take at interpreter exit.
EXIT_TIMEOUT = 5.0


class Drainable(Protocol):
    """A server that can say goodbye to its clients."""

    def close(self, timeout: float | None = None) -> object:
        """Close all sessions and wait for their handlers."""


class WaitGroup:
    """Counts what has begun and not ended, so that somebody can wait until nothing is left."""

    __slots__ = ("_count", "_none")

    def __init__(self) -> None:
        self._count = 0
        self._none = Event()
        self._none.set()

    def add(self) -> None:
        """Count one more."""
        self._count += 1
        self._none.clear()

    def done(self) -> None:
        """Count one less."""
        self._count -= 1
        if self._count == 0:
            self._none.set()

    def wait(self, timeout: float | None) -> bool:
        """Wait until the count is zero; False if it is not after `timeout` seconds. May switch greenlets."""
        return bool(self._none.wait(timeout))


_servers: weakref.WeakSet[Drainable] = weakref.WeakSet()


def drain_at_exit(server: Drainable) -> None:
    """Close a server when the interpreter exits, unless it is gone by then.

    Call it when the server's first request arrives: a hook that is registered before a fork would run in
    the parent as well. Under gunicorn's gevent workers the hub still runs when the hook does.
    """
    if not _servers:
        atexit.register(drain_all)
    _servers.add(server)


def drain_all(timeout: float = EXIT_TIMEOUT) -> None:
    """Close all servers of the process that have had a request. May switch greenlets.

    Args:
        timeout: seconds that the handlers of all of them may take.
    """
    end = monotonic() + timeout
    servers = list(_servers)
    _servers.clear()  # each is waited for once, though the interpreter's exit comes by here again
    for server in servers:
        server.close(timeout=max(0.0, end - monotonic()))
