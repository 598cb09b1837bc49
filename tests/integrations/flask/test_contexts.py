"""Tests of the contexts that handlers run in: which are there, from where, and what becomes of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask, current_app, g, has_app_context, has_request_context, request, url_for
from flask.testing import FlaskClient
from gevent.event import Event

from geventsio import ClassNamespace, EventCall, Next, Socket, SocketIO
from geventsio.globals import socket as current_socket
from geventsio.integrations.flask import FlaskIntegration
from geventsio.testing import TestClient
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import ACK, EVENT, Packet, http_request

Trace = list[Any]


@pytest.fixture
def io(app: Flask) -> SocketIO:
    """The app's server."""
    io = SocketIO()
    FlaskIntegration(io, app)
    return io


def note(trace: Trace, what: str) -> None:
    """Leave in the trace whose contexts this is called in, and how often it was in this app context."""
    g.number = g.get("number", 0) + 1
    assert request.headers["X-Test"] == "yes" and request.args["EIO"] == "4"
    trace.append((what, current_app.name, g.number))


def test_handlers_in_native_threads_are_in_them_too(serve: Serve, app: Flask, io: SocketIO) -> None:
    trace: Trace = []
    threads: list[int] = []

    @app.teardown_appcontext
    def end(error: BaseException | None) -> None:
        threads.append(threading.get_ident())

    @io.ns("/").on("event", threadpool=True)
    def event() -> None:
        note(trace, "event")
        threads.append(threading.get_ident())

    peer = serve(io, app).connect()
    threads.clear()
    peer.emit("event")
    wait_until(lambda: len(threads) == 2)
    assert trace == [("event", "sample", 1)]
    assert len(set(threads)) == 1 and threads[0] != threading.get_ident()


def test_the_request_is_the_handshake_s(serve: Serve, app: Flask, io: SocketIO, transport: str) -> None:
    app.add_url_rule("/users/<name>", "user", lambda name: name)

    @io.ns("/").on("event")
    def event() -> Any:
        return {
            "path": request.path,
            "method": request.method,
            "transport": request.args["transport"],
            "address": request.remote_addr,
            "url": url_for("user", name="me"),
            "body": request.get_data(as_text=True),
            "form": dict(request.form),
        }

    peer = serve(io, app).peer(transport)
    peer.connect()
    assert peer.ask("event") == [
        {
            "path": "/socket.io/",
            "method": "GET",
            "transport": transport,
            "address": "127.0.0.1",
            "url": "/users/me",
            "body": "",
            "form": {},
        }
    ]


def test_each_job_has_contexts_of_its_own(serve: Serve, app: Flask, io: SocketIO, log: Log) -> None:
    trace: Trace = []
    root = io.ns("/")
    root.use(lambda auth: note(trace, "middleware"))
    root(lambda auth: note(trace, "connect"))
    root.on_any(lambda event: note(trace, "listener"))
    root.on_disconnect(lambda reason: note(trace, "disconnect"))
    root.on_error(lambda error: note(trace, "error"))

    @root.use_event
    def middleware(call: EventCall, next: Next) -> Any:
        note(trace, "event middleware")
        return next()

    @root.on("fail")
    def fail(socket: Socket) -> None:
        note(trace, "event")
        raise ZeroDivisionError

    @root.on("ask")
    def ask(socket: Socket) -> None:
        socket.emit_with_ack("question").add_done_callback(lambda future: note(trace, "ack"))

    peer = serve(io, app).connect()
    peer.emit("fail")
    log.take_one()
    peer.emit("ask")
    ack_id, _ = peer.question()
    peer.answer(ack_id)
    wait_until(lambda: trace[-1][0] == "ack")
    peer.close()
    wait_until(lambda: root.is_empty)
    assert [(what, number) for what, name, number in trace if name == "sample"] == [
        *(("middleware", 1), ("connect", 2)),
        *(("listener", 1), ("event middleware", 2), ("event", 3)),
        ("error", 1),
        *(("listener", 1), ("event middleware", 2)),
        ("ack", 1),
        ("disconnect", 1),
    ]


def test_class_based_namespaces(serve: Serve, app: Flask, io: SocketIO) -> None:
    class Chat(ClassNamespace):
        def on_message(self, text: str) -> list[str]:
            return [current_app.name, request.path, current_socket.id]

    io.register(Chat("/chat"))
    peer = serve(io, app).websocket()
    sid = peer.connect("/chat")
    assert peer.ask("message", "hello", namespace="/chat") == [["sample", "/socket.io/", sid]]


def test_teardown_functions_run_after_each_job(serve: Serve, app: Flask, io: SocketIO, log: Log) -> None:
    trace: Trace = []
    app.teardown_request(lambda error: trace.append(("request", type(error))))
    app.teardown_appcontext(lambda error: trace.append(("app", type(error))))
    root = io.ns("/")
    root.on("event", lambda: trace.append("event"))
    root.on("fail", lambda: 1 / 0)
    peer = serve(io, app).connect()
    wait_until(lambda: len(trace) == 2)
    peer.emit("event")
    peer.emit("fail")
    log.take_one()
    ended = [("request", type(None)), ("app", type(None))]
    failed = [("request", ZeroDivisionError), ("app", ZeroDivisionError)]
    assert trace == [*ended, "event", *ended, *failed]


