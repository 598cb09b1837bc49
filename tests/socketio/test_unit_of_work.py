"""Tests of units of work: what is entered around each job of a socket, in which order, and what it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import pytest
from gevent.event import Event

from geventsio import (
    ClassNamespace,
    ConnectRefused,
    DisconnectReason,
    EventCall,
    ExtractError,
    Namespace,
    Next,
    Socket,
    SocketClosedError,
    SocketIO,
    UnitOfWork,
)
from geventsio.context import current
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.levels import answers
from tests.socketio.peer import ACK, EVENT, Packet

Trace = list[Any]


def tracing(trace: Trace, name: str = "unit") -> UnitOfWork:
    """A unit of work that leaves in the trace what it is entered for, and what it is left with."""

    @contextmanager
    def unit(call: EventCall) -> Iterator[None]:
        trace.append(f"{name} in {call.event}")
        try:
            yield
        except BaseException as error:
            trace.append(f"{name} out {type(error).__name__}")
            raise
        trace.append(f"{name} out")

    return unit


def traced(*names: str) -> tuple[SocketIO, Namespace, Trace]:
    """A server with units of work of these names, its main namespace, and their trace."""
    io = SocketIO()
    trace: Trace = []
    for name in names or ("unit",):
        io.unit_of_work(tracing(trace, name))
    return io, io.ns("/"), trace


def test_the_jobs_of_a_socket(serve: Serve) -> None:
    io, root, trace = traced()
    root.use(lambda auth: trace.append("middleware"))
    root(lambda auth: trace.append("connect"))
    root.on_any(lambda event, number: trace.append(f"listener {number}"))

    @root.use_event
    def middleware(call: EventCall, next: Next) -> Any:
        trace.append("event middleware")
        return next()

    @root.on("event")
    def event(socket: Socket, number: int) -> int:
        trace.append(f"event {number}")
        return number + 1

    root.on_disconnect(lambda reason: trace.append(str(reason)))
    peer = serve(io).connect()
    peer.send_packet(Packet(EVENT, "/", ["event", 1], 7))
    assert peer.packet().data == [2]
    peer.close()
    wait_until(lambda: len(trace) == 12)
    assert trace == [
        *("unit in connect", "middleware", "connect", "unit out"),
        *("unit in event", "listener 1", "event middleware", "event 1", "unit out"),
        *("unit in disconnect", "transport close", "unit out"),
    ]


def test_an_acknowledgement_s_callback(serve: Serve) -> None:
    io, root, trace = traced()

    @root.on("ask")
    def ask(socket: Socket) -> None:
        socket.emit_with_ack("question").add_done_callback(lambda future: trace.append(future.result()))

    peer = serve(io).connect()
    trace.clear()
    peer.emit("ask")
    question = peer.packet()
    assert trace == ["unit in ask", "unit out"]
    peer.send_packet(Packet(ACK, "/", ["answer"], question.id))
    wait_until(lambda: len(trace) == 5)
    assert trace[2:] == ["unit in ack", "answer", "unit out"]


def test_they_know_what_kind_of_job_it_is(serve: Serve, log: Log) -> None:
    io = SocketIO()
    kinds: list[tuple[str, str, list[Any], int | None]] = []

    @io.unit_of_work
    @contextmanager
    def unit(call: EventCall) -> Iterator[None]:
        kinds.append((call.kind, call.event, call.args, call.ack_id))
        yield

    @io.ns("/")
    def connect() -> None:
        raise ValueError("secret")

    @io.ns("/").on("ack")
    def ack(socket: Socket, number: int) -> None:
        socket.emit_with_ack("question").add_done_callback(lambda future: io.spawn(lambda: None))
        raise ValueError("secret")

    io.ns("/").on_error(lambda error: None)
    io.ns("/").on_disconnect(lambda: None)
    peer = serve(io).connect()
    peer.send_packet(Packet(EVENT, "/", ["ack", 1], 7))
    peer.send_packet(Packet(ACK, "/", ["answer"], peer.packet().id))
    wait_until(lambda: len(kinds) == 6)
    peer.close()
    wait_until(lambda: len(kinds) == 7)
    assert len(log.take()) == 2
    assert [kind for kind, *_ in kinds] == ["connect", "error", "event", "error", "ack", "background", "disconnect"]
    assert kinds[1] == ("error", "connect", [{}], None)
    assert kinds[2] == ("event", "ack", [1], 7) and kinds[3] == ("error", "ack", [1], 7)
    assert [event for _, event, *_ in kinds[4:]] == ["ack", "ack", "disconnect"]


def test_several_nest_in_the_order_added(serve: Serve, log: Log) -> None:
    io, root, trace = traced("a", "b", "c")
    root.on("event", lambda: 1 / 0)
    peer = serve(io).connect()
    trace.clear()
    peer.emit("event")
    log.take_one()
    ways_out = [f"{name} out ZeroDivisionError" for name in "cba"]
    assert trace == ["a in event", "b in event", "c in event", *ways_out]


def test_it_is_a_decorator(serve: Serve) -> None:
    io = SocketIO()
    seen: Trace = []

    @io.unit_of_work
    @contextmanager
    def unit(call: EventCall) -> Iterator[None]:
        seen.append((call.socket is current.socket, call.args, call.ack_id))
        yield

    io.ns("/").on("event", lambda *args: args)
    peer = serve(io).connect(auth={"token": 1})
    assert peer.ask("event", 1, 2) == [1, 2]
    assert seen[0] == (True, [{"token": 1}], None)
    assert seen[1][:2] == (True, [1, 2]) and seen[1][2] is not None
    assert isinstance(unit, Callable)  # type: ignore[arg-type]


def test_what_is_no_factory_is_refused() -> None:
    with pytest.raises(TypeError, match="a unit of work is a function"):
        SocketIO().unit_of_work(suppress(ValueError))  # type: ignore[type-var]


def test_events_that_nobody_handles_have_none(serve: Serve) -> None:
    io, root, trace = traced()
    root.on("sync", lambda: "sync")
    peer = serve(io).connect()
    trace.clear()
    assert answers(peer, "nobody's") == []
    assert trace == ["unit in sync", "unit out"]


def test_one_that_is_added_later(serve: Serve) -> None:
    io = SocketIO()
    trace: Trace = []
    io.ns("/").on("event", lambda: "answer")
    peer = serve(io).connect()
    assert peer.ask("event") == ["answer"]
    io.unit_of_work(tracing(trace))
    assert peer.ask("event") == ["answer"]
    assert trace == ["unit in event", "unit out"]


def test_class_based_and_dynamic_namespaces(serve: Serve) -> None:
    io, _, trace = traced()

    class Chat(ClassNamespace):
        def on_message(self, text: str) -> str:
            trace.append(text)
            return text

    io.register(Chat("/chat"))
    io.dyn_ns("/rooms/{id}").on("message", trace.append)
    site = serve(io)
    chat, room = site.connect("/chat"), site.connect("/rooms/1")
    trace.clear()
    assert chat.ask("message", "hello", namespace="/chat") == ["hello"]
    room.emit("message", "there", namespace="/rooms/1")
    wait_until(lambda: len(trace) == 6)
    assert trace == ["unit in message", "hello", "unit out", "unit in message", "there", "unit out"]


def test_handlers_that_overlap_have_one_each(serve: Serve) -> None:
    io, root, trace = traced()
    number: ContextVar[int] = ContextVar("number")
    goes = [Event(), Event()]

    @io.unit_of_work
    @contextmanager
    def unit(call: EventCall) -> Iterator[None]:
        if call.event == "event":
            number.set(call.args[0])
        yield

    def event(which: int) -> int:
        goes[which].wait()
        return number.get()

    root.on("event", event, concurrent=True)
    peer = serve(io).connect()
    trace.clear()
    for which in (0, 1):
        peer.send_packet(Packet(EVENT, "/", ["event", which], which))
    wait_until(lambda: len(trace) == 2)
    assert trace == ["unit in event"] * 2
    goes[1].set()
    assert (answer := peer.packet()).data == [1] and answer.id == 1
    goes[0].set()
    assert (answer := peer.packet()).data == [0] and answer.id == 0
    assert trace[2:] == ["unit out"] * 2


def test_a_greenlet_that_a_handler_starts_has_its_own(serve: Serve) -> None:
    io, root, trace = traced()
    go = Event()

    @root.on("event")
    def event(socket: Socket) -> None:
        def background() -> None:
            trace.append("begin")
            go.wait()
            socket.emit("done")

        io.spawn(background)

    peer = serve(io).connect()
    trace.clear()
    peer.emit("event")
    wait_until(lambda: "begin" in trace)
    assert trace == ["unit in event", "unit out", "unit in event", "begin"]
    go.set()
    assert peer.packet().data == ["done"]
    wait_until(lambda: len(trace) == 5)
    assert trace[4] == "unit out"


def test_a_greenlet_that_no_handler_starts_has_none() -> None:
    io, _, trace = traced()
    assert io.spawn(lambda: "value").get() == "value"
    assert trace == []


# Exceptions


@pytest.mark.parametrize("error", [ValueError("secret"), SocketClosedError("gone"), ConnectRefused("late")])
def test_what_escapes_is_seen_before_the_error_handler(serve: Serve, log: Log, error: Exception) -> None:
    io, root, trace = traced()

    @root.on("event")
    def event() -> None:
        raise error

    @root.on_error
    def failed(error: Exception, socket: Socket) -> None:
        trace.append(type(error).__name__)

    root.on("sync", lambda: "sync")
    peer = serve(io).connect()
    trace.clear()
    assert answers(peer, "event") == []
    trace[-2:] = []  # of what `answers` asks last
    begin = ["unit in event", f"unit out {type(error).__name__}"]
    if isinstance(error, SocketClosedError):
        assert trace == begin
    else:
        log.take_one()
        assert trace == [*begin, "unit in event", type(error).__name__, "unit out"]


def test_parameters_that_do_not_fit(serve: Serve, log: Log) -> None:
    io, root, trace = traced()

    @root.on("event")
    def event(number: int) -> None: ...

    peer = serve(io).connect()
    trace.clear()
    peer.emit("event", "seven")
    assert log.take_one().levelname == "WARNING"
    assert trace == ["unit in event", "unit out ExtractError"]


def refusing(error: Exception) -> Callable[[], None]:
    """A middleware that raises an exception."""

    def middleware() -> None:
        raise error

    return middleware


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectRefused("not you", [1]), {"message": "not you", "data": [1]}),
        (ExtractError("unfit"), {"message": "unfit"}),
        (ValueError("secret"), {"message": "Internal server error"}),
    ],
)
def test_a_connection_that_is_refused(serve: Serve, log: Log, error: Exception, message: object) -> None:
    io, root, trace = traced()
    root.use(refusing(error))
    assert serve(io).websocket().refused() == message
    assert trace == ["unit in connect", f"unit out {type(error).__name__}"]
    assert len(log.take()) == isinstance(error, ValueError)
    assert root.is_empty


def test_a_client_that_leaves_while_middlewares_run(serve: Serve) -> None:
    io, root, trace = traced()
    go = Event()
    root.use(lambda auth: go.wait())
    peer = serve(io).websocket()
    peer.send("0")
    wait_until(lambda: trace)
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    go.set()
    wait_until(lambda: len(trace) == 2)
    assert trace == ["unit in connect", "unit out SocketClosedError"]
    wait_until(lambda: root.is_empty)


class Failing:
    """Raises where it is told to: "factory", "enter" or "exit", for events of these names; else it does nothing."""

    def __init__(self, where: str, *events: str) -> None:
        self.where = where
        self.events = events

    def __call__(self, call: EventCall) -> AbstractContextManager[object]:
        self._fail("factory", call)
        return self._unit(call)

    @contextmanager
    def _unit(self, call: EventCall) -> Iterator[None]:
        self._fail("enter", call)
        yield
        self._fail("exit", call)

    def _fail(self, where: str, call: EventCall) -> None:
        if where == self.where and call.event in self.events:
            raise ZeroDivisionError(where)


@pytest.mark.parametrize("where", ["factory", "enter"])
def test_a_connection_whose_unit_can_not_be_entered(serve: Serve, log: Log, where: str) -> None:
    io, root, trace = traced()
    io.unit_of_work(Failing(where, "connect"))
    root.use(lambda auth: trace.append("middleware"))
    assert serve(io).websocket().refused() == {"message": "Internal server error"}
    assert log.take_one().exc_info
    assert trace == ["unit in connect", "unit out ZeroDivisionError"]
    assert root.is_empty


def test_a_connection_whose_unit_fails_at_its_end_stays(serve: Serve, log: Log) -> None:
    io, root, trace = traced()
    io.unit_of_work(Failing("exit", "connect"))
    root.on("event", lambda: "answer")
    peer = serve(io).connect()
    assert peer.ask("event") == ["answer"]
    assert log.take_one().exc_info
    assert trace[:2] == ["unit in connect", "unit out ZeroDivisionError"]


@pytest.mark.parametrize("where", ["factory", "enter", "exit"])
def test_an_event_whose_unit_fails_is_not_answered(serve: Serve, log: Log, where: str) -> None:
    io, root, trace = traced()
    io.unit_of_work(Failing(where, "event"))
    root.on("event", lambda: trace.append("handler") or "stored")  # type: ignore[func-returns-value]
    root.on("sync", lambda: "sync")
    errors: Trace = []
    root.on_error(lambda error: errors.append(str(error)))
    peer = serve(io).connect()
    trace.clear()
    assert answers(peer, "event") == []
    assert ("handler" in trace) == (where == "exit")
    assert errors == [where]
    record, *others = log.take()
    assert record.levelname == "ERROR" and record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    # The error handler has one of its own, without which it does its duty too.
    assert [other.levelname for other in others] == (["ERROR"] if where == "exit" else ["WARNING"])


@pytest.mark.parametrize("event", ["disconnect", "ack"])
def test_other_jobs_whose_unit_can_not_be_entered(serve: Serve, log: Log, event: str) -> None:
    io, root, _ = traced()
    io.unit_of_work(Failing("enter", event))
    called: Trace = []

    @root.on("ask")
    def ask(socket: Socket) -> None:
        socket.emit_with_ack("question").add_done_callback(called.append)

    @root.on_disconnect
    def bye(reason: DisconnectReason) -> None:
        called.append(reason)

    peer = serve(io).connect()
    if event == "ack":
        peer.emit("ask")
        peer.send_packet(Packet(ACK, "/", [], peer.packet().id))
        assert log.take_one().exc_info
        assert called == []
    peer.close()
    wait_until(lambda: root.is_empty)
    if event == "disconnect":
        assert log.take_one().exc_info
        assert called == []


def test_one_that_keeps_an_exception_to_itself(serve: Serve) -> None:
    io = SocketIO()
    root = io.ns("/")
    io.unit_of_work(lambda call: suppress(ZeroDivisionError))
    root.on("event", lambda: 1 / 0)
    root.on("sync", lambda: "sync")
    site = serve(io)
    assert answers(site.connect(), "event") == []
    root.use(lambda auth: 1 / 0)
    assert site.websocket().refused() == {"message": "Internal server error"}


def test_what_it_enters_is_left_when_the_socket_is_closed_meanwhile(serve: Serve) -> None:
    io, root, trace = traced()
    go = Event()

    @root.on("event")
    def event(socket: Socket) -> None:
        go.wait()
        socket.emit("too late")

    peer = serve(io).connect()
    trace.clear()
    peer.emit("event")
    wait_until(lambda: trace)
    peer.close()
    wait_until(lambda: not root.sockets or not next(iter(root.sockets.values())).connected)
    go.set()
    wait_until(lambda: root.is_empty)
    assert trace == ["unit in event", "unit out SocketClosedError"]
