"""Tests of clients of Socket.IO v4, which socket.io-client 1 and 2 are: what they may send, and what they are told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from geventsio import ConnectRefused, Data, DisconnectReason, ProtocolVersion, Socket, SocketIO
from geventsio.protocol.eio3_framing import split_text
from tests.engine.peer import Closed, WebSocketPeer
from tests.engine.peer3 import PollingPeer3
from tests.socketio.harness import Log, Serve, Site, wait_until
from tests.socketio.peer import http_request

TARGET = "/socket.io/?EIO=3&transport=websocket"

Open = Callable[..., "Polling4 | WebSocketPeer"]


class Polling4(PollingPeer3):
    """A client by polling that takes one packet after the other, as a websocket's peer does."""

    def __init__(self, address: Any, query: str = "") -> None:
        super().__init__(address, query, "/socket.io/")
        self._packets: list[str] = []

    def receive(self) -> str:
        """Return the next packet."""
        while not self._packets:
            self._packets = list(split_text(self.poll()))
        return self._packets.pop(0)


@pytest.fixture
def connect(transport: str) -> Iterator[Open]:
    """Open connections, each over both transports in turn; they are closed with the test."""
    peers: list[Polling4 | WebSocketPeer] = []

    def start(site: Site, query: str = "") -> Polling4 | WebSocketPeer:
        if transport == "polling":
            peers.append(Polling4(site.address, query))
        else:
            peers.append(WebSocketPeer(site.address, TARGET + query).open())
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


def send(peer: Polling4 | WebSocketPeer, packet: str) -> None:
    """Send a packet of Engine.IO."""
    if isinstance(peer, Polling4):
        peer.send(f"{len(packet)}:{packet}".encode())
    else:
        peer.send(packet)


def server(**options: Any) -> tuple[SocketIO, list[Any]]:
    """A server with the namespaces `/` and `/admin`, and the list of (path, auth) that their connect handlers fill."""
    io = SocketIO(allow_eio3=True, **options)
    seen: list[Any] = []
    for path in ("/", "/admin"):
        namespace = io.ns(path)

        @namespace
        def connected(socket: Socket, auth: Any) -> None:
            seen.append((socket.ns, auth))

        namespace.on("echo", lambda *args: args)
    return io, seen


# Connecting


def test_a_client_is_connected_without_asking(serve: Serve, connect: Open) -> None:
    io, seen = server()
    peer = connect(serve(io))
    assert peer.receive() == "40"
    send(peer, '420["echo",1,"2"]')
    assert peer.receive() == '430[1,"2"]'
    assert seen == [("/", {})]
    [socket] = io.sockets()
    assert socket.protocol is ProtocolVersion.V4
    assert socket.connected


def test_the_version_is_injected(serve: Serve, connect: Open) -> None:
    io, _ = server()
    site = serve(io)
    io.ns("/").on("version", lambda: None)
    versions: list[ProtocolVersion] = []

    @io.ns("/admin").on("version")
    def version(version: ProtocolVersion) -> None:
        versions.append(version)

    peer = connect(site)
    assert peer.receive() == "40"
    send(peer, "40/admin")
    assert peer.receive() == "40/admin,"
    send(peer, '42/admin,["version"]')
    other = site.connect("/admin")
    other.emit("version", namespace="/admin")
    wait_until(lambda: len(versions) == 2)
    assert set(versions) == {ProtocolVersion.V4, ProtocolVersion.V5}


def test_what_the_connect_handler_emits_comes_behind(serve: Serve, connect: Open) -> None:
    io = SocketIO(allow_eio3=True)

    @io.ns("/")
    def connected(socket: Socket, auth: Data[dict[str, Any]]) -> None:
        socket.emit("auth", auth)

    peer = connect(serve(io))
    assert [peer.receive(), peer.receive()] == ["40", '42["auth",{}]']


