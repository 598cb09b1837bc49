"""Tests of the worker greenlets: they are used again, and what one callback leaves behind never reaches another."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.local
import pytest
from gevent import getcurrent
from gevent.event import Event

from geventsio.engine import Session
from geventsio.engine.runtime import Runtime
from geventsio.engine.workers import MAX_IDLE, Worker
from tests.engine.conftest import Serve
from tests.engine.harness import Site, count, take, until
from tests.engine.peer import WebSocketPeer

Job = Callable[[], object]


class Jobs:
    """Runs functions as the callbacks of messages, each to its end before the next is sent."""

    def __init__(self, serve: Serve) -> None:
        self._next: list[Job] = []
        self._results: list[object] = []
        self.site: Site = serve(on_message=self._handle)
        self.peer = self.site.websocket()

    def __call__(self, job: Job, peer: WebSocketPeer | None = None) -> Any:
        """Run a function in a callback and return its result; None if an exception escaped from it."""
        self.start(job, peer)
        busy = self.site.engine.runtime.workers
        until(lambda: not self._next and not busy.busy)
        return self._results.pop() if self._results else None

    def start(self, job: Job, peer: WebSocketPeer | None = None) -> None:
        """Have a function run in a callback."""
        self._next.append(job)
        (peer or self.peer).say("go")

    def _handle(self, session: Session, data: str | bytes) -> None:
        self._results.append(self._next.pop(0)())


@pytest.fixture
def run(serve: Serve) -> Jobs:
    return Jobs(serve)


@pytest.fixture(params=[True, False], ids=["from the hub", "from a greenlet"])
def both_ways(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Callable[[Job], Any]]:
    """Runs functions one after another in the same pool: started by the hub, or by a request's greenlet."""
    if request.param:
        yield Jobs(serve)
        return
    results: list[object] = []
    queue: list[Job] = []
    site = serve(on_message=lambda session, data: results.append(queue.pop(0)()))
    peer = site.polling()

    def run(job: Job) -> Any:
        queue.append(job)
        peer.say("go")
        until(lambda: not queue and not site.engine.runtime.workers.busy)
        return results.pop() if results else None

    yield run


class TestReuse:
    def test_jobs_share_a_greenlet(self, both_ways: Callable[[Job], Any]) -> None:
        ids = {both_ways(lambda: id(getcurrent())) for _ in range(20)}
        assert len(ids) == 1

    def test_a_greenlet_that_was_blocked_is_used_again(self, run: Jobs) -> None:
        def job() -> int:
            gevent.sleep(0)
            return id(getcurrent())

        first = run(job)
        assert run(lambda: id(getcurrent())) == first

    def test_the_pool_keeps_no_more_than_its_limit(self) -> None:
        pool = Runtime().workers
        before = count(Worker)  # one of them is idle in this pool
        go = Event()
        for _ in range(MAX_IDLE + 50):
            pool.start(None, go.wait, ())
        gevent.sleep(0)
        assert pool.busy == MAX_IDLE + 50
        assert count(Worker) == before - 1 + MAX_IDLE + 50
        go.set()
        until(lambda: not pool.busy)
        assert count(Worker) == before - 1 + MAX_IDLE

    @pytest.mark.parametrize(
        "keep", [lambda kept: gevent.Timeout.start_new(0.09), lambda kept: kept.append(getcurrent())]
    )
    def test_a_greenlet_that_was_kept_ends(self, keep: Callable[[list[object]], object]) -> None:
        """It is not used again, and once nobody keeps it any more it is gone."""
        pool = Runtime().workers
        before = count(Worker)
        kept: list[object] = []
        for _ in range(30):
            pool.start(None, keep, (kept,))
            until(lambda: not pool.busy)
        gevent.sleep(0.1)  # longer than the timeouts
        kept.clear()
        pool.start(None, int, ())
        until(lambda: not pool.busy)
        assert count(Worker) <= before + 1


