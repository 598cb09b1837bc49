"""Tests of what is in order, by whatever way it goes: one for each guarantee that handlers can rely on."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import DisconnectReason, Socket, SocketIO
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import CONNECT, DISCONNECT, EVENT, Packet

# What is sent


def test_one_client_receives_in_the_order_of_emits_across_its_namespaces(serve: Serve, transport: str) -> None:
    io = SocketIO()
    sockets: list[Socket] = []
    for path in ("/", "/chat"):
        io.ns(path).on_connect(lambda socket: None)

    @io.ns("/").on("start")
    def start(socket: Socket) -> None:
        sockets.extend([socket, *io.of("/chat").sockets.values()])
        for number in range(20):
            sockets[number % 2].emit("event", number, b"\x00" * (number % 3))

    peer = serve(io).peer(transport)
    peer.connect()
    peer.connect("/chat")
    peer.emit("start")
    received = [peer.packet() for _ in range(20)]
    assert [packet.data[1] for packet in received] == list(range(20))
    assert [packet.namespace for packet in received] == ["/", "/chat"] * 10


def test_a_broadcast_and_an_emit_arrive_in_the_order_of_the_calls(serve: Serve, transport: str) -> None:
    io = SocketIO()

    @io.ns("/").on("start")
    def start(socket: Socket) -> str:
        socket.join("room")
        for number in range(0, 40, 4):
            socket.emit("event", number)
            io.emit("event", number + 1)
            socket.within("room").emit("event", number + 2, b"binary")
            socket.emit("event", number + 3)
        return "last"

    peer = serve(io).peer(transport)
    peer.connect()
    peer.send('25["start"]')
    assert [peer.event()[1] for _ in range(40)] == list(range(40))
    assert peer.packet().data == ["last"]


def test_what_many_greenlets_send_at_once_stays_whole(serve: Serve, transport: str) -> None:
    # The peer fails when a packet's attachments don't follow it.
    io = SocketIO(concurrent_handlers=True)
    gate = Event()

    @io.ns("/").on("send")
    def send(socket: Socket, number: int) -> None:
        gate.wait()
        for repeat in range(3):
            socket.emit("event", number, repeat, bytes([number]) * (1 + repeat), {"deep": [b"%d" % number]})
            gevent.sleep(0)

    io.ns("/").on("go", gate.set)
    peer = serve(io).peer(transport)
    peer.connect()
    peer.send_packet(*(Packet(EVENT, "/", ["send", number]) for number in range(100)), Packet(EVENT, "/", ["go"]))
    received = [peer.event() for _ in range(300)]
    assert all(
        binary == bytes([number]) * (1 + repeat) and more == {"deep": [b"%d" % number]}
        for _, number, repeat, binary, more in received
    )
    for number in range(100):
        assert [repeat for _, sender, repeat, *_ in received if sender == number] == [0, 1, 2]


def test_the_order_holds_through_the_upgrade(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("send")
    def send(socket: Socket, first: int) -> None:
        for number in range(first, first + 10):
            socket.emit("event", number)

    site = serve(io)
    polling = site.polling()
    polling.connect()
    polling.emit("send", 0)
    numbers = [polling.event()[1] for _ in range(10)]
    websocket = site.websocket(sid=polling.handshake["sid"])
    polling.emit("send", 10)  # nobody polls, so these take the new way
    websocket.upgrade()
    websocket.emit("send", 20)
    numbers += [websocket.event()[1] for _ in range(20)]
    assert numbers == list(range(30))


def test_a_socket_that_has_joined_gets_what_is_emitted_next(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("start")
    def start(socket: Socket) -> None:
        socket.join("room")
        io.to("room").emit("after join")
        socket.leave("room")
        io.to("room").emit("after leave")
        socket.emit("end")

    peer = serve(io).connect()
    peer.emit("start")
    assert [peer.event(), peer.event()] == [["after join"], ["end"]]


# What is handled


def test_parameters_are_taken_in_the_order_of_arrival(serve: Serve, transport: str) -> None:
    io = SocketIO(concurrent_handlers=True)
    taken: list[int] = []
    gate = Event()

    @io.ns("/").on_any
    def listen(event: str, number: int = -1) -> None:
        taken.append(number)

    @io.ns("/").on("event")
    def event(number: int) -> None:
        gate.wait()

    io.ns("/").on("go", gate.set)
    peer = serve(io).peer(transport)
    peer.connect()
    peer.send_packet(*(Packet(EVENT, "/", ["event", number]) for number in range(50)), Packet(EVENT, "/", ["go"]))
    gate.wait()
    assert taken == [*range(50), -1]


def test_handlers_of_one_socket_end_in_the_order_of_arrival(serve: Serve, transport: str) -> None:
    io = SocketIO()
    ended: list[int] = []

    @io.ns("/").on("event")
    def event(number: int) -> None:
        for _ in range(3 - number % 3):
            gevent.sleep(0)
        ended.append(number)

    io.ns("/").on("sync", lambda: "sync")
    peer = serve(io).peer(transport)
    peer.connect()
    peer.send_packet(*(Packet(EVENT, "/", ["event", number]) for number in range(50)))
    assert peer.ask("sync") == ["sync"]
    assert ended == list(range(50))


def test_events_are_held_until_the_connect_handler_has_registered_its_own(serve: Serve, transport: str) -> None:
    io = SocketIO()
    begun, gate = Event(), Event()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        begun.set()
        gate.wait()
        socket.on("event", lambda number: ("own", number))

    io.ns("/").on("event", lambda number: ("namespace", number))
    peer = serve(io).peer(transport)
    peer.send_packet(Packet(CONNECT), Packet(EVENT, "/", ["event", 1], 1), Packet(EVENT, "/", ["event", 2], 2))
    begun.wait()
    assert peer.packet().type == CONNECT
    gate.set()
    assert [peer.packet().data for _ in range(2)] == [["own", 1], ["own", 2]]


def test_disconnect_handlers_run_once_for_each_namespace_after_the_sockets_are_closed(
    serve: Serve, transport: str
) -> None:
    io = SocketIO()
    seen: list[tuple[str, bool, str, list[str]]] = []
    paths = ["/", "/chat", "/admin"]

    def bye(socket: Socket, reason: DisconnectReason) -> None:
        gevent.sleep(0)
        seen.append((socket.ns, socket.connected, str(reason), sorted(socket.rooms)))

    for path in paths:
        io.ns(path).on_disconnect(bye)
    site = serve(io)
    peer = site.peer(transport)
    for path in paths:
        io.of(path).sockets[peer.connect(path)].join("room")
    (root,) = io.sockets()
    root.disconnect(close=True)
    root.disconnect()
    peer.close()
    wait_until(lambda: len(seen) == 3)
    wait_until(lambda: not any(io.of(path).sockets for path in paths))
    reason = "server namespace disconnect"
    assert sorted(seen) == sorted((path, False, reason, ["room"]) for path in paths)
    assert all(io.of(path).rooms() == frozenset() for path in paths)


# What remains when something fails


def fails_to_take(reason: int) -> None:
    """The reason is no int."""


def raises(reason: DisconnectReason) -> None:
    raise ValueError


def is_killed(reason: DisconnectReason) -> None:
    raise gevent.GreenletExit


@pytest.mark.parametrize("handler", [fails_to_take, raises, is_killed], ids=lambda handler: handler.__name__)
@pytest.mark.parametrize("how", ["client", "server", "lost"])
def test_a_disconnect_handler_that_fails_leaves_nothing(serve: Serve, log: Log, handler: Any, how: str) -> None:
    io = SocketIO()
    io.ns("/").on_disconnect(handler)
    peer = serve(io).connect()
    (socket,) = io.sockets()
    socket.join("room")
    if how == "client":
        peer.send_packet(Packet(DISCONNECT))
    elif how == "server":
        socket.disconnect()
    else:
        peer.reset()
    wait_until(lambda: not io.of("/").sockets)
    assert socket.rooms == frozenset()
    assert io.rooms() == frozenset()
    if handler is not is_killed:
        record = log.take_one()
        assert record.event == "disconnect"  # type: ignore[attr-defined]
        assert bool(record.exc_info) is (handler is raises)


def test_the_socket_that_came_back_is_another(serve: Serve) -> None:
    # It comes back while the disconnect handler of the first runs, which then fails.
    io = SocketIO()
    begun, gate = Event(), Event()

    @io.ns("/").on_disconnect
    def bye(socket: Socket) -> None:
        begun.set()
        gate.wait()
        raise gevent.GreenletExit

    peer = serve(io).websocket()
    first_id = peer.connect()
    peer.send_packet(Packet(DISCONNECT))
    begun.wait()
    second_id = peer.connect()
    (second,) = [socket for socket in io.sockets() if socket.id == second_id]
    second.join("room")
    gate.set()
    wait_until(lambda: first_id not in io.of("/").sockets)
    assert io.sockets() == [second]
    assert second.connected
    assert second.rooms == {"room"}
    io.to("room").emit("still here")
    assert peer.event() == ["still here"]
