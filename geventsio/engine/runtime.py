"""What all sessions of one server share: the hub, its clock of ticks, its workers and its timers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import gevent
from gevent import monkey
from gevent.hub import Waiter

from geventsio.engine.clock import Clock
from geventsio.engine.timeouts import Timeouts
from geventsio.engine.watchdog import DescribeJob, Watchdog, describe
from geventsio.engine.workers import WorkerPool

if TYPE_CHECKING:
    from geventsio.engine.outbox import WebSocketOutbox

__all__ = ["Assembler", "Backlog", "Runtime", "Ticker"]

#: Seconds of each turn of the loop that may go to work left over by earlier callbacks.
BACKLOG_SLICE = 0.004

#: Seconds that a message may take from its first part to its last: a fragmented one of a websocket, or a packet with
#: its attachments. Heartbeats go on in between, so nothing else would end a client that never finishes.
ASSEMBLY_TIMEOUT = 30.0

#: Seconds after which a client on the same machine has read what was sent before.
HOLD = 0.002

_thread_id: Callable[[], int] = monkey.get_original("_thread", "get_ident")


class Assembler(Protocol):
    """Puts a message together that arrives in parts."""

    def give_up(self) -> object:
        """Learn that the last part has not come in time; must not switch greenlets."""

    def __hash__(self) -> int: ...


class Runtime:
    """The hub that serves one server, taken when the first request arrives.

    Never at import: a process that forks or reloads afterwards would share a loop with its parent.

    Args:
        blocked_threshold: seconds for which a job may keep the hub before the log names it; None for ever.
        describe: names a job there.
    """

    def __init__(self, blocked_threshold: float | None = None, describe: DescribeJob = describe) -> None:
        self.hub: Any = gevent.get_hub()
        self.loop: Any = self.hub.loop
        self.clock = Clock(self.loop)
        self._thread = _thread_id()
        self.ticker = Ticker(self.loop)
        self.backlog = Backlog(self.loop)
        self.watchdog = None if blocked_threshold is None else Watchdog(self.loop, blocked_threshold, describe)
        self.workers = WorkerPool(self)
        #: Outboxes that keep back what follows a packet that shall arrive alone: a matter of the kernel's time.
        self.held: Timeouts[WebSocketOutbox] = Timeouts(
            Clock(self.loop), HOLD, lambda outbox: outbox.flush(), excuses_lag=False
        )
        #: Who has received the first part of a message.
        self.assembling: Timeouts[Assembler] = Timeouts(
            self.clock, ASSEMBLY_TIMEOUT, lambda assembler: assembler.give_up()
        )

    def is_foreign_thread(self) -> bool:
        """Whether the calling OS thread is not the one whose hub serves the clients."""
        return _thread_id() != self._thread

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function that must not block: now, or in the hub's thread when called from another."""
        if _thread_id() == self._thread:
            function(*args)
        else:
            self.loop.run_callback_threadsafe(function, *args)


class Ticker:
    """Counts the turns of the loop in which something was sent, and ends them with one flush.

    The first write of a tick goes out at once; writers that have more put themselves in `dirty`.
    """

    __slots__ = ("_loop", "dirty", "is_running", "number")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        #: Whether something has been sent in this tick.
        self.is_running = False
        self.number = 0
        self.dirty: list[WebSocketOutbox] = []

    def begin(self) -> int:
        """Return the number of this tick, which ends before the loop polls again."""
        if not self.is_running:
            self.is_running = True
            self._loop.run_callback(self._end)
        return self.number

    def _end(self) -> None:
        self.is_running = False
        self.number += 1
        if self.dirty:
            dirty, self.dirty = self.dirty, []
            for writer in dirty:
                writer.flush()


class Backlog:
    """Work that hub callbacks left over when their slice ended, done in turns with the I/O of others.

    `loop.run_callback` would not do: a callback that schedules itself again runs up to a thousand
    times, or for 5 ms and more, before the loop polls its sockets.
    """

    __slots__ = ("_loop", "_timer", "_waiting")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._timer: Any = None
        self._waiting: deque[Callable[[], object]] = deque()

    def add(self, callback: Callable[[], object]) -> None:
        """Have a callback called once, in the hub, after the loop has polled its sockets."""
        self._waiting.append(callback)
        if self._timer is None:
            self._arm()

    def wait(self) -> None:
        """Let others have their turn, in a greenlet that has worked for a while. Switches greenlets."""
        waiter: Waiter[None] = Waiter()
        self.add(lambda: waiter.switch(None))
        waiter.get()

    def _arm(self) -> None:
        self._timer = self._loop.timer(0)
        self._timer.start(self._run)

    def _run(self) -> None:
        self._timer.close()
        self._timer = None
        end = monotonic() + BACKLOG_SLICE
        try:
            for _ in range(len(self._waiting)):
                self._waiting.popleft()()
                if monotonic() > end:
                    break
        finally:
            if self._waiting and self._timer is None:
                self._arm()
