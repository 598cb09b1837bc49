"""Tests of the jobs of a socket: their order, what ends them, and what one may not see of another."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

import gevent
import gevent.local
import pytest
from gevent.event import Event

from geventsio import (
    AckSender,
    AckTimeoutError,
    ConnectRefused,
    DisconnectReason,
    Socket,
    SocketClosedError,
    SocketIO,
)
from tests.socketio.harness import Log, Serve, Site, wait_until
from tests.socketio.peer import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet, WebSocketPeer


def one(serve: Serve, io: SocketIO) -> tuple[Site, WebSocketPeer, Socket]:
    """A server with one client in the main namespace, and that client's socket."""
    io.ns("/").on("echo", lambda *args: args)
    site = serve(io)
    peer = site.websocket()
    socket_id = peer.connect()
    return site, peer, wait_until(lambda: io.get_socket(socket_id))  # type: ignore[return-value]


# Connecting


def test_the_connect_packet_comes_before_what_the_connect_handler_emits(serve: Serve, transport: str) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        assert socket.connected
        socket.emit("hello", socket.id)
        socket.emit("again")

    peer = serve(io).peer(transport)
    socket_id = peer.connect()
    assert peer.event() == ["hello", socket_id]
    assert peer.event() == ["again"]


def test_a_broadcast_never_comes_before_the_connect_packet(serve: Serve) -> None:
    io = SocketIO()
    asked, decide = Event(), Event()

    @io.ns("/").use
    def check() -> None:
        asked.set()
        decide.wait()

    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT))
    asked.wait()
    io.emit("news", 1)
    decide.set()
    assert peer.packet().type == CONNECT
    io.emit("news", 2)
    assert peer.event() == ["news", 2]


def test_events_wait_for_the_connect_handler(serve: Serve, transport: str) -> None:
    io = SocketIO()
    calls: list[object] = []
    gate = Event()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.emit("hello")
        gate.wait()
        socket.on("event", calls.append)
        calls.append("connected")

    peer = serve(io).peer(transport)
    peer.send_packet(Packet(CONNECT), Packet(EVENT, "/", ["event", 1]), Packet(EVENT, "/", ["event", 2]))
    assert peer.packet().type == CONNECT
    assert peer.event() == ["hello"]
    assert calls == []
    gate.set()
    wait_until(lambda: len(calls) == 3)
    assert calls == ["connected", 1, 2]


def test_events_sent_before_connect_is_answered_wait_too(serve: Serve) -> None:
    io = SocketIO()
    calls: list[object] = []
    asked, decide = Event(), Event()

    @io.ns("/").use
    def check() -> None:
        asked.set()
        decide.wait()

    io.ns("/")(lambda: calls.append("connected"))
    io.ns("/").on("event", calls.append)
    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT), Packet(EVENT, "/", ["event", 1]))
    asked.wait()
    decide.set()
    peer.packet()
    wait_until(lambda: len(calls) == 2)
    assert calls == ["connected", 1]


def test_events_of_a_client_that_is_refused_are_not_handled(serve: Serve) -> None:
    io = SocketIO()
    calls: list[object] = []
    asked, decide = Event(), Event()

    @io.ns("/").use
    def check() -> None:
        asked.set()
        decide.wait()
        raise ConnectRefused("no")

    io.ns("/").on("event", calls.append)
    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT), Packet(EVENT, "/", ["event", 1]))
    asked.wait()
    decide.set()
    assert peer.packet() == Packet(CONNECT_ERROR, "/", {"message": "no"})
    wait_until(lambda: not io.engine.runtime.workers.busy)
    assert calls == []


def test_a_client_that_left_is_not_refused_any_more(serve: Serve) -> None:
    io = SocketIO()
    asked, decide = Event(), Event()

    @io.ns("/").use
    def check() -> None:
        asked.set()
        decide.wait()
        raise ConnectRefused("no")

    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT))
    asked.wait()
    peer.send_packet(Packet(DISCONNECT))
    assert peer.refused("/unknown") == {"message": "Invalid namespace"}  # so the other packet has been handled
    decide.set()
    wait_until(lambda: not io.engine.runtime.workers.busy)
    assert peer.rest() == []


