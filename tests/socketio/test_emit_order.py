"""Tests of what arrives before what, and of binary events that many greenlets emit at once."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from geventsio import DisconnectReason, Socket, SocketIO
from tests.socketio.harness import Serve, Site, wait_until
from tests.socketio.peer import CONNECT, EVENT, Packet, Peer


def one(serve: Serve, transport: str = "websocket", **options: Any) -> tuple[Site, Peer, Socket]:
    """A server with one client, and that client's socket."""
    io = SocketIO(**options)
    io.ns("/").on("echo", lambda *args: args)
    site = serve(io)
    peer = site.peer(transport)
    return site, peer, io.of("/").sockets[peer.connect()]


# Attachments


@pytest.mark.parametrize("way", ["socket", "broadcast", "volatile", "ack"])
def test_a_hundred_greenlets_emit_binary_events_to_one_socket(serve: Serve, transport: str, way: str) -> None:
    site, peer, socket = one(serve, transport)
    blob = bytes(range(256)) * 40

    def emit(number: int) -> None:
        for part in range(3):
            args = (number, part, b"%d" % number, [blob, {"end": b"%d" % part}])
            if way == "socket":
                socket.emit("data", *args)
            elif way == "broadcast":
                site.io.to(socket.id).emit("data", *args)
            elif way == "volatile":
                socket.volatile().emit(f"data {number} {part}", *args)
            else:
                socket.emit_with_ack("data", *args)
            gevent.sleep(0)

    greenlets = [gevent.spawn(emit, number) for number in range(100)]
    expected = 300
    if way == "volatile" and transport == "polling":
        gevent.joinall(greenlets, raise_error=True)
        expected = 128  # so many different events wait for a client that does not poll
    seen: dict[int, list[int]] = {}
    for _ in range(expected):
        _, number, part, name, (attachment, end) = peer.packet().data
        assert (name, attachment, end) == (b"%d" % number, blob, {"end": b"%d" % part})
        seen.setdefault(number, []).append(part)
    gevent.joinall(greenlets, raise_error=True)
    assert all(parts == sorted(set(parts)) for parts in seen.values())
    assert sum(map(len, seen.values())) == expected
    assert peer.ask("echo", 1) == [1]
    peer.close()
    wait_until(lambda: not socket.connected)


def test_a_hundred_handlers_answer_with_attachments(serve: Serve, transport: str) -> None:
    site, peer, _ = one(serve, transport)

    @site.io.ns("/").on("ask")
    def ask(number: int, data: bytes) -> tuple[int, bytes]:
        gevent.sleep(0)
        return number, data * 2

    peer.send_packet(*(Packet(EVENT, "/", ["ask", number, b"%d" % number], number) for number in range(100)))
    for number in range(100):
        assert peer.packet().data == [number, b"%d" % number * 2]


# Order of emits


def test_emits_arrive_in_order_across_namespaces(serve: Serve, transport: str) -> None:
    site, peer, root = one(serve, transport)
    site.io.ns("/chat")
    chat = site.io.of("/chat").sockets[peer.connect("/chat")]
    for number in range(100):
        root.emit("event", number, b"x" * (number % 3))
        chat.emit("event", number)
        site.io.emit("all", number)
        site.io.of("/chat").emit("all", number, b"y")
    for number in range(100):
        assert peer.event() == ["event", number, b"x" * (number % 3)]
        assert peer.event("/chat") == ["event", number]
        assert peer.event() == ["all", number]
        assert peer.event("/chat") == ["all", number, b"y"]


def test_emits_arrive_in_order_across_an_upgrade(serve: Serve) -> None:
    site, peer, socket = one(serve, "polling")
    numbers = iter(range(1000))

    def emit(count: int) -> None:
        for _ in range(count):
            socket.emit("event", next(numbers), b"x")

    emit(10)
    websocket = site.websocket(sid=peer.handshake["sid"])
    emit(10)
    websocket.upgrade()
    emit(10)
    wait_until(lambda: socket.transport == "websocket")
    emit(10)
    assert [websocket.event()[1] for _ in range(40)] == list(range(40))