def test_the_start_of_a_polling_session(serve: Serve) -> None:
    io = SocketIO(allow_eio3=True)

    @io.ns("/")
    def connected(socket: Socket, auth: Any) -> None:
        socket.emit("auth", auth)
        ready.append(socket)

    ready: list[Socket] = []
    peer = Polling4(serve(io).address)
    wait_until(lambda: ready)
    peer.send(b"1:2")
    assert peer.poll() == b'2:4013:42["auth",{}]1:3'
    peer.close()


@pytest.mark.parametrize(
    ("packet", "auth"),
    [
        ("40/admin", {}),
        ("40/admin,", {}),
        ("40/admin?token=a%20b%2C%E2%82%AC&x=,", {"token": "a b,€", "x": ""}),
        ("40/admin?x=1&x=2", {"x": "2"}),
        ("40/admin?", {}),
    ],
)
def test_the_query_of_a_namespace(serve: Serve, connect: Open, packet: str, auth: object) -> None:
    io, seen = server()
    peer = connect(serve(io))
    assert peer.receive() == "40"
    send(peer, packet)
    assert peer.receive() == "40/admin,"
    wait_until(lambda: len(seen) == 2)
    assert seen == [("/", {}), ("/admin", auth)]
    send(peer, '42/admin,7["echo"]')
    assert peer.receive() == "43/admin,7[]"


def test_the_query_of_the_handshake(serve: Serve, connect: Open) -> None:
    io, _ = server()
    peer = connect(serve(io), "&token=abc")
    assert peer.receive() == "40"
    [socket] = io.sockets()
    assert "token=abc" in socket.environ["QUERY_STRING"].split("&")


def test_there_is_no_connect_timeout(serve: Serve, connect: Open) -> None:
    io = SocketIO(allow_eio3=True, connect_timeout=0.05)
    io.ns("/").use(_refuse("no"))
    site = serve(io)
    peer = connect(site)
    assert peer.receive() == '44"no"'
    # A client of version 5, whose time begins later, is closed for it.
    late = site.websocket()
    assert late.end()[0].orderly
    send(peer, "2")
    assert peer.receive() == "3"


# Refusals


def _refuse(message: str, data: object = None) -> Callable[..., None]:
    def middleware() -> None:
        raise ConnectRefused(message, data)

    return middleware


@pytest.mark.parametrize(
    ("data", "error"),
    [(None, '"no €"'), ({"code": 7}, '{"code":7}'), ("why", '"why"'), ([1], "[1]"), (0, "0")],
)
def test_a_refusal(serve: Serve, connect: Open, data: object, error: str) -> None:
    io, seen = server()
    for path in ("/", "/admin"):
        io.ns(path).use(_refuse("no €", data))
    escaped = error.replace("€", "\\u20ac")
    peer = connect(serve(io))
    assert peer.receive() in ("44" + error, "44" + escaped)
    send(peer, "40/admin")
    assert peer.receive() in ("44/admin," + error, "44/admin," + escaped)
    assert seen == []
    send(peer, "2")
    assert peer.receive() == "3"


def test_parameters_that_are_not_there_refuse(serve: Serve, connect: Open) -> None:
    io = SocketIO(allow_eio3=True)

    @io.ns("/")
    def connected(auth: Data[tuple[int, int]]) -> None:
        raise AssertionError

    packet = connect(serve(io)).receive()
    assert isinstance(packet, str) and packet.startswith('44"')


def test_a_refusal_that_can_not_be_sent(serve: Serve, connect: Open, log: Log) -> None:
    io, _ = server()
    io.ns("/").use(_refuse("no", object()))
    assert connect(serve(io)).receive() == '44"no"'
    assert "refusal" in log.take_one().getMessage()


def test_a_namespace_that_does_not_exist(serve: Serve, connect: Open) -> None:
    peer = connect(serve(server()[0]))
    assert peer.receive() == "40"
    send(peer, "40/random")
    assert peer.receive() == '44/random,{"message":"Invalid namespace"}'
    send(peer, '421["echo"]')
    assert peer.receive() == "431[]"