def test_a_connect_handler_may_wait_for_acks(serve: Serve) -> None:
    io = SocketIO()
    answers: list[object] = []

    @io.ns("/")
    def connect(socket: Socket) -> None:
        answers.append(socket.emit_with_ack("who are you").result())

    peer = serve(io).connect()
    ack_id, question = peer.question()
    assert question == ["who are you"]
    peer.answer(ack_id, "me")
    wait_until(lambda: answers)
    assert answers == ["me"]


def test_an_exception_in_a_connect_handler_keeps_the_socket(serve: Serve, log: Log) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.join("room")
        raise ZeroDivisionError

    _, peer, socket = one(serve, io)
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError
    assert fields(record) == (socket.id, "connect", "/")
    assert peer.ask("echo", 1) == [1]
    assert socket.connected
    assert socket.rooms == {"room"}


def test_a_refusal_in_a_connect_handler_comes_too_late_and_disconnects(serve: Serve) -> None:
    io = SocketIO()
    reasons: list[str] = []

    @io.ns("/")
    def connect() -> None:
        raise ConnectRefused("no")

    @io.ns("/").on_disconnect
    def bye(reason: DisconnectReason) -> None:
        reasons.append(reason)

    peer = serve(io).connect()
    assert peer.packet() == Packet(DISCONNECT)
    wait_until(lambda: reasons)
    assert reasons == ["server namespace disconnect"]


def test_a_connect_handler_that_disconnects(serve: Serve, transport: str) -> None:
    io = SocketIO()
    calls: list[str] = []

    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.emit("sorry")
        socket.disconnect()
        calls.append("connect")
        with pytest.raises(SocketClosedError):
            socket.emit("more")

    io.ns("/").on_disconnect(lambda: calls.append("disconnect"))
    peer = serve(io).peer(transport)
    peer.connect()
    assert peer.event() == ["sorry"]
    assert peer.packet() == Packet(DISCONNECT)
    wait_until(lambda: len(calls) == 2)
    assert calls == ["connect", "disconnect"]


@pytest.mark.parametrize("how", ["close", "reset", "disconnect", "both"])
def test_a_client_that_leaves_during_its_connect_handler(serve: Serve, how: str) -> None:
    io = SocketIO()
    calls: list[str] = []
    begun, gate = Event(), Event()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.join("room")
        begun.set()
        gate.wait()
        calls.append(f"connect {socket.connected} {sorted(socket.rooms)}")
        socket.emit("too late")
        calls.append("never reached")

    @io.ns("/").on_disconnect
    def bye(socket: Socket) -> None:
        calls.append(f"disconnect {sorted(socket.rooms)}")

    peer = serve(io).connect()
    begun.wait()
    (socket,) = io.sockets()
    if how == "both":
        socket.disconnect()
    if how == "disconnect":
        peer.send_packet(Packet(DISCONNECT))
    elif how == "reset":
        peer.reset()
    else:
        peer.close()
    wait_until(lambda: not socket.connected)
    gate.set()
    wait_until(lambda: len(calls) == 2)
    assert calls == ["connect False ['room']", "disconnect ['room']"]
    wait_until(lambda: not io.of("/").sockets)


# Order


def test_events_of_one_socket_are_handled_one_after_another(serve: Serve) -> None:
    io = SocketIO()
    trace: list[str] = []

    @io.ns("/").on("step")
    def step(name: str) -> None:
        trace.append(f"{name} begins")
        gevent.sleep(0)
        gevent.sleep(0)
        trace.append(f"{name} ends")

    _, peer, _ = one(serve, io)
    peer.send_packet(*(Packet(EVENT, "/", ["step", name]) for name in "abc"))
    assert peer.ask("echo") == []
    assert trace == [f"{name} {moment}" for name in "abc" for moment in ("begins", "ends")]


def test_a_handler_that_blocks_holds_up_its_own_socket_only(serve: Serve) -> None:
    io = SocketIO()
    gate, begun = Event(), Event()
    done: list[str] = []

    @io.ns("/").on("block")
    def block() -> None:
        begun.set()
        gate.wait()
        done.append("block")

    io.ns("/").on("next", lambda: done.append("next"))
    io.ns("/chat").on("echo", lambda *args: args)
    site, peer, _ = one(serve, io)
    other = site.connect()
    peer.connect("/chat")
    peer.send_packet(Packet(EVENT, "/", ["block"]), Packet(EVENT, "/", ["next"]))
    begun.wait()
    assert other.ask("echo", 1) == [1]
    assert peer.ask("echo", 2, namespace="/chat") == [2]  # of the same connection
    assert done == []
    gate.set()
    wait_until(lambda: len(done) == 2)
    assert done == ["block", "next"]


