"""User code runs here: a pool of reusable greenlets, and queues that keep its order.

A worker is switched into straight from the hub, runs one job to its end or to its first blocking
call, and goes back to the pool. A greenlet per job costs twice as much: CPython maps a new data
stack for each. What one job leaves behind is never seen by the next: see `Worker`.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent, greenlet

from geventsio.errors import SocketClosedError

if TYPE_CHECKING:
    from geventsio.engine.runtime import Runtime

__all__ = ["SLICE", "JobQueue", "WorkerPool"]

logger = logging.getLogger("geventsio.engine")

#: Seconds that one hub callback may go on starting jobs while more are waiting; then it is others' turn.
SLICE = 0.001

#: Idle workers that are kept. A greenlet holds some KB of stack, and more than this many handlers
#: blocked at once is rare.
MAX_IDLE = 256

Job = Callable[..., object]
Link = Callable[[greenlet], object]


class Worker(greenlet):
    """A greenlet that runs one job after another.

    It stands in for `gevent.Greenlet` where other code looks at the current greenlet:

    * `rawlink` collects the callbacks by which `gevent.local` and a patched `threading` clean up
      when a greenlet ends; they run when a job ends.
    * every job starts with an empty `contextvars.Context`, and with no attributes set on the greenlet.
    * `throw` does nothing once the job has ended, as on a finished `gevent.Greenlet`.
    """

    __slots__ = ("_links", "_pool", "_args", "_idle", "_job", "_queue")

    def __init__(self, pool: WorkerPool) -> None:
        super().__init__(self._work, pool.hub)
        self._pool = pool
        self._links: list[Link] = []
        self._idle = True
        self._job: Job | None = None
        self._args: tuple[Any, ...] = ()
        #: Who is told that the job has ended.
        self._queue: JobQueue | Overlap | None = None

    @property
    def loop(self) -> Any:
        """The hub's loop; `gevent.killall` looks for it."""
        return self._pool.runtime.loop

    def rawlink(self, callback: Link) -> None:
        """Have the callback called with this greenlet when the running job ends."""
        self._links.append(callback)

    def unlink(self, callback: Link) -> None:
        """Forget a callback that `rawlink` was given."""
        if callback in self._links:
            self._links.remove(callback)

    def throw(self, *exception: Any) -> Any:
        """Raise an exception in the running job; when there is none, end the worker and raise nothing."""
        if self.dead:
            return None
        if self._idle:
            self._pool.runtime.loop.run_callback(self.end)
            return None
        return super().throw(*exception)

    def end(self) -> None:
        """End the worker if it is idle. Only from the hub."""
        if self._idle and self._job is None and not self.dead:
            super().throw(GreenletExit)

    def begin(self) -> None:
        """Switch to the worker, unless it has begun already. Only from the hub."""
        if self._idle and self._job is not None:
            job, args, begin = self._job, self._args, monotonic()
            self.switch()
            if monotonic() - begin > self._pool.threshold:
                self._pool.blocked(job, args, begin)

    def _work(self) -> None:
        pool = self._pool
        while True:
            job, args = self._job, self._args
            if job is None:
                if not self._wait():
                    return
                continue
            self._idle = False
            try:
                job(*args)
            except BaseException as error:
                pool.report(error)
            self._job = job = None
            self._args = args = ()
            self._clean()
            queue, self._queue = self._queue, None
            if queue is not None:
                queue._finished()
                queue = None
            if not pool._take_back(self):
                return

    def _wait(self) -> bool:
        """Wait for a job; return False when the worker shall end."""
        self._idle = True
        try:
            self._pool.home.switch()
        except GreenletExit:
            return self._job is not None
        except BaseException:  # a kill or a gevent.Timeout that was meant for a job long gone
            logger.debug("an exception was thrown into an idle worker", exc_info=True)
        return True

    def _clean(self) -> None:
        while self._links:
            link = self._links.pop()
            try:
                link(self)
            except BaseException as error:
                self._pool.report(error)
        attributes = self.__dict__
        if attributes:
            attributes.clear()
        # The next job makes a context of its own when it sets a variable. Done here and not there, for an idle worker
        # would keep what the variables hold: a socket, long closed.
        self.gr_context = None


def _count_references(worker: Worker) -> int:
    return sys.getrefcount(worker)