class TestIsolation:
    """Two callbacks that run in the same greenlet are as far apart as in two."""

    def test_gevent_local(self, both_ways: Callable[[Job], Any]) -> None:
        local = gevent.local.local()
        both_ways(lambda: setattr(local, "user", "alice"))
        assert both_ways(lambda: getattr(local, "user", None)) is None

    def test_a_subclass_of_gevent_local_is_initialised_anew(self, run: Jobs) -> None:
        made: list[int] = []

        class Request(gevent.local.local):
            user: int

            def __init__(self) -> None:
                made.append(id(getcurrent()))

        request = Request()
        made.clear()

        def job() -> int:
            request.user = 1
            return id(getcurrent())

        workers = [run(job) for _ in range(3)]
        assert made == workers
        assert len(set(workers)) == 1

    def test_contextvars(self, both_ways: Callable[[Job], Any]) -> None:
        user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
        both_ways(lambda: user.set("alice"))
        assert both_ways(user.get) == "nobody"

    def test_contextvars_of_the_greenlet_that_submits(self, serve: Serve) -> None:
        user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
        seen: list[str] = []

        def middleware(app: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
                user.set("alice")
                return app(environ, start_response)

            return wrapped

        site = serve(lambda session: seen.append(user.get()), wrap=middleware)
        site.polling().say("hello")
        until(lambda: seen)
        assert seen == ["nobody"]

    def test_a_contextvar_is_kept_while_a_callback_blocks(self, run: Jobs) -> None:
        user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
        other = run.site.websocket()
        go = Event()
        seen: list[str] = []

        def first() -> None:
            user.set("alice")
            go.wait()
            seen.append(user.get())

        def second() -> None:
            user.set("bob")
            go.set()

        run.start(first)
        run.start(second, other)
        until(lambda: seen)
        assert seen == ["alice"]

    def test_a_registry_keyed_by_the_greenlet(self, run: Jobs) -> None:
        """As SQLAlchemy's scoped_session with scopefunc=getcurrent, and no remove() at the end."""
        registry: dict[object, object] = {}

        def session() -> object:
            return registry.setdefault(getcurrent(), object())

        assert run(session) is not run(session)

    def test_attributes_of_the_greenlet(self, both_ways: Callable[[Job], Any]) -> None:
        both_ways(lambda: setattr(getcurrent(), "user", "alice"))
        assert both_ways(lambda: getattr(getcurrent(), "user", None)) is None

    @pytest.mark.parametrize("name", ["job", "args", "queue", "idle", "name"])
    def test_an_attribute_that_the_worker_has_itself(self, run: Jobs, name: str) -> None:
        def job() -> None:
            try:
                setattr(getcurrent(), name, ("mine", 1))
            except AttributeError:
                pass
            gevent.sleep(0)

        run(job)
        assert run(lambda: getattr(getcurrent(), name, None)) != ("mine", 1)
        assert [run(lambda: 7) for _ in range(3)] == [7, 7, 7]

    def test_rawlink_is_called_when_the_callback_ends(self, run: Jobs) -> None:
        ended: list[object] = []

        def job() -> object:
            getcurrent().rawlink(ended.append)  # type: ignore[attr-defined]
            gevent.sleep(0)
            assert ended == []
            return getcurrent()

        greenlet = run(job)
        assert ended == [greenlet]
        del greenlet
        run(lambda: None)
        assert len(ended) == 1

    def test_a_link_that_raises_is_logged_and_the_others_are_called(
        self, run: Jobs, caplog: pytest.LogCaptureFixture
    ) -> None:
        ended: list[str] = []

        def job() -> None:
            worker: Any = getcurrent()
            worker.rawlink(lambda _: ended.append("first"))
            worker.rawlink(lambda _: 1 / 0)
            worker.rawlink(lambda _: ended.append("last"))

        run(job)
        assert sorted(ended) == ["first", "last"]
        assert [record.exc_info and record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]
        caplog.clear()

    def test_what_a_callback_spawns_is_apart_from_it(self, run: Jobs) -> None:
        local = gevent.local.local()

        def job() -> object:
            local.user = "alice"
            spawned = gevent.spawn(getattr, local, "user", "nobody")
            return spawned.get(), local.user

        assert run(job) == ("nobody", "alice")

    def test_a_spawned_greenlet_outlives_its_callback(self, run: Jobs) -> None:
        go = Event()
        spawned: Any = run(lambda: gevent.spawn(lambda: go.wait() and "done"))
        assert not spawned.ready()
        go.set()
        assert spawned.get() == "done"


class TestStrikes:
    """Exceptions thrown from outside hit the callback that they were meant for, or nobody."""

    def test_a_timeout_that_is_never_cancelled(self, run: Jobs) -> None:
        timeouts: list[gevent.Timeout] = []
        run(lambda: timeouts.append(gevent.Timeout.start_new(0.02)))

        def wait_for_it() -> bool:
            while timeouts[0].pending:
                gevent.sleep(0.001)
            gevent.sleep(0.001)
            return True

        assert run(wait_for_it) is True

    def test_many_timeouts_that_are_never_cancelled(self, run: Jobs) -> None:
        for _ in range(20):
            run(lambda: gevent.Timeout.start_new(0.03))

        def job() -> str:
            gevent.sleep(0.005)
            return "untouched"

        # All of them strike while these callbacks run, one after another and blocking.
        assert [run(job) for _ in range(10)] == ["untouched"] * 10

    def test_a_kept_greenlet_is_killed_after_its_callback(self, run: Jobs) -> None:
        kept = run(getcurrent)

        def next_one() -> str:
            gevent.kill(kept)
            gevent.sleep(0.001)
            return "untouched"

        assert run(next_one) == "untouched"

    def test_a_kept_greenlet_is_thrown_into_after_its_callback(self, run: Jobs) -> None:
        kept = run(getcurrent)
        go = Event()
        run.start(go.wait)
        kept.throw(ValueError("too late"))
        kept.throw(gevent.GreenletExit)
        kept.throw(gevent.GreenletExit)
        go.set()
        assert run(lambda: "untouched") == "untouched"

    def test_killall_on_running_callbacks(self, run: Jobs) -> None:
        running: list[Any] = []

        def job() -> None:
            running.append(getcurrent())
            gevent.sleep(10)

        run.start(job)
        run.start(job, run.site.websocket())
        until(lambda: len(running) == 2)
        gevent.killall(running, block=False)
        assert run(lambda: "next") == "next"

    def test_a_timeout_escapes(self, run: Jobs, caplog: pytest.LogCaptureFixture) -> None:
        def job() -> None:
            gevent.Timeout.start_new(0.001)
            gevent.sleep(10)

        run(job)
        assert [record.exc_info and record.exc_info[0] for record in caplog.records] == [gevent.Timeout]
        caplog.clear()
        assert run(lambda: "next") == "next"

    def test_a_running_callback_is_killed(self, run: Jobs, caplog: pytest.LogCaptureFixture) -> None:
        running: list[Any] = []
        cleaned: list[bool] = []

        def job() -> None:
            running.append(getcurrent())
            try:
                gevent.sleep(10)
            finally:
                cleaned.append(True)

        run.start(job)
        until(lambda: running)
        gevent.kill(running.pop())
        assert run(lambda: "next") == "next"
        assert cleaned == [True]
        assert caplog.records == []  # it was meant

    def test_a_callback_that_raises_is_logged_once(self, run: Jobs, caplog: pytest.LogCaptureFixture) -> None:
        run(lambda: 1 / 0)
        [record] = caplog.records
        assert record.name == "geventsio.engine"
        assert record.exc_info and record.exc_info[0] is ZeroDivisionError
        caplog.clear()
        assert run(lambda: "next") == "next"

    @pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
    @pytest.mark.parametrize("blocks", [False, True])
    def test_a_system_error_reaches_the_main_greenlet(
        self, run: Jobs, kind: type[BaseException], blocks: bool, hub_errors: Any
    ) -> None:
        def job() -> None:
            if blocks:
                gevent.sleep(0)
            raise kind("enough")

        run.start(job)
        with pytest.raises(kind, match="enough"):
            Event().wait(10)
        # Who catches it may go on.
        assert run(lambda: "next") == "next"
        take(hub_errors)
