"""Tests of taking connections out of a WSGI server's hands: nothing is lost, nothing is left, nobody notices."""

from __future__ import annotations

import json
import socket
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import pytest
from geventwebsocket.handler import WebSocketHandler

from geventsio.engine.takeover import answer_without_delay, find_socket, no_delay
from geventsio.types import DisconnectReason
from tests import tools
from tests.engine.conftest import Serve
from tests.engine.harness import count, until
from tests.engine.peer import WebSocketPeer, frame

WSGIApp = Callable[[dict[str, Any], Any], Any]


class TestFirstBytes:
    @pytest.mark.parametrize("size", [0, 1, 125, 5_000, 8_100, 9_000, 60_000, 300_000])
    def test_what_comes_with_the_handshake(self, serve: Serve, size: int) -> None:
        """The server has read some of it past the request's head, the rest is still in the kernel."""
        site = serve()
        peer = site.websocket(behind=frame(1, b"4" + b"x" * size) + frame(1, b"4end"))
        assert peer.hear() == "x" * size
        assert peer.hear() == "end"

    def test_a_frame_that_is_cut_behind_the_handshake(self, serve: Serve) -> None:
        data = frame(1, b"4" + b"x" * 1000)
        site = serve()
        for cut in (1, 2, 5, 7, 500):
            peer = site.websocket(behind=data[:cut])
            peer.send(data[cut:])
            assert peer.hear() == "x" * 1000

    def test_no_server_reads_along(self, serve: Serve) -> None:
        """Many connections whose first frame comes at any moment around the end of the request."""
        site = serve()
        for round_ in range(200):
            peer = site.websocket()
            for _ in range(round_ % 4):
                gevent.sleep(0)
            peer.say(str(round_))
            assert peer.hear() == str(round_)
            peer.close()

    def test_a_close_behind_the_handshake(self, serve: Serve) -> None:
        site = serve()
        peer = site.websocket(behind=frame(1, b"4hello") + frame(8, b"\x03\xe8"))
        messages, code = peer.receive_all()
        assert (messages, code) in ((["4hello"], 1000), ([], 1000))
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE
        assert site.messages == ["hello"]