def test_acks_pass_the_events_that_wait(serve: Serve) -> None:
    io = SocketIO()
    done: list[object] = []

    @io.ns("/").on("ask")
    def ask(socket: Socket) -> None:
        done.append(socket.emit_with_ack("question").result())

    io.ns("/").on("number", done.append)
    _, peer, _ = one(serve, io)
    numbers = [Packet(EVENT, "/", ["number", number]) for number in range(100)]
    peer.send_packet(Packet(EVENT, "/", ["ask"]), *numbers)
    ack_id, _ = peer.question()
    assert done == []
    peer.answer(ack_id, "answer")
    assert peer.ask("echo") == []
    assert done == ["answer", *range(100)]


def test_a_disconnect_takes_its_place_after_earlier_events(serve: Serve) -> None:
    io = SocketIO()
    trace: list[object] = []
    gate, begun = Event(), Event()

    @io.ns("/").on("event")
    def event(socket: Socket, number: int) -> None:
        begun.set()
        gate.wait()
        trace.append(number)

    @io.ns("/").on_disconnect
    def bye(reason: DisconnectReason) -> None:
        trace.append(str(reason))

    _, peer, socket = one(serve, io)
    events = [Packet(EVENT, "/", ["event", number]) for number in range(5)]
    peer.send_packet(*events, Packet(DISCONNECT))
    begun.wait()
    wait_until(lambda: not socket.connected)
    with pytest.raises(SocketClosedError):
        socket.emit("x")
    assert trace == []
    gate.set()
    wait_until(lambda: len(trace) == 6)
    assert trace == [0, 1, 2, 3, 4, "client namespace disconnect"]


def test_events_that_came_before_the_server_s_disconnect_are_handled(serve: Serve) -> None:
    io = SocketIO()
    trace: list[object] = []
    begun, gate = Event(), Event()

    @io.ns("/").on("leave")
    def leave(socket: Socket) -> None:
        begun.set()
        gate.wait()
        socket.disconnect()
        trace.append("leave")

    io.ns("/").on("event", trace.append)
    io.ns("/").on_disconnect(lambda: trace.append("disconnect"))
    _, peer, socket = one(serve, io)
    peer.send_packet(Packet(EVENT, "/", ["leave"]), Packet(EVENT, "/", ["event", "before"]))
    wait_until(lambda: socket.pending_events)
    assert begun.is_set()
    gate.set()
    assert peer.packet() == Packet(DISCONNECT)
    peer.emit("event", "after")
    wait_until(lambda: len(trace) == 3)
    assert peer.rest() == []
    assert trace == ["leave", "before", "disconnect"]


def test_a_handler_that_disconnects_its_own_socket(serve: Serve) -> None:
    io = SocketIO()
    trace: list[str] = []

    @io.ns("/").on("leave")
    def leave(socket: Socket, ack: AckSender) -> None:
        ack.send("bye")
        socket.disconnect()
        trace.append(f"still running {socket.connected}")
        socket.emit("never sent")
        trace.append("never reached")

    io.ns("/").on_disconnect(lambda: trace.append("disconnect"))
    _, peer, _ = one(serve, io)
    peer.send('25["leave"]')
    assert peer.packet() == Packet(ACK, "/", ["bye"], 5)
    assert peer.packet() == Packet(DISCONNECT)
    wait_until(lambda: len(trace) == 2)
    assert trace == ["still running False", "disconnect"]
    assert peer.rest() == []


# Answers


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ("one", ["one"]),
        (0, [0]),
        (False, [False]),
        ("", [""]),
        (("a", 2), ["a", 2]),
        ((), []),
        ((None,), [None]),
        (([1, 2],), [[1, 2]]),
        ([1, 2], [[1, 2]]),
        ([], [[]]),
        ({}, [{}]),
        (b"\x00\xff", [b"\x00\xff"]),
        ((b"a", {"b": bytearray(b"b"), "c": memoryview(b"c")}), [b"a", {"b": b"b", "c": b"c"}]),
    ],
)
def test_a_returned_value_answers(serve: Serve, transport: str, result: object, answer: object) -> None:
    io = SocketIO()
    io.ns("/").on("event", lambda: result)
    peer = serve(io).peer(transport)
    peer.connect()
    assert peer.ask("event") == answer


