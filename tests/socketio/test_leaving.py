"""Tests of clients that leave a namespace and come back while they are still being taken leave of."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from geventsio import DisconnectReason, Socket, SocketClosedError, SocketIO
from geventsio.adapters import LocalAdapter
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import CONNECT, DISCONNECT, EVENT, Packet

GOODBYE = Packet(DISCONNECT, "/chat")

#: The ways in which a client leaves the namespace and keeps its connection.
WAYS: dict[str, Callable[[SocketIO], object]] = {
    "client": lambda io: None,
    "server": lambda io: io.of("/chat").disconnect(),
    "deleted": lambda io: io.delete_ns("/chat"),
}


@pytest.mark.parametrize("way", WAYS)
def test_coming_back_while_the_disconnect_handler_runs(serve: Serve, way: str, transport: str) -> None:
    io = SocketIO()
    gate = Event()
    trace: list[tuple[str, str]] = []
    namespace = io.dyn_ns("/{name}")
    namespace.on("echo", lambda *args: args)

    @namespace
    def connect(socket: Socket) -> None:
        socket.join("room")
        trace.append(("connect", socket.id))

    @namespace.on_disconnect
    def bye(socket: Socket) -> None:
        if socket.id == old:
            gate.wait()
            assert socket.rooms == {"room"}
        trace.append(("bye", socket.id))

    peer = serve(io).peer(transport)
    old = peer.connect("/chat")
    wait_until(lambda: trace)
    before = io.of("/chat")
    if way == "client":
        peer.send_packet(GOODBYE)
    else:
        WAYS[way](io)
        assert peer.packet() == GOODBYE
    new = peer.connect("/chat")
    assert new != old
    after = io.of("/chat")
    assert (after is before) == (way != "deleted")
    wait_until(lambda: len(trace) == 2)
    # The old one gets nothing any more, or the client would have it twice.
    after.to("room").emit("event")
    before.to("room").emit("event")
    for _ in range(1 if before is not after else 2):
        assert peer.packet() == Packet(EVENT, "/chat", ["event"])
    assert peer.ask("echo", 1, namespace="/chat") == [1]
    gate.set()
    wait_until(lambda: old not in before.sockets)
    assert list(after.sockets) == [new]
    assert after.sockets[new].rooms == {"room"}
    after.to("room").emit("still here")
    assert peer.packet() == Packet(EVENT, "/chat", ["still here"])
    assert trace == [("connect", old), ("connect", new), ("bye", old)]


def test_leaving_and_coming_back_in_one_segment(serve: Serve, transport: str) -> None:
    io = SocketIO()
    trace: list[str] = []

    @io.ns("/chat")
    def connect(socket: Socket) -> None:
        trace.append(f"connect {socket.id}")

    @io.ns("/chat").on("event")
    def event(socket: Socket, number: int) -> None:
        gevent.sleep(0)
        trace.append(f"event {number} {socket.id}")

    @io.ns("/chat").on_disconnect
    def bye(socket: Socket, reason: DisconnectReason) -> None:
        trace.append(f"bye {socket.id} {reason}")

    peer = serve(io).peer(transport)
    first = peer.connect("/chat")
    events = [Packet(EVENT, "/chat", ["event", number]) for number in range(3)]
    peer.send_packet(events[0], events[1], GOODBYE, Packet(CONNECT, "/chat"), events[2])
    answer = peer.packet()
    assert (answer.type, answer.namespace) == (CONNECT, "/chat")
    second = answer.data["sid"]
    wait_until(lambda: len(trace) == 6)
    # Each socket has an order of its own, and between the two there is none.
    assert [line for line in trace if first in line] == [
        f"connect {first}",
        f"event 0 {first}",
        f"event 1 {first}",
        f"bye {first} client namespace disconnect",
    ]
    assert [line for line in trace if second in line] == [f"connect {second}", f"event 2 {second}"]


def test_nothing_is_sent_to_a_client_after_its_disconnect_packet(serve: Serve, transport: str) -> None:
    io = SocketIO()
    gate = Event()
    io.ns("/").on("echo", lambda *args: args)

    @io.ns("/chat").on_disconnect
    def bye(socket: Socket) -> None:
        with pytest.raises(SocketClosedError):
            socket.emit("event")
        socket.to("room").emit("from the dying")
        gate.wait()

    site = serve(io)
    peer, other = site.peer(transport), site.websocket()
    peer.connect()
    for client in (peer, other):
        client.connect("/chat")
    leaving, staying = io.of("/chat").sockets.values()
    for socket in (leaving, staying):
        socket.join("room")
    leaving.emit("before")
    leaving.disconnect()
    assert other.packet() == Packet(EVENT, "/chat", ["from the dying"])
    for emit in (io.of("/chat").emit, io.of("/chat").to("room").emit, staying.to("room").emit):
        emit("after")
    io.of("/chat").disconnect()
    leaving.disconnect()
    assert peer.packet() == Packet(EVENT, "/chat", ["before"])
    assert peer.packet() == GOODBYE
    assert peer.ask("echo", 1) == [1]
    assert [other.packet().data for _ in range(3)] == [["after"], ["after"], None]
    gate.set()


def test_leaving_is_not_answered(serve: Serve, transport: str) -> None:
    io = SocketIO()
    left: list[str] = []
    for path in ("/", "/chat"):
        io.ns(path).on_disconnect(lambda reason: left.append(str(reason)))
        io.ns(path).on("echo", lambda *args: args)
    peer = serve(io).peer(transport)
    peer.connect()
    peer.connect("/chat")
    peer.send_packet(GOODBYE)
    assert peer.ask("echo", 1) == [1]
    wait_until(lambda: left)
    assert left == ["client namespace disconnect"]


def test_the_end_of_a_connection_is_told_once_in_each_namespace(serve: Serve, transport: str) -> None:
    io = SocketIO()
    left: list[tuple[str, str]] = []
    gone = io.dyn_ns("/{name}")
    io.ns("/")
    for namespace in (gone, io.ns("/")):

        @namespace.on_disconnect
        def bye(socket: Socket, reason: DisconnectReason) -> None:
            left.append((socket.ns, str(reason)))

    peer = serve(io).peer(transport)
    for path in ("/", "/a", "/b", "/c"):
        peer.connect(path)
    peer.send_packet(Packet(DISCONNECT, "/c"))
    wait_until(lambda: left)
    peer.close()
    wait_until(lambda: len(left) == 4)
    assert left[0] == ("/c", "client namespace disconnect")
    assert sorted(left[1:]) == [(path, "transport close") for path in ("/", "/a", "/b")]
    wait_until(lambda: [namespace.path for namespace in io.nsps()] == ["/"])


def test_a_disconnect_handler_that_fails_leaves_nothing(serve: Serve, log: Log) -> None:
    io = SocketIO()
    namespace = io.dyn_ns("/{name}")

    @namespace.on_disconnect
    def bye() -> None:
        raise RuntimeError("in the disconnect handler")

    peer = serve(io).connect("/chat")
    peer.send_packet(GOODBYE)
    wait_until(lambda: not io.nsps())
    assert log.take_one().exc_info is not None
    peer.connect("/chat")
    io.of("/chat").disconnect()
    assert log.take_one().exc_info is not None


def test_an_adapter_that_can_not_let_go_keeps_nobody(serve: Serve, log: Log) -> None:
    class Sticky(LocalAdapter):
        def leave_all(self, socket: object) -> None:
            raise RuntimeError("will not let go")

    io = SocketIO(adapter=Sticky)
    io.ns("/")
    site = serve(io)
    site.connect().close()
    assert log.take_one().getMessage() == "the adapter of / could not remove a socket"
    assert io.ns("/").sockets == {}
    assert io.close(timeout=10) is True


def test_a_client_may_come_and_go_as_often_as_it_likes(serve: Serve, transport: str) -> None:
    io = SocketIO()
    io.dyn_ns("/{name}").on("echo", lambda *args: args)
    peer = serve(io).peer(transport)
    for _ in range(10):
        peer.connect("/chat")
        assert peer.ask("echo", 1, namespace="/chat") == [1]
        peer.send_packet(GOODBYE)
    wait_until(lambda: not io.nsps())
