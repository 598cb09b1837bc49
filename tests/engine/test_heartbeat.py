"""Tests of the heartbeat: when pings come, what answers them, and when a client is given up."""

from __future__ import annotations

import time

import gevent
import gevent.event
import pytest

from geventsio.engine import Session
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import KINDS, Site, count, until
from tests.engine.peer import Closed, PollingPeer, WebSocketPeer

#: Pings so often that a test can wait for many, with an answer due so late that a busy machine is not punished.
QUICK = {"ping_interval": 0.03, "ping_timeout": 10.0}


def receive_ping(peer: PollingPeer | WebSocketPeer) -> None:
    """Wait for a ping, which must be what the server sends next."""
    packets = peer.poll() if isinstance(peer, PollingPeer) else [peer.receive()]
    assert packets == ["2"]


def send_pong(peer: PollingPeer | WebSocketPeer) -> None:
    """Answer a ping."""
    if isinstance(peer, PollingPeer):
        assert peer.post("3").status == 200
    else:
        peer.send("3")


def pass_time(site: Site, pings: int) -> None:
    """Wait until another client has been pinged so many times."""
    clock = site.websocket()
    for _ in range(pings):
        receive_ping(clock)
        send_pong(clock)


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_answers_lives(serve: Serve, kind: str) -> None:
    site = serve(**QUICK)
    peer = site.open(kind)
    for _ in range(5):
        receive_ping(peer)
        send_pong(peer)
    assert site.endings == []


@pytest.mark.parametrize("kind", ["polling", "websocket"])
def test_the_first_ping_comes_after_an_interval(serve: Serve, kind: str) -> None:
    site = serve(ping_interval=0.15)
    opened = time.monotonic()
    peer = site.open(kind)
    receive_ping(peer)
    assert time.monotonic() - opened >= 0.15


def test_the_next_ping_comes_an_interval_after_the_pong(serve: Serve) -> None:
    site = serve(ping_interval=0.1)
    peer = site.websocket()
    receive_ping(peer)
    gevent.sleep(0.05)
    answered = time.monotonic()
    send_pong(peer)
    receive_ping(peer)
    assert time.monotonic() - answered >= 0.1


def test_no_second_ping_while_one_is_unanswered(serve: Serve) -> None:
    site = serve(**QUICK)
    peer = site.websocket()
    receive_ping(peer)
    pass_time(site, 5)
    peer.say("what else")
    assert peer.hear() == "what else"


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_client_is_given_up(serve: Serve, kind: str) -> None:
    site = serve(ping_interval=0.03, ping_timeout=0.4, close_timeout=0.1)
    peer = site.open(kind)
    if isinstance(peer, PollingPeer):
        receive_ping(peer)
        assert peer.poll() == ["1"]
        assert peer.get().error_code == 1
    else:
        assert peer.receive_all() == (["2"], 1000)
    assert site.ending() is DisconnectReason.PING_TIMEOUT


def test_a_client_that_never_polls_is_given_up(serve: Serve) -> None:
    site = serve(ping_interval=0.03, ping_timeout=0.1)
    site.polling()
    assert site.ending() is DisconnectReason.PING_TIMEOUT
    assert site.open_sessions() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_messages_do_not_stand_in_for_a_pong(serve: Serve, kind: str) -> None:
    site = serve(ping_interval=0.03, ping_timeout=0.1, on_message=lambda session, data: None)
    peer = site.open(kind)
    while not site.endings:
        if isinstance(peer, PollingPeer):
            peer.post("4still here")
        else:
            try:
                peer.say("still here")
            except OSError:
                break
        gevent.sleep(0.005)
    assert site.ending() is DisconnectReason.PING_TIMEOUT
    assert site.messages


def test_a_pong_that_nobody_asked_for_answers_no_later_ping(serve: Serve) -> None:
    site = serve(ping_interval=0.05, ping_timeout=0.1)
    peer = site.websocket()
    for _ in range(10):
        send_pong(peer)
    assert peer.receive_all() == (["2"], 1000)
    assert site.ending() is DisconnectReason.PING_TIMEOUT


def test_pongs_that_nobody_asked_for_put_no_ping_off(serve: Serve) -> None:
    peer = serve(ping_interval=0.1).websocket()
    pinged = gevent.spawn(receive_ping, peer)
    while not pinged.ready():
        send_pong(peer)
        gevent.sleep(0.005)
    pinged.get()


def test_a_second_pong_answers_nothing(serve: Serve) -> None:
    site = serve(ping_interval=0.05, ping_timeout=0.1)
    peer = site.websocket()
    receive_ping(peer)
    send_pong(peer)
    send_pong(peer)
    assert peer.receive_all() == (["2"], 1000)


@pytest.mark.parametrize("kind", ["polling", "websocket"])
@pytest.mark.parametrize("late", [0.03, 0.3])
def test_a_pong_that_waits_to_be_read_counts(serve: Serve, kind: str, late: float) -> None:
    """A callback blocks the whole hub beyond the deadline; the client had answered before."""
    site = serve(ping_interval=0.1, ping_timeout=0.4)
    peer = site.open(kind)
    receive_ping(peer)
    if isinstance(peer, PollingPeer):
        peer.posts.request("POST", peer.target, (), b"3")
    else:
        peer.send("3")
    time.sleep(0.4 + late)
    if isinstance(peer, PollingPeer):
        assert peer.posts.answer().status == 200
    receive_ping(peer)
    send_pong(peer)
    assert site.endings == []