def test_none_answers_nothing(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on("event", lambda: None)
    _, peer, _ = one(serve, io)
    peer.send('25["event"]')
    assert peer.ask("echo") == []
    assert peer.rest() == []


def test_what_is_returned_to_nobody_is_dropped(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on("event", lambda: object())
    _, peer, _ = one(serve, io)
    peer.emit("event")
    assert peer.ask("echo") == []


def test_a_value_that_can_not_be_sent_is_logged(serve: Serve, log: Log) -> None:
    io = SocketIO()
    io.ns("/").on("event", lambda: object())
    _, peer, socket = one(serve, io)
    peer.send('25["event"]')
    assert peer.ask("echo") == []
    record = log.take_one()
    assert "object" in str(record.exc_info and record.exc_info[1])
    assert fields(record) == (socket.id, "event", "/")


def test_a_handler_that_answers_and_returns_is_an_error(serve: Serve, log: Log) -> None:
    io = SocketIO()

    @io.ns("/").on("event")
    def event(ack: AckSender) -> str:
        ack.send("sent")
        return "returned"

    _, peer, _ = one(serve, io)
    assert peer.ask("event") == ["sent"]
    record = log.take_one()
    assert "must return None" in str(record.exc_info and record.exc_info[1])
    assert peer.ask("echo") == []
    assert peer.rest() == []


def test_a_handler_of_a_client_that_has_gone_ends_quietly(serve: Serve) -> None:
    io = SocketIO()
    begun, gate = Event(), Event()
    outcomes: list[str] = []

    @io.ns("/").on("event")
    def event(socket: Socket) -> str:
        begun.set()
        gate.wait()
        outcomes.append("returns")
        return "to nobody"

    _, peer, socket = one(serve, io)
    peer.send('25["event"]')
    begun.wait()
    peer.close()
    wait_until(lambda: not socket.connected)
    gate.set()
    wait_until(lambda: not io.of("/").sockets)
    assert outcomes == ["returns"]


# Exceptions


def fields(record: Any) -> tuple[str, str, str]:
    """The fields by which a log record says where an exception came from."""
    return record.socket_id, record.event, record.namespace


class BreaksOut(BaseException):
    """As gevent.Timeout and GreenletExit, not an Exception."""


@pytest.mark.parametrize("error", [ValueError("secret"), TypeError("secret"), BreaksOut("secret"), gevent.Timeout(1)])
def test_an_exception_in_a_handler_is_logged_once_and_kills_nothing(
    serve: Serve, log: Log, error: BaseException
) -> None:
    io = SocketIO()
    calls: list[str] = []

    @io.ns("/").on("fail")
    def fail(*args: object) -> None:
        calls.append("fail")
        raise error

    site, peer, socket = one(serve, io)
    other = site.connect()
    peer.send('25["fail",1,2,3]')
    assert peer.ask("echo", "still here") == ["still here"]
    assert peer.rest() == []
    assert other.ask("echo", 1) == [1]
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[1] is error
    assert record.name == "geventsio" and record.levelname == "ERROR"
    assert fields(record) == (socket.id, "fail", "/")
    assert peer.handshake["sid"] not in record.getMessage()
    assert calls == ["fail"]  # a TypeError too: nothing is tried twice


def test_a_kill_ends_a_handler_quietly(serve: Serve) -> None:
    io = SocketIO()
    running: list[Any] = []

    @io.ns("/").on("block")
    def block() -> None:
        running.append(gevent.getcurrent())
        Event().wait()

    _, peer, _ = one(serve, io)
    peer.emit("block")
    wait_until(lambda: running)
    gevent.kill(running[0])
    assert peer.ask("echo", "still here") == ["still here"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_meant_for_the_process_reaches_its_main_greenlet(serve: Serve, error: type[BaseException]) -> None:
    io = SocketIO()

    @io.ns("/").on("stop")
    def stop() -> None:
        raise error

    _, peer, _ = one(serve, io)
    peer.emit("stop")
    with pytest.raises(error):
        Event().wait()
    assert peer.ask("echo", "still here") == ["still here"]


def test_an_exception_in_a_disconnect_handler_is_logged_and_the_socket_goes(serve: Serve, log: Log) -> None:
    io = SocketIO()

    @io.ns("/").on_disconnect
    def bye(socket: Socket) -> None:
        raise ValueError

    _, peer, socket = one(serve, io)
    socket.join("room")
    peer.close()
    assert fields(log.take_one()) == (socket.id, "disconnect", "/")
    wait_until(lambda: not io.of("/").sockets)
    assert socket.rooms == frozenset()


def test_an_argument_that_does_not_fit_skips_the_handler(serve: Serve, log: Log) -> None:
    io = SocketIO()
    calls: list[int] = []

    @io.ns("/").on("number")
    def number(value: int) -> None:
        calls.append(value)

    _, peer, socket = one(serve, io)
    peer.send('25["number","seven"]')
    assert peer.ask("echo") == []
    record = log.take_one()
    assert record.levelname == "WARNING" and record.exc_info is None
    assert "'value': Expected `int`, got `str`" in record.getMessage()
    assert fields(record) == (socket.id, "number", "/")
    assert calls == []


# What one job may not see of another


def test_handlers_start_with_an_empty_context(serve: Serve) -> None:
    io = SocketIO()
    variable: ContextVar[str] = ContextVar("variable", default="empty")
    variable.set("of the test")
    local = gevent.local.local()

    @io.ns("/").on("visit")
    def visit(name: str) -> tuple[str, str]:
        seen = variable.get(), getattr(local, "name", "empty")
        variable.set(name)
        local.name = name
        return seen

    site, peer, _ = one(serve, io)
    other = site.connect()
    answers = [someone.ask("visit", name) for name in ("a", "b") for someone in (peer, other)]
    assert answers == [["empty", "empty"]] * 4


def test_a_handler_that_spawns_leaves_its_greenlet_alone(serve: Serve) -> None:
    io = SocketIO()
    gate = Event()

    @io.ns("/").on("spawn")
    def spawn(socket: Socket) -> str:
        def later() -> None:
            gate.wait()
            socket.emit("later")

        gevent.spawn(later)
        return "spawned"

    _, peer, _ = one(serve, io)
    assert peer.ask("spawn") == ["spawned"]
    assert peer.ask("echo", 1) == [1]
    gate.set()
    assert peer.event() == ["later"]


def test_a_timeout_that_a_handler_forgot_strikes_nobody_else(serve: Serve) -> None:
    io = SocketIO()
    forgotten: list[gevent.Timeout] = []

    @io.ns("/").on("forget")
    def forget() -> str:
        forgotten.append(gevent.Timeout.start_new(0.02))
        return "done"

    @io.ns("/").on("wait")
    def wait() -> str:
        wait_until(lambda: not forgotten[0].pending)
        return "undisturbed"

    _, peer, _ = one(serve, io)
    assert peer.ask("forget") == ["done"]
    assert peer.ask("wait") == ["undisturbed"]


def test_a_handler_asks_its_own_client_in_the_middle_of_an_event(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("sum")
    def add(socket: Socket) -> int:
        return sum(socket.emit_with_ack("number", index).result() for index in range(3))

    _, peer, _ = one(serve, io)
    peer.send('25["sum"]')
    for index in range(3):
        ack_id, question = peer.question()
        assert question == ["number", index]
        peer.answer(ack_id, index * 10)
    assert peer.packet() == Packet(ACK, "/", [30], 5)


def test_an_ack_that_times_out_in_a_handler_is_an_exception_like_others(serve: Serve, log: Log) -> None:
    io = SocketIO(ack_timeout=0.02)

    @io.ns("/").on("ask")
    def ask(socket: Socket) -> None:
        socket.emit_with_ack("question").result()

    _, peer, _ = one(serve, io)
    peer.emit("ask")
    peer.question()
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[0] is AckTimeoutError
    assert peer.ask("echo", 1) == [1]


def test_no_greenlet_is_made_for_each_event(serve: Serve) -> None:
    io = SocketIO()
    workers: set[int] = set()
    threads = threading.active_count()
    io.ns("/").on("event", lambda: workers.add(id(gevent.getcurrent())))
    _, peer, _ = one(serve, io)
    for _ in range(50):
        peer.emit("event")
        peer.ask("echo")
    assert len(workers) < 5
    assert threading.active_count() == threads