def test_a_direct_emit_and_broadcasts_arrive_as_they_were_called(serve: Serve, transport: str) -> None:
    site, peer, socket = one(serve, transport)
    socket.join("room")
    (remote,) = site.io.fetch_sockets()
    stream = []
    for number in range(20):
        socket.emit("direct", number)
        site.io.to("room").emit("room", number)
        socket.within("room").emit("own", number)
        remote.emit("remote", number)
        stream.append(socket.emit_with_ack("ack", number))
        stream.append(site.io.emit_with_ack("stream", number))  # type: ignore[arg-type]
    for number in range(20):
        got = [peer.packet().data for _ in range(6)]
        assert got == [[name, number] for name in ("direct", "room", "own", "remote", "ack", "stream")]


def test_what_was_joined_before_an_emit_gets_it(serve: Serve) -> None:
    site, peer, socket = one(serve)
    for number in range(10):
        site.io.join(f"room {number}")
        site.io.to(f"room {number}").emit("event", number)
        site.io.leave(f"room {number}")
        site.io.to(f"room {number}").emit("nobody")
    assert [peer.event()[1] for _ in range(10)] == list(range(10))
    assert socket.rooms == frozenset()


# Order of a socket's life


def test_connected_comes_before_what_the_connect_handler_emits(serve: Serve, transport: str) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.emit("direct", b"1")
        io.emit("all")
        socket.volatile().emit("maybe")

    peer = serve(io).peer(transport)
    peer.connect()  # the CONNECT packet must be the first
    assert [peer.event()[0] for _ in range(3)] == ["direct", "all", "maybe"]


def test_connected_comes_before_broadcasts(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").use
    def check() -> None:
        gevent.sleep(0.005)

    stop = False

    def tell() -> None:
        while not stop:
            io.emit("news")
            io.volatile().emit("news")
            gevent.sleep(0)

    site = serve(io)
    teller = gevent.spawn(tell)
    for transport in ("websocket", "polling") * 3:
        peer = site.peer(transport)
        peer.connect()
        assert peer.event() == ["news"]
        peer.close()
    stop = True
    teller.get()


def test_the_disconnect_handler_runs_once_and_after_connected_is_false(serve: Serve) -> None:
    io = SocketIO()
    seen: list[tuple[str, bool, str]] = []

    @io.ns("/").on_disconnect
    @io.ns("/chat").on_disconnect
    def bye(socket: Socket, reason: DisconnectReason) -> None:
        gevent.sleep(0)
        seen.append((socket.ns, socket.connected, reason))

    site = serve(io)
    peer = site.websocket()
    sockets = [io.of(path).sockets[peer.connect(path)] for path in ("/", "/chat")]
    for socket in sockets:
        socket.disconnect()
        socket.disconnect(close=True)
    io.disconnect()
    wait_until(lambda: not io.engine.sessions and len(seen) == 2)
    assert sorted(seen) == [
        ("/", False, str(DisconnectReason.SERVER_NAMESPACE_DISCONNECT)),
        ("/chat", False, str(DisconnectReason.SERVER_NAMESPACE_DISCONNECT)),
    ]


def test_the_connect_handler_ends_before_the_first_event_is_handled(serve: Serve, transport: str) -> None:
    io = SocketIO()
    seen: list[object] = []

    @io.ns("/")
    def connect(socket: Socket) -> None:
        gevent.sleep(0.005)
        seen.append("connected")

    @io.ns("/").on("event")
    def event(number: int) -> None:
        gevent.sleep(0)
        seen.append(number)

    io.ns("/").on_disconnect(lambda: seen.append("left"))
    peer = serve(io).peer(transport)
    peer.send_packet(Packet(CONNECT), *(Packet(EVENT, "/", ["event", number]) for number in range(5)))
    wait_until(lambda: len(seen) == 6)
    peer.close()
    wait_until(lambda: len(seen) == 7)
    assert seen == ["connected", 0, 1, 2, 3, 4, "left"]
