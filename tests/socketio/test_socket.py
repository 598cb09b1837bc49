"""Tests of a socket: what it knows, what it sends, its rooms, and how it ends."""

from __future__ import annotations

import re
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from gevent.event import Event

from geventsio import (
    AckClosedError,
    BufferFullError,
    DisconnectReason,
    ProtocolVersion,
    SerializeError,
    Socket,
    SocketClosedError,
    SocketIO,
    SocketRef,
    TransportType,
)
from tests.socketio.harness import Log, Serve, Site, wait_until
from tests.socketio.peer import DISCONNECT, EVENT, Packet, Peer, WebSocketPeer


def plain() -> tuple[SocketIO, list[str]]:
    """A server that echoes, and the reasons with which its sockets were disconnected."""
    io = SocketIO()
    reasons: list[str] = []
    io.ns("/").on("echo", lambda *args: args)
    io.ns("/").on_disconnect(lambda reason: reasons.append(str(reason)))
    return io, reasons


def joined(site: Site, peer: Peer, namespace: str = "/") -> Socket:
    """Connect a peer and return its socket."""
    return site.io.of(namespace).sockets[peer.connect(namespace)]


# What it knows


def test_what_a_socket_knows(serve: Serve, transport: str) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.peer(transport)
    socket = joined(site, peer)
    assert re.fullmatch(r"[A-Za-z0-9_-]{20}", socket.id)
    assert socket.connected
    assert socket.ns == "/"
    assert socket.namespace is io.ns("/")
    assert socket.io is io
    assert socket.transport is TransportType(transport)
    assert socket.protocol is ProtocolVersion.V5
    assert socket.rooms == frozenset()
    assert socket.id in repr(socket)
    assert SocketRef is Socket


