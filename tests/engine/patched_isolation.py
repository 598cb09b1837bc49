"""Tests of isolation that need a patched process; `test_workers_patched.py` runs them in one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent import getcurrent, monkey

from geventsio.engine import Session
from tests.engine.conftest import Serve
from tests.engine.harness import until

T = TypeVar("T")
Run = Callable[[Callable[[], Any]], Any]


def runner(serve: Serve) -> Run:
    """Return a function that runs another one in a callback, and returns its result."""
    queue: list[Callable[[], Any]] = []
    results: list[Any] = []
    site = serve(on_message=lambda session, data: results.append(queue.pop()()))
    peer = site.websocket()

    def run(job: Callable[[], Any]) -> Any:
        queue.append(job)
        peer.say("go")
        until(lambda: results)
        return results.pop()

    return run


class ThreadLocalRegistry:
    """As SQLAlchemy's: one object per thread, kept in a threading.local."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make
        self._local = threading.local()

    def __call__(self) -> object:
        try:
            return self._local.value
        except AttributeError:
            value = self._local.value = self._make()
            return value


def test_this_process_is_patched() -> None:
    assert monkey.is_module_patched("threading")
    assert threading.get_ident() == id(getcurrent())


def test_greenlets_are_shared(serve: Serve) -> None:
    """Or none of these tests would mean anything."""
    run = runner(serve)
    assert len({run(threading.get_ident) for _ in range(10)}) == 1


def test_threading_local(serve: Serve) -> None:
    run = runner(serve)
    local = threading.local()
    run(lambda: setattr(local, "user", "alice"))
    assert run(lambda: getattr(local, "user", None)) is None


def test_a_scoped_session(serve: Serve) -> None:
    run = runner(serve)
    registry = ThreadLocalRegistry(object)
    first = run(lambda: (registry(), registry()))
    assert first[0] is first[1]
    assert run(registry) is not first[0]


def test_a_scoped_session_of_a_callback_that_blocks(serve: Serve) -> None:
    registry = ThreadLocalRegistry(object)
    seen: dict[Session, list[object]] = {}

    def handle(session: Session, data: str | bytes) -> None:
        seen.setdefault(session, []).append(registry())
        time.sleep(0.005)
        assert registry() is seen[session][-1]

    site = serve(on_message=handle)
    peers = [site.websocket() for _ in range(10)]
    for _ in range(3):
        for peer in peers:
            peer.say("go")
    until(lambda: len(site.messages) == 30)
    until(lambda: not site.engine.runtime.workers.busy)
    values = [value for values in seen.values() for value in values]
    assert len(set(map(id, values))) == 30


def test_the_current_thread(serve: Serve) -> None:
    """A callback is a thread of its own, and leaves none behind."""
    run = runner(serve)
    main = threading.current_thread()
    before = threading.active_count()
    for _ in range(5):
        thread = run(threading.current_thread)
        assert thread is not main
        assert thread is not threading.main_thread()
    first, second = run(threading.current_thread), run(threading.current_thread)
    assert first is not second
    assert threading.active_count() == before


def test_a_thread_keeps_its_name_to_itself(serve: Serve) -> None:
    run = runner(serve)
    run(lambda: setattr(threading.current_thread(), "name", "alice's"))
    assert run(lambda: threading.current_thread().name) != "alice's"


def test_locks_and_threads_work_in_callbacks(serve: Serve) -> None:
    run = runner(serve)
    lock = threading.RLock()

    def job() -> int:
        with lock, lock:
            results: list[int] = []
            thread = threading.Thread(target=results.append, args=(7,))
            thread.start()
            thread.join()
            return results[0]

    assert [run(job) for _ in range(3)] == [7, 7, 7]


def test_a_lock_belongs_to_its_callback(serve: Serve) -> None:
    """An RLock that one callback never released is not the next one's, though both run in one greenlet."""
    run = runner(serve)
    lock = threading.Lock()
    run(lock.acquire)
    assert run(lambda: lock.acquire(blocking=False)) is False


def test_sleep_blocks_the_callback_only(serve: Serve) -> None:
    order: list[str | bytes] = []

    def handle(session: Session, data: str | bytes) -> None:
        if data == "slow":
            time.sleep(0.05)
        order.append(data)

    site = serve(on_message=handle)
    slow, fast = site.websocket(), site.websocket()
    slow.say("slow")
    fast.say("fast")
    until(lambda: len(order) == 2)
    assert order == ["fast", "slow"]


def test_a_timeout_of_a_callback(serve: Serve) -> None:
    def job() -> str:
        try:
            with gevent.Timeout(0.01):
                time.sleep(10)
        except gevent.Timeout:
            return "timed out"
        return "slept"

    assert runner(serve)(job) == "timed out"