def test_the_main_namespace_must_exist(serve: Serve, connect: Open, log: Log) -> None:
    io = SocketIO(allow_eio3=True)
    io.ns("/admin")
    site = serve(io)
    for _ in range(3):
        peer = connect(site)
        if isinstance(peer, WebSocketPeer):
            with pytest.raises(Closed):
                peer.receive()
        else:
            assert peer.receive() == "1"
    record = log.take_one()
    assert record.levelno == logging.ERROR
    assert "io.ns('/')" in record.getMessage()
    peer4 = site.connect("/admin")
    peer4.say_goodbye()


# Afterwards


def test_binary_events(serve: Serve, connect: Open) -> None:
    io, _ = server()
    peer = connect(serve(io), "&b64=1")
    assert peer.receive() == "40"
    text = '1-3["echo",{"_placeholder":true,"num":0}]'
    if isinstance(peer, Polling4):
        peer.send(f"{len(text) + 2}:45{text}6:b4AQID".encode())
        assert [peer.receive(), peer.receive()] == ['461-3[{"_placeholder":true,"num":0}]', "b4AQID"]
    else:
        peer.send("45" + text)
        peer.send_binary(b"\x04\x01\x02\x03")
        assert [peer.receive(), peer.receive()] == ['461-3[{"_placeholder":true,"num":0}]', b"\x04\x01\x02\x03"]


def test_binary_events_in_binary_payloads(serve: Serve) -> None:
    io, _ = server()
    peer = Polling4(serve(io).address)
    assert peer.receive() == "40"
    text = b'451-3["echo",{"_placeholder":true,"num":0}]'
    body = b"\x00\x04\x03\xff" + text + b"\x01\x04\xff\x04\x01\x02\x03"
    peer.send(body, (("Content-Type", "application/octet-stream"),))
    answer = peer.get()
    assert answer.headers["content-type"] == "application/octet-stream"
    expected = b'461-3[{"_placeholder":true,"num":0}]'
    assert answer.body == b"\x00\x03\x06\xff" + expected + b"\x01\x04\xff\x04\x01\x02\x03"
    peer.close()


def test_unicode(serve: Serve, connect: Open) -> None:
    io, _ = server()
    peer = connect(serve(io))
    assert peer.receive() == "40"
    if isinstance(peer, Polling4):
        packet = '421["echo","é€𝕊"]'
        # As socket.io-client 2 sends it, and as 1 does, which takes bytes of UTF-8 for characters.
        for text in (packet, packet.encode().decode("latin-1")):
            peer.send(f"{len(text.encode('utf-16-le')) // 2}:{text}".encode())
            # What is not ASCII is escaped: see `JSONGroup`.
            assert peer.receive() == r'431["\u00e9\u20ac\ud835\udd4a"]'
    else:
        peer.send('421["echo","é€𝕊"]')
        assert peer.receive() == '431["é€𝕊"]'


def test_the_server_asks(serve: Serve, connect: Open) -> None:
    io, _ = server()
    peer = connect(serve(io))
    assert peer.receive() == "40"
    [socket] = io.sockets()
    future = socket.emit_with_ack("question", 1)
    packet = peer.receive()
    assert isinstance(packet, str)
    ack_id = packet[2 : packet.index("[")]
    assert packet == f'42{ack_id}["question",1]'
    send(peer, f'43{ack_id}["answer"]')
    assert future.result() == "answer"


def test_the_server_disconnects(serve: Serve, connect: Open) -> None:
    io, _ = server()
    peer = connect(serve(io))
    assert peer.receive() == "40"
    io.sockets()[0].disconnect()
    assert peer.receive() == "41"
    send(peer, "2")
    assert peer.receive() == "3"


