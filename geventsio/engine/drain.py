"""Shutdown: clients are sent away a few at a time, and the process waits for their last callbacks, not for ever.

A process that serves is told to stop in many ways. `drain_all` is what all of them come to: `serve` calls it after a
signal, a `WorkerWatch` when a gunicorn worker stops, and an `atexit` hook in all other cases.
"""

from __future__ import annotations

import atexit
import os
import signal
import weakref
from collections.abc import Callable, Iterable, Sequence
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import gevent
from gevent.event import Event

from geventsio.types import DisconnectReason, TransportType

if TYPE_CHECKING:
    from geventsio.engine.session import Session

__all__ = [
    "TURN",
    "Drainable",
    "WaitGroup",
    "WorkerWatch",
    "close_sessions",
    "drain_all",
    "drain_at_exit",
    "in_turns",
    "watch_worker",
]

T = TypeVar("T")

#: Clients that are sent away each second at least, whatever `drain_timeout` is: a server with few need not wait.
MIN_RATE = 100

#: Seconds from one handful of clients to the next.
TURN = 0.05

#: Seconds from one look at a gunicorn worker to the next.
LOOK_INTERVAL = 0.25

#: The part of the time that gunicorn gives its workers that we take for ourselves.
SHARE = 0.8


class Drainable(Protocol):
    """A server that can say goodbye to its clients."""

    def drain(self, limit: float | None = None) -> object:
        """Send all clients away and wait for their callbacks, `limit` seconds at most. May switch greenlets."""


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


def in_turns(items: Sequence[T], seconds: float, act: Callable[[T], object]) -> None:
    """Do something with each item, spread evenly over some seconds. Switches greenlets, unless `seconds` is 0.

    Few items take less: see `MIN_RATE`.
    """
    rate = max(len(items) / seconds, MIN_RATE) if seconds > 0 else float("inf")
    begin = monotonic()
    done = 0
    while done < len(items):
        due = len(items) if seconds <= 0 else ceil((monotonic() - begin + TURN) * rate)
        for item in items[done:due]:
            act(item)
        done = due
        if done < len(items):
            gevent.sleep(TURN)


def close_sessions(sessions: Iterable[Session], spread: float) -> None:
    """Close sessions because the server stops: those on polling at once, the others spread over some seconds.

    Switches greenlets, unless `spread` is 0.
    """
    websockets = []
    for session in list(sessions):
        if session.transport is TransportType.POLLING:
            session.close(DisconnectReason.SERVER_SHUTTING_DOWN)
        else:
            websockets.append(session)
    in_turns(websockets, spread, lambda session: session.close(DisconnectReason.SERVER_SHUTTING_DOWN))


class WorkerWatch:
    """Notices that a gunicorn worker stops, whatever the cause: SIGTERM, a reload, `max_requests`.

    gunicorn tells nobody but its own configuration file, waits for requests that may be parked polls, and kills them
    after `graceful_timeout`. All of its workers keep the attribute `alive`.

    Args:
        loop: the hub's loop.
        worker: the gunicorn worker.
    """

    def __init__(self, loop: Any, worker: Any) -> None:
        self._worker = worker
        self._timer = loop.timer(LOOK_INTERVAL, LOOK_INTERVAL, ref=False)
        self._timer.start(self._look)

    def _look(self) -> None:
        if not self._worker.alive:
            self._timer.stop()
            self._timer.close()
            gevent.spawn(drain_all)


class _Process:
    """What there is once for each process that serves."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.servers: weakref.WeakSet[Drainable] = weakref.WeakSet()
        self.worker: Any = None
        self.watch: WorkerWatch | None = None
        self.draining: gevent.Greenlet[..., None] | None = None


_process: _Process | None = None


def _this_process() -> _Process:
    # A child that was forked while its parent served must leave the parent's clients alone.
    global _process
    if _process is None or _process.pid != os.getpid():
        _process = _Process()
    return _process


def drain_at_exit(server: Drainable) -> None:
    """Drain a server when its process is told to stop, unless it is gone by then.

    Call it when the server's first request arrives: a hook that is registered before a fork would run in
    the parent as well. Under gunicorn's gevent workers the hub still runs when the hook does.
    """
    process = _this_process()
    if not process.servers:
        atexit.register(drain_all)
    process.servers.add(server)
    worker = process.worker or _find_worker()
    if worker is not None and process.watch is None:
        process.worker = worker
        process.watch = WorkerWatch(gevent.get_hub().loop, worker)


def watch_worker(worker: Any) -> None:
    """Name the gunicorn worker of this process, where it can't be found by itself. Call it in the worker."""
    _this_process().worker = worker


def drain_all() -> None:
    """Drain all servers of the process that have had a request. Switches greenlets.

    Called again while it runs, it waits for the first call.
    """
    process = _this_process()
    if process.draining is None or process.draining.dead:
        servers = list(process.servers)
        process.servers.clear()  # each is waited for once, though the interpreter's exit comes by here again
        process.draining = gevent.spawn(_drain, servers, _limit(process.worker))
    process.draining.join()


def _drain(servers: list[Drainable], limit: float | None) -> None:
    gevent.joinall([gevent.spawn(server.drain, limit) for server in servers])


def _find_worker() -> Any:
    """The gunicorn worker of this process, to whom SIGTERM goes; None if there is none."""
    worker = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return worker if hasattr(worker, "alive") and hasattr(worker, "cfg") else None


def _limit(worker: Any) -> float | None:
    """The seconds before gunicorn would kill the worker, with some to spare; None where nobody does."""
    settings = getattr(worker, "cfg", None)
    times = [getattr(settings, name, None) for name in ("graceful_timeout", "timeout")]
    return min((SHARE * time for time in times if time), default=None)