class WorkerPool:
    """Reusable greenlets of one hub."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.hub = runtime.hub
        #: Where idle workers switch to: the hub, but for the first one, which is only made to be counted.
        self.home: Any = getcurrent()
        worker = Worker(self)
        worker.switch()
        self.home = self.hub
        self._own_references = _count_references(worker)
        self._idle = [worker]
        self._watchdog = runtime.watchdog
        #: Seconds that a job may keep the hub; see `Watchdog`.
        self.threshold = inf if runtime.watchdog is None else runtime.watchdog.threshold
        #: Workers that are running a job, or are about to.
        self.busy = 0
        self._max_idle = MAX_IDLE

    def start(self, queue: JobQueue | None, job: Job, args: tuple[Any, ...]) -> None:
        """Run a job in a worker: at once when called in the hub, else in the loop's next round."""
        worker = self._pick()
        worker._queue = queue
        worker._args = args
        worker._job = job
        self.busy += 1
        if getcurrent() is self.hub:
            begin = monotonic()
            worker.switch()
            if monotonic() - begin > self.threshold:
                self.blocked(job, args, begin)
        else:
            self.runtime.loop.run_callback(worker.begin)

    def close(self) -> None:
        """End the idle workers, and keep none from now on: a suspended greenlet is never collected."""
        self._max_idle = 0
        while self._idle:
            self.runtime.loop.run_callback(self._idle.pop().end)

    def blocked(self, job: Job, args: tuple[Any, ...], begin: float) -> None:
        """Take it that a job, begun at `begin`, has kept the hub for longer than the threshold."""
        if self._watchdog is not None:
            self._watchdog.blocked(job, args, monotonic() - begin)

    def report(self, error: BaseException) -> None:
        """Take what escaped from a job: system errors go to the main greenlet, the rest to the log."""
        if isinstance(error, (GreenletExit, SocketClosedError)):
            return  # killed on purpose, or the client left while the callback ran
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.hub.handle_system_error(type(error), error)
            return
        logger.error("uncaught exception in a callback", exc_info=error)

    def _pick(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            # A worker that somebody still holds (a gevent.Timeout that its job never cancelled, a
            # greenlet kept to be killed later) could be struck in the middle of another's job.
            if not worker.dead and _count_references(worker) <= self._own_references:
                return worker
            # Suspended greenlets are not collected, so it must be ended.
            self.runtime.loop.run_callback(worker.end)
        return Worker(self)

    def _take_back(self, worker: Worker) -> bool:
        self.busy -= 1
        if len(self._idle) >= self._max_idle:
            return False
        self._idle.append(worker)
        return True


class Overlap:
    """The jobs of one queue that let later ones start before they have ended."""

    __slots__ = ("_held", "_limit", "_queue", "_running")

    def __init__(self, queue: JobQueue, limit: float) -> None:
        self._queue = queue
        self._limit = limit
        self._running = 0
        self._held = False

    def begin(self, worker: Worker) -> None:
        """Let the queue go on beside a worker's job, unless too many run already."""
        worker._queue = self
        self._running += 1
        if self._running < self._limit:
            self._queue._finished()
        else:
            self._held = True

    def lift(self) -> None:
        """Have no limit any more."""
        self._limit = inf
        self._release()

    def _finished(self) -> None:
        self._running -= 1
        self._release()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._queue._finished()


class JobQueue:
    """Jobs that run one after another, in the order in which they were submitted.

    While a job blocks, later ones wait, but for those that overlap. Nothing here switches greenlets, other than
    into a worker from the hub, which comes back.
    """

    __slots__ = ("_jobs", "_overlap", "_pool", "_running", "_scheduled", "drained")

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._overlap: Overlap | None = None
        self._jobs: deque[tuple[Job, tuple[Any, ...]]] | None = None  # an idle client's deque would cost 600 bytes
        self._running = False
        self._scheduled = False
        #: Called once, in the hub or a worker, when the last waiting job has been started.
        self.drained: Callable[[], object] | None = None

    def __len__(self) -> int:
        jobs = self._jobs  # another thread may ask
        return 0 if jobs is None else len(jobs)

    def submit(self, job: Job, *args: Any) -> bool:
        """Run `job(*args)` in a worker when all that was submitted before has ended; return whether it waits."""
        if self._running or self._jobs is not None:
            if self._jobs is None:
                self._jobs = deque()
            self._jobs.append((job, args))
            return True
        self._running = True
        self._pool.start(self, job, args)
        return False

    def overlap(self, limit: int) -> None:
        """Let later jobs start from now on, though the one that calls this has not ended.

        Args:
            limit: how many jobs may run so; the last of them holds up later ones until one has ended.
        """
        worker = getcurrent()
        if isinstance(worker, Worker) and worker._queue is self:
            if self._overlap is None:
                self._overlap = Overlap(self, limit)
            self._overlap.begin(worker)

    def lift(self) -> None:
        """Let the jobs that wait start, however many overlap."""
        if self._overlap is not None:
            self._overlap.lift()

    def _finished(self) -> None:
        self._running = False
        if self._jobs is not None and not self._scheduled:
            self._scheduled = True
            self._pool.runtime.loop.run_callback(self._pump)

    def _pump(self) -> None:
        """Start waiting jobs, in the hub, until one blocks or the slice is over."""
        self._scheduled = True  # keeps _finished from scheduling once more while jobs run to their end here
        end = monotonic() + SLICE
        while self._jobs is not None and not self._running:
            job, args = self._jobs.popleft()
            if not self._jobs:
                self._jobs = None
            self._running = True
            self._pool.start(self, job, args)
            if self._jobs is not None and not self._running and monotonic() > end:
                self._pool.runtime.backlog.add(self._pump)
                return
        self._scheduled = False
        if self._jobs is None and self.drained is not None:
            drained, self.drained = self.drained, None
            drained()
