"""Tests of the server: its callbacks, its end, and that thousands of clients leave nothing behind."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent import getcurrent
from gevent._hub_local import get_hub_if_exists
from gevent.event import Event
from gevent.pool import Pool

from geventsio.engine import EngineServer, Session
from geventsio.engine.outbox import WebSocketOutbox
from geventsio.engine.polling import Poll, PollingTransport
from geventsio.engine.upgrade import Upgrade
from geventsio.engine.websocket import WebSocketConnection
from geventsio.engine.workers import JobQueue, Worker
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import KINDS, Site, count, take, until
from tests.engine.lives import LIVES, answer
from tests.engine.peer import Closed, PollingPeer, Refused, WebSocketPeer, frame


class TestOptions:
    def test_an_unknown_option(self) -> None:
        with pytest.raises(TypeError, match="ping_intervall.*ping_interval"):
            EngineServer(ping_intervall=1)

    @pytest.mark.parametrize("option", [{"ping_interval": 0}, {"max_payload": -1}, {"transports": []}])
    def test_an_impossible_value(self, option: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(option))):
            EngineServer(**option)

    @pytest.mark.parametrize("option", [{"ping_interval": "1"}, {"allow_upgrades": 1}, {"transports": "polling"}])
    def test_a_value_of_the_wrong_type(self, option: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match=next(iter(option))):
            EngineServer(**option)

    def test_clients_are_told(self, serve: Serve) -> None:
        peer = serve(ping_interval=1.5, ping_timeout=0.25, max_payload=12345).polling()
        del peer.handshake["sid"]
        assert peer.handshake == {
            "upgrades": ["websocket"],
            "pingInterval": 1500,
            "pingTimeout": 250,
            "maxPayload": 12345,
        }

    def test_a_server_without_callbacks(self, serve: Serve) -> None:
        engine = EngineServer()
        site = serve(wrap=lambda app: engine)
        peer = site.websocket()
        peer.say("hello")
        peer.send(frame(9, b"still there"))
        assert peer.receive_frame() == (10, b"still there")
        assert engine.close(timeout=5)


class TestCallbacks:
    @pytest.mark.parametrize("kind", KINDS)
    def test_their_order(self, serve: Serve, kind: str) -> None:
        order: list[str] = []

        def note(name: str) -> Callable[..., None]:
            def callback(*_: object) -> None:
                order.append(f"{name} begins")
                gevent.sleep(0.001)
                order.append(f"{name} ends")

            return callback

        site = serve(note("connect"), note("message"), note("close"))
        peer = site.open(kind)
        peer.say("a", "b")
        if isinstance(peer, PollingPeer):
            peer.post("1")
        else:
            peer.send_close()
        until(lambda: len(order) == 8)
        names = ("connect", "message", "message", "close")
        assert order == [f"{name} {what}" for name in names for what in ("begins", "ends")]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("where", ["connect", "message", "close"])
    def test_an_exception_is_logged_once_and_kills_nothing(
        self, serve: Serve, kind: str, where: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: object) -> None:
            raise ZeroDivisionError("in the callback")

        callbacks: dict[str, Any] = {f"on_{where}": fail}
        site = serve(**callbacks)
        peer = site.open(kind)
        peer.say("one", "two")
        until(lambda: len(site.messages) == 2)
        if where != "message":
            received: list[str | bytes] = []
            while len(received) < 2:
                received += peer.poll() if isinstance(peer, PollingPeer) else [peer.receive()]
            assert received == ["4one", "4two"]
        site.session().close()
        assert site.ending() is DisconnectReason.FORCED_CLOSE
        until(lambda: not site.engine.runtime.workers.busy)
        expected = {"connect": 1, "message": 2, "close": 1}[where]
        errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert [record.exc_info and record.exc_info[0] for record in errors] == [ZeroDivisionError] * expected
        assert site.engine.close(timeout=5)
        caplog.clear()
        if isinstance(peer, PollingPeer):
            assert peer.poll() == ["1"]

    def test_on_close_runs_once_though_everything_ends_a_session(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        session = site.session()
        peer.posts.request("POST", peer.target, (), b"4x\x1e1\x1e?")
        session.close()
        session.drop(DisconnectReason.PING_TIMEOUT)
        site.engine.close(timeout=0)
        assert peer.posts.answer().status in (200, 400)
        assert site.ending() is DisconnectReason.FORCED_CLOSE
        peer.get()


class TestInline:
    """Callbacks that run where the packet was read, for protocols on top."""

    def test_they_run_in_the_hub_or_in_the_request(self, serve: Serve) -> None:
        seen: list[tuple[str, bool]] = []
        hub = gevent.get_hub()

        def message(session: Session, data: str | bytes) -> None:
            seen.append((str(data), getcurrent() is hub))
            session.send(data)

        site = serve(
            lambda session: seen.append(("connect", getcurrent() is hub)),
            message,
            lambda session, reason: seen.append(("close", getcurrent() is hub)),
            inline=True,
        )
        peer = site.websocket()
        peer.say("hello")
        assert peer.hear() == "hello"
        peer.close()
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE
        assert seen == [("connect", False), ("hello", True), ("close", True)]

    def test_what_on_connect_sends_follows_the_handshake(self, serve: Serve) -> None:
        site = serve(lambda session: session.send("welcome"), inline=True)
        assert site.websocket().hear() == "welcome"
        assert site.polling().poll() == ["4welcome"]

    def test_closing_in_on_connect(self, serve: Serve) -> None:
        site = serve(lambda session: session.close(), inline=True)
        assert site.websocket().receive_all() == ([], 1000)
        assert site.polling().poll() == ["1"]

    def test_an_error_stops_no_connection(self, serve: Serve, hub_errors: Any, caplog: Any) -> None:
        def handle(session: Session, data: str | bytes) -> None:
            if data == "bad":
                raise ZeroDivisionError
            session.send(data)

        site = serve(on_message=handle, inline=True)
        peer, other = site.websocket(), site.websocket()
        peer.say("one", "bad", "two")
        other.say("other")
        assert other.hear() == "other"
        assert peer.hear() == "one"
        # Either it goes on, or it ends: it must not be deaf.
        peer.say("three")
        try:
            assert [peer.hear(), peer.hear()] == ["two", "three"]
        except Closed:
            pass
        assert "ZeroDivisionError" in take(hub_errors) + caplog.text
        caplog.clear()


class TestClose:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_session_ends(self, serve: Serve, kind: str) -> None:
        site = serve()
        peers = [site.open(kind) for _ in range(5)]
        for session in site.sessions:
            session.send("last words")
        assert site.engine.close(timeout=5)
        assert [reason for _, reason in site.endings] == [DisconnectReason.SERVER_SHUTTING_DOWN] * 5
        for peer in peers:
            if isinstance(peer, PollingPeer):
                assert peer.poll() == ["4last words", "1"]
            else:
                messages, code = peer.receive_all()
                assert messages == ["4last words"]
                assert code in (1000, 1001)
                peer.send_close()

    def test_parked_polls_are_answered(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        peer.start_poll()
        until(lambda: site.session().polling.is_polled)  # type: ignore[union-attr]
        assert site.engine.close(timeout=5)
        assert peer.gets.answer().packets == ["1"]

    def test_nobody_may_connect_afterwards(self, serve: Serve) -> None:
        site = serve()
        site.engine.close(timeout=0)
        connection = site.connect()
        connection.request("GET", "/engine.io/?EIO=4&transport=polling")
        answer = connection.answer()
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        with pytest.raises(Refused) as refused:
            site.websocket()
        assert refused.value.answer.status == 503

    def test_a_websocket_whose_handshake_is_being_answered(self, serve: Serve) -> None:
        """The server is closed while a middleware holds up the answer."""

        def slow(app: Any) -> Any:
            def middleware(environ: dict[str, Any], start_response: Any) -> Any:
                def closing(status: str, *args: Any) -> Any:
                    site.engine.close(timeout=0)
                    return start_response(status, *args)

                return app(environ, closing)

            return middleware

        site = serve(wrap=slow)
        peer = WebSocketPeer(site.address)
        messages, code = peer.receive_all()
        assert code is not None
        peer.send_close()
        peer.close()
        until(lambda: not site.open_sessions())

    def test_a_callback_is_waited_for(self, serve: Serve) -> None:
        go = Event()
        site = serve(on_close=lambda session, reason: go.wait())
        site.websocket()
        site.session()
        assert site.engine.close(timeout=0.02) is False
        closing = gevent.spawn(site.engine.close)
        gevent.sleep(0)
        assert not closing.ready()
        go.set()
        assert closing.get() is True

    def test_a_callback_that_was_running_is_waited_for(self, serve: Serve) -> None:
        go = Event()
        site = serve(on_message=lambda session, data: go.wait())
        peer = site.websocket()
        peer.say("hello")
        until(lambda: site.messages)
        assert site.engine.close(timeout=0.02) is False
        assert site.endings == []
        go.set()
        assert site.engine.close() is True
        assert len(site.endings) == 1

    def test_in_a_callback(self, serve: Serve) -> None:
        closed: list[bool] = []

        def shut_down(session: Session, data: str | bytes) -> None:
            closed.append(site.engine.close(timeout=0))

        site = serve(on_message=shut_down)
        peer = site.websocket()
        peer.say("shut down")
        assert peer.receive_all()[1] is not None
        until(lambda: closed)
        assert closed == [False]  # its own session's on_close comes when it has returned
        assert site.ending() is DisconnectReason.SERVER_SHUTTING_DOWN

    def test_twice(self, serve: Serve) -> None:
        site = serve()
        site.websocket()
        site.session()
        assert site.engine.close()
        assert site.engine.close()
        assert len(site.endings) == 1

    def test_before_the_first_request_no_hub_is_taken(self) -> None:
        """A process that forks after loading the application would share its loop with its children."""
        results: list[object] = []

        def elsewhere() -> None:
            server = EngineServer()
            server.call(results.append, "called")
            results.append(server.close(timeout=1))
            results.append(server.has_started)
            results.append(get_hub_if_exists())

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert results == ["called", True, False, None]


OURS = (
    Session,
    WebSocketConnection,
    WebSocketOutbox,
    PollingTransport,
    Poll,
    Upgrade,
    JobQueue,
    gevent.Greenlet,
)


class Balance:
    """What there is in the process, to be compared."""

    def __init__(self) -> None:
        loop = gevent.get_hub().loop
        gevent.sleep(0.01)
        self.objects = {kind.__name__: count(kind) for kind in OURS}
        self.watchers = count(type(loop.io(0, 1)), type(loop.timer(0)))
        self.active = loop.activecnt
        self.descriptors = len(os.listdir("/proc/self/fd"))
        self.workers = count(Worker)


def live(site: Site, cycles: int, seed: int) -> None:
    """Let many clients come and go, twenty at a time, and wait until the server has seen the last of them."""
    pool = Pool(20)
    for number in range(cycles):
        rng = random.Random(seed + number)
        pool.spawn(LIVES[number % len(LIVES)], site, rng)
    pool.join(raise_error=True)
    for peer in site.forget_peers():
        peer.close()
    until(lambda: not site.open_sessions(), "sessions are left")
    until(lambda: not site.engine.runtime.workers.busy, "callbacks are left")
    assert sorted(id(session) for session, _ in site.endings) == sorted(map(id, site.sessions))
    site.sessions.clear()
    site.endings.clear()
    site.messages.clear()


def test_thousands_of_clients_leave_nothing_behind(serve: Serve) -> None:
    """2,000 lives of every kind: no session, greenlet, timer, watcher or descriptor more than after the first 160."""
    site = serve(on_message=answer, max_payload=1000, max_buffer_bytes=100_000, close_timeout=1)
    left = count(WebSocketConnection, Session)  # by tests that failed, for pytest to show
    live(site, 160, seed=0)
    until(lambda: count(WebSocketConnection, Session) <= left)
    before = Balance()
    live(site, 2000, seed=1000)
    until(lambda: count(WebSocketConnection, Session) <= left)
    after = Balance()
    assert not {name: number for name, number in after.objects.items() if number > before.objects[name]}
    assert after.watchers <= before.watchers
    assert after.active <= before.active
    assert after.descriptors <= before.descriptors
    assert after.workers <= before.workers + 20  # as many as were busy at a time
