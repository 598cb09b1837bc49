"""Tests of the way from polling to websocket: nothing is lost, repeated or reordered, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import gevent.event
import pytest

from geventsio.engine import Session
from geventsio.errors import BufferFullError, SocketClosedError
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import Site, until
from tests.engine.peer import Closed, PollingPeer, Refused, WebSocketPeer, frame
from tests.engine.random_client import RandomClient


def send_all(session: Session, messages: range) -> None:
    """Send numbers."""
    for number in messages:
        session.send(str(number))


def hear_all(peer: WebSocketPeer, messages: range) -> None:
    """Expect numbers, each once and in order."""
    assert [peer.hear() for _ in messages] == [str(number) for number in messages]


def park(site: Site, peer: PollingPeer) -> None:
    """Send a GET, and wait until it waits."""
    session = site.session()
    peer.start_poll()
    until(lambda: session.polling is not None and session.polling.is_polled)


class TestPackets:
    def test_what_waited_before_the_probe(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        send_all(site.session(), range(1000))
        websocket = peer.upgrade()
        hear_all(websocket, range(1000))
        websocket.close()

    def test_what_is_sent_while_upgrading(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        session = site.session()
        send_all(session, range(10))
        websocket = peer.probe()
        send_all(session, range(10, 20))
        assert peer.poll() == ["6"]
        send_all(session, range(20, 30))
        websocket.send("5")
        until(lambda: session.transport == "websocket")
        send_all(session, range(30, 40))
        hear_all(websocket, range(40))
        websocket.close()

    def test_what_one_payload_left_behind_moves_too(self, serve: Serve) -> None:
        site = serve(max_payload=100)
        peer = site.polling()
        for number in range(10):
            site.session().send(f"{number:050}")
        assert peer.poll() == [f"4{0:050}"]
        websocket = peer.upgrade()
        assert [int(websocket.hear()) for _ in range(9)] == list(range(1, 10))
        websocket.close()

    def test_binary_and_text_move_in_order(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        for message in ("a", b"\x00", "b", b"\xff" * 200_000, "c"):
            site.session().send(message)
        websocket = peer.upgrade()
        assert [websocket.receive() for _ in range(5)] == ["4a", b"\x00", "4b", b"\xff" * 200_000, "4c"]
        websocket.close()

    def test_full_buffers_move(self, serve: Serve) -> None:
        """As much as may wait for a poll may wait for the websocket, where every packet has a frame around it."""
        site = serve(max_buffer_bytes=1_000_000, max_buffer_size=10**6)
        peer = site.polling()
        sent = 0
        with pytest.raises(BufferFullError):
            while True:
                site.session().send("x" * 9)
                sent += 1
        # That was too much, and is the end of this client. Another one fills its buffer to the last byte.
        assert site.ending() is DisconnectReason.SLOW_CONSUMER
        peer = site.polling()
        until(lambda: len(site.sessions) == 2)
        session = site.session()
        for _ in range(sent):
            session.send("x" * 9)
        websocket = peer.upgrade()
        for _ in range(sent):
            assert websocket.hear() == "x" * 9
        websocket.close()

    def test_a_parked_poll_is_released_by_the_probe(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        park(site, peer)
        websocket = peer.probe()
        assert peer.gets.answer().packets == ["6"]
        websocket.close()

    def test_a_poll_with_something_to_answer_is_not_robbed(self, serve: Serve) -> None:
        """A packet is sent in the very turn in which the probe arrives: the poll takes it, or the websocket."""
        site = serve()
        peer = site.polling()
        park(site, peer)
        websocket = site.second_websocket(peer)
        websocket.send("2probe")
        site.session().send("hello")
        polled = peer.gets.answer().packets
        assert websocket.receive() == "3probe"
        websocket.send("5")
        if polled == ["6"]:
            assert websocket.hear() == "hello"
        else:
            assert polled == ["4hello"]
        websocket.say("end")
        assert websocket.hear() == "end"

    def test_every_poll_during_the_probe_is_answered_noop(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        websocket = peer.probe()
        send_all(site.session(), range(5))
        assert [peer.poll() for _ in range(20)] == [["6"]] * 20
        websocket.send("5")
        hear_all(websocket, range(5))
        websocket.close()

    def test_before_the_probe_packet_polls_are_answered_as_ever(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        websocket = site.second_websocket(peer)
        until(lambda: not site.session().can_upgrade)
        site.session().send("hello")
        assert peer.poll() == ["4hello"]
        websocket.send("2probe")
        assert websocket.receive() == "3probe"

    def test_messages_behind_the_upgrade_packet(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        peer.say("0", "1")
        websocket = peer.probe()
        peer.say("2")
        websocket.send(frame(1, b"5") + b"".join(frame(1, f"4{number}".encode()) for number in range(3, 100)))
        hear_all(websocket, range(100))
        assert site.messages == [str(number) for number in range(100)]
        websocket.close()

    def test_a_callback_that_is_running_answers_on_the_websocket(self, serve: Serve) -> None:
        go = gevent.event.Event()

        def handle(session: Session, data: str | bytes) -> None:
            go.wait()
            session.send(data)

        site = serve(on_message=handle)
        peer = site.polling()
        peer.say("hello")
        websocket = peer.upgrade()
        until(lambda: site.session().transport == "websocket")
        go.set()
        assert websocket.hear() == "hello"
        websocket.close()


def wrong_first(websocket: WebSocketPeer) -> None:
    websocket.send("2prob")


def upgrade_first(websocket: WebSocketPeer) -> None:
    websocket.send("5")


def binary_first(websocket: WebSocketPeer) -> None:
    websocket.send_binary(b"2probe")


def probed(then: Callable[[WebSocketPeer], object]) -> Callable[[WebSocketPeer], object]:
    def fail(websocket: WebSocketPeer) -> None:
        websocket.send("2probe")
        assert websocket.receive() == "3probe"
        then(websocket)

    return fail


FAILURES: dict[str, Callable[[WebSocketPeer], object]] = {
    "a wrong first packet": wrong_first,
    "the upgrade without a probe": upgrade_first,
    "a binary probe": binary_first,
    "a second probe": probed(lambda websocket: websocket.send("2probe")),
    "a message instead of the upgrade": probed(lambda websocket: websocket.say("hello")),
    "a broken frame": probed(lambda websocket: websocket.send(frame(3, b""))),
    "a frame too large": probed(lambda websocket: websocket.send(frame(1, bytes(2000)))),
    "a close frame before the probe": WebSocketPeer.send_close,
    "a close frame": probed(WebSocketPeer.send_close),
    "FIN": probed(lambda websocket: websocket.close()),
    "FIN before the probe": lambda websocket: websocket.close(),
    "RST": probed(lambda websocket: websocket.reset()),
    "silence before the probe": lambda websocket: None,
    "silence": probed(lambda websocket: None),
}


class TestFailures:
    @pytest.mark.parametrize("failure", FAILURES)
    def test_the_session_goes_on_with_polling(self, serve: Serve, failure: str) -> None:
        site = serve(upgrade_timeout=0.4 if "silence" in failure else 600, max_payload=1000)
        peer = site.polling()
        session = site.session()
        session.send("before")
        websocket = site.second_websocket(peer)
        until(lambda: not session.can_upgrade)
        FAILURES[failure](websocket)
        session.send("meanwhile")
        until(lambda: session.can_upgrade)
        session.send("after")
        assert peer.poll() == ["4before", "4meanwhile", "4after"]
        peer.say("still here")
        assert peer.poll() == ["4still here"]
        assert site.endings == []

    def test_a_failed_upgrade_may_be_tried_again(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        session = site.session()
        for number in range(5):
            session.send(str(number))
            peer.probe().close()
            until(lambda: session.can_upgrade)
        websocket = peer.upgrade()
        hear_all(websocket, range(5))
        websocket.close()

    def test_an_upgrade_in_time_stops_the_timeout(self, serve: Serve) -> None:
        site = serve(upgrade_timeout=0.3)
        peer, late = site.polling(), site.polling()
        websocket = peer.upgrade()
        other = late.probe()
        assert other.receive_all() == ([], 1000)
        websocket.say("hello")
        assert websocket.hear() == "hello"
        websocket.close()
        other.close()

    def test_a_late_upgrade_is_closed_by_a_close_frame(self, serve: Serve) -> None:
        site = serve(upgrade_timeout=0.3)
        peer = site.polling()
        websocket = peer.probe()
        assert websocket.receive_all() == ([], 1000)
        websocket.send("5")
        site.session().send("hello")
        assert peer.poll() == ["4hello"]
        websocket.close()


class TestRefusals:
    def test_a_second_websocket_while_one_is_upgrading(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        site.session().send("hello")
        first = peer.probe()
        second = site.second_websocket(peer)
        second.send("2probe")
        second.send("5")
        assert second.receive_all() == ([], 1008)
        first.send("5")
        assert first.hear() == "hello"
        first.close()

    def test_two_websockets_at_once(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        sockets = [site.second_websocket(peer) for _ in range(5)]
        answers = []
        for websocket in sockets:
            websocket.send("2probe")
        for websocket in sockets:
            try:
                answers.append(websocket.receive())
            except Closed as end:
                answers.append(str(end.code))
        assert sorted(answers) == ["1008"] * 4 + ["3probe"]

    def test_a_websocket_for_an_upgraded_session(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        websocket = peer.upgrade()
        until(lambda: site.session().transport == "websocket")
        second = site.second_websocket(peer)
        assert second.receive_all() == ([], 1008)
        websocket.say("unharmed")
        assert websocket.hear() == "unharmed"
        websocket.close()

    def test_upgrades_that_are_not_allowed(self, serve: Serve) -> None:
        site = serve(allow_upgrades=False)
        peer = site.polling()
        assert peer.handshake["upgrades"] == []
        with pytest.raises(Refused) as refused:
            site.second_websocket(peer)
        assert refused.value.answer.status == 400
        assert refused.value.answer.error_code == 3
        peer.say("unharmed")
        assert peer.poll() == ["4unharmed"]
        # It is the upgrade that is not allowed, not the transport.
        site.websocket()

    def test_a_transport_that_is_not_enabled(self, serve: Serve) -> None:
        site = serve(transports=["polling"])
        peer = site.polling()
        assert peer.handshake["upgrades"] == []
        with pytest.raises(Refused) as refused:
            site.second_websocket(peer)
        assert refused.value.answer.error_code == 3

    def test_an_unknown_session(self, serve: Serve) -> None:
        site = serve()
        with pytest.raises(Refused) as refused:
            WebSocketPeer(site.address, "/engine.io/?EIO=4&transport=websocket&sid=unknown")
        assert refused.value.answer.error_code == 1


class TestEndings:
    @pytest.mark.parametrize("stage", ["connected", "probed"])
    def test_the_server_closes_while_upgrading(self, serve: Serve, stage: str) -> None:
        site = serve()
        peer = site.polling()
        websocket = site.second_websocket(peer)
        if stage == "probed":
            websocket.send("2probe")
            assert websocket.receive() == "3probe"
        site.session().send("last words")
        site.session().close()
        assert site.ending() is DisconnectReason.FORCED_CLOSE
        assert websocket.receive_all() == ([], 1000)
        assert peer.poll() == ["4last words", "1"]
        assert peer.get().error_code == 1

    def test_the_client_closes_by_post_while_upgrading(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        websocket = peer.probe()
        assert peer.post("1").body == b"ok"
        assert websocket.receive_all() == ([], 1000)
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE
        assert peer.get().error_code == 1
        websocket.close()

    def test_the_upgrade_packet_crosses_the_close(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        websocket = peer.probe()
        websocket.send("5")
        site.session().send("last words")
        site.session().close()
        assert site.ending() is DisconnectReason.FORCED_CLOSE
        messages, code = websocket.receive_all()
        if messages:
            assert (messages, code) == (["4last words"], 1000)
        else:
            assert code == 1000
            assert peer.poll() == ["4last words", "1"]
        websocket.close()

    @pytest.mark.parametrize("how", ["close frame", "FIN", "RST", "close packet", "garbage"])
    def test_an_upgraded_session_dies_with_its_websocket(self, serve: Serve, how: str) -> None:
        site = serve()
        peer = site.polling()
        websocket = peer.upgrade()
        until(lambda: site.session().transport == "websocket")
        if how == "close frame":
            websocket.send_close()
        elif how == "FIN":
            websocket.close()
        elif how == "RST":
            websocket.reset()
        else:
            websocket.send("1" if how == "close packet" else "?")
        expected = {"RST": DisconnectReason.TRANSPORT_ERROR, "garbage": DisconnectReason.PARSE_ERROR}
        assert site.ending() is expected.get(how, DisconnectReason.TRANSPORT_CLOSE)
        assert peer.get().error_code == 1
        websocket.close()

    def test_a_websocket_that_dies_with_the_upgrade_packet(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        websocket = peer.probe()
        send_all(site.session(), range(1000))
        websocket.send("5")
        websocket.reset()
        assert site.ending() in (DisconnectReason.TRANSPORT_ERROR, DisconnectReason.TRANSPORT_CLOSE)

    def test_polls_and_posts_of_an_upgraded_session(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        websocket = peer.upgrade()
        until(lambda: site.session().transport == "websocket")
        assert peer.get().error_code == 3
        assert peer.post("4x").error_code == 3
        assert peer.post("1").error_code == 3
        websocket.say("unharmed")
        assert websocket.hear() == "unharmed"
        assert site.messages == ["unharmed"]
        websocket.close()


@pytest.mark.parametrize("seeds", [range(start, start + 20) for start in range(0, 100, 20)], ids=str)
def test_any_order_of_events(serve: Serve, seeds: range) -> None:
    site = serve(on_message=lambda session, data: None, max_payload=1000)
    for seed in seeds:
        client = RandomClient(site, seed)
        site.messages.clear()
        client.run()
        assert client.received == [str(number) for number in range(client.sent)], seed
        until(lambda: len(site.messages) == client.said)  # noqa: B023 - called in this round
        assert site.messages == [str(number) for number in range(client.said)], seed


def test_sending_after_the_end(serve: Serve) -> None:
    site = serve()
    peer = site.polling()
    session = site.session()
    websocket = peer.upgrade()
    until(lambda: session.transport == "websocket")
    websocket.close()
    until(lambda: not session.is_open)
    with pytest.raises(SocketClosedError):
        session.send("too late")