def generator(app: WSGIApp) -> WSGIApp:
    def middleware(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        yield from app(environ, start_response)

    return middleware


def closing(app: WSGIApp) -> WSGIApp:
    class Body:
        def __init__(self, body: Any) -> None:
            self.body = iter(body)

        def __iter__(self) -> Any:
            return self.body

        def close(self) -> None:
            gevent.sleep(0)

    return lambda environ, start_response: Body(app(environ, start_response))


def with_headers(app: WSGIApp) -> WSGIApp:
    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        def add(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            gevent.sleep(0)  # as one that logs might
            return start_response(status, [*headers, ("X-Served-By", "middleware")], *error)

        return app(environ, add)

    return middleware


def reporting(app: WSGIApp) -> WSGIApp:
    """As error trackers do: whatever leaves the app is an error to them."""

    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return list(app(environ, start_response))
        except BaseException as error:
            raise AssertionError("the app was left by an exception") from error

    return middleware


class TestMiddlewares:
    @pytest.mark.parametrize("wrap", [generator, closing, with_headers, reporting])
    def test_wrapped(self, serve: Serve, wrap: Callable[[WSGIApp], WSGIApp]) -> None:
        site = serve(wrap=wrap)
        peer = site.websocket(behind=frame(1, b"4one"))
        peer.say("two")
        assert [peer.hear(), peer.hear()] == ["one", "two"]
        polling = site.polling()
        websocket = polling.upgrade()
        websocket.say("three")
        assert websocket.hear() == "three"
        websocket.close()

    def test_headers_of_a_middleware_are_sent(self, serve: Serve) -> None:
        connection = serve(wrap=with_headers).connect()
        handshake = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]
        connection.request("GET", "/engine.io/?EIO=4&transport=websocket", handshake)
        assert connection.answer().headers["x-served-by"] == "middleware"


class TestServers:
    def test_the_servers_greenlet_ends(self, serve: Serve) -> None:
        site = serve()
        site.websocket()
        gevent.sleep(0.001)
        before = count(gevent.Greenlet)
        for _ in range(10):
            site.websocket()
        until(lambda: count(gevent.Greenlet) <= before)

    def test_a_unix_socket(self, serve: Serve, tmp_path: Path) -> None:
        listener = gevent.socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        site = serve(listener=listener)
        peer = site.websocket()
        peer.say("hello")
        assert peer.hear() == "hello"
        polling = site.polling()
        polling.say("hello")
        assert polling.poll() == ["4hello"]

    def test_ipv6(self, serve: Serve) -> None:
        site = serve(listener=(tools.ipv6(), 0))
        site.address = site.address[:2]
        peer = site.websocket()
        peer.say("hello")
        assert peer.hear() == "hello"


class TestGeventWebSocket:
    """pywsgi with gevent-websocket's handler, which has answered the handshake before the app is called."""

    @pytest.fixture
    def server(self) -> dict[str, Any]:
        return {"handler_class": WebSocketHandler}

    def test_messages(self, serve: Serve, server: dict[str, Any]) -> None:
        site = serve(server=server)
        peer = site.websocket(behind=frame(1, b"4one"))
        peer.say("two", "x" * 100_000)
        assert [peer.hear(), peer.hear(), peer.hear()] == ["one", "two", "x" * 100_000]
        peer.send_close(3000)
        assert peer.receive_all() == ([], 3000)
        assert peer.read_rest() == b""
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE

    def test_polling_and_upgrade(self, serve: Serve, server: dict[str, Any]) -> None:
        site = serve(server=server)
        peer = site.polling()
        peer.say("one")
        assert peer.poll() == ["4one"]
        websocket = peer.upgrade()
        websocket.say("two")
        assert websocket.hear() == "two"
        websocket.close()

    @pytest.mark.parametrize("query", ["EIO=3&transport=websocket", "EIO=4&transport=websocket&sid=unknown"])
    def test_a_refusal_is_a_close_code(self, serve: Serve, server: dict[str, Any], query: str) -> None:
        site = serve(server=server)
        peer = WebSocketPeer(site.address, f"/engine.io/?{query}")
        # No packet, but the official client takes it for a failed attempt.
        [message], code = peer.receive_all()
        assert json.loads(message).keys() == {"code", "message"}
        assert code == 1008
        peer.send_close(1008)
        assert peer.read_rest() == b""
        peer.close()
        assert site.open_sessions() == 0

    def test_a_foreign_origin_is_refused(self, serve: Serve, server: dict[str, Any]) -> None:
        site = serve(server=server)
        peer = WebSocketPeer(site.address, headers=[("Origin", "https://evil.test")])
        [message], code = peer.receive_all()
        assert (json.loads(message)["code"], code) == (4, 1008)
        peer.close()

    def test_the_server_closes(self, serve: Serve, server: dict[str, Any]) -> None:
        site = serve(server=server)
        peer = site.websocket()
        site.session().send("bye")
        site.session().close()
        assert peer.receive_all() == (["4bye"], 1000)
        peer.send_close()
        assert peer.read_rest() == b""


class TestPieces:
    def test_nagle_is_switched_off(self) -> None:
        with socket.socket() as sock:
            no_delay(sock)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def test_nagle_is_switched_off_for_every_connection(self) -> None:
        for _ in range(2):  # the second socket has the first one's descriptor
            with socket.socket() as sock:
                for _ in range(2):
                    answer_without_delay({"gunicorn.socket": sock})
                    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                seen = weakref.ref(sock)
            del sock
            assert seen() is None
        answer_without_delay({})

    def test_sockets_without_nagle_are_left_alone(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            no_delay(ours)
        no_delay(ours)
        no_delay(None)

    @pytest.mark.parametrize("stream", [None, object(), b""])
    def test_no_socket_is_found_where_there_is_none(self, stream: object) -> None:
        assert find_socket({"wsgi.input": stream}) is None
        assert find_socket({}) is None
