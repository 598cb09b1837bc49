"""Tests of the warnings about what blocked the hub."""

from __future__ import annotations

import gc
import io
import time
import weakref
from collections.abc import Callable

import gevent
import pytest

from geventsio.engine import EngineServer, Session
from geventsio.engine.watchdog import MAX_NAMES, Watchdog
from tests.engine.conftest import Serve
from tests.engine.harness import Site, until


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Returns the warnings that have been logged."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


#: Seconds: more than what a busy machine takes away from us, as a rule.
THRESHOLD = 0.25
LONG = 0.6


def block(session: Session, data: str | bytes) -> None:
    if data == "late":
        gevent.sleep(0.001)
    if data != "wait":
        time.sleep(LONG)
    else:
        gevent.sleep(LONG)
    session.send(data)


class TestWarnings:
    @pytest.mark.parametrize("kind", ["websocket", "polling"])
    def test_a_callback_is_named(self, serve: Serve, warnings: Callable[[], list[str]], kind: str) -> None:
        site = serve(on_message=block, blocked_threshold=THRESHOLD)
        site.open(kind).say("now")
        until(warnings)
        warning = warnings()[0]
        # What EngineServer was given: here a method that calls the function above.
        assert warning.startswith("Site._received blocked the hub for 0.")

    def test_a_callback_that_waits_is_not_named(self, serve: Serve, warnings: Callable[[], list[str]]) -> None:
        site = serve(on_message=block, blocked_threshold=THRESHOLD)
        peer = site.websocket()
        peer.say("wait")
        assert peer.hear() == "wait"
        assert [warning for warning in warnings() if "_received" in warning] == []

    def test_what_can_not_be_named(self, serve: Serve, warnings: Callable[[], list[str]]) -> None:
        site = serve(on_message=block, blocked_threshold=THRESHOLD)
        site.websocket().say("late")
        until(warnings)
        assert "something else than the beginning of a handler" in warnings()[0]

    def test_switched_off(self, serve: Serve, warnings: Callable[[], list[str]]) -> None:
        site = serve(on_message=block, blocked_threshold=None)
        peer = site.websocket()
        peer.say("now", "late")
        assert [peer.hear(), peer.hear()] == ["now", "late"]
        assert warnings() == []

    def test_two_servers_warn_once(self, serve: Serve, warnings: Callable[[], list[str]]) -> None:
        """They share the hub: what one can name is not a riddle to the other."""
        site = serve(on_message=block, blocked_threshold=THRESHOLD)
        other = serve(blocked_threshold=THRESHOLD)
        for peer in (site.websocket(), other.websocket()):
            peer.say("now")
            assert peer.hear() == "now"
        gevent.sleep(THRESHOLD)
        assert len(warnings()) == 1

    def test_a_closed_server_watches_no_more(self, serve: Serve, warnings: Callable[[], list[str]]) -> None:
        site = serve(blocked_threshold=THRESHOLD)
        site.websocket().close()
        until(lambda: site.endings)
        site.engine.close()
        time.sleep(LONG)
        gevent.sleep(THRESHOLD)
        assert warnings() == []

    def test_the_same_is_named_once_for_a_while(self, warnings: Callable[[], list[str]]) -> None:
        watchdog = Watchdog(gevent.get_hub().loop, 0.1)
        for _ in range(5):
            watchdog.blocked(block, (), 1.25)
            watchdog.blocked(until, (), 2.0)
        assert warnings() == [
            "block blocked the hub for 1.2 s: no client was served meanwhile",
            "until blocked the hub for 2.0 s: no client was served meanwhile",
        ]

    def test_any_number_of_names(self, warnings: Callable[[], list[str]]) -> None:
        watchdog = Watchdog(gevent.get_hub().loop, 0.1, lambda job, args: str(args[0]))
        for number in range(3 * MAX_NAMES):
            watchdog.blocked(block, (number,), 1.0)
        assert len(warnings()) == 3 * MAX_NAMES


def test_a_server_that_is_gone_is_not_kept(hub_errors: io.StringIO) -> None:
    def live() -> weakref.ref[EngineServer]:
        site = Site(hub_errors, blocked_threshold=0.05)
        site.websocket().close()
        until(lambda: site.endings)
        site.close()
        return weakref.ref(site.engine)

    server = live()
    until(lambda: gc.collect() >= 0 and server() is None)
