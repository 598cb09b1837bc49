"""Tests of event names and of the tables that handlers are kept in."""

from __future__ import annotations

from typing import Any

import pytest

from geventsio import HandlerSignatureError, Namespace, Socket, SocketIO
from tests.socketio.harness import Log, Serve
from tests.socketio.peer import EVENT, Packet, WebSocketPeer

RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_can_not_be_handled(serve: Serve, name: str) -> None:
    io = SocketIO()
    root = io.ns("/")
    with pytest.raises(ValueError, match=f"'{name}' is a reserved event name"):
        root.on(name)
    with pytest.raises(ValueError, match=f"'{name}' is a reserved event name"):
        root.on(name, lambda: None)
    peer = serve(io).websocket()
    socket = root.sockets[peer.connect()]
    with pytest.raises(ValueError, match=f"'{name}' is a reserved event name"):
        socket.on(name)


@pytest.mark.parametrize(
    "name", [5, None, b"bytes", ["list"], lambda: None], ids=["int", "None", "bytes", "list", "handler"]
)
def test_a_name_is_a_str(name: Any) -> None:
    with pytest.raises(TypeError, match="an event's name is a str, not "):
        SocketIO().ns("/").on(name)


@pytest.mark.parametrize("name", ["", " ", "größe™", "error", "message", "Connect", "__proto__", "a" * 1000])
def test_other_names_are_the_application_s(serve: Serve, name: str) -> None:
    io = SocketIO()
    io.ns("/").on(name, lambda *args: args)
    io.ns("/").on_fallback(lambda: "fallback")
    peer = serve(io).connect()
    assert peer.ask(name, 1) == [1]
    io.emit(name, b"2")
    assert peer.event() == [name, b"2"]


def test_a_name_is_matched_as_it_is(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on("Event", lambda: "handler")
    io.ns("/").on_fallback(lambda: "fallback")
    peer = serve(io).connect()
    names = ["Event", "event", "Event ", "Eve", "\u0045vent"]
    assert [peer.ask(name) for name in names] == [["handler"], ["fallback"], ["fallback"], ["fallback"], ["handler"]]


def test_a_decorator_registers_when_it_is_applied(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on("sync", lambda: "sync")
    decorator = io.ns("/").on("event")
    peer = serve(io).connect()
    peer.send('21["event"]')
    assert peer.ask("sync") == ["sync"]
    decorator(lambda: "event")
    assert peer.ask("event") == ["event"]


def test_one_decorator_serves_twice(serve: Serve) -> None:
    io = SocketIO()
    decorator = io.ns("/").on("event")
    decorator(lambda: "first")
    decorator(lambda: "second")
    assert serve(io).connect().ask("event") == ["second"]


def test_none_is_no_handler() -> None:
    with pytest.raises(HandlerSignatureError):
        SocketIO().ns("/").on("event")(None)  # type: ignore[type-var]


# once and off, of a namespace and of a socket


@pytest.fixture(params=["namespace", "socket"])
def level(request: pytest.FixtureRequest) -> str:
    """Both levels in turn."""
    name: str = request.param
    return name


def registered(serve: Serve, level: str) -> tuple[Namespace | Socket, WebSocketPeer]:
    """What handlers are registered with at one level, and a client that they serve."""
    io = SocketIO()
    root = io.ns("/")
    root.on("sync", lambda: "sync")
    peer = serve(io).websocket()
    socket = root.sockets[peer.connect()]
    return (root if level == "namespace" else socket), peer


def answers(peer: WebSocketPeer, event: str, *args: object) -> list[object]:
    """What answers an event; nothing, if nobody does."""
    peer.send_packet(Packet(EVENT, "/", [event, *args], 5))
    peer.send_packet(Packet(EVENT, "/", ["sync"], 6))
    packets = [peer.packet()]
    while packets[-1].data != ["sync"]:
        packets.append(peer.packet())
    return [item for packet in packets[:-1] for item in packet.data]


def test_a_handler_that_serves_once(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)

    @where.once("event")
    def event(text: str) -> str:
        return text + "!"

    assert event("still a function") == "still a function!"
    assert answers(peer, "event", "first") == ["first!"]
    assert answers(peer, "event", "second") == []


def test_once_for_all_sockets_of_a_namespace(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").once("event", lambda: "once")
    io.ns("/").on_fallback(lambda: "fallback")
    site = serve(io)
    peers = site.connect(), site.connect()
    assert [peer.ask("event") for peer in peers] == [["once"], ["fallback"]]


def test_a_socket_s_handler_that_serves_once_gives_way_to_its_namespace_s(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.once("event", lambda: "socket")

    io.ns("/").on("event", lambda: "namespace")
    peer = serve(io).connect()
    assert [peer.ask("event") for _ in range(3)] == [["socket"], ["namespace"], ["namespace"]]


def test_it_is_removed_before_its_call(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)

    def event() -> str:
        was_there = where.off("event")
        where.once("event", lambda: "registered by the first")
        return str(was_there)

    where.once("event", event)
    assert answers(peer, "event") == ["False"]
    assert answers(peer, "event") == ["registered by the first"]
    assert answers(peer, "event") == []


def test_it_stays_when_the_arguments_do_not_fit(serve: Serve, level: str, log: Log) -> None:
    where, peer = registered(serve, level)

    @where.once("event")
    def event(number: int) -> int:
        return number

    assert answers(peer, "event", "seven") == []
    assert "'number'" in log.take_one().getMessage()
    assert answers(peer, "event", 7) == [7]
    assert answers(peer, "event", 8) == []


def test_it_stays_removed_when_it_fails(serve: Serve, level: str, log: Log) -> None:
    where, peer = registered(serve, level)
    where.once("event", lambda: 1 / 0)
    assert answers(peer, "event") == []
    assert log.take_one().exc_info
    assert answers(peer, "event") == []


def test_on_and_once_replace_each_other(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    where.once("event", lambda: "once")
    where.on("event", lambda: "on")
    assert answers(peer, "event") + answers(peer, "event") == ["on", "on"]
    where.once("event", lambda: "once")
    assert answers(peer, "event") + answers(peer, "event") == ["once"]


def test_off_removes_a_handler(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    where.on("event", lambda: "handler")
    where.on("other", lambda: "other")
    assert where.off("event") is True
    assert where.off("event") is False
    assert where.off("never registered") is False
    assert answers(peer, "event") == []
    assert answers(peer, "other") == ["other"]


def test_off_removes_a_handler_if_it_is_the_one(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)

    class Counter:
        def count(self) -> str:
            return "counted"

    counter = Counter()
    where.once("event", counter.count)
    assert where.off("event", Counter().count) is False
    assert where.off("event", len) is False
    assert answers(peer, "event") == ["counted"]
    where.on("event", counter.count)
    assert where.off("event", counter.count) is True
    assert answers(peer, "event") == []


def test_a_handler_removed_by_itself_answers_all_the_same(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    where.on("event", lambda: str(where.off("event")))
    assert answers(peer, "event") == ["True"]
    assert answers(peer, "event") == []


def test_reserved_names_can_not_be_handled_once() -> None:
    with pytest.raises(ValueError, match="'connect' is a reserved event name"):
        SocketIO().ns("/").once("connect")
