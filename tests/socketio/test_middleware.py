"""Tests of what is called around the handlers of events: listeners, which watch, and middlewares, which decide."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event as Gate

from geventsio import (
    AckSender,
    ConnectRefused,
    Data,
    DisconnectReason,
    Event,
    EventCall,
    ExtractError,
    HandlerSignatureError,
    Namespace,
    Next,
    Socket,
    SocketIO,
)
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.levels import answers, both_levels, registered
from tests.socketio.peer import ACK, CONNECT, DISCONNECT, EVENT, Packet

# Listeners


@both_levels
def test_a_listener_sees_each_event(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    seen: list[tuple[Any, ...]] = []
    where.on("event", lambda *args: args)

    @where.on_any
    def listen(event: str, *args: Any) -> str:
        seen.append((event, *args))
        return "dropped"

    assert listen("still a function") == "dropped"
    seen.clear()
    assert answers(peer, "event", 1, {"a": b"b"}) == [1, {"a": b"b"}]
    assert answers(peer, "nobody's", [2]) == []
    assert seen == [("event", 1, {"a": b"b"}), ("sync",), ("nobody's", [2]), ("sync",)]


@both_levels
def test_a_listener_takes_what_others_take(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    seen: list[object] = []

    @where.on_any
    def listen(socket: Socket, event: str, io: SocketIO) -> None:
        seen.append((event, socket.connected, io is socket.io))

    assert answers(peer, "event") == []
    assert seen == [("event", True, True), ("sync", True, True)]


def test_a_listener_may_take_the_name_as_event(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")
    seen: list[tuple[Any, ...]] = []

    @where.on_any
    def first(event: Event, *args: Any) -> None:
        seen.append((event, *args))

    @where.on_any
    def second(socket: Socket, event: Event, number: int = 0) -> None:
        seen.append((event, number))

    assert answers(peer, "event", 7) == []
    assert seen == [("event", 7), ("event", 7), ("sync",), ("sync", 0)]


@pytest.mark.parametrize("annotation", [AckSender, Data[str], DisconnectReason], ids=["ack", "data", "reason"])
def test_a_listener_answers_nothing(annotation: Any) -> None:
    def listen(value: object) -> None: ...

    listen.__annotations__["value"] = annotation
    with pytest.raises(HandlerSignatureError, match="of the listener .* not allowed here"):
        SocketIO().ns("/").on_any(listen)


def around(io: SocketIO, trace: list[str]) -> None:
    """Register listeners and middlewares at both levels, and a handler; each leaves its name in the trace."""

    def listener(name: str) -> Callable[..., None]:
        return lambda event: trace.append(name) if event != "sync" else None

    def middleware(name: str) -> Callable[[EventCall, Next], Any]:
        def pass_on(call: EventCall, next: Next) -> Any:
            trace.append(f"{name} in")
            try:
                return next()
            finally:
                trace.append(f"{name} out")

        return pass_on

    @io.ns("/")
    def connect(socket: Socket) -> None:
        for name in "xy":
            socket.use_event(middleware(f"socket {name}"))
            socket.on_any(listener(f"socket listener {name}"))

    for name in "ab":
        io.ns("/").use_event(middleware(name))
        io.ns("/").on_any(listener(f"listener {name}"))
    io.ns("/").on("event", lambda: trace.append("handler"))

    @io.ns("/").on("failing")
    def failing() -> None:
        trace.append("handler")
        raise ZeroDivisionError


ORDER = ["listener a", "listener b", "socket listener x", "socket listener y"]
ORDER += ["a in", "b in", "socket x in", "socket y in"]
ORDER += ["handler", "socket y out", "socket x out", "b out", "a out"]


def test_the_order_of_all_that_is_called(serve: Serve) -> None:
    io = SocketIO()
    trace: list[str] = []
    around(io, trace)
    peer = serve(io).connect()
    peer.emit("event")
    wait_until(lambda: trace[-1:] == ["a out"])
    assert trace == ORDER


def test_an_exception_passes_all_middlewares(serve: Serve, log: Log) -> None:
    io = SocketIO()
    trace: list[str] = []
    around(io, trace)
    peer = serve(io).connect()
    peer.emit("failing")
    record = log.take_one()
    assert trace == ORDER
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


@both_levels
def test_a_listener_that_fails_stops_nothing(serve: Serve, level: str, log: Log) -> None:
    where, peer = registered(serve, level)
    seen: list[str] = []
    errors: list[str] = []
    where.on_any(lambda event: 1 / 0 if event == "event" else None)
    where.on_any(lambda event, number: seen.append(event))  # the other event has no argument
    where.on_any(seen.append)
    where.on("event", lambda: "handled")
    where.on_error(lambda error: errors.append(type(error).__name__))
    assert answers(peer, "event") == ["handled"]
    assert seen == ["event", "sync"]
    failed, *missing = log.take()
    assert failed.exc_info is not None and failed.exc_info[0] is ZeroDivisionError
    assert ["'number': argument 1 is missing" in record.getMessage() for record in missing] == [True, True]
    assert errors == ["ZeroDivisionError", "ExtractError", "ExtractError"]


def test_a_listener_that_is_killed_ends_the_event(serve: Serve) -> None:
    io = SocketIO()
    running: list[Any] = []
    calls: list[str] = []

    @io.ns("/").on_any
    def listen(event: str) -> None:
        if event == "event":
            running.append(gevent.getcurrent())
            Gate().wait()

    io.ns("/").on("event", lambda: calls.append("handler"))
    io.ns("/").on("sync", lambda: "sync")
    peer = serve(io).connect()
    peer.emit("event")
    wait_until(lambda: running)
    gevent.kill(running[0])
    assert peer.ask("sync") == ["sync"]
    assert calls == []


@both_levels
def test_off_any_removes_one_listener_or_all(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    seen: list[str] = []

    class Watcher:
        def watch(self, event: str) -> None:
            seen.append("watcher")

    watcher = Watcher()
    where.on_any(lambda event: seen.append("first"))
    where.on_any(watcher.watch)
    where.on_any(lambda event: seen.append("last"))
    assert where.off_any(Watcher().watch) is False
    assert where.off_any(watcher.watch) is True
    assert where.off_any(watcher.watch) is False
    assert peer.ask("sync") == ["sync"]
    assert seen == ["first", "last"]
    assert where.off_any() is True
    assert where.off_any() is False
    assert peer.ask("sync") == ["sync"]
    assert seen == ["first", "last"]


def test_a_listener_that_removes_itself_disturbs_no_other(serve: Serve) -> None:
    io = SocketIO()
    seen: list[str] = []

    def first(event: str) -> None:
        seen.append("first")
        io.ns("/").off_any(first)

    io.ns("/").on_any(first)
    io.ns("/").on_any(lambda event: seen.append("second"))
    io.ns("/").on("sync", lambda: "sync")
    peer = serve(io).connect()
    assert peer.ask("sync") + peer.ask("sync") == ["sync", "sync"]
    assert seen == ["first", "second", "second"]


# Middlewares


@both_levels
def test_a_middleware_lets_events_pass(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    seen: list[tuple[Any, ...]] = []

    @where.use_event
    def watch(call: EventCall, next: Next) -> Any:
        result = next()
        seen.append((call.event, call.args, call.ack_id, result))
        return result

    where.on("event", lambda *args: args)
    assert answers(peer, "event", "a", 1) == ["a", 1]
    assert answers(peer, "nobody's", 2) == []
    assert seen == [
        ("event", ["a", 1], 5, ("a", 1)),
        ("sync", [], 6, "sync"),
        ("nobody's", [2], 5, None),
        ("sync", [], 6, "sync"),
    ]


@both_levels
def test_a_middleware_changes_arguments_before_they_are_taken(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)

    @where.use_event
    def change(call: EventCall, next: Next) -> Any:
        if call.event == "append":
            call.args.append("appended")
        elif call.event == "number":
            call.args = [int(call.args[0])]
        return next()

    @where.on("number")
    def number(value: int) -> int:
        return value + 1

    where.on("append", lambda *args: args)
    assert answers(peer, "append", 1) == [1, "appended"]
    assert answers(peer, "number", "41") == [42]


@both_levels
def test_a_middleware_changes_the_answer(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    where.use_event(lambda call, next: ("changed", next()) if call.event == "event" else next())
    where.on("event", lambda: "original")
    assert answers(peer, "event") == ["changed", "original"]


@both_levels
@pytest.mark.parametrize("how", ["return", "ack", "nothing"])
def test_a_middleware_refuses(serve: Serve, level: str, how: str) -> None:
    where, peer = registered(serve, level)
    calls: list[str] = []

    @where.use_event
    def refuse(call: EventCall, next: Next) -> Any:
        if call.event == "sync":
            return next()
        if how == "ack":
            call.ack.send("no", call.ack.expected)
        return ("no", True) if how == "return" else None

    where.on("event", lambda: calls.append("handler"))
    assert answers(peer, "event") == ([] if how == "nothing" else ["no", True])
    assert calls == []


@both_levels
def test_a_middleware_that_raises_refuses(serve: Serve, level: str, log: Log) -> None:
    where, peer = registered(serve, level)
    calls: list[str] = []
    errors: list[BaseException] = []
    error = PermissionError("secret")

    @where.use_event
    def refuse(call: EventCall, next: Next) -> Any:
        if call.event == "event":
            raise error
        return next()

    where.on("event", lambda: calls.append("handler"))
    where.on_error(errors.append)
    assert answers(peer, "event") == []
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[1] is error
    assert "'event'" in record.getMessage()
    assert calls == []
    assert errors == [error]


def test_clients_are_told_of_a_refusal_if_the_namespace_says_so(serve: Serve, log: Log) -> None:
    io = SocketIO()
    io.ns("/").answer_errors()
    io.ns("/").on_any(lambda event: 1 / 0)  # no business of the client's

    @io.ns("/").use_event
    def refuse(call: EventCall, next: Next) -> Any:
        if call.event == "raise":
            raise PermissionError("secret")
        if call.event == "explain":
            raise ExtractError("not today")
        return next()

    io.ns("/").on("fail", lambda: 1 / 0)
    io.ns("/").on("event", lambda: "handled")
    peer = serve(io).connect()
    unforeseen = {"error": {"message": "Internal server error"}}
    assert peer.ask("raise") == [unforeseen]
    assert peer.ask("fail") == [unforeseen]
    assert peer.ask("explain")[0]["error"]["message"] == "not today"
    assert peer.ask("event") == ["handled"]
    assert len(log.take()) == 7


def test_a_middleware_handles_what_the_handler_raises(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").use_event
    def rescue(call: EventCall, next: Next) -> Any:
        try:
            return next()
        except Exception as error:
            return type(error).__name__

    io.ns("/").on("fail", lambda: 1 / 0)

    @io.ns("/").on("number")
    def number(value: int) -> int:
        return value

    peer = serve(io).connect()
    assert peer.ask("fail") == ["ZeroDivisionError"]
    assert peer.ask("number", "seven") == ["ExtractError"]
    assert peer.ask("number", 7) == [7]


def test_a_middleware_tries_again(serve: Serve) -> None:
    io = SocketIO()
    attempts: list[str] = []

    @io.ns("/").use_event
    def twice(call: EventCall, next: Next) -> Any:
        try:
            return next()
        except ZeroDivisionError:
            return next()

    @io.ns("/").on("event")
    def event(text: str) -> str:
        attempts.append(text)
        if len(attempts) == 1:
            raise ZeroDivisionError
        return "done"

    assert serve(io).connect().ask("event", "again") == ["done"]
    assert attempts == ["again", "again"]


def test_a_middleware_blocks_its_own_socket_only(serve: Serve) -> None:
    io = SocketIO()
    gate, begun = Gate(), Gate()
    trace: list[str] = []

    @io.ns("/").use_event
    def wait(call: EventCall, next: Next) -> Any:
        if call.event == "slow":
            begun.set()
            gate.wait()
        return next()

    @io.ns("/").on_fallback
    def handle(text: str) -> str:
        trace.append(text)
        return text

    site = serve(io)
    peer, other = site.connect(), site.connect()
    peer.send_packet(Packet(EVENT, "/", ["slow", "slow"], 1), Packet(EVENT, "/", ["fast", "fast"], 2))
    begun.wait()
    assert other.ask("fast", "other") == ["other"]
    gate.set()
    assert [peer.packet() for _ in range(2)] == [Packet(ACK, "/", ["slow"], 1), Packet(ACK, "/", ["fast"], 2)]
    assert trace == ["other", "slow", "fast"]


def test_middlewares_run_for_fallbacks_and_for_once(serve: Serve) -> None:
    io = SocketIO()
    refused: list[str] = []

    @io.ns("/").use_event
    def second_time(call: EventCall, next: Next) -> Any:
        if call.event not in refused:
            refused.append(call.event)
            return "refused"
        return next()

    io.ns("/").once("once", lambda: "once")
    io.ns("/").on_fallback(lambda: "fallback")
    peer = serve(io).connect()
    # What is refused has not been handled, so it is the second one that is handled once.
    assert [peer.ask("once") for _ in range(3)] == [["refused"], ["once"], ["fallback"]]
    assert [peer.ask("other") for _ in range(2)] == [["refused"], ["fallback"]]


def test_a_handler_registered_by_a_middleware_handles_the_event(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").use_event
    def register(call: EventCall, next: Next) -> Any:
        call.socket.on(call.event, lambda: "registered")
        return next()

    assert serve(io).connect().ask("event") == ["registered"]


def test_a_middleware_takes_what_others_take(serve: Serve) -> None:
    io = SocketIO()
    seen: list[object] = []

    @io.ns("/").use_event
    def watch(socket: Socket, call: EventCall, io: SocketIO, next: Next) -> Any:
        seen.append((socket is call.socket, io is socket.io))
        return next()

    io.ns("/").on("event", lambda: "handled")
    assert serve(io).connect().ask("event") == ["handled"]
    assert seen == [(True, True)]


@pytest.mark.parametrize("annotation", [AckSender, Data[str], DisconnectReason], ids=["ack", "data", "reason"])
def test_what_a_middleware_can_not_take(annotation: Any) -> None:
    def watch(value: object) -> None: ...

    watch.__annotations__["value"] = annotation
    with pytest.raises(HandlerSignatureError, match="of the event middleware .* not allowed here"):
        SocketIO().ns("/").use_event(watch)


def test_a_middleware_has_two_arguments() -> None:
    with pytest.raises(HandlerSignatureError, match="an event middleware has the call and next"):
        SocketIO().ns("/").use_event(lambda call, next, more: None)


@both_levels
def test_binary_events_pass(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    sizes: list[int] = []

    @where.use_event
    def measure(call: EventCall, next: Next) -> Any:
        sizes.extend(len(arg) for arg in call.args)
        return next()

    where.on("event", lambda data: data)
    assert answers(peer, "event", b"\x00" * 1000) == [b"\x00" * 1000]
    assert sizes == [1000]


def test_a_namespace_s_middlewares_are_its_own(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").use_event(lambda call, next: "refused")
    io.ns("/").on("event", lambda: "root")
    io.ns("/chat").on("event", lambda: "chat")
    peer = serve(io).connect()
    peer.connect("/chat")
    assert peer.ask("event") == ["refused"]
    assert peer.ask("event", namespace="/chat") == ["chat"]


def test_a_client_that_leaves_during_a_middleware(serve: Serve) -> None:
    io = SocketIO()
    begun, gate = Gate(), Gate()
    trace: list[str] = []

    @io.ns("/").use_event
    def wait(call: EventCall, next: Next) -> Any:
        begun.set()
        gate.wait()
        trace.append(f"middleware {call.socket.connected}")
        return next()

    def connected(where: Namespace) -> int:
        return sum(socket.connected for socket in where.sockets.values())

    io.ns("/").on("event", lambda: trace.append("handler"))
    io.ns("/").on_disconnect(lambda: trace.append("disconnect"))
    peer = serve(io).connect()
    peer.emit("event")
    begun.wait()
    peer.close()
    wait_until(lambda: not connected(io.ns("/")))
    gate.set()
    wait_until(lambda: len(trace) == 3)
    assert trace == ["middleware False", "handler", "disconnect"]


def test_who_blocks_the_hub_is_named(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    io = SocketIO(blocked_threshold=0.01)

    def block() -> str:
        time.sleep(0.02)  # not gevent's
        return "blocked"

    @io.ns("/chat").use_event
    def around(call: EventCall, next: Next) -> Any:
        return block()

    io.ns("/").once("once", lambda: block())
    io.ns("/").on("event", block)
    peer = serve(io).connect()
    peer.connect("/chat")
    assert peer.ask("once") == ["blocked"]
    assert peer.ask("event") == ["blocked"]
    assert peer.ask("event", namespace="/chat") == ["blocked"]
    blamed = [record.getMessage().partition(" blocked the hub")[0] for record in caplog.records]
    assert "a handler of 'once' in /" in blamed
    assert "the handler test_who_blocks_the_hub_is_named.<locals>.block of 'event' in /" in blamed
    assert "a handler of 'event' in /chat, or what is called around it," in blamed


def test_an_event_that_was_passed_over_can_be_named(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    # As if the whole process had been stopped for a while, just then.
    io = SocketIO(blocked_threshold=1e-9)
    gate = Gate()
    asked: list[Socket] = []

    @io.ns("/").use
    def refuse(socket: Socket) -> None:
        asked.append(socket)
        gate.wait()
        raise ConnectRefused("no")

    io.ns("/chat").on("event", lambda: 1)
    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT), Packet(EVENT, data=["event"]), Packet(EVENT, data=["event"]))
    wait_until(lambda: asked and asked[0].pending_events == 2)
    gate.set()
    assert peer.packet().data == {"message": "no"}
    wait_until(lambda: "a handler of 'event' in / blocked the hub" in caplog.text)
    peer.connect("/chat")
    assert peer.ask("event", namespace="/chat") == [1]


@pytest.mark.parametrize("place", ["listener", "before", "after", "error handler", "overlapping"])
def test_deleting_the_namespace_from_around_a_handler(serve: Serve, log: Log, place: str) -> None:
    io = SocketIO()
    chat = io.ns("/chat")
    trace: list[str] = []

    def delete(here: str) -> None:
        if here == place:
            io.delete_ns("/chat")
            gevent.sleep(0)

    @chat.use_event
    def around(call: EventCall, next: Next) -> Any:
        delete("before")
        try:
            return next()
        finally:
            delete("after")

    @chat.on_error
    def failed(error: BaseException, socket: Socket) -> None:
        delete("error handler")
        trace.append(f"error handler {socket.connected}")

    @chat.on("event", concurrent=place == "overlapping")
    def event() -> None:
        delete("overlapping")
        trace.append("handler")
        raise ValueError

    chat.on_any(lambda event: delete("listener"))
    chat.on_disconnect(lambda reason: trace.append(str(reason)))
    peer = serve(io).websocket()
    peer.connect("/chat")
    peer.emit("event", namespace="/chat")
    assert peer.packet() == Packet(DISCONNECT, "/chat")
    wait_until(lambda: len(trace) == 3)
    ended = ["server namespace disconnect"]
    expected = ["handler", "error handler False"]
    assert trace == (ended + expected if place == "overlapping" else expected + ended)
    assert log.take_one().exc_info
    assert peer.refused("/chat") == {"message": "Invalid namespace"}
