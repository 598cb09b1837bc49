"""Tests of registering handlers, with a namespace and with a socket: once, off, and the rest of what both can do."""

from __future__ import annotations

import pytest

from geventsio import Socket, SocketIO
from tests.socketio.harness import Log, Serve
from tests.socketio.levels import answers, both_levels, registered


@both_levels
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


@both_levels
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


@both_levels
def test_it_stays_when_the_arguments_do_not_fit(serve: Serve, level: str, log: Log) -> None:
    where, peer = registered(serve, level)

    @where.once("event")
    def event(number: int) -> int:
        return number

    assert answers(peer, "event", "seven") == []
    assert "'number'" in log.take_one().getMessage()
    assert answers(peer, "event", 7) == [7]
    assert answers(peer, "event", 8) == []


@both_levels
def test_it_stays_removed_when_it_fails(serve: Serve, level: str, log: Log) -> None:
    where, peer = registered(serve, level)
    where.once("event", lambda: 1 / 0)
    assert answers(peer, "event") == []
    assert log.take_one().exc_info
    assert answers(peer, "event") == []


@both_levels
def test_on_and_once_replace_each_other(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    where.once("event", lambda: "once")
    where.on("event", lambda: "on")
    assert answers(peer, "event") + answers(peer, "event") == ["on", "on"]
    where.once("event", lambda: "once")
    assert answers(peer, "event") + answers(peer, "event") == ["once"]


@both_levels
def test_off_removes_a_handler(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    where.on("event", lambda: "handler")
    where.on("other", lambda: "other")
    assert where.off("event") is True
    assert where.off("event") is False
    assert where.off("never registered") is False
    assert answers(peer, "event") == []
    assert answers(peer, "other") == ["other"]


@both_levels
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


@both_levels
def test_a_handler_removed_by_itself_answers_all_the_same(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    where.on("event", lambda: str(where.off("event")))
    assert answers(peer, "event") == ["True"]
    assert answers(peer, "event") == []


@pytest.mark.parametrize(("name", "hint"), [("connect", "the namespace itself"), ("disconnect", "on_disconnect")])
def test_who_handles_connections_as_events_is_told_how_to(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is a reserved event name; .* is {hint}$"):
        SocketIO().ns("/").on(name)


def test_reserved_names_can_not_be_handled_once() -> None:
    with pytest.raises(ValueError, match="'connect' is a reserved event name"):
        SocketIO().ns("/").once("connect")
