"""Tests of what running code knows of the handler that called it, and of the greenlets that handlers start."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import gevent
import pytest

from geventsio import DisconnectReason, EventCall, Namespace, Next, Socket, SocketIO, copy_current_context
from geventsio import globals as proxies
from geventsio.context import Current, current
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import http_request


def seen() -> dict[str, Any]:
    """What code deep inside of the application knows."""
    known = {name: getattr(current, name) for name in ("event", "args", "ack_id")}
    known["socket"] = current.socket.id
    known["namespace"] = current.namespace.path
    known["query"] = current.environ["QUERY_STRING"]
    assert current.io is current.namespace.io
    assert current
    return known


def seen_by_proxies() -> dict[str, Any]:
    """The same, by the proxies."""
    assert isinstance(proxies.socket, Socket)
    assert isinstance(proxies.namespace, Namespace)
    assert isinstance(proxies.io, SocketIO)
    assert proxies.event == current.event
    return {
        "event": str(proxies.event),
        "args": list(proxies.args),
        "ack_id": current.ack_id,
        "socket": proxies.socket.id,
        "namespace": proxies.namespace.path,
        "query": proxies.environ["QUERY_STRING"],
    }


def everywhere(io: SocketIO, path: str, look: Callable[[], None]) -> None:
    """Have a namespace look in each place where something is known."""
    where = io.ns(path)

    @where.use
    def check() -> None:
        look()

    @where.on_connect
    def connect(socket: Socket) -> None:
        look()
        socket.emit_with_ack("question").add_done_callback(lambda future: look())

    @where.use_event
    def pass_on(call: EventCall, next: Next) -> Any:
        call.args.append("added")
        look()
        return next()

    @where.on_error
    def failed(error: BaseException) -> None:
        look()

    @where.on("event")
    def event(*args: str) -> None:
        look()
        raise ValueError

    where.on_any(lambda event, *args: look())

    @where.on_disconnect
    def bye(reason: DisconnectReason) -> None:
        look()


@pytest.mark.parametrize("reader", [seen, seen_by_proxies], ids=["current", "proxies"])
def test_what_is_known_in_each_place(serve: Serve, log: Log, reader: Callable[[], dict[str, Any]]) -> None:
    io = SocketIO()
    found: list[dict[str, Any]] = []
    everywhere(io, "/chat", lambda: found.append(reader()))
    peer = serve(io).websocket()
    socket_id = peer.connect("/chat", {"user": 1})
    ack_id, _ = peer.question("/chat")
    peer.answer(ack_id, namespace="/chat")
    wait_until(lambda: len(found) == 3)
    peer.send('2/chat,7["event","arg"]')
    wait_until(lambda: len(found) == 7)
    peer.close()
    wait_until(lambda: len(found) == 8)
    assert log.take_one().exc_info
    assert [(known["event"], known["ack_id"]) for known in found] == [
        ("connect", None),
        ("connect", None),
        ("ack", None),
        *[("event", 7)] * 4,
        ("disconnect", None),
    ]
    auth = [{"user": 1}]
    assert [known["args"] for known in found[:2]] == [auth, auth]
    assert [known["args"] for known in found[-1:]] == [["transport close"]]
    for known in found:
        assert (known["socket"], known["namespace"]) == (socket_id, "/chat")
        assert known["query"] == "EIO=4&transport=websocket"


def test_arguments_are_those_that_middlewares_have_made(serve: Serve) -> None:
    io = SocketIO()
    found: list[list[Any]] = []

    @io.ns("/").use_event
    def change(call: EventCall, next: Next) -> Any:
        found.append(current.args)
        call.args = ["changed"]
        return next()

    io.ns("/").on("event", lambda text: (text, *current.args))
    assert serve(io).connect().ask("event", "sent") == ["changed", "changed"]
    assert found == [["sent"]]


def test_each_handler_has_its_own_while_they_take_turns(serve: Serve) -> None:
    io = SocketIO(concurrent_handlers=True)
    found: list[tuple[str, str, str, int]] = []

    @io.ns("/").on("event")
    def event(socket: Socket, number: int) -> None:
        for _ in range(3):
            gevent.sleep(0)
            found.append((current.socket.id, socket.id, current.event, current.args[0] - number))

    site = serve(io)
    peers = [site.connect() for _ in range(3)]
    for number in range(5):
        for peer in peers:
            peer.emit("event", number)
    wait_until(lambda: len(found) == 45)
    assert all(current_id == own_id for current_id, own_id, _, _ in found)
    assert {(event, difference) for _, _, event, difference in found} == {("event", 0)}
    assert len({socket_id for socket_id, _, _, _ in found}) == 3


def outside(look: Callable[[], object]) -> str:
    """The message with which looking around fails."""
    with pytest.raises(RuntimeError) as caught:
        look()
    return str(caught.value)


@pytest.mark.parametrize("name", ["socket", "event", "args", "ack_id", "namespace", "io", "environ"])
def test_outside_of_handlers_the_error_says_how_to_mend_it(name: str) -> None:
    message = outside(lambda: getattr(current, name))
    assert "io.spawn" in message and "copy_current_context" in message
    assert not current
    assert not Current()


@pytest.mark.parametrize("name", proxies.__all__)
def test_outside_of_handlers_proxies_say_how_to_mend_it(name: str) -> None:
    message = outside(lambda: getattr(proxies, name).anything)
    assert "io.spawn" in message and "copy_current_context" in message


def test_what_a_handler_knew_is_forgotten_by_its_greenlet(serve: Serve) -> None:
    io = SocketIO()
    variable: ContextVar[Any] = ContextVar("variable")

    class Session:
        pass

    sessions: list[Any] = []

    @io.ns("/").on("event")
    def event(socket: Socket) -> str:
        session = Session()
        variable.set(session)
        sessions.append(weakref.ref(session))
        socket.data["session"] = session
        return "done"

    site = serve(io)
    peer = site.connect()
    assert peer.ask("event") == ["done"]
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    gc.collect()
    assert sessions[0]() is None


def test_code_that_serves_no_socket_knows_nothing(serve: Serve) -> None:
    io = SocketIO()
    found: list[bool] = []
    io.ns("/").on("event", lambda: "done")

    def app(environ: Any, start_response: Any) -> list[bytes]:
        found.append(bool(current))
        start_response("200 OK", [])
        return []

    site = serve(io, io.layer(app))
    peer = site.connect()
    assert peer.ask("event") == ["done"]
    assert http_request(site.address, "GET", "/view").status == 200
    assert found == [False]


# Functions that are wrapped


def test_a_wrapped_function_knows_what_its_maker_knew(serve: Serve) -> None:
    io = SocketIO()
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    wrapped: list[Callable[[str], tuple[Any, ...]]] = []

    @io.ns("/").on("event")
    def event() -> None:
        variable.set("of the handler")

        @copy_current_context
        def function(greeting: str) -> tuple[Any, ...]:
            """Words."""
            known = greeting, current.socket.id, current.event, variable.get()
            variable.set("of the call")
            gevent.sleep(0)
            return (*known, variable.get())

        wrapped.append(function)

    peer = serve(io).connect()
    peer.emit("event")
    wait_until(lambda: wrapped)
    (function,), (socket,) = wrapped, io.sockets()
    expected = ("hello", socket.id, "event", "of the handler", "of the call")
    assert (function.__name__, function.__doc__) == ("function", "Words.")
    # Several at once, and again: each has a context of its own.
    greenlets = [gevent.spawn(function, "hello") for _ in range(2)]
    assert [greenlet.get() for greenlet in greenlets] == [expected] * 2
    assert function("hello") == expected
    assert not current


def test_a_wrapped_function_runs_in_another_thread(serve: Serve) -> None:
    io = SocketIO()
    results: list[str] = []

    @io.ns("/").on("event")
    def event() -> None:
        @copy_current_context
        def run() -> None:
            results.append(current.socket.id)

        threading.Thread(target=run).start()

    peer = serve(io).connect()
    peer.emit("event")
    wait_until(lambda: results)
    assert results == [socket.id for socket in io.sockets()]


def test_outside_of_handlers_there_is_nothing_to_carry() -> None:
    assert "io.spawn" in outside(lambda: copy_current_context(print))
