"""Engine.IO v3 and Socket.IO v4 on each server, packet by packet."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.live.conftest import Fleet
from tests.live.endpoint import Endpoint, error
from tests.live.http_client import Pending, Reply, request, start_request
from tests.live.ws_client import WebSocket

CALM = ("--ping-interval", "25", "--ping-timeout", "20", "--connect-timeout", "45")
BINARY = "application/octet-stream"

HELLO = "7:4hello€".encode()
GOLDEN = bytes.fromhex("00 09 ff 34 68 65 6c 6c 6f e2 82 ac 01 05 ff 04 01 02 03 04")


@pytest.fixture
def engine3(fleet: Fleet) -> Iterator[Endpoint]:
    """The Engine.IO echo server for both versions."""
    yield from fleet.endpoint("engine3", *CALM)


@pytest.fixture
def beating(fleet: Fleet) -> Iterator[Endpoint]:
    """The same, for clients that must ping every 200 ms."""
    yield from fleet.endpoint("engine3", "--ping-interval", "0.2", "--ping-timeout", "1")


@pytest.fixture
def socket4(fleet: Fleet) -> Iterator[Endpoint]:
    """The Socket.IO server for both versions."""
    yield from fleet.endpoint("socket4", *CALM)


class Session:
    """A session of version 3 by polling, opened by the constructor; each request on a connection of its own."""

    def __init__(self, endpoint: Endpoint, query: str = "") -> None:
        self._endpoint = endpoint
        opened = request(endpoint.address, "GET", f"{endpoint.path}?EIO=3&transport=polling{query}")
        assert (opened.status, opened.content_type) == (200, "text/plain;charset=utf-8")
        length, _, packet = opened.text.partition(":")
        assert (int(length), packet[:1]) == (len(packet), "0")
        self.handshake = json.loads(packet[1:])
        self.sid: str = self.handshake["sid"]

    def target(self, protocol: int = 3) -> str:
        """Path and query of a request."""
        return f"{self._endpoint.path}?EIO={protocol}&transport=polling&sid={self.sid}"

    def start_poll(self) -> Pending:
        """Send a GET without waiting for its response."""
        return start_request(self._endpoint.address, "GET", self.target())

    def poll(self) -> Reply:
        """Send a GET and wait for its response."""
        return self.start_poll().reply()

    def post(self, body: bytes, content_type: str = "text/plain;charset=UTF-8") -> Reply:
        """Send a POST and wait for its response."""
        headers = {"Content-Type": content_type}
        return request(self._endpoint.address, "POST", self.target(), body, headers)

    def send(self, body: bytes, content_type: str = "text/plain;charset=UTF-8") -> None:
        """Send a POST that must succeed."""
        reply = self.post(body, content_type)
        assert (reply.status, reply.body) == (200, b"ok"), reply

    def open_websocket(self) -> WebSocket:
        """Open a WebSocket for the upgrade."""
        return open_websocket(self._endpoint, f"&sid={self.sid}")


def open_websocket(endpoint: Endpoint, query: str = "") -> WebSocket:
    """Open a WebSocket of version 3."""
    return WebSocket(endpoint.address, f"{endpoint.path}?EIO=3&transport=websocket{query}")


def test_the_handshake(engine3: Endpoint) -> None:
    session = Session(engine3)
    assert session.handshake == {
        "sid": session.sid,
        "upgrades": ["websocket"],
        "pingInterval": 25_000,
        "pingTimeout": 20_000,
        "maxPayload": 1_000_000,
    }
    with open_websocket(engine3) as socket:
        handshake = json.loads(socket.receive_text()[1:])
    assert handshake == {**session.handshake, "sid": handshake["sid"], "upgrades": []}
    assert engine3.open_polling().handshake["upgrades"] == ["websocket"]


def test_without_the_option_version_3_is_refused(engine: Endpoint) -> None:
    assert error(request(engine.address, "GET", f"{engine.path}?EIO=3&transport=polling")) == 5
    engine.refuse_websocket("EIO=3&transport=websocket", 5)


def test_the_version_of_a_session_stays(engine3: Endpoint) -> None:
    session = Session(engine3)
    assert error(request(engine3.address, "GET", session.target(protocol=4))) == 3
    engine3.refuse_websocket(f"EIO=4&transport=websocket&sid={session.sid}", 3)
    other = engine3.open_polling()
    assert error(request(engine3.address, "GET", other.target().replace("EIO=4", "EIO=3"))) == 3
    session.send(HELLO)
    assert session.poll().body == HELLO


@pytest.mark.parametrize(
    ("query", "body", "content_type", "echo"),
    [
        ("", HELLO, "text/plain;charset=UTF-8", HELLO),
        ("", "3:4𝕊2:4é".encode(), "text/plain;charset=UTF-8", "3:4𝕊2:4é".encode()),
        ("&b64=1", HELLO + b"10:b4AQIDBA==", "text/plain;charset=UTF-8", HELLO + b"10:b4AQIDBA=="),
        ("&b64=1", GOLDEN, BINARY, HELLO + b"10:b4AQIDBA=="),
        ("", GOLDEN, BINARY, GOLDEN),
        ("", HELLO + b"10:b4AQIDBA==", "text/plain;charset=UTF-8", GOLDEN),
        ("", GOLDEN[:12], BINARY, HELLO),
    ],
)
def test_a_payload_comes_back(engine3: Endpoint, query: str, body: bytes, content_type: str, echo: bytes) -> None:
    session = Session(engine3, query)
    session.send(body, content_type)
    reply = session.poll()
    assert reply.content_type == (BINARY if echo == GOLDEN else "text/plain;charset=utf-8")
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.body == echo


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"abc", "text/plain"), (b"10:4ab", "text/plain"), (GOLDEN[:-1], BINARY), (GOLDEN, "")]
)
def test_a_broken_payload_ends_the_session(engine3: Endpoint, body: bytes, content_type: str) -> None:
    session = Session(engine3)
    assert error(session.post(body, content_type)) == 3
    assert error(session.poll()) == 1


def test_messages_over_a_websocket(engine3: Endpoint) -> None:
    with open_websocket(engine3) as socket:
        assert socket.receive_text().startswith("0{")
        for message in ("4hello€", b"\x04\x01\x02\x03\x04", b"\x04", "4" + "x" * 70_000, b"\x04" + bytes(70_000)):
            socket.send(message)
            assert socket.receive() == message
        socket.send("b4AQIDBA==")
        assert socket.receive() == b"\x04\x01\x02\x03\x04"


@pytest.mark.parametrize("message", ["abc", "bAQID", b"", b"\x01\x02"])
def test_a_broken_message_ends_the_session(engine3: Endpoint, message: str | bytes) -> None:
    with open_websocket(engine3) as socket:
        assert socket.receive_text().startswith("0{")
        socket.send(message)
        closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, [])


def test_an_upgrade(engine3: Endpoint) -> None:
    session = Session(engine3)
    with session.open_websocket() as socket, session.start_poll() as poll:
        socket.send("2probe")
        assert socket.receive() == "3probe"
        assert poll.reply().body == b"1:6"
        assert [session.poll().body for _ in range(5)] == [b"1:6"] * 5
        socket.send("5")
        socket.send(b"\x04\x01")
        assert socket.receive() == b"\x04\x01"
        assert error(session.poll()) == 3
        assert error(session.post(b"1:2")) == 3
        with session.open_websocket() as second:
            assert second.closing().code == 1008
        socket.send("4still here")
        assert socket.receive() == "4still here"


def test_pings_are_answered(beating: Endpoint) -> None:
    session = Session(beating)
    with open_websocket(beating) as socket:
        assert socket.receive_text().startswith("0{")
        for _ in range(3):
            session.send(b"1:2")
            assert session.poll().body == b"1:3"
            socket.send("2")
            assert socket.receive() == "3"


def test_clients_that_do_not_ping_are_closed(beating: Endpoint) -> None:
    session = Session(beating)
    with open_websocket(beating) as socket:
        assert socket.receive_text().startswith("0{")
        assert session.poll().body == b"1:1"
        assert error(session.poll()) == 1
        closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, [])


def test_goodbye(engine3: Endpoint) -> None:
    session = Session(engine3)
    with session.start_poll() as poll:
        session.send(b"1:1")
        assert poll.reply().body == b"1:6"
    assert error(session.poll()) == 1


def test_socketio_over_polling(socket4: Endpoint) -> None:
    session = Session(socket4)
    received = b""
    while b"auth" not in received:
        received += session.poll().body
    assert received == b'2:4013:42["auth",{}]'
    session.send(b"10:40/custom,")
    received = b""
    while b"auth" not in received:
        received += session.poll().body
    assert received == b'10:40/custom,21:42/custom,["auth",{}]'
    session.send(b'49:451-["message","x",{"_placeholder":true,"num":0}]6:b4AQID')
    reply = session.poll()
    text = b'451-["message-back","x",{"_placeholder":true,"num":0}]'
    assert reply.content_type == BINARY
    assert reply.body == b"\x00\x05\x04\xff" + text + b"\x01\x04\xff\x04\x01\x02\x03"


def test_socketio_over_a_websocket(socket4: Endpoint) -> None:
    with open_websocket(socket4) as socket:
        assert socket.receive_text().startswith("0{")
        assert [socket.receive(), socket.receive()] == ["40", '42["auth",{}]']
        socket.send("40/custom?token=abc,")
        assert [socket.receive(), socket.receive()] == ["40/custom,", '42/custom,["auth",{"token":"abc"}]']
        socket.send("40/random")
        assert socket.receive() == '44/random,{"message":"Invalid namespace"}'
        socket.send('451-7["message-with-ack",{"_placeholder":true,"num":0}]')
        socket.send(b"\x04\x01\x02\x03")
        assert [socket.receive(), socket.receive()] == ['461-7[{"_placeholder":true,"num":0}]', b"\x04\x01\x02\x03"]
        socket.send("41/custom")
        socket.send('42["message",1]')
        assert socket.receive() == '42["message-back",1]'
        socket.send("4abc")
        closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, [])
