"""Tests of plain websockets over the same transport."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from geventsio.engine import PlainWebSocket, websocket_app
from geventsio.engine.plain import MAX_PENDING
from geventsio.engine.websocket import WebSocketConnection
from geventsio.errors import BufferFullError, SocketClosedError
from tests.engine.harness import count, until
from tests.engine.peer import Refused, WebSocketPeer, frame


class Endpoint:
    """A plain websocket app on a server of its own."""

    def __init__(self, on_message: Any, **options: Any) -> None:
        self._server = WSGIServer(("127.0.0.1", 0), websocket_app(on_message, **options), log=None)
        self._server.start()
        self._peers: list[WebSocketPeer] = []

    def connect(self, **options: Any) -> WebSocketPeer:
        peer = WebSocketPeer(self._server.socket.getsockname(), "/any/path", **options)
        self._peers.append(peer)
        return peer

    def close(self) -> None:
        for peer in self._peers:
            peer.close()
        self._server.stop(timeout=0)


def echo(websocket: PlainWebSocket, message: str | bytes) -> None:
    websocket.send(message)


@pytest.fixture
def endpoints() -> Iterator[list[Endpoint]]:
    endpoints: list[Endpoint] = []
    yield endpoints
    for endpoint in endpoints:
        endpoint.close()


@pytest.mark.parametrize("message", ["", "text", "é" * 1000, b"", b"\x00binary", b"\xff" * 100_000])
def test_messages(endpoints: list[Endpoint], message: str | bytes) -> None:
    endpoints.append(Endpoint(echo))
    peer = endpoints[0].connect()
    if isinstance(message, str):
        peer.send(message)
    else:
        peer.send_binary(message)
    assert peer.receive() == message


def test_messages_behind_the_handshake(endpoints: list[Endpoint]) -> None:
    endpoints.append(Endpoint(echo))
    peer = endpoints[0].connect(behind=frame(1, b"one") + frame(1, b"two"))
    assert [peer.receive(), peer.receive()] == ["one", "two"]


def test_a_callback_that_blocks_makes_the_client_wait(endpoints: list[Endpoint]) -> None:
    """No more than so many messages are taken from the connection; no order is lost."""
    go = Event()
    handled: list[int] = []

    def handle(websocket: PlainWebSocket, message: str | bytes) -> None:
        go.wait()
        handled.append(int(message))

    endpoints.append(Endpoint(handle))
    peer = endpoints[0].connect()
    peer.send(b"".join(frame(1, b"%d" % number) for number in range(10 * MAX_PENDING)))
    sender = gevent.spawn(peer.send, frame(1, b"%-900000d" % 7) * 30)
    gevent.sleep(0.02)
    assert not sender.ready()
    assert handled == []
    go.set()
    sender.get()
    until(lambda: len(handled) == 10 * MAX_PENDING + 30)
    assert handled[: 10 * MAX_PENDING] == list(range(10 * MAX_PENDING))


def test_an_oversize_message(endpoints: list[Endpoint]) -> None:
    endpoints.append(Endpoint(echo, max_message_size=100))
    peer = endpoints[0].connect()
    peer.send("x" * 101)
    assert peer.receive_all() == ([], 1009)


def test_a_client_that_does_not_read(endpoints: list[Endpoint]) -> None:
    failed: list[type[BaseException]] = []

    def flood(websocket: PlainWebSocket, message: str | bytes) -> None:
        try:
            while True:
                websocket.send(bytes(10_000))
        except (BufferFullError, SocketClosedError) as error:
            failed.append(type(error))

    endpoints.append(Endpoint(flood, max_message_size=10_000))
    endpoints[0].connect().send("flood")
    until(lambda: failed)
    assert failed == [BufferFullError]


def test_sending_after_the_end(endpoints: list[Endpoint]) -> None:
    seen: list[PlainWebSocket] = []

    def handle(websocket: PlainWebSocket, message: str | bytes) -> None:
        seen.append(websocket)
        websocket.send(message)

    endpoints.append(Endpoint(handle))
    peer = endpoints[0].connect()
    peer.send("hello")
    assert peer.receive() == "hello"
    peer.send_close()
    assert peer.receive_all() == ([], 1000)
    with pytest.raises(SocketClosedError):
        seen[0].send("too late")


def test_an_exception_kills_nothing(endpoints: list[Endpoint], caplog: pytest.LogCaptureFixture) -> None:
    endpoints.append(Endpoint(lambda websocket, message: websocket.send(f"{1 / int(message)}")))
    peer = endpoints[0].connect()
    peer.send("0")
    peer.send("1")
    assert peer.receive() == "1.0"
    assert [record.exc_info and record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]
    caplog.clear()


def test_other_requests_are_refused(endpoints: list[Endpoint]) -> None:
    endpoints.append(Endpoint(echo))
    connection = endpoints[0].connect()
    connection.send_close()
    with pytest.raises(Refused):
        endpoints[0].connect(headers=[("Content-Length", "3")])


def test_connections_leave_nothing(endpoints: list[Endpoint]) -> None:
    endpoints.append(Endpoint(echo))
    before = count(WebSocketConnection, PlainWebSocket)
    for number in range(50):
        peer = endpoints[0].connect()
        peer.send("hello")
        assert peer.receive() == "hello"
        (peer.close, peer.reset)[number % 2]()
    until(lambda: count(WebSocketConnection, PlainWebSocket) <= before)