def test_the_client_leaves_the_main_namespace(serve: Serve, connect: Open) -> None:
    io, _ = server()
    reasons: list[str] = []

    @io.ns("/").on_disconnect
    def bye(reason: DisconnectReason) -> None:
        reasons.append(reason)

    peer = connect(serve(io))
    assert peer.receive() == "40"
    send(peer, "40/admin")
    assert peer.receive() == "40/admin,"
    send(peer, "41")
    wait_until(lambda: reasons)
    assert reasons == [DisconnectReason.CLIENT_NAMESPACE_DISCONNECT]
    send(peer, '42/admin,0["echo"]')
    assert peer.receive() == "43/admin,0[]"


@pytest.mark.parametrize("packet", ["40", "4abc", "42{}", '42abc["echo"]', '4["echo"]', "40/admin,[]", "44"])
def test_a_packet_that_it_may_not_send(serve: Serve, packet: str) -> None:
    io, _ = server()
    peer = WebSocketPeer(serve(io).address, TARGET).open()
    assert peer.receive() == "40"
    peer.send(packet)
    with pytest.raises(Closed) as closed:
        peer.receive()
    assert closed.value.code == 1000
    peer.close()


def test_a_room_of_both_versions(serve: Serve) -> None:
    io, _ = server()
    site = serve(io)
    websocket = WebSocketPeer(site.address, TARGET).open()
    binary, base64 = Polling4(site.address), Polling4(site.address, "&b64=1")
    peers: list[Polling4 | WebSocketPeer] = [websocket, binary, base64]
    for peer in peers:
        assert peer.receive() == "40"
    new = site.connect()
    newer = site.polling()
    newer.connect()
    io.emit("news", "é", b"\x01\x02")
    text = '451-["news","é",{"_placeholder":true,"num":0}]'
    assert [new.receive(), new.receive()] == [text[1:], b"\x01\x02"]
    assert [newer.receive(), newer.receive()] == [text[1:], b"\x01\x02"]
    assert [websocket.receive(), websocket.receive()] == [text, b"\x04\x01\x02"]
    framed = text.encode()
    assert binary.poll() == b"\x00\x04\x07\xff" + framed + b"\x01\x03\xff\x04\x01\x02"
    assert len(framed) == 47
    assert [base64.receive(), base64.receive()] == [text.replace("é", r"\u00e9"), "b4AQI="]
    for peer in peers:
        peer.close()


def test_volatile_events(serve: Serve) -> None:
    io, _ = server()
    site = serve(io)
    websocket, polling = WebSocketPeer(site.address, TARGET).open(), Polling4(site.address)
    assert [websocket.receive(), polling.receive()] == ["40", "40"]
    io.broadcast().volatile().emit("news", b"\x01")
    text = '451-["news",{"_placeholder":true,"num":0}]'
    assert [websocket.receive(), websocket.receive()] == [text, b"\x04\x01"]
    framed = b"\x00\x04\x02\xff" + text.encode() + b"\x01\x02\xff\x04\x01"
    assert (len(text), polling.poll()) == (42, framed)
    for peer in (websocket, polling):
        peer.close()


def test_sockets_end_with_the_server(serve: Serve, connect: Open) -> None:
    io, _ = server()
    reasons: list[str] = []

    @io.ns("/").on_disconnect
    def bye(reason: DisconnectReason) -> None:
        reasons.append(reason)

    peer = connect(serve(io))
    assert peer.receive() == "40"
    assert io.close(timeout=10)
    assert reasons == [DisconnectReason.SERVER_SHUTTING_DOWN]
    if isinstance(peer, Polling4):
        assert peer.receive() == "1"


def test_without_the_option_nobody_is_let_in(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    reply = http_request(serve(io).address, "GET", "/socket.io/?EIO=3&transport=polling")
    assert (reply.status, reply.body) == (400, b'{"code":5,"message":"Unsupported protocol version"}')
