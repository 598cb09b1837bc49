"""Tests of websocket connections: every way in which they end, back-pressure, and what a connection costs."""

from __future__ import annotations

import hashlib

import gevent
import pytest
from gevent.event import Event
from greenlet import greenlet

from geventsio.engine import Session
from geventsio.engine.websocket import MAX_WAITING_FOR_PONG, WebSocketConnection
from geventsio.errors import BufferFullError
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import count, until
from tests.engine.peer import Closed, WebSocketPeer, frame

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class TestEndings:
    @pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
    def test_a_close_frame_is_answered_with_its_code(self, serve: Serve, code: int) -> None:
        site = serve()
        peer = site.websocket()
        peer.send_close(code)
        with pytest.raises(Closed) as closed:
            peer.receive()
        assert closed.value.code == code
        # RFC 6455 section 7.1.1: it is the server that closes TCP first.
        assert peer.read_rest() == b""
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE

    def test_a_close_frame_without_a_code(self, serve: Serve) -> None:
        site = serve()
        peer = site.websocket()
        peer.send(frame(CLOSE))
        assert peer.receive_all() == ([], 1005)
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE

    def test_a_close_packet(self, serve: Serve) -> None:
        site = serve()
        peer = site.websocket()
        peer.send("1")
        assert peer.receive_all() == ([], 1000)
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE

    def test_fin(self, serve: Serve) -> None:
        site = serve()
        peer = site.websocket()
        peer.finish()
        assert peer.read_rest() == b""
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE

    def test_reset(self, serve: Serve) -> None:
        site = serve()
        site.websocket().reset()
        assert site.ending() is DisconnectReason.TRANSPORT_ERROR

    def test_reset_with_data_waiting_to_be_written(self, serve: Serve) -> None:
        site = serve(max_buffer_bytes=10**8)
        peer = site.websocket()
        site.session().send(bytes(20_000_000))
        gevent.sleep(0)
        peer.reset()
        assert site.ending() is DisconnectReason.TRANSPORT_ERROR

    @pytest.mark.parametrize(
        ("sent", "code", "reason"),
        [
            (frame(TEXT, b"x"), 1000, DisconnectReason.PARSE_ERROR),
            (frame(TEXT, b""), 1000, DisconnectReason.PARSE_ERROR),
            (frame(TEXT, b"bAAA"), 1000, DisconnectReason.PARSE_ERROR),
            (frame(TEXT, b"5"), 1000, DisconnectReason.PARSE_ERROR),
            (frame(TEXT, b"0{}"), 1000, DisconnectReason.PARSE_ERROR),
            (frame(TEXT, b"4\xff"), 1007, DisconnectReason.TRANSPORT_ERROR),
            (frame(3, b"x"), 1002, DisconnectReason.TRANSPORT_ERROR),
            (frame(0, b"x"), 1002, DisconnectReason.TRANSPORT_ERROR),
            (frame(CLOSE, b"x"), 1002, DisconnectReason.TRANSPORT_ERROR),
            (frame(TEXT, b"4" + b"x" * 1000), 1009, DisconnectReason.PAYLOAD_TOO_LARGE),
            (frame(TEXT, b"4" + b"x" * 999, fin=False) + frame(0, b"x"), 1009, DisconnectReason.PAYLOAD_TOO_LARGE),
        ],
    )
    def test_a_violation(self, serve: Serve, sent: bytes, code: int, reason: DisconnectReason) -> None:
        site = serve(max_payload=1000)
        peer = site.websocket()
        # What comes before it is handled, what comes behind it is not.
        peer.send(frame(TEXT, b"4before") + sent + frame(TEXT, b"4behind"))
        assert peer.receive_all() == (["4before"], code)
        assert site.ending() is reason
        assert site.messages == ["before"]

    def test_base64(self, serve: Serve) -> None:
        # The official client sends it with its option forceBase64.
        site = serve()
        peer = site.websocket()
        peer.send("bAQID")
        assert peer.receive() == b"\x01\x02\x03"
        assert site.messages == [b"\x01\x02\x03"]

    def test_what_was_sent_before_the_end_is_handled_first(self, serve: Serve) -> None:
        at_the_end: list[int] = []

        def close(session: Session, reason: DisconnectReason) -> None:
            at_the_end.append(len(site.messages))

        site = serve(on_message=lambda session, data: gevent.sleep(0), on_close=close)
        peer = site.websocket()
        peer.say(*map(str, range(200)))
        peer.close()
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE
        assert at_the_end == [200]

    @pytest.mark.parametrize("answer", [True, False])
    def test_the_server_closes_with_data_waiting(self, serve: Serve, answer: bool) -> None:
        """All of it arrives before the close frame, however slowly it is read."""
        site = serve(max_buffer_bytes=10**8, close_timeout=20)
        peer = site.websocket()
        data = hashlib.sha256(b"seed").digest() * 200_000
        session = site.session()
        for start in range(0, len(data), 100_000):
            session.send(data[start : start + 100_000])
        session.close()
        assert site.ending() is DisconnectReason.FORCED_CLOSE  # at once, though nothing has been read
        received = b""
        with pytest.raises(Closed) as closed:
            while True:
                message = peer.receive()
                assert isinstance(message, bytes)
                received += message
        assert closed.value.code == 1000
        assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
        if answer:
            peer.send_close(1000)
        else:
            peer.finish()
        assert peer.read_rest() == b""

    def test_a_close_frame_that_is_never_answered(self, serve: Serve) -> None:
        site = serve(close_timeout=0.05)
        peer = site.websocket()
        site.session().close()
        # The connection ends although the client does nothing at all.
        assert peer.receive_all() == ([], 1000)
        assert peer.read_rest() == b""

    def test_a_client_that_closes_and_does_not_let_go(self, serve: Serve) -> None:
        before = count(WebSocketConnection)
        site = serve(close_timeout=0.05)
        peer = site.websocket()
        peer.send_close()
        assert peer.receive_all() == ([], 1000)
        site.sessions.clear()
        until(lambda: site.endings)
        site.endings.clear()
        until(lambda: count(WebSocketConnection) <= before)

    def test_a_client_that_closes_and_goes_on_sending(self, serve: Serve) -> None:
        site = serve(close_timeout=0.1)
        peer = site.websocket()
        peer.send_close()
        assert peer.receive_all() == ([], 1000)
        with pytest.raises(OSError):
            while True:
                peer.say("x" * 1000)
                gevent.sleep(0)
        assert site.messages == []

    def test_both_close_at_once(self, serve: Serve) -> None:
        site = serve()
        peer = site.websocket()
        session = site.session()
        peer.send_close(4000)
        session.close()
        assert peer.receive_all()[1] in (1000, 4000)
        assert peer.read_rest() == b""
        assert site.ending() in (DisconnectReason.FORCED_CLOSE, DisconnectReason.TRANSPORT_CLOSE)

    def test_a_message_that_crosses_the_close_frame_is_dropped(self, serve: Serve) -> None:
        site = serve()
        peer = site.websocket()
        site.session().close()
        peer.say("too late")
        peer.send_close()
        assert peer.receive_all() == ([], 1000)
        assert peer.read_rest() == b""
        assert site.messages == []


