"""Tests of deadlines that share one timer."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from geventsio.engine.clock import Clock
from geventsio.engine.timeouts import Timeouts
from tests.engine.harness import count, take, until


@pytest.fixture
def loop() -> Iterator[Any]:
    """The hub's loop; fails a test that leaves one of its timers running."""
    loop: Any = gevent.get_hub().loop
    timer = type(loop.timer(0))
    gevent.sleep(0.001)  # what a hub makes once, it has made now
    before = count(timer)
    yield loop
    assert count(timer) <= before


def test_items_expire_once_and_in_order(loop: Any) -> None:
    expired: list[tuple[int, bool]] = []
    timeouts: Timeouts[int] = Timeouts(
        Clock(loop), 0.02, lambda item: expired.append((item, time.monotonic() >= earliest))
    )
    earliest = time.monotonic() + 0.02
    for item in range(5):
        timeouts.start(item)
    assert len(timeouts) == 5
    until(lambda: not timeouts)
    assert expired == [(item, True) for item in range(5)]


def test_the_time_that_an_item_was_due(loop: Any) -> None:
    due: list[float] = []
    timeouts: Timeouts[int] = Timeouts(Clock(loop), 0.02, lambda item: due.append(timeouts.due))
    began = time.monotonic() - 0.01
    timeouts.start(1, since=began)
    until(lambda: due)
    assert due == [began + 0.02]


def test_a_cancelled_item_does_not_expire(loop: Any) -> None:
    expired: list[str] = []
    timeouts = Timeouts(Clock(loop), 0.01, expired.append)
    for item in ("first", "second", "third"):
        timeouts.start(item)
    timeouts.cancel("first")
    timeouts.cancel("third")
    timeouts.cancel("unknown")
    assert "first" not in timeouts
    assert "second" in timeouts
    until(lambda: not timeouts)
    assert expired == ["second"]


def test_starting_anew_puts_an_item_behind_the_others(loop: Any) -> None:
    expired: list[str] = []
    timeouts = Timeouts(Clock(loop), 0.01, expired.append)
    for item in ("first", "second", "first"):
        timeouts.start(item)
    until(lambda: not timeouts)
    assert expired == ["second", "first"]


def test_clearing(loop: Any) -> None:
    expired: list[int] = []
    timeouts: Timeouts[int] = Timeouts(Clock(loop), 0.001, expired.append)
    timeouts.start(1)
    timeouts.clear()
    gevent.sleep(0.01)
    timeouts.start(2)
    until(lambda: not timeouts)
    assert expired == [2]


def test_any_number_of_items_takes_one_timer(loop: Any) -> None:
    kind = type(loop.timer(0))
    before = count(kind)
    timeouts: Timeouts[int] = Timeouts(Clock(loop), 10, print)
    for item in range(1000):
        timeouts.start(item)
    assert count(kind) == before + 1
    for item in range(1000):
        timeouts.cancel(item)
    assert count(kind) == before


def test_a_timer_keeps_no_program_running(loop: Any) -> None:
    active = loop.activecnt
    timeouts: Timeouts[int] = Timeouts(Clock(loop), 10, print)
    timeouts.start(1)
    assert loop.activecnt == active
    timeouts.clear()


def test_an_item_that_is_cancelled_by_the_one_before_it(loop: Any) -> None:
    expired: list[str] = []

    def expire(item: str) -> None:
        expired.append(item)
        timeouts.cancel("second")

    timeouts = Timeouts(Clock(loop), 0.01, expire)
    for item in ("first", "second", "third"):
        timeouts.start(item)
    until(lambda: not timeouts)
    assert expired == ["first", "third"]


def test_an_item_that_starts_itself_again(loop: Any) -> None:
    expired: list[str] = []

    def expire(item: str) -> None:
        expired.append(item)
        if len(expired) < 4:
            timeouts.start(item)

    timeouts = Timeouts(Clock(loop), 0.005, expire)
    timeouts.start("first")
    timeouts.start("second")
    until(lambda: not timeouts)
    assert sorted(expired[:2]) == ["first", "second"]
    assert len(expired) == 5


def test_an_error_holds_nothing_up(loop: Any, hub_errors: io.StringIO) -> None:
    expired: list[int] = []

    def expire(item: int) -> None:
        expired.append(item)
        if item == 1:
            raise AssertionError("the first one fails")

    timeouts: Timeouts[int] = Timeouts(Clock(loop), 0.005, expire)
    for item in (1, 2, 3):
        timeouts.start(item)
    until(lambda: not timeouts)
    assert expired == [1, 2, 3]
    assert hub_errors.getvalue().count("AssertionError: the first one fails") == 1
    take(hub_errors)


class TestLag:
    @pytest.mark.parametrize("late", [0.02, 0.3])
    def test_a_client_that_was_heard_meanwhile_is_not_timed_out(self, loop: Any, late: float) -> None:
        """The hub is blocked beyond the deadline, and what would have met it waits to be read."""
        expired: list[str] = []
        timeouts = Timeouts(Clock(loop), 0.05, expired.append)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            watcher = loop.io(ours.fileno(), 1)
            watcher.start(lambda: timeouts.cancel("client") if ours.recv(1) else None)
            timeouts.start("client")
            gevent.sleep(0)
            theirs.send(b"x")
            time.sleep(0.05 + late)
            until(lambda: not timeouts)
            watcher.stop()
            watcher.close()
        assert expired == []

    def test_later_items_are_excused_as_well(self, loop: Any) -> None:
        expired: list[str] = []
        timeouts = Timeouts(Clock(loop), 0.4, expired.append)
        timeouts.start("first")
        gevent.sleep(0.05)
        timeouts.start("second")
        gevent.sleep(0)
        time.sleep(0.6)  # well beyond both
        until(lambda: expired)
        assert expired == ["first"]
        assert "second" in timeouts
        timeouts.clear()

    def test_an_item_of_which_nothing_is_heard_still_expires(self, loop: Any) -> None:
        expired: list[str] = []
        timeouts = Timeouts(Clock(loop), 0.02, expired.append)
        timeouts.start("client")
        gevent.sleep(0)
        time.sleep(0.2)
        until(lambda: expired)
        assert expired == ["client"]

    def test_lag_that_is_not_excused(self, loop: Any) -> None:
        expired: list[str] = []
        timeouts = Timeouts(Clock(loop), 0.02, expired.append, excuses_lag=False)
        for item in ("first", "second"):
            timeouts.start(item)
        gevent.sleep(0)
        time.sleep(0.2)
        until(lambda: expired)
        assert expired == ["first", "second"]