def test_the_session_s_secret_is_not_shown(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    secret = peer.handshake["sid"]
    assert secret != socket.id
    assert secret not in repr(socket) + repr(socket.environ) + repr(socket.namespace)


def test_the_environ_is_the_handshake_s(serve: Serve, transport: str) -> None:
    io, _ = plain()
    site = serve(io)
    socket = joined(site, site.peer(transport))
    environ = socket.environ
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/socket.io/"
    assert environ["QUERY_STRING"] == f"EIO=4&transport={transport}"
    assert environ["HTTP_X_TEST"] == "yes"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    environ["PATH_INFO"] = "changed"
    assert socket.environ["PATH_INFO"] == "/socket.io/"


def test_data_is_kept_for_one_socket(serve: Serve) -> None:
    io, _ = plain()
    io.ns("/chat")
    seen: list[Any] = []
    site = serve(io)
    peer = site.websocket()
    root, chat, other = joined(site, peer), joined(site, peer, "/chat"), joined(site, site.websocket())
    root.data["user"] = "one"
    assert root.data == {"user": "one"}
    assert (chat.data, other.data) == ({}, {})

    @root.on_disconnect
    def bye(socket: Socket) -> None:
        seen.append(socket.data)

    peer.close()
    wait_until(lambda: seen)
    assert seen == [{"user": "one"}]


# Sending


def test_emitted_arguments_arrive_as_they_are(serve: Serve, transport: str) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.peer(transport)
    socket = joined(site, peer)
    arguments: list[tuple[Any, ...]] = [
        (),
        (1, "two", None, True, 2.5),
        ([1, 2], (3, 4), []),
        ({"a": {"b": [None]}}, {}),
        ("größe™ 🙂", ""),
    ]
    for args in arguments:
        socket.emit("event", *args)
    for args in arguments:
        assert peer.event() == ["event", *[list(arg) if isinstance(arg, tuple) else arg for arg in args]]


def test_bytes_arrive_as_bytes_wherever_they_are(serve: Serve, transport: str) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.peer(transport)
    socket = joined(site, peer)
    mutable = bytearray(b"before")
    socket.emit("event", b"\x00\xff", {"a": [b"deep", {"b": mutable}]}, memoryview(b"view"), b"", "text")
    mutable[:] = b"after!"
    assert peer.event() == ["event", b"\x00\xff", {"a": [b"deep", {"b": b"before"}]}, b"view", b"", "text"]


def test_bytes_from_the_client_arrive_as_bytes(serve: Serve, transport: str) -> None:
    io, _ = plain()
    seen: list[tuple[Any, ...]] = []

    @io.ns("/").on("binary")
    def binary(*args: Any) -> Any:
        seen.append(args)
        return args

    peer = serve(io).peer(transport)
    peer.connect()
    big = bytes(range(256)) * 500
    args = [big, {"a": [b"deep", {"b": b""}]}, "text"]
    assert peer.ask("binary", *args) == args
    assert seen == [tuple(args)]


def test_a_dataclass_is_emitted_as_an_object(serve: Serve) -> None:
    @dataclass
    class Point:
        x: int
        data: bytes

    io, _ = plain()
    site = serve(io)
    peer = site.websocket()
    joined(site, peer).emit("point", Point(1, b"2"))
    assert peer.event() == ["point", {"x": 1, "data": b"2"}]


def test_binary_and_text_events_keep_their_order(serve: Serve, transport: str) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.peer(transport)
    socket = joined(site, peer)
    for number in range(50):
        socket.emit("event", number, *([bytes([number]), b"x"] if number % 3 == 0 else []))
    for number in range(50):
        assert peer.event() == ["event", number, *([bytes([number]), b"x"] if number % 3 == 0 else [])]


def test_a_message_larger_than_the_kernel_s_buffers(serve: Serve, transport: str) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.peer(transport)
    socket = joined(site, peer)
    big = b"0123456789" * 400_000
    socket.emit("big", big)
    socket.emit("next")
    assert peer.event() == ["big", big]
    assert peer.event() == ["next"]


@pytest.mark.parametrize(
    ("name", "error"),
    [("connect", ValueError), ("disconnect", ValueError), ("connect_error", ValueError), ("newListener", ValueError)]
    + [(5, TypeError), (None, TypeError), (b"x", TypeError), (["x"], TypeError)],
)
@pytest.mark.parametrize("method", ["emit", "emit_with_ack"])
def test_events_whose_name_can_not_be_sent(serve: Serve, method: str, name: Any, error: type[Exception]) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    with pytest.raises(error):
        getattr(socket, method)(name)
    assert peer.ask("echo") == []


def test_what_can_not_be_sent_is_an_error_and_sends_nothing(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    for method in (socket.emit, socket.emit_with_ack):
        with pytest.raises(SerializeError, match="values of type object can't be sent"):
            method("event", b"attached", object())
    assert peer.ask("echo") == []
    assert not socket.owes_ack


def test_a_client_that_does_not_read_is_closed(serve: Serve, log: Log) -> None:
    io = SocketIO(max_buffer_bytes=100_000)
    reasons: list[str] = []
    io.ns("/").on_disconnect(lambda reason: reasons.append(str(reason)))
    site = serve(io)
    slow, healthy = site.websocket(), site.websocket()
    socket = joined(site, slow)
    healthy.connect()
    with pytest.raises(BufferFullError, match="max_buffer_size or max_buffer_bytes"):
        while True:
            socket.emit("row", "x" * 10_000)
    assert socket.connected  # a broadcast in the middle of which it happens changes nothing
    wait_until(lambda: reasons)
    assert reasons == ["slow consumer"]
    with pytest.raises(SocketClosedError):
        socket.emit("row")
    io.emit("news")
    assert healthy.event() == ["news"]
    assert "closed a client that does not read" in log.take_one().getMessage()


def test_a_healthy_client_gets_thousands_of_rows_from_one_handler(serve: Serve) -> None:
    io, _ = plain()

    @io.ns("/").on("rows")
    def rows(socket: Socket, number: int) -> None:
        for row in range(number):
            socket.emit("row", row)

    peer = serve(io).connect()
    peer.emit("rows", 5000)
    for row in range(5000):
        assert peer.event() == ["row", row]


def test_a_healthy_client_gets_more_rows_than_may_wait(serve: Serve) -> None:
    io = SocketIO(max_buffer_size=10)

    @io.ns("/").on("rows")
    def rows(socket: Socket, number: int) -> None:
        for row in range(number):
            socket.emit("row", row)

    peer = serve(io).connect()
    peer.emit("rows", 500)
    for row in range(500):
        assert peer.event() == ["row", row]


# Rooms


def test_joining_and_leaving(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    socket = joined(site, site.websocket())
    socket.join("a")
    socket.join(["b", "c"])
    socket.join(room for room in ("d", "a"))
    assert socket.rooms == {"a", "b", "c", "d"}
    socket.leave("a")
    socket.leave(["b", "never joined"])
    assert socket.rooms == {"c", "d"}
    socket.leave_all()
    assert socket.rooms == frozenset()
    assert io.rooms() == frozenset()


@pytest.mark.parametrize("method", ["join", "leave", "to", "within", "except_"])
@pytest.mark.parametrize("rooms", [5, None, [5], ["a", None], b"bytes"])
def test_a_room_s_name_is_a_str(serve: Serve, method: str, rooms: Any) -> None:
    io, _ = plain()
    site = serve(io)
    socket = joined(site, site.websocket())
    with pytest.raises(TypeError):
        getattr(socket, method)(rooms)
    assert socket.rooms == frozenset()


def test_the_empty_str_is_a_room(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    peer, other = site.websocket(), site.websocket()
    joined(site, peer).join("")
    joined(site, other)
    io.to("").emit("x")
    assert peer.event() == ["x"]
    assert other.rest() == []


def test_a_socket_is_always_in_the_room_of_its_own_id(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    peer, other = site.websocket(), site.websocket()
    socket, bystander = joined(site, peer), joined(site, other)
    io.to(socket.id).emit("direct", 1)
    bystander.to(socket.id).emit("direct", 2)
    socket.join(socket.id)
    socket.leave(socket.id)
    io.to(socket.id).emit("direct", 3)
    assert [peer.event() for _ in range(3)] == [["direct", 1], ["direct", 2], ["direct", 3]]
    assert other.rest() == []
    assert socket.rooms == frozenset()
    socket.leave_all()
    io.to(socket.id).emit("direct", 4)
    assert peer.event() == ["direct", 4]


def test_another_s_id_is_no_room_to_join(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    peer, other = site.websocket(), site.websocket()
    socket, victim = joined(site, peer), joined(site, other)
    for rooms in (victim.id, ["fine", victim.id]):
        with pytest.raises(ValueError, match="another socket's id"):
            socket.join(rooms)
    assert socket.rooms == frozenset()
    io.to(victim.id).emit("secret")
    assert other.event() == ["secret"]
    assert peer.rest() == []


def test_rooms_can_be_joined_in_a_middleware(serve: Serve) -> None:
    io, _ = plain()

    @io.ns("/").use
    def early(socket: Socket) -> None:
        socket.join("early")
        assert socket.rooms == {"early"}
        assert io.to("early").sockets() == []  # it is not connected yet

    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    assert socket.rooms == {"early"}
    io.to("early").emit("x")
    assert peer.event() == ["x"]


def test_rooms_are_readable_in_the_disconnect_handler_and_gone_afterwards(serve: Serve) -> None:
    io = SocketIO()
    seen: list[object] = []
    begun, gate = Event(), Event()

    @io.ns("/").on_disconnect
    def bye(socket: Socket) -> None:
        begun.set()
        gate.wait()
        socket.to("a").emit("left", socket.id)
        socket.join("late")
        seen.append((socket.connected, socket.rooms))
        with pytest.raises(SocketClosedError):
            socket.emit("x")

    site = serve(io)
    peer, other = site.websocket(), site.websocket()
    socket, member = joined(site, peer), joined(site, other)
    socket.join(["a", "b"])
    member.join("a")
    peer.close()
    begun.wait()
    assert io.to("a").sockets() == [member]
    gate.set()
    assert other.event() == ["left", socket.id]
    wait_until(lambda: not socket.rooms)
    assert seen == [(False, {"a", "b"})]
    assert io.rooms() == {"a"}
    assert io.get_socket(socket.id) is None


def test_joining_after_the_close_does_nothing(serve: Serve) -> None:
    io, reasons = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    peer.close()
    wait_until(lambda: reasons and not io.of("/").sockets)
    socket.join("ghost town")
    socket.leave("ghost town")
    socket.leave_all()
    assert socket.rooms == frozenset()
    # Whoever comes next is alone there.
    other = joined(site, site.websocket())
    other.join("ghost town")
    assert io.to("ghost town").sockets() == [other]


# Its end


def say_goodbye(peer: WebSocketPeer) -> None:
    peer.say_goodbye()


def end_of_stream(peer: WebSocketPeer) -> None:
    peer.close()


def reset(peer: WebSocketPeer) -> None:
    peer.reset()


def engine_close(peer: WebSocketPeer) -> None:
    peer.send_engine("1")
    peer.end()


def leave_namespace(peer: WebSocketPeer) -> None:
    peer.send_packet(Packet(DISCONNECT))


def send_nonsense(peer: WebSocketPeer) -> None:
    peer.send("nonsense")
    peer.end()


def break_the_framing(peer: WebSocketPeer) -> None:
    peer.socket.sendall(b"\xff\xff")
    peer.end()


def send_too_much(peer: WebSocketPeer) -> None:
    peer.emit("event", "x" * 1_000_001)
    peer.end()


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (say_goodbye, "transport close"),
        (end_of_stream, "transport close"),
        (engine_close, "transport close"),
        (reset, "transport error"),
        (leave_namespace, "client namespace disconnect"),
        (send_nonsense, "parse error"),
        (break_the_framing, "transport error"),
        (send_too_much, "payload too large"),
    ],
)
def test_each_way_to_leave_has_its_reason_and_calls_the_handler_once(
    serve: Serve, log: Log, leave: Callable[[WebSocketPeer], None], reason: str
) -> None:
    io, reasons = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    future = socket.emit_with_ack("question")
    leave(peer)
    wait_until(lambda: reasons)
    with pytest.raises(AckClosedError):
        future.result()
    site.close()
    assert reasons == [reason]
    assert DisconnectReason(reason) == reason
    # Of this one, an administrator has to know: the bound may be too low.
    lines = [record.getMessage() for record in log.take()]
    assert ["max_payload=1000000" in line for line in lines] == [True] * (reason == "payload too large")


def test_a_client_that_answers_no_ping_is_dropped(serve: Serve, transport: str) -> None:
    io = SocketIO(ping_interval=0.02, ping_timeout=0.03)
    reasons: list[str] = []
    io.ns("/").on_disconnect(lambda reason: reasons.append(str(reason)))
    peer = serve(io).peer(transport)
    peer.answers_pings = False
    peer.connect()
    peer.end()
    wait_until(lambda: reasons)
    assert reasons == ["ping timeout"]


def test_the_server_disconnects_a_socket(serve: Serve, transport: str) -> None:
    io, reasons = plain()
    io.ns("/chat").on("echo", lambda *args: args)
    site = serve(io)
    peer = site.peer(transport)
    socket = joined(site, peer)
    peer.connect("/chat")
    future = socket.emit_with_ack("question")
    socket.emit("bye")
    socket.disconnect()
    assert not socket.connected
    for method in (socket.emit, socket.emit_with_ack, socket.timeout(1).emit, socket.timeout(1).emit_with_ack):
        with pytest.raises(SocketClosedError):
            method("too late")
    assert future.done()
    peer.question()
    assert peer.event() == ["bye"]
    assert peer.packet() == Packet(DISCONNECT)
    wait_until(lambda: reasons)
    assert reasons == ["server namespace disconnect"]
    assert peer.ask("echo", 1, namespace="/chat") == [1]  # the connection and its other sockets stay


def test_disconnecting_twice_is_disconnecting_once(serve: Serve) -> None:
    io, reasons = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    socket.disconnect()
    socket.disconnect()
    assert peer.packet() == Packet(DISCONNECT)
    wait_until(lambda: reasons)
    socket.disconnect()
    assert peer.rest() == []
    peer.connect()  # not a new one in the same place
    socket.disconnect()
    assert peer.ask("echo", 1) == [1]
    assert reasons == ["server namespace disconnect"]


def test_a_socket_of_before_is_not_taken_for_that_of_after(serve: Serve) -> None:
    io = SocketIO()
    gate, begun = Event(), Event()

    @io.ns("/").on_disconnect
    def bye(socket: Socket) -> None:
        begun.set()
        gate.wait()

    site = serve(io)
    peer = site.websocket()
    old = joined(site, peer)
    old.join("room")
    peer.send_packet(Packet(DISCONNECT))
    begun.wait()
    new = joined(site, peer)
    new.join("room")
    gate.set()
    wait_until(lambda: not old.rooms)
    assert io.to("room").sockets() == io.sockets() == [new]


def test_disconnect_with_close_ends_the_whole_connection(serve: Serve, transport: str) -> None:
    io, reasons = plain()
    io.ns("/chat").on_disconnect(lambda reason: reasons.append(f"/chat {reason}"))
    site = serve(io)
    peer = site.peer(transport)
    socket = joined(site, peer)
    chat = joined(site, peer, "/chat")
    socket.emit("bye")
    socket.disconnect(close=True)
    assert (socket.connected, chat.connected) == (False, False)
    ended, messages = peer.end()
    assert ended.orderly
    assert sorted(map(str, messages)) == sorted(['2["bye"]', "1", "1/chat,"])
    wait_until(lambda: len(reasons) == 2)
    assert sorted(reasons) == ["/chat server namespace disconnect", "server namespace disconnect"]


@pytest.mark.parametrize("client_first", [True, False])
def test_when_both_sides_close_the_handler_runs_once(serve: Serve, client_first: bool) -> None:
    io, reasons = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    if client_first:
        peer.close()
    socket.disconnect()
    socket.disconnect(close=True)
    if not client_first:
        peer.close()
    wait_until(lambda: not io.engine.sessions)
    socket.disconnect()
    site.close()
    assert reasons == ["server namespace disconnect"]


def test_a_polling_client_that_goes_away_leaves_nothing(serve: Serve) -> None:
    io, reasons = plain()
    site = serve(io)
    peer = site.polling()
    joined(site, peer)
    assert peer.post("1").status == 200
    wait_until(lambda: reasons)
    assert reasons == ["transport close"]
    assert io.sockets() == []


# Other threads


def in_thread(function: Callable[[], object]) -> None:
    """Call a function in an OS thread of its own while the hub runs here, and pass on what it raises."""
    done: list[BaseException | None] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            done.append(error)
        else:
            done.append(None)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: done)
    thread.join()
    if done[0] is not None:
        raise done[0]


def test_what_a_foreign_thread_emits_arrives(serve: Serve, transport: str) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.peer(transport)
    socket = joined(site, peer)

    def work() -> None:
        for number in range(100):
            socket.emit("number", number, bytes([number]))

    in_thread(work)
    for number in range(100):
        assert peer.event() == ["number", number, bytes([number])]


def test_a_foreign_thread_broadcasts_and_changes_rooms(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    peer, other = site.websocket(), site.websocket()
    socket = joined(site, peer)
    joined(site, other)

    def work() -> None:
        socket.join("room")
        io.emit("all")
        io.to("room").emit("room")
        socket.to("room").emit("nobody")
        socket.broadcast().emit("others")
        socket.leave("room")
        io.to("room").emit("nobody")

    in_thread(work)
    assert [peer.event(), peer.event()] == [["all"], ["room"]]
    assert [other.event(), other.event()] == [["all"], ["others"]]
    assert (peer.rest(), other.rest(), socket.rooms) == ([], [], frozenset())


@pytest.mark.parametrize("close", [False, True])
def test_a_foreign_thread_disconnects(serve: Serve, close: bool) -> None:
    io, reasons = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)

    def work() -> None:
        socket.emit("bye")
        socket.disconnect(close)

    in_thread(work)
    assert peer.event() == ["bye"]
    assert peer.packet() == Packet(DISCONNECT)
    if close:
        assert peer.end()[0].orderly
    wait_until(lambda: reasons)
    assert reasons == ["server namespace disconnect"]
    with pytest.raises(SocketClosedError):
        in_thread(lambda: socket.emit("too late"))


@pytest.mark.parametrize(
    ("act", "sent"),
    [
        (lambda io, socket: socket.emit("x"), Packet(EVENT, "/", ["x"])),
        (lambda io, socket: io.emit("x"), Packet(EVENT, "/", ["x"])),
        (lambda io, socket: io.to(socket.id).emit("x"), Packet(EVENT, "/", ["x"])),
        (lambda io, socket: socket.disconnect(), Packet(DISCONNECT)),
        (lambda io, socket: io.disconnect(), Packet(DISCONNECT)),
    ],
    ids=["socket.emit", "io.emit", "io.to.emit", "socket.disconnect", "io.disconnect"],
)
def test_a_foreign_thread_leaves_the_work_to_the_hub(
    serve: Serve, act: Callable[[SocketIO, Socket], None], sent: Packet
) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    peer.rest()
    thread = threading.Thread(target=act, args=(io, socket))
    thread.start()
    thread.join()  # without letting the hub run
    assert select.select([peer.socket.fileno()], [], [], 0) == ([], [], [])
    assert socket.connected
    assert peer.packet() == sent


def test_what_can_not_be_sent_is_raised_in_the_foreign_thread(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    for emit in (socket.emit, io.emit, io.to("room").emit):
        with pytest.raises(SerializeError):
            in_thread(lambda emit=emit: emit("x", object()))  # type: ignore[misc]
    assert peer.ask("echo") == []


def test_a_foreign_thread_can_not_ask(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    for method in (socket.emit_with_ack, socket.timeout(1).emit_with_ack, io.emit_with_ack, io.to("r").emit_with_ack):
        with pytest.raises(RuntimeError, match="thread"):
            in_thread(lambda method=method: method("question"))  # type: ignore[misc]
    assert peer.ask("echo") == []
    assert not socket.owes_ack


# The upgrade


def test_a_socket_lives_through_the_upgrade(serve: Serve) -> None:
    io, reasons = plain()
    site = serve(io)
    polling = site.polling()
    socket = joined(site, polling)
    assert str(socket.transport) == "polling"
    upgraded = site.websocket(sid=polling.handshake["sid"])
    socket.emit("meanwhile", b"\x01")
    upgraded.upgrade()
    assert upgraded.event() == ["meanwhile", b"\x01"]
    assert str(socket.transport) == "websocket"
    assert upgraded.ask("echo", b"\x02") == [b"\x02"]
    upgraded.say_goodbye()
    wait_until(lambda: reasons)
    assert reasons == ["transport close"]


def test_events_wait_in_order_of_arrival(serve: Serve) -> None:
    io, _ = plain()
    site = serve(io)
    peer = site.websocket()
    socket = joined(site, peer)
    gate = Event()

    @io.ns("/").on("block")
    def block() -> None:
        gate.wait()

    peer.send_packet(*(Packet(EVENT, "/", ["block"]) for _ in range(6)))
    wait_until(lambda: socket.pending_events == 5)
    gate.set()
    assert peer.ask("echo") == []
    assert socket.pending_events == 0