class TestControlFrames:
    def test_pings_between_fragments(self, serve: Serve) -> None:
        peer = serve().websocket()
        peer.send(frame(TEXT, b"4one ", fin=False) + frame(PING, b"p") + frame(0, b"two"))
        assert peer.receive_frame() == (PONG, b"p")
        assert peer.hear() == "one two"

    def test_a_pong_is_ignored(self, serve: Serve) -> None:
        peer = serve().websocket()
        peer.send(frame(PONG, b"unasked"))
        peer.say("hello")
        assert peer.hear() == "hello"

    def test_pings_from_a_client_that_does_not_read(self, serve: Serve) -> None:
        """They don't fill the memory with pongs; the connection goes on when the client reads again."""
        site = serve()
        peer = site.websocket()
        session = site.session()
        burst = b"".join(frame(PING, bytes(125)) for _ in range(500))
        sent = 0
        while session.outbox.waiting() < MAX_WAITING_FOR_PONG:
            peer.send(burst)
            sent += 500
            assert sent < 10**6
        for _ in range(20):
            peer.send(burst)
            sent += 500
        assert session.outbox.waiting() <= MAX_WAITING_FOR_PONG + 1
        peer.say("the end")
        pongs = 0
        while (received := peer.receive_frame())[0] == PONG:
            pongs += 1
        assert received == (TEXT, b"4the end")
        assert 0 < pongs < sent


