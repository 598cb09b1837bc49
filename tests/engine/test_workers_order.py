"""Tests of the order in which callbacks run, and of the turns that clients take."""

from __future__ import annotations

import random
from time import perf_counter

import gevent
import pytest
from gevent.event import Event

from geventsio.engine import Session
from tests.engine.conftest import Serve
from tests.engine.harness import Peer, until
from tests.engine.peer import frame


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


class TestTurns:
    @pytest.mark.parametrize(("kind", "messages"), [("websocket", 3000), ("polling", 1000)])
    def test_a_flood_delays_others_by_a_few_callbacks(self, serve: Serve, kind: str, messages: int) -> None:
        """Small messages in one segment to a callback that burns half a millisecond and never blocks."""
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
        flood: Peer = site.open(kind)
        other = site.websocket()
        flooding = gevent.spawn(flood.say, *["x"] * messages)
        until(lambda: burnt)
        delays = []
        while burnt < messages * 0.8:
            before = burnt
            other.say("echo")
            assert other.hear() == "echo"
            delays.append(echoed_at[-1] - before)
        assert len(delays) > messages / 200
        assert max(delays) <= 40
        flooding.get()
        until(lambda: burnt == messages)

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
