"""Tests of the worker greenlets: what one callback leaves behind never reaches another, order is kept, and turns are taken."""

from __future__ import annotations

import contextvars
import random
from collections.abc import Callable, Iterator
from time import perf_counter
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
from tests.engine.peer import WebSocketPeer, frame

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
        first = run(lambda: (gevent.sleep(0), id(getcurrent()))[1])
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
            def __init__(self) -> None:
                made.append(id(getcurrent()))

        request = Request()
        made.clear()
        workers = [run(lambda: (setattr(request, "user", 1), id(getcurrent()))[1]) for _ in range(3)]
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

        run.start(first)
        run.start(lambda: (user.set("bob"), go.set()), other)
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


class TestStrikes:
    """Exceptions thrown from outside hit the callback that they were meant for, or nobody."""

    def test_a_timeout_that_is_never_cancelled(self, run: Jobs) -> None:
        timeouts: list[gevent.Timeout] = []
        run(lambda: timeouts.append(gevent.Timeout.start_new(0.02)))

        def wait_for_it() -> bool:
            with gevent.Timeout(5, False):
                while timeouts[0].pending:
                    gevent.sleep(0.001)
            gevent.sleep(0.001)
            return True

        assert run(wait_for_it) is True

    def test_many_timeouts_that_are_never_cancelled(self, run: Jobs) -> None:
        for _ in range(20):
            run(lambda: gevent.Timeout.start_new(0.03))
        # All of them strike while these callbacks run, one after another and blocking.
        assert [run(lambda: gevent.sleep(0.005) or "untouched") for _ in range(10)] == ["untouched"] * 10

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
        run.start(lambda: (running.append(getcurrent()), gevent.sleep(10)))
        run.start(lambda: (running.append(getcurrent()), gevent.sleep(10)), run.site.websocket())
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


class TestOrder:
    def test_a_thousand_messages_with_random_pauses(self, serve: Serve) -> None:
        rng = random.Random(1)
        handled: list[str | bytes] = []
        overtaking: list[int] = []

        def handle(session: Session, data: str | bytes) -> None:
            if data == "other":
                overtaking.append(len(handled))
                session.send(data)
                return
            if rng.random() < 0.7:
                gevent.sleep(rng.choice((0, 0, 0.0002, 0.001)))
            handled.append(data)

        site = serve(on_message=handle)
        peer, other = site.websocket(), site.websocket()
        numbers = [str(number) for number in range(1000)]
        for start in range(0, 1000, 50):
            peer.say(*numbers[start : start + 50])
            other.say("other")
            assert other.hear() == "other"
        until(lambda: len(handled) == 1000)
        assert handled == numbers
        assert overtaking[-1] < 1000, "the other session waited until all was done"

    def test_posted_messages_keep_their_order(self, serve: Serve) -> None:
        rng = random.Random(2)
        handled: list[str | bytes] = []

        def handle(session: Session, data: str | bytes) -> None:
            gevent.sleep(rng.choice((0, 0.001)))
            handled.append(data)

        peer = serve(on_message=handle).polling()
        for start in range(0, 100, 10):
            peer.say(*map(str, range(start, start + 10)))
        until(lambda: len(handled) == 100)
        assert handled == [str(number) for number in range(100)]

    def test_a_session_waits_for_its_own_callbacks_only(self, serve: Serve) -> None:
        go = Event()
        handled: list[str | bytes] = []

        def handle(session: Session, data: str | bytes) -> None:
            if data == "block":
                go.wait()
            handled.append(data)

        site = serve(on_message=handle)
        blocked, free = site.websocket(), site.polling()
        blocked.say("block", "behind")
        free.say("free")
        until(lambda: handled)
        assert handled == ["free"]
        # The transport goes on all the while.
        blocked.send(frame(9, b"there?"))
        assert blocked.receive_frame() == (10, b"there?")
        go.set()
        until(lambda: len(handled) == 3)
        assert handled == ["free", "block", "behind"]

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


class TestTurns:
    def test_a_flood_delays_others_by_a_few_callbacks(self, serve: Serve) -> None:
        """3,000 small messages in one segment to a callback that burns half a millisecond and never blocks."""
        burnt = 0
        echoed_at: list[int] = []

        def handle(session: Session, data: str | bytes) -> None:
            nonlocal burnt
            if data == "echo":
                echoed_at.append(burnt)
                session.send(data)
                return
            end = perf_counter() + 0.0005
            while perf_counter() < end:
                pass
            burnt += 1

        site = serve(on_message=handle)
        flood, other = site.websocket(), site.websocket()
        flood.say(*["x"] * 3000)
        until(lambda: burnt)
        delays = []
        while burnt < 2500:
            before = burnt
            other.say("echo")
            assert other.hear() == "echo"
            delays.append(echoed_at[-1] - before)
        assert len(delays) > 20
        assert max(delays) <= 40
        until(lambda: burnt == 3000)

    def test_a_posted_flood_delays_others_by_a_few_callbacks(self, serve: Serve) -> None:
        burnt = 0
        echoed_at: list[int] = []

        def handle(session: Session, data: str | bytes) -> None:
            nonlocal burnt
            if data == "echo":
                echoed_at.append(burnt)
                session.send(data)
                return
            end = perf_counter() + 0.0005
            while perf_counter() < end:
                pass
            burnt += 1

        site = serve(on_message=handle)
        flood, other = site.polling(), site.websocket()
        flood.say(*["x"] * 1000)
        delays = []
        while burnt < 800:
            before = burnt
            other.say("echo")
            assert other.hear() == "echo"
            delays.append(echoed_at[-1] - before)
        assert len(delays) > 5
        assert max(delays) <= 40
        until(lambda: burnt == 1000)

    def test_a_flood_of_many_is_served_in_turns(self, serve: Serve) -> None:
        """Ten clients with 200 messages each are all under way before the first one is done."""
        handled: list[object] = []

        def handle(session: Session, data: str | bytes) -> None:
            end = perf_counter() + 0.0002
            while perf_counter() < end:
                pass
            handled.append(session)

        site = serve(on_message=handle)
        peers = [site.websocket() for _ in range(10)]
        for peer in peers:
            peer.send(b"".join(frame(1, b"4x") for _ in range(200)))
        until(lambda: len(handled) == 2000)
        first_done = min(len(handled) - 1 - handled[::-1].index(session) for session in site.sessions)
        assert {*handled[:first_done]} == {*site.sessions}
