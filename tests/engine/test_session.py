"""Tests of sessions: what applications do with them, and that each ends once, with the right reason."""

from __future__ import annotations

import json

import gevent
import pytest
from gevent.event import Event

from geventsio.engine import Session
from geventsio.engine.session import MAX_PENDING
from geventsio.errors import SocketClosedError
from geventsio.types import DisconnectReason, TransportType
from tests.engine.conftest import Serve
from tests.engine.harness import KINDS, Peer, until
from tests.engine.peer import Closed, PollingPeer, WebSocketPeer, frame


def last_words(peer: Peer) -> list[str | bytes]:
    """Everything that arrives up to the end, which must be a proper one."""
    if isinstance(peer, WebSocketPeer):
        messages, code = peer.receive_all()
        assert code == 1000
        return messages
    packets: list[str | bytes] = []
    while not packets or packets[-1] != "1":
        packets += peer.poll()
    assert peer.get().error_code == 1
    return packets[:-1]


class TestSending:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("data", [b"\x00\x01", bytearray(b"\x00\x01"), memoryview(b"x\x00\x01")[1:]])
    def test_bytes_likes(self, serve: Serve, kind: str, data: bytes) -> None:
        site = serve()
        peer = site.open(kind)
        site.session().send(data)
        assert (peer.poll() if isinstance(peer, PollingPeer) else peer.receive()) in (["bAAE="], b"\x00\x01")

    def test_a_bytearray_may_change_afterwards(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        data = bytearray(b"\x00\x01")
        site.session().send(data)
        data[:] = b"\xff\xff"
        assert peer.poll() == ["bAAE="]

    @pytest.mark.parametrize("data", [None, 1, ["x"], {"x": 1}])
    def test_anything_else_is_an_error(self, serve: Serve, data: object) -> None:
        site = serve()
        site.polling()
        with pytest.raises(TypeError, match=f"not {type(data).__name__}"):
            site.session().send(data)  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", KINDS)
    def test_after_the_end(self, serve: Serve, kind: str) -> None:
        site = serve()
        peer = site.open(kind)
        session = site.session()
        session.close()
        with pytest.raises(SocketClosedError):
            session.send("too late")
        assert last_words(peer) == []

    @pytest.mark.parametrize("kind", KINDS)
    def test_from_another_thread(self, serve: Serve, kind: str) -> None:
        site = serve()
        peer = site.open(kind)
        session = site.session()

        def send() -> None:
            for number in range(100):
                session.send(f"{number}")

        thread = gevent.get_hub().threadpool.spawn(send)
        received: list[str | bytes] = []
        while len(received) < 100:
            received += peer.poll() if isinstance(peer, PollingPeer) else [peer.receive()]
        thread.get()
        assert received == [f"4{number}" for number in range(100)]

    def test_from_another_thread_after_the_end(self, serve: Serve) -> None:
        site = serve()
        site.websocket()
        session = site.session()
        session.close()
        gevent.get_hub().threadpool.apply(session.send, ("too late",))


class TestMessagesThatWait:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_client_whose_messages_wait_is_not_read(self, serve: Serve, kind: str) -> None:
        go = Event()
        site = serve(on_message=lambda session, data: go.wait())
        peer = site.open(kind)
        session = site.session()
        numbers = [str(number) for number in range(3 * MAX_PENDING)]
        saying = gevent.spawn(peer.say, *numbers)
        until(lambda: session.is_paused)
        assert len(session.jobs) == MAX_PENDING + 1
        go.set()
        until(lambda: len(site.messages) == len(numbers))
        assert site.messages == numbers
        assert not session.is_paused
        saying.get()

    def test_others_are_read(self, serve: Serve) -> None:
        go = Event()
        site = serve(on_message=lambda session, data: go.wait() if data == "wait" else session.send(data))
        first, second = site.open("websocket"), site.open("websocket")
        first.say("wait", *["behind"] * 2 * MAX_PENDING)
        until(lambda: site.session(0).is_paused)
        second.say("hello")
        assert second.hear() == "hello"
        go.set()
        until(lambda: len(site.messages) == 2 * MAX_PENDING + 2)

    def test_the_end_of_the_wait_is_not_the_applications(self, serve: Serve) -> None:
        go = Event()
        site = serve(on_message=lambda session, data: go.wait())
        site.open("websocket").say(*["hello"] * 2 * MAX_PENDING)
        session = site.session()
        until(lambda: session.is_paused)
        session.pause()
        go.set()
        until(lambda: len(session.jobs) == 0)
        assert session.is_paused
        session.resume()
        until(lambda: len(site.messages) == 2 * MAX_PENDING)

    def test_a_client_that_leaves_while_it_is_not_read(self, serve: Serve) -> None:
        go = Event()
        site = serve(on_message=lambda session, data: go.wait())
        peer = site.open("websocket")
        peer.say(*["hello"] * 2 * MAX_PENDING)
        until(lambda: site.session().is_paused)
        peer.close()
        go.set()
        assert site.ending() in (DisconnectReason.TRANSPORT_CLOSE, DisconnectReason.TRANSPORT_ERROR)


class TestAttributes:
    def test_a_session_tells_about_itself(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling(path="/engine.io/?EIO=4&user=alice", headers=[("X-Token", "t0ken")])
        session = site.session()
        assert session.sid == peer.sid
        assert session.server is site.engine
        assert session.is_open
        assert session.transport is TransportType.POLLING
        assert session.environ["HTTP_X_TOKEN"] == "t0ken"
        assert "user=alice" in session.environ["QUERY_STRING"]
        websocket = peer.upgrade()
        until(lambda: session.transport is TransportType.WEBSOCKET)
        websocket.close()
        until(lambda: not session.is_open)

    def test_the_session_id_is_secret(self, serve: Serve) -> None:
        site = serve()
        site.polling()
        assert site.session().sid not in repr(site.session())

    def test_the_handshake_is_that_of_the_opening_request(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling(headers=[("X-Which", "first")])
        peer.posts.request("POST", peer.target, [("X-Which", "second")], b"4x")
        assert peer.posts.answer().status == 200
        assert site.session().environ["HTTP_X_WHICH"] == "first"
        assert site.session().environ["REQUEST_METHOD"] == "GET"

    def test_data_is_the_applications(self, serve: Serve) -> None:
        def count_up(session: Session, data: str | bytes) -> None:
            session.data += 1
            session.send(json.dumps(session.data))

        site = serve(lambda session: setattr(session, "data", 10), count_up)
        peer, other = site.websocket(), site.websocket()
        peer.say("a", "b")
        other.say("c")
        assert [peer.hear(), peer.hear(), other.hear()] == ["11", "12", "11"]


class TestClosing:
    """By the server: at any moment, on any transport."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_waits_goes_first(self, serve: Serve, kind: str) -> None:
        site = serve()
        peer = site.open(kind)
        session = site.session()
        for number in range(100):
            session.send(f"{number}")
        session.close()
        assert site.ending() is DisconnectReason.FORCED_CLOSE
        assert last_words(peer) == [f"4{number}" for number in range(100)]

    def test_what_waits_goes_first_in_as_many_payloads_as_it_takes(self, serve: Serve) -> None:
        site = serve(max_payload=100)
        peer = site.polling()
        for number in range(10):
            site.session().send(f"{number:050}")
        site.session().close()
        assert [int(str(packet)[1:]) for packet in last_words(peer)] == list(range(10))

    def test_a_parked_poll_is_answered(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        session = site.session()
        peer.start_poll()
        until(lambda: session.polling is not None and session.polling.is_polled)
        session.close()
        assert peer.gets.answer().packets == ["1"]
        assert peer.get().error_code == 1

    def test_a_client_that_never_fetches_its_last_packets_is_forgotten(self, serve: Serve) -> None:
        site = serve(close_timeout=0.05)
        peer = site.polling()
        site.session().send("never read")
        site.session().close()
        until(lambda: not site.open_sessions())
        assert peer.get().error_code == 1

    def test_a_post_to_a_session_that_is_being_closed(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        site.session().close()
        assert peer.post("4too late").body == b"ok"
        assert peer.poll() == ["1"]
        assert site.messages == []

    @pytest.mark.parametrize("kind", KINDS)
    def test_twice(self, serve: Serve, kind: str) -> None:
        site = serve()
        peer = site.open(kind)
        site.session().close()
        site.session().close(DisconnectReason.SERVER_SHUTTING_DOWN)
        assert site.ending() is DisconnectReason.FORCED_CLOSE
        assert last_words(peer) == []

    @pytest.mark.parametrize("kind", ["polling", "websocket"])
    def test_in_on_connect(self, serve: Serve, kind: str) -> None:
        def refuse(session: Session) -> None:
            session.send("go away")
            session.close()

        site = serve(refuse)
        peer: Peer = site.polling() if kind == "polling" else site.websocket()
        assert last_words(peer) == ["4go away"]
        assert site.ending() is DisconnectReason.FORCED_CLOSE

    @pytest.mark.parametrize("kind", KINDS)
    def test_in_on_message(self, serve: Serve, kind: str) -> None:
        def bye(session: Session, data: str | bytes) -> None:
            session.send("bye")
            session.close()
            gevent.sleep(0)  # on_close comes when this callback has ended
            assert site.endings == []

        site = serve(on_message=bye)
        peer = site.open(kind)
        peer.say("quit", "more")
        assert last_words(peer) == ["4bye"]
        assert site.ending() is DisconnectReason.FORCED_CLOSE

    def test_in_on_close(self, serve: Serve) -> None:
        def close_again(session: Session, reason: DisconnectReason) -> None:
            session.close()
            with pytest.raises(SocketClosedError):
                session.send("too late")

        site = serve(on_close=close_again)
        site.websocket().close()
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE

    @pytest.mark.parametrize("kind", ["websocket", "upgraded"])
    def test_both_ends_at_once(self, serve: Serve, kind: str) -> None:
        site = serve()
        peer = site.open(kind)
        assert isinstance(peer, WebSocketPeer)
        session = site.session()
        peer.send(frame(1, b"1"))
        session.close()
        with pytest.raises(Closed):
            peer.receive()
        assert site.ending() is DisconnectReason.FORCED_CLOSE

    def test_both_ends_at_once_by_polling(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        session = site.session()
        peer.posts.request("POST", peer.target, (), b"1")
        session.close()
        assert peer.posts.answer().body == b"ok"
        assert site.ending() is DisconnectReason.FORCED_CLOSE
        assert peer.poll() == ["1"]

    def test_the_client_leaves_while_a_callback_blocks(self, serve: Serve) -> None:
        go = Event()
        seen: list[bool] = []

        def handle(session: Session, data: str | bytes) -> None:
            go.wait()
            seen.append(session.is_open)
            session.send("nobody is there")

        site = serve(on_message=handle)
        peer = site.websocket()
        peer.say("hello")
        until(lambda: site.messages)
        peer.close()
        until(lambda: not site.session().is_open)
        assert site.endings == []
        go.set()
        # SocketClosedError has ended the callback quietly.
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE
        assert seen == [False]

    def test_the_client_leaves_while_on_connect_blocks(self, serve: Serve) -> None:
        go = Event()
        order: list[str] = []

        def connect(session: Session) -> None:
            go.wait()
            order.append("connected")

        site = serve(
            connect,
            on_message=lambda session, data: order.append("message"),
            on_close=lambda session, reason: order.append("closed"),
        )
        peer = site.websocket()
        peer.say("hello")
        peer.close()
        until(lambda: not site.session().is_open)
        go.set()
        until(lambda: len(order) == 3)
        assert order == ["connected", "message", "closed"]
