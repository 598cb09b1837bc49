"""Tests of the polling transport: parked polls, what answers them, bodies of every kind, and who is gone."""

from __future__ import annotations

import base64
import io
import socket as constants
from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event
from werkzeug.test import Client, create_environ

from geventsio.engine import Session
from geventsio.errors import BufferFullError
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import Site, take, until
from tests.engine.peer import PollingPeer


def park(site: Site, peer: PollingPeer) -> None:
    """Send a GET, and wait until it waits."""
    session = site.session()
    peer.start_poll()
    until(lambda: session.polling is not None and session.polling.is_polled)


class TestAnswers:
    def test_what_waits_comes_in_one_payload(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        site.session().send("a")
        site.session().send(b"\x00\xff")
        site.session().send("é\u2028")
        answer = peer.get()
        assert answer.packets == ["4a", "b" + base64.b64encode(b"\x00\xff").decode(), "4é\u2028"]
        assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
        assert answer.headers["cache-control"] == "no-store"

    def test_a_payload_keeps_to_the_limit(self, serve: Serve) -> None:
        site = serve(max_payload=1000)
        peer = site.polling()
        messages = [str(number) * size for number, size in enumerate([300, 300, 300, 98, 300, 1, 996, 1, 1])]
        for message in messages:
            site.session().send(message)
        received: list[str] = []
        sizes = []
        while len(received) < len(messages):
            answer = peer.get()
            sizes.append(len(answer.body))
            received += answer.packets
        assert received == ["4" + message for message in messages]
        # The fourth would have made it 1,005 bytes; the seventh and eighth are exactly 1,000.
        assert sizes == [905, 404, 1000, 2]

    def test_one_message_above_the_limit_passes_alone(self, serve: Serve) -> None:
        site = serve(max_payload=1000)
        peer = site.polling()
        for message in ("a", "b" * 5000, "c"):
            site.session().send(message)
        assert [peer.poll(), peer.poll(), peer.poll()] == [["4a"], ["4" + "b" * 5000], ["4c"]]

    @pytest.mark.parametrize("message", ["text", b"binary"])
    def test_a_parked_poll_is_woken(self, serve: Serve, message: str | bytes) -> None:
        site = serve()
        peer = site.polling()
        park(site, peer)
        site.session().send(message)
        expected = "4text" if isinstance(message, str) else "b" + base64.b64encode(message).decode()
        assert peer.gets.answer().packets == [expected]

    def test_what_is_sent_in_one_turn_comes_in_one_payload(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        park(site, peer)
        for number in range(100):
            site.session().send(str(number))
        assert peer.gets.answer().packets == [f"4{number}" for number in range(100)]

    def test_twenty_thousand_messages(self, serve: Serve) -> None:
        site = serve(max_buffer_size=20_000, max_buffer_bytes=10**9)
        peer = site.polling()
        for number in range(20_000):
            site.session().send(f"{number}:{'x' * 100}")
        received: list[str] = []
        while len(received) < 20_000:
            received += peer.poll()
        assert received == [f"4{number}:{'x' * 100}" for number in range(20_000)]

    def test_a_session_without_a_poll_keeps_its_packets(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        peer.say("1", "2")
        peer.say("3")
        until(lambda: len(site.messages) == 3)
        assert peer.poll() == ["41", "42", "43"]

    def test_a_server_that_we_do_not_know(self, serve: Serve) -> None:
        """Where no socket can be found polling works all the same."""
        site = serve()
        client = Client(site.engine)
        opened = client.get("/engine.io/?EIO=4&transport=polling")
        session = site.session()
        target = f"/engine.io/?EIO=4&transport=polling&sid={session.sid}"
        assert opened.status_code == 200
        assert client.post(target, data=b"4hello").data == b"ok"
        assert client.get(target).data == b"4hello"
        waiting = gevent.spawn(client.get, target)
        until(lambda: session.polling is not None and session.polling.is_polled)
        session.send("later")
        assert waiting.get().data == b"4later"
        assert client.post(target, data=b"1").data == b"ok"

    def test_a_websocket_on_a_server_that_we_do_not_know(self, serve: Serve) -> None:
        handshake = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        }
        answer = Client(serve().engine).get("/engine.io/?EIO=4&transport=websocket", headers=handshake)
        assert (answer.status_code, answer.json) == (400, {"code": 3, "message": "Bad request"})


class TestGoneClients:
    """A poll whose client has left is no place to put packets."""

    @pytest.mark.parametrize("leave", [PollingPeer.reconnect, lambda peer: peer.gets.reset()], ids=["FIN", "RST"])
    def test_an_aborted_poll_ends_the_session(self, serve: Serve, leave: Callable[[PollingPeer], object]) -> None:
        site = serve()
        peer = site.polling()
        park(site, peer)
        leave(peer)
        assert site.ending() is DisconnectReason.TRANSPORT_ERROR
        until(lambda: not site.open_sessions())

    def test_an_aborted_poll_is_noticed_when_a_message_comes_at_the_same_time(self, serve: Serve) -> None:
        """Or the message would be written into a connection that nobody reads, and reported as sent."""
        site = serve()
        peer = site.polling()
        park(site, peer)
        peer.gets.close()
        site.session().send("lost")
        assert site.ending() is DisconnectReason.TRANSPORT_ERROR

    def test_a_request_behind_a_parked_poll_is_no_leaving(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        park(site, peer)
        peer.gets.request("POST", peer.target, (), b"4pipelined")
        gevent.sleep(0.01)
        assert not site.endings
        site.session().send("hello")
        assert peer.gets.answer().packets == ["4hello"]
        assert peer.gets.answer().body == b"ok"
        assert peer.poll() == ["4pipelined"]

    def test_a_connection_that_closes_between_two_polls_is_no_leaving(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        site.session().send("first")
        assert peer.poll() == ["4first"]
        peer.reconnect()
        site.session().send("second")
        assert peer.poll() == ["4second"]

    def test_a_watched_poll_leaves_no_watcher(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        site.session().send("0")
        assert peer.poll() == ["40"]
        active = gevent.get_hub().loop.activecnt
        for number in range(20):
            park(site, peer)
            site.session().send(str(number))
            assert peer.gets.answer().packets == [f"4{number}"]
        until(lambda: gevent.get_hub().loop.activecnt <= active)


class TestBodies:
    def test_a_body_in_pieces(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        body = "4é\x1e4two".encode()
        peer.posts.request("POST", peer.target, [("Content-Length", str(len(body)))], b"")
        for index in range(len(body)):
            peer.posts.send(body[index : index + 1])
            gevent.sleep(0)
        assert peer.posts.answer().body == b"ok"
        assert peer.poll() == ["4é", "4two"]

    @pytest.mark.parametrize("sent", [b"", b"4hel"])
    def test_a_body_that_breaks_off_is_not_handled(self, serve: Serve, sent: bytes) -> None:
        site = serve()
        peer = site.polling()
        peer.posts.request("POST", peer.target, [("Content-Length", "10")], sent)
        peer.posts.finish()
        assert site.ending() in (DisconnectReason.TRANSPORT_ERROR, DisconnectReason.PARSE_ERROR)
        assert site.messages == []

    def test_a_body_that_breaks_off_without_an_error(self, serve: Serve) -> None:
        """As under gunicorn, whose stream just ends."""
        site = serve()
        site.polling()
        environ = create_environ("/engine.io/", query_string=f"EIO=4&transport=polling&sid={site.session().sid}")
        environ.update({"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "10", "wsgi.input": io.BytesIO(b"4hel")})
        assert list(site.engine(environ, lambda *_: print)) != [b"ok"]
        assert site.ending() in (DisconnectReason.TRANSPORT_ERROR, DisconnectReason.PARSE_ERROR)
        assert site.messages == []

    def test_a_body_too_large_is_refused_unread(self, serve: Serve) -> None:
        site = serve(max_payload=1000)
        peer = site.polling()
        peer.posts.request("POST", peer.target, [("Content-Length", "1001")], b"")
        assert peer.posts.answer().status == 413
        assert site.ending() is DisconnectReason.PAYLOAD_TOO_LARGE

    def test_a_chunked_body_too_large_is_refused_before_its_end(self, serve: Serve, hub_errors: io.StringIO) -> None:
        site = serve(max_payload=1000)
        peer = site.polling()
        chunk = b"1f4\r\n" + b"4" * 500 + b"\r\n"
        peer.posts.request("POST", peer.target, [("Transfer-Encoding", "chunked")], chunk * 3)
        assert peer.posts.answer().status == 413
        assert site.ending() is DisconnectReason.PAYLOAD_TOO_LARGE
        assert site.messages == []
        peer.posts.close()
        until(hub_errors.getvalue)
        assert "EOF before chunk end reached" in take(hub_errors)  # pywsgi's own word on the rest

    @pytest.mark.parametrize("body", ["", "4a\x1e\x1e4b", "x", "4a\x1e7", "2probe", "5", "6", "0{}", "bA", "b==="])
    def test_a_malformed_body(self, serve: Serve, body: str) -> None:
        site = serve(on_message=lambda session, data: None)
        peer = site.polling()
        park(site, peer)
        answer = peer.post(body)
        if body == "2probe":  # a ping, whatever it says
            assert answer.status == 200
            return
        assert answer.error_code == 3
        assert peer.gets.answer().packets == ["1"]
        assert site.ending() is DisconnectReason.PARSE_ERROR

    def test_a_second_post_while_one_is_read(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        peer.posts.request("POST", peer.target, [("Content-Length", "6")], b"4he")
        session = site.session()
        first, peer.posts = peer.posts, site.connect()
        gevent.sleep(0.01)
        assert peer.post("4second").error_code == 3
        assert site.ending() is DisconnectReason.TRANSPORT_ERROR
        first.send(b"llo")
        assert first.answer().status in (200, 400)
        first.close()
        assert site.messages == []
        assert not session.is_open


class TestPause:
    """While a session is paused the rest of a POST waits."""

    def test_the_rest_of_a_post_waits(self, serve: Serve) -> None:
        site = serve(lambda session: session.pause(), on_message=lambda session, data: None)
        peer = site.polling()
        session = site.session()
        posting = gevent.spawn(peer.post, "41", "42", "43")
        until(lambda: site.messages)
        gevent.sleep(0.01)
        assert site.messages == ["1"]
        assert not posting.ready()
        session.resume()
        assert posting.get().body == b"ok"
        until(lambda: len(site.messages) == 3)
        assert site.messages == ["1", "2", "3"]

    def test_a_paused_session_may_end(self, serve: Serve) -> None:
        site = serve(lambda session: session.pause(), on_message=lambda session, data: None)
        peer = site.polling()
        posting = gevent.spawn(peer.post, "41", "42")
        until(lambda: site.messages)
        site.session().close()
        assert posting.get().body == b"ok"
        assert peer.poll() == ["1"]
        assert site.messages == ["1"]

    def test_no_post_waits_for_ever(self, serve: Serve) -> None:
        site = serve(
            lambda session: session.pause(),
            on_message=lambda session, data: None,
            ping_interval=0.05,
        )
        peer = site.polling()
        assert peer.post("41", "42").body == b"ok"
        until(lambda: len(site.messages) == 2)


class TestSlowConsumer:
    @pytest.mark.parametrize("limit", [{"max_buffer_size": 100}, {"max_buffer_bytes": 1000}])
    def test_a_client_that_does_not_poll_is_closed(self, serve: Serve, limit: dict[str, int]) -> None:
        failed: list[int] = []
        go = Event()

        def flood(session: Session, data: str | bytes) -> None:
            for number in range(1000):
                try:
                    session.send("x" * 9)
                except BufferFullError:
                    failed.append(number)
            go.wait()

        site = serve(on_message=flood, **limit)
        peer = site.polling()
        peer.say("flood")
        until(lambda: failed)
        assert len(failed) == 900
        # The callback that sends is still running: what it does must not be overtaken by the end.
        assert site.endings == []
        go.set()
        assert site.ending() is DisconnectReason.SLOW_CONSUMER
        assert peer.get().error_code == 1

    def test_one_message_above_the_bound_passes_when_nothing_waits(self, serve: Serve) -> None:
        site = serve(max_buffer_bytes=1000)
        peer = site.polling()
        for message in ("a" * 5000, "b" * 5000):
            site.session().send(message)
            assert peer.poll() == ["4" + message]
        site.session().send("c" * 5000)
        with pytest.raises(BufferFullError):
            site.session().send("d")
        assert site.ending() is DisconnectReason.SLOW_CONSUMER

    def test_room_is_made_by_polling(self, serve: Serve) -> None:
        site = serve(max_buffer_bytes=1000, max_payload=300)
        peer = site.polling()
        for _ in range(20):
            for _ in range(4):
                site.session().send("x" * 200)
            for _ in range(4):
                assert peer.poll() == ["4" + "x" * 200]
        assert site.endings == []


def test_requests_do_not_wait_for_delayed_acknowledgements(serve: Serve) -> None:
    """pywsgi writes head and body apart: on a connection with Nagle's algorithm each answer would wait 40 ms."""
    taken: list[int] = []

    def look(app: Callable[..., object]) -> Callable[..., object]:
        def wrapped(environ: dict[str, object], start_response: object) -> object:
            result = app(environ, start_response)
            if "HTTP_UPGRADE" not in environ:
                sock = environ["wsgi.input"].rfile.raw._sock  # type: ignore[attr-defined]
                taken.append(sock.getsockopt(constants.IPPROTO_TCP, constants.TCP_NODELAY))
            return result

        return wrapped

    site = serve(wrap=look)
    peer = site.polling()
    peer.say("hello")
    assert peer.poll() == ["4hello"]
    connection = site.connect()
    connection.request("GET", "/engine.io/?transport=unknown")
    assert connection.answer().status == 400
    websocket = peer.probe()
    peer.reconnect()
    assert peer.poll() == ["6"]
    websocket.close()
    assert taken == [1] * 5
