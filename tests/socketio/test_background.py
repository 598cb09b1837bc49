"""Tests of the greenlets that applications start with `io.spawn`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import Socket, SocketClosedError, SocketIO
from geventsio.context import current
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import WebSocketPeer


def starting(serve: Serve, start: Callable[[SocketIO, Callable[..., Any]], Any]) -> tuple[WebSocketPeer, Event]:
    """A client whose event starts a greenlet, which tells what it knows once the gate is open."""
    io = SocketIO()
    gate = Event()

    def later() -> None:
        gate.wait()
        io.emit("later", *((current.event, current.args) if current else ()))

    @io.ns("/").on("start")
    def begin(*args: Any) -> str:
        start(io, later)
        return "started"

    return serve(io).connect(), gate


@pytest.mark.parametrize(
    "start",
    [
        lambda io, function: io.spawn(function),
        lambda io, function: io.spawn_later(0.001, function),
        lambda io, function: io.spawn(lambda: io.spawn(function)),
    ],
    ids=["spawn", "spawn_later", "spawn in spawn"],
)
def test_they_know_the_handler_s_socket(serve: Serve, start: Any) -> None:
    peer, gate = starting(serve, start)
    assert peer.ask("start", 1) == ["started"]
    gate.set()
    assert peer.event() == ["later", "start", [1]]


def test_gevent_s_own_know_nothing(serve: Serve) -> None:
    peer, gate = starting(serve, lambda io, function: gevent.spawn(function))
    assert peer.ask("start") == ["started"]
    gate.set()
    assert peer.event() == ["later"]


def test_arguments_are_passed_on_and_the_value_comes_back() -> None:
    io = SocketIO()
    greenlets = [io.spawn(divmod, 7, 2), io.spawn_later(0.001, divmod, 7, 2)]
    assert [greenlet.get() for greenlet in greenlets] == [(3, 1), (3, 1)]
    assert io.spawn(dict, key="value").get() == {"key": "value"}


def test_one_that_comes_later_can_be_called_off(serve: Serve) -> None:
    io = SocketIO()
    calls: list[str] = []
    greenlet = io.spawn_later(0.001, calls.append, "called")
    greenlet.kill()
    assert io.spawn_later(0.002, lambda: calls).get() == []


def test_they_outlive_their_handler_and_its_socket(serve: Serve) -> None:
    io = SocketIO()
    gate = Event()
    found: list[tuple[str, bool]] = []

    def later() -> None:
        gate.wait()
        found.append((current.socket.id, current.socket.connected))

    @io.ns("/").on("start")
    def start(socket: Socket) -> str:
        io.spawn(later)
        return socket.id

    peer = serve(io).connect()
    (socket_id,) = peer.ask("start")
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    gate.set()
    wait_until(lambda: found)
    assert found == [(socket_id, False)]


def failing(serve: Serve, error: BaseException) -> tuple[SocketIO, list[tuple[BaseException, str, str]]]:
    """Have a handler start a greenlet that fails; return what the error handler is given."""
    io = SocketIO()
    told: list[tuple[BaseException, str, str]] = []
    greenlets: list[Any] = []

    def fail() -> None:
        gevent.sleep(0)
        raise error

    @io.ns("/").on_error
    def failed(error: BaseException, socket: Socket) -> None:
        told.append((error, socket.id, current.event))

    io.ns("/").on("start", lambda: greenlets.append(io.spawn(fail)))
    peer = serve(io).connect()
    peer.emit("start")
    wait_until(lambda: greenlets)
    assert greenlets[0].get() is None
    return io, told


def test_what_escapes_is_logged_and_given_to_the_error_handler(serve: Serve, log: Log) -> None:
    error = ValueError("secret")
    io, told = failing(serve, error)
    (socket,) = io.sockets()
    assert told == [(error, socket.id, "start")]
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[1] is error
    assert (record.socket_id, record.event) == (socket.id, "start")  # type: ignore[attr-defined]


def test_a_closed_socket_is_no_error(serve: Serve) -> None:
    _, told = failing(serve, SocketClosedError("closed"))
    assert told == []


def test_outside_of_handlers_what_escapes_is_logged(log: Log) -> None:
    error = ValueError("secret")

    def fail() -> None:
        raise error

    assert SocketIO().spawn(fail).get() is None
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[1] is error


def test_a_killed_one_is_no_error() -> None:
    greenlet = SocketIO().spawn(Event().wait)
    gevent.sleep(0)
    greenlet.kill()
    assert isinstance(greenlet.get(), gevent.GreenletExit)


def test_what_is_meant_for_the_process_reaches_its_main_greenlet() -> None:
    SocketIO().spawn(sys.exit)
    with pytest.raises(SystemExit):
        Event().wait()


def test_a_foreign_thread_can_not_start_them(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    serve(io).connect()
    errors: list[str] = []

    def start() -> None:
        try:
            io.spawn(print)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert "can only be started in the thread that serves the clients" in errors[0]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), None, "1"], ids=str)
def test_seconds_that_are_none(seconds: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="seconds must be"):
        SocketIO().spawn_later(seconds, print)