def test_a_callback_that_blocks_its_greenlet_stops_no_heartbeat(serve: Serve) -> None:
    go = gevent.event.Event()
    site = serve(on_message=lambda session, data: go.wait(), **QUICK)
    peer = site.websocket()
    peer.say("block")
    for _ in range(5):
        receive_ping(peer)
        send_pong(peer)
    go.set()


class TestUpgrade:
    def test_no_ping_during_a_probe(self, serve: Serve) -> None:
        """Whoever is pinged and says nothing is given up; who is upgrading has nothing to say."""
        site = serve(ping_interval=0.03, ping_timeout=0.4)
        peer = site.polling()
        session = site.session()
        websocket = peer.probe()
        site.websocket()
        until(lambda: site.endings)
        assert [ended for ended, _ in site.endings] != [session]
        assert session.is_open
        assert peer.poll() == ["6"]
        websocket.send("5")
        receive_ping(websocket)
        send_pong(websocket)
        receive_ping(websocket)
        send_pong(websocket)
        websocket.close()

    def test_pings_go_on_after_a_failed_upgrade(self, serve: Serve) -> None:
        site = serve(**QUICK)
        peer = site.polling()
        websocket = peer.probe()
        pass_time(site, 3)
        websocket.close()
        until(lambda: not site.session(0).is_upgrading)
        receive_ping(peer)
        send_pong(peer)
        receive_ping(peer)
        send_pong(peer)

    @pytest.mark.parametrize("answer", ["during", "after"])
    def test_a_ping_from_before_the_probe_may_be_answered(self, serve: Serve, answer: str) -> None:
        site = serve(**QUICK)
        peer = site.polling()
        receive_ping(peer)
        websocket = peer.probe()
        if answer == "during":
            send_pong(peer)
        pass_time(site, 3)
        websocket.send("5")
        if answer == "after":
            websocket.send("3")
        receive_ping(websocket)
        send_pong(websocket)
        assert len(site.endings) == 0
        websocket.close()

    def test_a_ping_from_before_the_probe_must_be_answered(self, serve: Serve) -> None:
        site = serve(ping_interval=0.05, ping_timeout=0.5)
        peer = site.polling()
        receive_ping(peer)
        websocket = peer.probe()
        assert site.ending() is DisconnectReason.PING_TIMEOUT
        with pytest.raises(Closed):
            websocket.receive()
        websocket.close()
        assert peer.get().error_code == 1

    def test_a_ping_that_no_poll_has_fetched_moves_to_the_websocket(self, serve: Serve) -> None:
        site = serve(**QUICK)
        peer = site.polling()
        pass_time(site, 2)
        websocket = peer.upgrade()
        receive_ping(websocket)
        send_pong(websocket)
        receive_ping(websocket)
        websocket.close()


class TestPause:
    """`Session.pause` stops reading: who is not read can't be blamed for being silent."""

    def test_a_paused_client_is_not_given_up(self, serve: Serve) -> None:
        site = serve(ping_interval=0.03, ping_timeout=0.5)
        peer = site.websocket()
        site.session().pause()
        clock = site.websocket()
        for _ in range(30):
            receive_ping(clock)
            send_pong(clock)
        assert site.endings == []
        site.session(0).resume()
        receive_ping(peer)
        send_pong(peer)
        receive_ping(peer)

    def test_a_ping_that_could_not_be_answered_is_forgiven(self, serve: Serve) -> None:
        site = serve(ping_interval=0.03, ping_timeout=0.4)
        peer = site.websocket()
        receive_ping(peer)
        site.session().pause()
        send_pong(peer)
        gevent.sleep(0.5)  # longer than the timeout
        assert site.endings == []
        site.session().resume()
        receive_ping(peer)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_paused_client_is_pinged_all_the_same(self, serve: Serve, kind: str) -> None:
        site = serve(ping_interval=0.03, ping_timeout=0.1)
        peer = site.open(kind)
        receive_ping(peer)
        site.session().pause()
        for _ in range(5):
            receive_ping(peer)
        assert site.endings == []

    def test_pauses_put_no_ping_off(self, serve: Serve) -> None:
        site = serve(ping_interval=0.1)
        pinged = gevent.spawn(receive_ping, site.websocket())
        while not pinged.ready():
            site.session().pause()
            site.session().resume()
            gevent.sleep(0.005)
        pinged.get()

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_client_that_ends_while_it_is_paused_is_forgotten(self, serve: Serve, kind: str) -> None:
        before = count(Session)
        site = serve(close_timeout=0.1)
        site.open(kind)
        session = site.session()
        session.pause()
        session.close()
        until(lambda: site.endings)
        session.resume()
        until(lambda: not site.open_sessions())
        del session
        site.sessions.clear()
        site.endings.clear()
        until(lambda: count(Session) <= before)


def test_any_number_of_sessions_takes_two_timers(serve: Serve) -> None:
    kind = type(gevent.get_hub().loop.timer(0))
    site = serve()
    peers = [site.websocket()]
    before = count(kind)
    peers.extend(site.websocket() for _ in range(50))
    assert count(kind) <= before + 2
