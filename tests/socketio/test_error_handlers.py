"""Tests of error handlers: what they are given, from where, and what they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import (
    AckSender,
    AckTimeoutError,
    ConnectRefused,
    Data,
    DisconnectReason,
    ExtractError,
    HandlerSignatureError,
    Socket,
    SocketClosedError,
    SocketIO,
)
from geventsio.context import current
from tests.socketio.harness import Log, Serve, Site, wait_until
from tests.socketio.levels import answers, both_levels, registered
from tests.socketio.peer import Packet, WebSocketPeer

Seen = list[tuple[str, str, str]]


def watched(**options: Any) -> tuple[SocketIO, Seen]:
    """A server, and what its error handler is given: the exception's type, the socket's id, the event."""
    io = SocketIO(**options)
    seen: Seen = []

    @io.ns("/").on_error
    def failed(error: BaseException, socket: Socket) -> None:
        seen.append((type(error).__name__, socket.id, current.event))

    io.ns("/").on("sync", lambda: "sync")
    return io, seen


def client(site: Site) -> tuple[WebSocketPeer, Socket]:
    """A client of the main namespace, and its socket."""
    peer = site.websocket()
    return peer, site.io.ns("/").sockets[peer.connect()]


@both_levels
def test_an_exception_of_a_handler(serve: Serve, level: str, log: Log) -> None:
    where, peer = registered(serve, level)
    error = ValueError("secret")
    seen: list[object] = []

    @where.on("event")
    def event() -> None:
        raise error

    @where.on_error
    def failed(error: Exception, socket: Socket, io: SocketIO) -> str:
        # It has been logged before.
        seen.append((error, socket.connected, io is socket.io, len(log.records)))
        return "dropped"

    assert answers(peer, "event") == []
    assert seen == [(error, True, True, 1)]
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[1] is error


@both_levels
def test_arguments_that_do_not_fit(serve: Serve, level: str, log: Log) -> None:
    where, peer = registered(serve, level)
    errors: list[BaseException] = []

    @where.on("event")
    def event(number: int) -> None: ...

    where.on_error(errors.append)
    assert answers(peer, "event", "seven") == []
    assert log.take_one().levelname == "WARNING"
    (error,) = errors
    assert isinstance(error, ExtractError)
    assert "'number'" in str(error)


def test_the_socket_s_own_is_called_instead_of_the_namespace_s(serve: Serve, log: Log) -> None:
    io, seen = watched()
    own: list[BaseException] = []
    io.ns("/").on("fail", lambda: 1 / 0)
    site = serve(io)
    (peer, socket), (other, other_socket) = client(site), client(site)
    socket.on_error(own.append)
    peer.emit("fail")
    assert peer.ask("sync") == ["sync"]
    other.emit("fail")
    assert other.ask("sync") == ["sync"]
    assert [type(error) for error in own] == [ZeroDivisionError]
    assert seen == [("ZeroDivisionError", other_socket.id, "fail")]
    assert len(log.take()) == 2


@pytest.mark.parametrize("error", [ValueError("secret"), gevent.Timeout(1)], ids=["exception", "timeout"])
def test_an_exception_of_a_connect_handler(serve: Serve, log: Log, error: BaseException) -> None:
    io, seen = watched()

    @io.ns("/")
    def connect() -> None:
        raise error

    _, socket = client(serve(io))
    assert log.take_one().exc_info
    assert seen == [(type(error).__name__, socket.id, "connect")]


def test_an_exception_of_a_connect_middleware(serve: Serve, log: Log) -> None:
    io, seen = watched()
    io.ns("/").use(lambda: 1 / 0)
    assert serve(io).websocket().refused() == {"message": "Internal server error"}
    record = log.take_one()
    assert seen == [("ZeroDivisionError", record.socket_id, "connect")]  # type: ignore[attr-defined]


@pytest.mark.parametrize("where", ["middleware", "handler"])
def test_an_auth_payload_that_does_not_fit(serve: Serve, where: str) -> None:
    io, seen = watched()

    def take(auth: Data[dict[str, int]]) -> None: ...

    io.ns("/").use(take) if where == "middleware" else io.ns("/").on_connect(take)
    message = serve(io).websocket().refused(auth={"number": "seven"})["message"]
    assert "Expected `int`, got `str`" in message
    assert [(name, event) for name, _, event in seen] == [("ExtractError", "connect")]


def test_a_refusal_is_no_error(serve: Serve) -> None:
    io, seen = watched()

    @io.ns("/").use
    def refuse() -> None:
        raise ConnectRefused("no")

    assert serve(io).websocket().refused() == {"message": "no"}
    assert seen == []


def test_a_refusal_by_the_connect_handler_is_no_error(serve: Serve) -> None:
    io, seen = watched()

    @io.ns("/")
    def connect() -> None:
        raise ConnectRefused("too late")

    peer = serve(io).connect()
    assert peer.packet() == Packet(1)
    assert seen == []


def test_an_exception_of_a_disconnect_handler(serve: Serve, log: Log) -> None:
    io, seen = watched()

    @io.ns("/").on_disconnect
    def bye(reason: DisconnectReason) -> None:
        raise ValueError

    peer, socket = client(serve(io))
    peer.close()
    wait_until(lambda: seen)
    assert seen == [("ValueError", socket.id, "disconnect")]
    assert log.take_one().exc_info


def test_an_exception_of_an_ack_s_callback(serve: Serve, log: Log) -> None:
    io, seen = watched()
    peer, socket = client(serve(io))
    socket.emit_with_ack("question").add_done_callback(lambda future: 1 / 0)
    ack_id, _ = peer.question()
    peer.answer(ack_id)
    wait_until(lambda: seen)
    assert seen == [("ZeroDivisionError", socket.id, "ack")]
    assert log.take_one().exc_info


def test_an_answer_that_never_comes_is_an_error_of_the_handler(serve: Serve, log: Log) -> None:
    io, seen = watched(ack_timeout=0.02)

    @io.ns("/").on("ask")
    def ask(socket: Socket) -> None:
        socket.emit_with_ack("question").result()

    peer, socket = client(serve(io))
    peer.emit("ask")
    peer.question()
    wait_until(lambda: seen)
    assert seen == [(AckTimeoutError.__name__, socket.id, "ask")]
    assert log.take_one().exc_info


def test_a_value_that_can_not_be_sent(serve: Serve, log: Log) -> None:
    io, seen = watched()
    io.ns("/").on("event", lambda: object())
    peer, socket = client(serve(io))
    peer.send('25["event"]')
    assert peer.ask("sync") == ["sync"]
    assert seen == [("SerializeError", socket.id, "event")]
    assert log.take_one().exc_info


# What is no error


def end_by_closing(socket: Socket) -> None:
    socket.disconnect()
    socket.emit("too late")


def end_by_a_kill(socket: Socket) -> None:
    gevent.kill(gevent.getcurrent())
    gevent.sleep(0)


@pytest.mark.parametrize("end", [end_by_closing, end_by_a_kill])
def test_a_handler_that_ends_quietly(serve: Serve, end: Callable[[Socket], None]) -> None:
    io, seen = watched()
    ended: list[str] = []
    io.ns("/").on_disconnect(lambda: ended.append("disconnect"))

    @io.ns("/").on("event")
    def event(socket: Socket) -> None:
        try:
            end(socket)
        finally:
            ended.append("event")

    peer, socket = client(serve(io))
    peer.emit("event")
    wait_until(lambda: ended)
    peer.close()
    wait_until(lambda: len(ended) == 2)
    assert seen == []


def test_an_emit_in_a_middleware_is_one(serve: Serve, log: Log) -> None:
    io, seen = watched()

    @io.ns("/").use
    def check(socket: Socket) -> None:
        socket.emit("too early")

    assert serve(io).websocket().refused() == {"message": "Internal server error"}
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[0] is SocketClosedError
    assert [name for name, _, _ in seen] == ["SocketClosedError"]


# Failures of the error handler itself


@both_levels
def test_an_error_handler_that_fails_is_logged(serve: Serve, level: str, log: Log) -> None:
    where, peer = registered(serve, level)
    calls: list[BaseException] = []
    where.on("event", lambda: 1 / 0)

    @where.on_error
    def failed(error: BaseException) -> None:
        calls.append(error)
        raise KeyError("of the error handler")

    assert answers(peer, "event") == []
    first, second = log.take()
    assert first.exc_info is not None and first.exc_info[0] is ZeroDivisionError
    assert second.exc_info is not None and second.exc_info[0] is KeyError
    assert "error handler of /" in second.getMessage()
    assert second.event == "event"  # type: ignore[attr-defined]
    assert len(calls) == 1


def test_an_error_handler_of_a_client_that_has_gone(serve: Serve, log: Log) -> None:
    io = SocketIO()
    calls: list[str] = []

    @io.ns("/").on_error
    def failed(error: BaseException, socket: Socket) -> None:
        calls.append("called")
        socket.emit("failed")
        calls.append("never reached")

    @io.ns("/").on_disconnect
    def bye() -> None:
        raise ValueError

    peer = serve(io).connect()
    peer.close()
    wait_until(lambda: calls)
    assert log.take_one().exc_info
    wait_until(lambda: not io.of("/").sockets)
    assert calls == ["called"]


def test_an_error_handler_tells_its_client(serve: Serve, log: Log) -> None:
    io = SocketIO()
    io.ns("/").on("fail", lambda: 1 / 0)

    @io.ns("/").on_error
    def failed(error: BaseException, socket: Socket) -> None:
        socket.emit("failed", type(error).__name__)

    peer = serve(io).connect()
    peer.emit("fail")
    assert peer.event() == ["failed", "ZeroDivisionError"]
    assert log.take_one().exc_info


def test_an_error_handler_may_block(serve: Serve, log: Log) -> None:
    io = SocketIO()
    gate = Event()
    trace: list[str] = []

    @io.ns("/").on_error
    def failed(error: BaseException) -> None:
        gate.wait()
        trace.append("error handler")

    io.ns("/").on("fail", lambda: 1 / 0)
    io.ns("/").on("next", lambda: trace.append("next"))
    site = serve(io)
    peer, other = site.connect(), site.connect()
    peer.emit("fail")
    peer.emit("next")
    assert log.take_one().exc_info
    other.emit("next")
    wait_until(lambda: trace)
    gate.set()
    wait_until(lambda: len(trace) == 3)
    assert trace == ["next", "error handler", "next"]


@pytest.mark.parametrize("annotation", [AckSender, Data[str], DisconnectReason], ids=["ack", "data", "reason"])
def test_what_an_error_handler_can_not_take(annotation: Any) -> None:
    def failed(value: object) -> None: ...

    failed.__annotations__["value"] = annotation
    with pytest.raises(HandlerSignatureError, match="of the error handler .* not allowed here"):
        SocketIO().ns("/").on_error(failed)


def test_an_error_handler_is_replaced(serve: Serve, log: Log) -> None:
    where, peer = registered(serve, "namespace")
    seen: list[str] = []
    where.on("event", lambda: 1 / 0)
    where.on_error(lambda error: seen.append("first"))
    where.on_error(lambda error: seen.append("second"))
    assert answers(peer, "event") == []
    assert seen == ["second"]
    assert log.take_one().exc_info
