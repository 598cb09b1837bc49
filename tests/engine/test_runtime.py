"""Tests of what a server's sessions share: turns of the loop, work put off, and calls from other threads."""

from __future__ import annotations

import io
import os
import threading
from time import perf_counter

import gevent

from geventsio.engine.runtime import Runtime
from tests.engine.harness import take, until


class TestTicker:
    def test_a_turn_ends_before_the_loop_polls(self) -> None:
        ticker = Runtime().ticker
        first = ticker.begin()
        assert ticker.begin() == first
        gevent.sleep(0)
        assert ticker.begin() == first + 1
        gevent.sleep(0)
        assert ticker.number == first + 2

    def test_an_idle_server_has_no_turns(self) -> None:
        ticker = Runtime().ticker
        ticker.begin()
        gevent.sleep(0)
        number = ticker.number
        gevent.sleep(0.01)
        assert ticker.number == number


class TestBacklog:
    def test_callbacks_are_called_once_and_in_order(self) -> None:
        called: list[int] = []
        backlog = Runtime().backlog
        for number in range(100):
            backlog.add(lambda number=number: called.append(number))  # type: ignore[misc]
        assert called == []
        until(lambda: len(called) == 100)
        gevent.sleep(0.002)
        assert called == list(range(100))

    def test_work_that_adds_itself_takes_turns_with_io(self) -> None:
        """A descriptor that becomes readable is served although there is always more to do."""
        loop = gevent.get_hub().loop
        backlog = Runtime().backlog
        rounds = 0
        read_after: list[int] = []

        def work() -> None:
            nonlocal rounds
            rounds += 1
            if not read_after:
                backlog.add(work)

        reader, writer = os.pipe()
        watcher = loop.io(reader, 1)
        watcher.start(lambda: read_after.append(rounds))
        backlog.add(work)
        until(lambda: rounds)
        written_at = rounds
        os.write(writer, b"x")
        until(lambda: read_after)
        watcher.stop()
        watcher.close()
        os.close(reader)
        os.close(writer)
        assert read_after[0] - written_at <= 20

    def test_long_work_is_spread_over_several_turns(self) -> None:
        """Each of fifty callbacks takes a millisecond; a timer that is due fires in between."""
        loop = gevent.get_hub().loop
        backlog = Runtime().backlog
        done = 0
        fired_after: list[int] = []

        def work() -> None:
            nonlocal done
            end = perf_counter() + 0.001
            while perf_counter() < end:
                pass
            done += 1

        for _ in range(50):
            backlog.add(work)
        timer = loop.timer(0.001)
        timer.start(lambda: fired_after.append(done))
        until(lambda: done == 50)
        timer.close()
        assert fired_after[0] <= 15

    def test_waiting_for_a_turn(self) -> None:
        backlog = Runtime().backlog
        order: list[str] = []

        def work(name: str) -> None:
            for _ in range(3):
                order.append(name)
                backlog.wait()

        gevent.joinall([gevent.spawn(work, name) for name in "ab"])
        assert order == ["a", "b"] * 3

    def test_an_error_holds_nothing_up(self, hub_errors: io.StringIO) -> None:
        called: list[int] = []
        backlog = Runtime().backlog
        backlog.add(lambda: called.append(1))
        backlog.add(lambda: 1 / 0)
        backlog.add(lambda: called.append(2))
        until(lambda: hub_errors.getvalue())
        assert take(hub_errors).count("ZeroDivisionError: ") == 1
        until(lambda: called == [1, 2], "the others were forgotten")

    def test_it_leaves_no_timer(self) -> None:
        loop = gevent.get_hub().loop
        gevent.sleep(0.001)
        active = loop.activecnt
        called: list[int] = []
        Runtime().backlog.add(lambda: called.append(1))
        until(lambda: called)
        gevent.sleep(0.001)
        assert loop.activecnt <= active


class TestThreads:
    def test_calls_here_are_immediate(self) -> None:
        runtime = Runtime()
        called: list[int] = []
        runtime.call(called.append, 1)
        assert called == [1]
        assert not runtime.is_foreign_thread()

    def test_calls_from_another_thread_arrive_in_the_hub(self) -> None:
        runtime = Runtime()
        seen: list[tuple[bool, object]] = []
        foreign: list[bool] = []

        def elsewhere() -> None:
            foreign.append(runtime.is_foreign_thread())
            for number in range(100):
                runtime.call(lambda number: seen.append((gevent.getcurrent() is runtime.hub, number)), number)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        until(lambda: len(seen) == 100)
        thread.join()
        assert foreign == [True]
        assert seen == [(True, number) for number in range(100)]
