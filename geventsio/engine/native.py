"""Native threads for code that would block the hub, and the way back from there to the clients."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from gevent import monkey
from gevent.event import AsyncResult, Event
from greenlet import greenlet

if TYPE_CHECKING:
    from gevent.threadpool import ThreadPool

    from geventsio.engine.server import EngineServer

__all__ = ["NativePool", "answer", "called_in_hub", "in_hub"]

P = ParamSpec("P")
R = TypeVar("R")

_thread_id: Callable[[], int] = monkey.get_original("_thread", "get_ident")
_allocate_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")

#: The pool of each thread in which a job runs now.
_working: dict[int, NativePool] = {}


def in_hub(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function where the clients are served: here, unless this is a thread of a pool. May block or switch.

    From a thread it is called in a greenlet that may wait, in a copy of the thread's context; the thread waits for
    what it returns or raises.
    """
    pool = _working.get(_thread_id()) if _working else None
    return function(*args, **kwargs) if pool is None else pool.ask(function, *args, **kwargs)


def called_in_hub(function: Callable[P, R]) -> Callable[P, R]:
    """Have all calls of a function made by `in_hub`; a decorator."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return in_hub(function, *args, **kwargs)

    return call


class NativePool:
    """Runs jobs in native threads, which are started when there is need of them, and stay.

    Not gevent's own pool of the hub: that one looks up names for everybody, who would wait behind the jobs.

    Args:
        server: serves the clients.
        size: how many threads there may be; more jobs wait for one, without the hub.
    """

    def __init__(self, server: EngineServer, size: int) -> None:
        self.size = size
        #: Jobs that run, or wait for a thread.
        self.jobs = 0
        self._server = server
        self._pool: ThreadPool | None = None
        # Who waits for a thread: gevent's pool would let a job that comes just when a thread is free overtake them.
        self._line: deque[Event] = deque()

    def run(self, job: Callable[..., R], *args: Any) -> R:
        """Run a job in a thread, in a copy of the caller's context, and return what it returns. Switches greenlets.

        In a thread of a pool it runs at once. A greenlet that is killed leaves its job behind: nothing ends a thread.
        """
        if _working and _thread_id() in _working:
            return job(*args)
        outcome = _Outcome(copy_context(), job, args, {})
        self._await_thread()
        end = self._start(outcome)
        if end is not None:
            end.get()
        return outcome.take()

    def ask(self, function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """See `in_hub`; only in a thread of this pool."""
        outcome = _Outcome(copy_context(), function, args, kwargs)
        lock = _allocate_lock()
        lock.acquire()
        runtime = self._server.runtime
        runtime.loop.run_callback_threadsafe(runtime.workers.start, None, answer, (outcome, lock))
        lock.acquire()
        return outcome.take()

    def close(self) -> None:
        """End the threads; there are no jobs. May switch greenlets."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.kill()

    def _await_thread(self) -> None:
        """Count a job, and wait until one of the threads is its own."""
        self.jobs += 1
        if self.jobs <= self.size:
            return
        turn = Event()
        self._line.append(turn)
        try:
            turn.wait()
        except BaseException:
            if turn.is_set():
                self._ended()
            else:
                self._line.remove(turn)
                self.jobs -= 1
            raise

    def _start(self, outcome: _Outcome[Any]) -> AsyncResult[None] | None:
        """Run a job in a thread, and return what waits for its end; None if it has run here."""
        if self._pool is None:
            self._pool = _make_pool(self.size, self._server.runtime.hub)
        try:
            end = self._pool.spawn(self._work, outcome)
        except BaseException as error:
            self._ended()
            if self._pool.size or not isinstance(error, RuntimeError):
                raise
            # No thread can be started: there are too many, or this is Python 3.12 and the interpreter exits.
            self.close()  # or a thread that is started later would find the job
            outcome.run()
            return None
        # Of the thread, which goes on if this greenlet is killed.
        end.rawlink(self._ended)
        return end

    def _ended(self, _: object = None) -> None:
        """Count a job out, and give its thread to the next in the line."""
        self.jobs -= 1
        if self._line:
            self._line.popleft().set()

    def _work(self, outcome: _Outcome[Any]) -> None:
        thread = _thread_id()
        _working[thread] = self
        try:
            # A greenlet of its own: what gevent.local, and a patched threading.local, keep for it ends with it.
            greenlet(outcome.run).switch()
        finally:
            del _working[thread]


class _Outcome(Generic[R]):
    """A function that is called in one thread, and what comes of it, which is taken in another."""

    __slots__ = ("_args", "_context", "_error", "_function", "_keywords", "_value")

    def __init__(
        self, context: Context, function: Callable[..., R], args: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        self._context = context
        self._function = function
        self._args = args
        self._keywords = keywords
        self._error: BaseException | None = None
        self._value: Any = None

    def run(self) -> None:
        """Call the function, and keep what it returns or raises."""
        try:
            self._value = self._context.run(self._function, *self._args, **self._keywords)
        except BaseException as error:
            self._error = error

    def take(self) -> R:
        """Return what the function has returned, or raise what it has raised."""
        error, self._error = self._error, None
        if error is None:
            return self._value  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error  # or its traceback would hold this frame, and this frame the error


def _make_pool(size: int, hub: Any) -> ThreadPool:
    from gevent.threadpool import ThreadPool  # imports `queue`, which a later monkey-patch would come too late for

    return ThreadPool(size, hub)


def answer(outcome: _Outcome[Any], lock: Any) -> None:
    """Do what a thread has asked for, and let it go on. A job of a worker greenlet, which may wait."""
    try:
        outcome.run()
    finally:
        lock.release()
