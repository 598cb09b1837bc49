"""Tests of event names and of the tables that handlers are kept in."""

from __future__ import annotations

from typing import Any

import pytest

from geventsio import HandlerSignatureError, SocketIO
from tests.socketio.harness import Serve

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