def test_a_teardown_function_that_fails_is_reported(serve: Serve, app: Flask, io: SocketIO, log: Log) -> None:
    @app.teardown_appcontext
    def teardown(error: BaseException | None) -> None:
        if current_socket.data.get("fails"):
            raise LookupError("teardown")

    @io.ns("/").on("event")
    def event(socket: Socket) -> str:
        socket.data["fails"] = True
        return "answer"

    @io.ns("/").on("other")
    def other(socket: Socket) -> str:
        socket.data["fails"] = False
        return "other"

    peer = serve(io, app).connect()
    peer.send_packet(Packet(EVENT, "/", ["event"], 5), Packet(EVENT, "/", ["other"], 6))
    assert peer.packet() == Packet(ACK, "/", ["other"], 6)
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[0] is LookupError


def test_a_greenlet_of_a_handler_outlives_its_contexts(serve: Serve, app: Flask, io: SocketIO) -> None:
    trace: Trace = []
    go = Event()
    app.teardown_appcontext(lambda error: trace.append("teardown"))

    @io.ns("/").on("event")
    def event(socket: Socket) -> None:
        def background() -> None:
            go.wait()
            note(trace, "background")
            socket.emit("done", request.path)

        note(trace, "event")
        io.spawn(background)

    peer = serve(io, app).connect()
    wait_until(lambda: trace)
    trace.clear()
    peer.emit("event")
    wait_until(lambda: len(trace) == 2)
    go.set()
    assert peer.event() == ["done", "/socket.io/"]
    wait_until(lambda: len(trace) == 4)
    assert trace == [("event", "sample", 1), "teardown", ("background", "sample", 1), "teardown"]


def test_nothing_of_a_job_remains(serve: Serve, app: Flask, io: SocketIO) -> None:
    seen: Trace = []
    io.ns("/").on("event", lambda: seen.append(has_app_context()))
    io.ns("/").on("sync", lambda: "sync")
    peer = serve(io, app).connect()
    peer.emit("event")
    assert peer.ask("sync") == ["sync"]
    assert seen == [True]
    assert not has_app_context() and not has_request_context()


def test_units_of_work_run_inside(serve: Serve, app: Flask, io: SocketIO) -> None:
    trace: Trace = []
    io.ns("/")

    @io.unit_of_work
    @contextmanager
    def unit(call: EventCall) -> Iterator[None]:
        trace.append((call.event, current_app.name, request.path))
        yield

    serve(io, app).connect()
    wait_until(lambda: trace)
    assert trace == [("connect", "sample", "/socket.io/")]


def test_views_and_their_greenlets_emit(serve: Serve, app: Flask, io: SocketIO) -> None:
    io.ns("/")

    @app.get("/view")
    def view() -> str:
        io.emit("from view", request.path)
        return "done"

    @app.get("/background")
    def background() -> str:
        def emit() -> None:
            with app.app_context():
                io.emit("from background", current_app.name)

        io.spawn(emit)
        return "done"

    peer = serve(io, app).connect()
    browser: FlaskClient = app.test_client()
    assert browser.get("/view").text == "done"
    assert peer.event() == ["from view", "/view"]
    assert browser.get("/background").text == "done"
    assert peer.event() == ["from background", "sample"]


# Apps


def test_an_app_from_a_factory(serve: Serve) -> None:
    io = SocketIO()
    integration = FlaskIntegration(io)
    io.ns("/").on("event", lambda: current_app.name)

    def create_app() -> Flask:
        app = Flask("made")
        integration.init_app(app)
        return app

    app = create_app()
    assert integration.app is app and app.extensions["geventsio"] is integration
    peer = serve(io, app).connect()
    assert peer.ask("event") == ["made"]


def test_without_an_app_clients_are_refused(serve: Serve, log: Log) -> None:
    io = SocketIO()
    FlaskIntegration(io)
    io.ns("/")
    assert serve(io).websocket().refused() == {"message": "Internal server error"}
    record = log.take_one()
    assert record.exc_info is not None and "init_app" in str(record.exc_info[1])


def test_an_app_has_one_server(app: Flask, io: SocketIO) -> None:
    with pytest.raises(RuntimeError, match="has a Socket.IO server already"):
        FlaskIntegration(SocketIO(), app)


def test_the_test_client_finds_the_server(app: Flask, io: SocketIO) -> None:
    io.ns("/").on("event", lambda: [current_app.name, request.cookies["name"]])
    with TestClient(app, cookies={"name": "value"}) as client:
        assert client.connect().call("event") == ["sample", "value"]


def test_other_paths_are_the_app_s(serve: Serve, app: Flask, io: SocketIO) -> None:
    app.add_url_rule("/socket.iox", "other", lambda: "the app's")
    site = serve(io, app)
    assert http_request(site.address, "GET", "/socket.iox").body == b"the app's"
    assert http_request(site.address, "GET", "/socket.io/?EIO=4&transport=none").status == 400