class TestBackPressure:
    def test_a_paused_session_is_not_read(self, serve: Serve) -> None:
        site = serve(lambda session: session.pause(), on_message=lambda session, data: None)
        peer = site.websocket()
        session = site.session()
        sender = gevent.spawn(peer.say, *[f"{number:<100000}" for number in range(300)])
        gevent.sleep(0.05)
        assert site.messages == []
        # The kernel's buffers are full, and ours hold nothing: the client itself has to wait.
        assert not sender.ready()
        session.resume()
        sender.get()
        until(lambda: len(site.messages) == 300)
        assert [int(message) for message in site.messages] == list(range(300))

    def test_pausing_in_the_middle_of_a_segment(self, serve: Serve) -> None:
        go = Event()

        def handle(session: Session, data: str | bytes) -> None:
            if data == "5":
                session.pause()
                go.set()

        site = serve(on_message=handle)
        peer = site.websocket()
        peer.say(*map(str, range(100)))
        go.wait()
        gevent.sleep(0.01)
        assert site.messages == [str(number) for number in range(6)]
        site.session().resume()
        until(lambda: len(site.messages) == 100)
        assert site.messages == [str(number) for number in range(100)]

    def test_pausing_and_resuming_at_random(self, serve: Serve) -> None:
        site = serve(on_message=lambda session, data: session.pause() if int(data) % 7 == 0 else None)
        peer = site.websocket()
        peer.say(*map(str, range(500)))
        session = site.session()
        while len(site.messages) < 500:
            session.resume()
            session.resume()
            gevent.sleep(0)
        assert site.messages == [str(number) for number in range(500)]

    def test_a_paused_session_may_be_closed(self, serve: Serve) -> None:
        site = serve(lambda session: session.pause(), close_timeout=600)
        peer = site.websocket()
        peer.say("unread")
        site.session().close()
        assert peer.receive_all() == ([], 1000)
        peer.send_close()
        assert peer.read_rest() == b""


class TestSlowConsumer:
    def test_a_client_that_does_not_read_is_closed(self, serve: Serve) -> None:
        failed: list[BufferFullError] = []
        go = Event()

        def flood(session: Session, data: str | bytes) -> None:
            try:
                while True:
                    session.send(bytes(10_000))
            except BufferFullError as error:
                failed.append(error)
            go.wait()
            with pytest.raises(BufferFullError):
                session.send("still too much")

        site = serve(on_message=flood, max_buffer_bytes=100_000)
        peer = site.websocket()
        peer.say("flood")
        until(lambda: failed)
        assert site.endings == []  # on_close waits for the callback
        assert not site.session().is_open
        go.set()
        assert site.ending() is DisconnectReason.SLOW_CONSUMER
        messages, code = peer.receive_all()
        assert code is None  # there is no use in saying goodbye to who does not listen
        assert all(message == bytes(10_000) for message in messages)

    def test_a_callback_may_send_a_lot_to_a_client_that_reads(self, serve: Serve) -> None:
        """Ten thousand rows without a pause: more than the bounds, and no reason to close."""

        def dump(session: Session, data: str | bytes) -> None:
            for number in range(10_000):
                session.send(f"{number:<100}")

        site = serve(on_message=dump, max_buffer_size=100, max_buffer_bytes=50_000)
        peer = site.websocket()
        peer.say("dump")
        for number in range(10_000):
            assert int(peer.hear()) == number

    @pytest.mark.parametrize("size", [5_000_000, 20_000_000])
    def test_one_message_above_the_bound(self, serve: Serve, size: int) -> None:
        site = serve(max_buffer_bytes=1_000_000)
        peer = site.websocket()
        data = hashlib.sha256(b"seed").digest() * (size // 32)
        site.session().send(data)
        received = peer.receive()
        assert isinstance(received, bytes)
        assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
        site.session().send("next")
        assert peer.hear() == "next"


class TestCost:
    def test_an_idle_websocket_has_no_greenlet(self, serve: Serve) -> None:
        site = serve()
        site.websocket()
        until(lambda: site.sessions)
        before = count(greenlet)
        for _ in range(100):
            site.websocket()
        until(lambda: len(site.sessions) == 101)
        until(lambda: count(greenlet) <= before)

    def test_a_websocket_that_has_worked_has_no_greenlet(self, serve: Serve) -> None:
        site = serve()
        peers = [site.websocket() for _ in range(50)]
        before = count(greenlet)
        for peer in peers:
            peer.say("hello")
        for peer in peers:
            assert peer.hear() == "hello"
        assert count(greenlet) <= before

    def test_an_idle_websocket_has_one_watcher(self, serve: Serve) -> None:
        site = serve()
        site.websocket()
        watcher = type(gevent.get_hub().loop.io(0, 1))
        before = count(watcher)
        peers: list[WebSocketPeer] = [site.websocket() for _ in range(50)]
        # Each peer is a gevent socket in this process, with a watcher to read and one to write.
        assert count(watcher) == before + 3 * len(peers)
