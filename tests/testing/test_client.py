"""Tests of the test client: connecting, events both ways, acknowledgements, and how a connection ends."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import gevent
import pytest
from flask import Flask
from gevent.event import Event as Signal

from geventsio import ConnectRefused, Data, DisconnectReason, Socket, SocketClosedError, SocketIO
from geventsio.protocol.packet_group import PacketGroup
from geventsio.testing import ConnectError, Event, NotReceived, TestClient
from tests.testing.conftest import NewClient


def echo(io: SocketIO, path: str = "/") -> None:
    """Have a namespace answer `echo` with its arguments, as an event and as the acknowledgement."""

    @io.ns(path).on("echo")
    def echo(socket: Socket, *args: Any) -> tuple[Any, ...]:
        socket.emit("echo", *args)
        return args


# Connecting


def test_what_the_server_is_told(io: SocketIO, new: NewClient, transport: str) -> None:
    seen: dict[str, Any] = {}

    @io.ns("/chat")
    def connect(socket: Socket, auth: Data[dict[str, Any]]) -> None:
        seen.update(socket.environ, auth=auth, id=socket.id, transport=str(socket.transport))

    with new(
        io,
        headers={"X-Forwarded-For": "1.2.3.4"},
        query={"room": "a b"},
        cookies={"c": "1"},
        environ={"my.user": "ann"},
    ) as client:
        socket = client.connect("chat", auth={"token": "secret"})
        assert socket.connected
        assert (socket.namespace, socket.id) == ("/chat", seen["id"])
    assert seen["auth"] == {"token": "secret"}
    assert seen["transport"] == transport
    assert seen["HTTP_X_FORWARDED_FOR"] == "1.2.3.4"
    assert seen["HTTP_COOKIE"] == "c=1"
    assert seen["my.user"] == "ann"
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert "room=a+b" in seen["QUERY_STRING"] or "room=a%20b" in seen["QUERY_STRING"]


def test_a_refusal_is_raised_with_its_message_and_data(io: SocketIO, new: NewClient) -> None:
    @io.ns("/").use
    def check() -> None:
        raise ConnectRefused("not you", {"code": 7})

    io.ns("/")(lambda: None)
    with new(io) as client:
        with pytest.raises(ConnectError, match="not you") as refused:
            client.connect()
        assert (refused.value.message, refused.value.data, refused.value.status) == ("not you", {"code": 7}, None)
        assert io.engine.sessions == {}  # as the official client does with its last namespace


def test_a_namespace_that_does_not_exist(io: SocketIO, new: NewClient) -> None:
    with new(io) as client, pytest.raises(ConnectError, match="Invalid namespace") as refused:
        client.connect("/nowhere")
    assert refused.value.data is None


def test_a_request_that_is_refused(new: NewClient) -> None:
    io = SocketIO(allow_request=lambda environ: environ.get("HTTP_KEY") == "good")
    io.ns("/")(lambda: None)
    with new(io) as client, pytest.raises(ConnectError, match=r"Forbidden \(HTTP 403\)") as refused:
        client.connect()
    assert (refused.value.message, refused.value.status) == ("Forbidden", 403)
    with new(io, headers={"Key": "good"}) as client:
        assert client.connect().connected


def test_a_server_that_has_been_closed(io: SocketIO, new: NewClient) -> None:
    io.close()
    with new(io) as client, pytest.raises(ConnectError) as refused:
        client.connect()
    assert refused.value.status == 503


def test_several_namespaces_share_a_connection(io: SocketIO, new: NewClient) -> None:
    echo(io, "/a")
    echo(io, "/b")
    with new(io) as client:
        a, b = client.connect("/a"), client.connect("/b")
        assert len(io.engine.sessions) == 1
        assert a.call("echo", 1) == 1
        assert a.received() == [Event("echo", 1)]
        b.assert_nothing()
        with pytest.raises(RuntimeError, match="in /a already"):
            client.connect("/a")
        a.disconnect()
        assert a.disconnected == "io client disconnect"
        assert b.call("echo", 2) == 2
        a = client.connect("/a")
        assert a.call("echo", 3) == 3
        assert len(io.engine.sessions) == 1


def test_several_clients_hear_each_other(io: SocketIO, new: NewClient) -> None:
    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.join("room")

    @io.ns("/").on("say")
    def say(socket: Socket, text: str) -> None:
        socket.to("room").emit("said", text)

    with new(io) as one, new(io) as other:
        ann, bob = one.connect(), other.connect()
        ann.emit("say", "hello")
        assert bob.received() == [Event("said", "hello")]
        ann.assert_nothing()
        assert one.clock is other.clock


def test_the_server_is_found_in_an_app(io: SocketIO, new: NewClient) -> None:
    echo(io)

    app = Flask("app")
    app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]
    for candidate in (io, io.service(), app.wsgi_app, app):
        with new(candidate) as client:
            assert client.connect().call("echo", 1) == 1


def test_an_app_in_which_no_server_is_found(io: SocketIO, new: NewClient) -> None:
    echo(io)
    service = io.service()

    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/below")
        return service(environ, start_response)

    with pytest.raises(TypeError, match="pass it as TestClient"):
        new(middleware)
    with new(middleware, io=io, path="/below/socket.io") as client:
        assert client.connect().call("echo", 1) == 1


def test_a_transport_that_there_is_not(io: SocketIO) -> None:
    with pytest.raises(ValueError, match="webtransport"):
        TestClient(io, transport="webtransport")


def test_connecting_again_after_the_end(io: SocketIO, new: NewClient) -> None:
    echo(io)
    with new(io) as client:
        first = client.connect()
        first.disconnect()
        assert io.engine.sessions == {}
        second = client.connect()
        assert second.call("echo", 1) == 1
        assert first.id != second.id
        assert not first.connected
    with pytest.raises(RuntimeError, match="closed"):
        client.connect()


def test_a_connect_handler_that_takes_its_time(io: SocketIO, new: NewClient) -> None:
    go_on = Signal()
    io.ns("/").use(lambda: go_on.wait())
    io.ns("/")(lambda: None)
    with new(io) as client:
        with pytest.raises(NotReceived, match=r"did not answer the CONNECT to / within 0.01 seconds"):
            client.connect(timeout=0.01)
        go_on.set()


# Events


def test_emit_comes_back_when_the_handlers_have_ended(io: SocketIO, new: NewClient) -> None:
    done: list[int] = []

    @io.ns("/").on("work")
    def work(number: int) -> None:
        for _ in range(number):
            gevent.sleep(0)
        done.append(number)

    with new(io) as client:
        socket = client.connect()
        socket.emit("work", 50)
        assert done == [50]
        for number in range(5):
            socket.emit("work", number)
        assert done == [50, 0, 1, 2, 3, 4]


def test_bytes_are_binary_both_ways(io: SocketIO, new: NewClient) -> None:
    echo(io)
    with new(io) as client:
        socket = client.connect()
        data = {"a": [b"\x00\xff", "text"], "b": b""}
        assert socket.call("echo", data, b"x" * 100_000) == (data, b"x" * 100_000)
        assert socket.receive() == Event("echo", data, b"x" * 100_000)


def test_more_attachments_than_a_client_may_send(io: SocketIO, new: NewClient) -> None:
    with new(io) as client:
        io.ns("/").on("many", lambda socket=None: [bytes([number]) for number in range(30)])
        socket = client.connect()
        assert socket.call("many") == [bytes([number]) for number in range(30)]


def test_an_event() -> None:
    event = Event("news", 1, [2])
    assert (event.name, event.args, event.data) == ("news", (1, [2]), (1, [2]))
    assert (Event("news").data, Event("news", [1]).data) == (None, [1])
    assert repr(event) == "Event('news', 1, [2])"
    assert event == Event("news", 1, [2])
    assert event != Event("news", 1)
    assert event != ("news", 1, [2])
    with pytest.raises(RuntimeError, match=r"no acknowledgement of Event\('news', 1, \[2\]\)"):
        event.ack()


def test_receiving_by_name_leaves_the_others_in_order(io: SocketIO, new: NewClient) -> None:
    with new(io) as client:
        io.ns("/")
        socket = client.connect()
        for name in "abcab":
            io.emit(name, name)
        assert socket.receive("c") == Event("c", "c")
        assert socket.receive("b") == Event("b", "b")
        assert socket.received("a") == [Event("a", "a")] * 2
        assert socket.received() == [Event("b", "b")]
        assert socket.received() == []


def test_an_event_that_takes_its_time_is_awaited(io: SocketIO, new: NewClient) -> None:
    @io.ns("/").on("later")
    def later(socket: Socket) -> None:
        gevent.sleep(0.02)
        socket.emit("now", 1)
        socket.emit("then", 2)

    with new(io) as client:
        socket = client.connect()
        socket.emit("later")
        socket.assert_nothing()  # its handler waits for time to pass, and nothing else can happen before
        assert socket.receive("now").data == 1
        assert socket.received() == [Event("then", 2)]


def test_what_does_not_arrive_is_told_with_what_did(io: SocketIO, new: NewClient) -> None:
    io.ns("/chat")
    with new(io, timeout=0.01) as client:
        socket = client.connect("/chat")
        with pytest.raises(NotReceived) as missing:
            socket.receive()
        assert str(missing.value) == "no event in /chat (within 0.01 seconds); received and not taken: nothing"
        io.of("/chat").emit("news", 1, "x")
        io.of("/chat").emit("more")
        with pytest.raises(NotReceived) as missing:
            socket.receive("other", timeout=0.02)
        assert str(missing.value) == (
            "no event 'other' in /chat (within 0.02 seconds); "
            "received and not taken: Event('news', 1, 'x'), Event('more')"
        )
        assert isinstance(missing.value, AssertionError) and isinstance(missing.value, TimeoutError)
        with pytest.raises(AssertionError, match=r"nothing was to arrive in /chat, but there is Event\('more'\)"):
            socket.assert_nothing("more")
        socket.assert_nothing("other")
        with pytest.raises(AssertionError, match=r"Event\('news', 1, 'x'\), Event\('more'\)"):
            socket.assert_nothing()


# Acknowledgements


def test_the_values_of_an_acknowledgement(io: SocketIO, new: NewClient) -> None:
    io.ns("/").on("none", lambda: ())
    io.ns("/").on("one", lambda: [1, 2])
    io.ns("/").on("two", lambda: (1, 2))
    with new(io) as client:
        socket = client.connect()
        assert (socket.call("none"), socket.call("one"), socket.call("two")) == (None, [1, 2], (1, 2))


def test_an_acknowledgement_that_does_not_come(io: SocketIO, new: NewClient) -> None:
    io.ns("/").on("silent", lambda: None)
    with new(io) as client:
        socket = client.connect()
        with pytest.raises(NotReceived, match="no acknowledgement of 'silent' in / .within 0.01 seconds"):
            socket.call("silent", timeout=0.01)


def test_an_acknowledgement_may_be_awaited_later(io: SocketIO, new: NewClient) -> None:
    go_on = Signal()

    @io.ns("/").on("slow")
    def slow(value: int) -> int:
        go_on.wait()
        return value

    with new(io) as client:
        socket = client.connect()
        answers = [socket.emit_with_ack("slow", number) for number in range(3)]
        assert [answer.done() for answer in answers] == [False] * 3
        go_on.set()
        assert [answer.result() for answer in answers] == [0, 1, 2]
        assert answers[0].done()


def test_the_server_is_answered(io: SocketIO, new: NewClient) -> None:
    @io.ns("/").on("ask")
    def ask(socket: Socket) -> str:
        answer = socket.emit_with_ack("question", 1).result()
        return f"the answer is {answer!r}"

    with new(io) as client:
        socket = client.connect()
        for given, seen in (((), "None"), ((b"x",), "b'x'"), ((1, 2), "(1, 2)")):
            answer = socket.emit_with_ack("ask")
            question = socket.receive("question")
            assert question.wants_ack
            question.ack(*given)
            assert not question.wants_ack
            assert answer.result() == f"the answer is {seen}"
            with pytest.raises(RuntimeError, match="no acknowledgement"):
                question.ack()


def test_a_broadcast_is_answered_by_all(io: SocketIO, new: NewClient) -> None:
    io.ns("/")
    with new(io) as one, new(io) as other:
        ann, bob = one.connect(), other.connect()
        stream = io.emit_with_ack("ready")
        bob.receive("ready").ack("bob")
        ann.receive("ready").ack("ann")
        assert list(stream) == [(bob.id, "bob"), (ann.id, "ann")]


# The end


@pytest.fixture
def reasons(io: SocketIO) -> list[str]:
    """Why the server's sockets were disconnected."""
    reasons: list[str] = []

    @io.ns("/").on_disconnect
    def bye(reason: DisconnectReason) -> None:
        reasons.append(str(reason))

    return reasons


def test_the_client_disconnects(io: SocketIO, new: NewClient, reasons: list[str]) -> None:
    with new(io) as client:
        with client.connect() as socket:
            assert socket.disconnected is None
        assert socket.disconnected == "io client disconnect"
        socket.disconnect()
        assert reasons == ["client namespace disconnect"]
        with pytest.raises(SocketClosedError, match="io client disconnect"):
            socket.emit("x")
        with pytest.raises(NotReceived, match="the socket has been disconnected: io client disconnect"):
            socket.receive()


def test_the_client_closes(io: SocketIO, new: NewClient, reasons: list[str]) -> None:
    client = new(io)
    socket = client.connect()
    client.close()
    client.close()
    assert socket.disconnected == "forced close"
    assert reasons == ["transport close"]


@pytest.mark.parametrize("close", [False, True])
def test_the_server_disconnects(io: SocketIO, new: NewClient, reasons: list[str], close: bool) -> None:
    @io.ns("/").on("leave")
    def leave(socket: Socket) -> None:
        socket.emit("last words")
        socket.disconnect(close)

    with new(io) as client:
        socket = client.connect()
        socket.emit("leave")
        assert socket.wait_disconnected() == socket.disconnected == "io server disconnect"
        assert reasons == ["server namespace disconnect"]
        assert socket.received() == [Event("last words")]
        assert io.engine.sessions == {}


def test_the_server_closes(io: SocketIO, new: NewClient, reasons: list[str]) -> None:
    with new(io) as client:
        socket = client.connect()
        assert io.close()
        assert socket.disconnected == "transport close"
        assert reasons == ["server shutting down"]


def test_waiting_for_the_end(io: SocketIO, new: NewClient) -> None:
    @io.ns("/").on("leave")
    def leave(socket: Socket) -> None:
        gevent.sleep(0.02)
        socket.disconnect()

    with new(io) as client:
        socket = client.connect()
        with pytest.raises(NotReceived, match="the socket was not disconnected in /"):
            socket.wait_disconnected(timeout=0.01)
        answer = socket.emit_with_ack("leave")
        assert socket.wait_disconnected() == "io server disconnect"
        with pytest.raises(NotReceived, match="no acknowledgement of 'leave' in / .the socket has been disconnected"):
            answer.result()


def test_a_client_that_breaks_the_protocol(io: SocketIO, new: NewClient, reasons: list[str]) -> None:
    with new(io) as client:
        socket = client.connect()
        client.send(PacketGroup(b"4not a packet"))
        assert socket.disconnected in ("transport error", "transport close")
        assert reasons == ["parse error"]


# Errors of the server


def test_what_escapes_from_a_handler_is_raised(io: SocketIO, new: NewClient, caplog: pytest.LogCaptureFixture) -> None:
    @io.ns("/").on("divide")
    def divide(one: int, other: int) -> float:
        return one / other

    with new(io) as client:
        socket = client.connect()
        with pytest.raises(ZeroDivisionError) as error:
            socket.call("divide", 1, 0)
        assert error.traceback[-1].name == "divide"
        assert socket.call("divide", 1, 2) == 0.5
        client.settle()
    assert "exception in the handler of 'divide' in /" in caplog.text
    caplog.clear()


def test_what_an_error_handler_takes_is_not_raised(
    io: SocketIO, new: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    chat = io.ns("/")
    chat.on("fail", lambda: 1 / 0)

    @chat.on_error
    def failed(socket: Socket, error: Exception) -> None:
        socket.emit("sorry", str(error))
        if len(caplog.records) > 1:
            raise LookupError("in the error handler")

    with new(io) as client:
        socket = client.connect()
        socket.emit("fail")
        assert socket.received() == [Event("sorry", "division by zero")]
        with pytest.raises(LookupError, match="in the error handler"):
            socket.emit("fail")
    caplog.clear()


def test_what_escapes_from_a_greenlet_of_the_application(
    io: SocketIO, new: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    io.ns("/").on("start", lambda: io.spawn(lambda: 1 / 0) and None)
    with new(io) as client:
        socket = client.connect()
        with pytest.raises(ZeroDivisionError):
            socket.emit("start")
    caplog.clear()


def test_what_escapes_after_a_while_is_raised_where_the_test_waits(
    io: SocketIO, new: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    @io.ns("/").on("fail")
    def fail() -> None:
        gevent.sleep(0.01)
        raise LookupError("later")

    with new(io) as client:
        socket = client.connect()
        socket.emit("fail")
        with pytest.raises(LookupError, match="later"):
            socket.receive()
    caplog.clear()


def test_what_escapes_from_a_middleware_is_raised_by_connect(
    io: SocketIO, new: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    @io.ns("/").use
    def check() -> None:
        raise LookupError("no such user")

    with new(io) as client, pytest.raises(LookupError, match="no such user"):
        client.connect()
    with new(io, raise_handler_errors=False) as client:
        with pytest.raises(ConnectError, match="Internal server error"):
            client.connect()
        assert [str(error) for error in client.handler_errors] == ["no such user"]
    caplog.clear()


def test_what_escapes_from_a_disconnect_handler_is_raised_at_the_end(
    io: SocketIO, new: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    @io.ns("/").on_disconnect
    def bye() -> None:
        raise LookupError("bye")

    with pytest.raises(LookupError, match="bye"), new(io) as client:
        client.connect()
    with pytest.raises(KeyError, match="of the test"), new(io) as client:  # which matters more
        client.connect()
        raise KeyError("of the test")
    caplog.clear()


def test_errors_may_be_left_to_the_log(io: SocketIO, new: NewClient, caplog: pytest.LogCaptureFixture) -> None:
    io.ns("/").on("fail", lambda: 1 / 0)
    with new(io, raise_handler_errors=False) as client:
        socket = client.connect()
        socket.emit("fail")
        assert [type(error) for error in client.handler_errors] == [ZeroDivisionError]
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
    caplog.clear()


def test_what_escapes_from_the_app_is_raised(io: SocketIO) -> None:
    io.ns("/")
    service = io.service()

    def broken(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST":
            raise LookupError("of the app")
        return service(environ, start_response)

    with pytest.raises(LookupError, match="of the app"), TestClient(broken, io=io) as client:
        client.connect()


def test_a_server_that_is_never_at_rest(io: SocketIO, new: NewClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geventsio.testing.bench.RESTLESS", 0.05)
    stop = Signal()

    @io.ns("/").on("spin")
    def spin() -> None:
        while not stop.is_set():
            gevent.sleep(0)

    with new(io) as client:
        socket = client.connect()
        with pytest.raises(RuntimeError, match="did not come to rest in 0.05 seconds"):
            socket.emit("spin")
        stop.set()


def test_a_handler_that_outlives_the_clients_is_named(io: SocketIO, new: NewClient) -> None:
    go_on = Signal()
    io.ns("/").on("stay", lambda: go_on.wait() and None)
    client = new(io, timeout=0.01)
    client.connect().emit("stay")
    with pytest.warns(ResourceWarning, match="1 of the server's handlers still run, or wait"):
        client.close()
    go_on.set()
    with new(io):  # cleans up after it
        pass


def test_a_test_that_takes_its_time_blocks_nobody(new: NewClient) -> None:
    io = SocketIO(blocked_threshold=0.05)
    echo(io)
    with new(io) as client:
        socket = client.connect()
        for _ in range(2):
            time.sleep(0.15)  # in the log it would be called something that blocked the hub
            gevent.sleep(0.06)
            assert socket.call("echo", 1) == 1


def test_a_handler_that_blocks_is_named(new: NewClient, caplog: pytest.LogCaptureFixture) -> None:
    io = SocketIO(blocked_threshold=0.05)
    io.ns("/").on("block", lambda: time.sleep(0.1))
    with new(io) as client:
        client.connect().emit("block")
    assert "of 'block' in / blocked the hub" in caplog.text
    caplog.clear()


def test_payload_of_a_dataclass(io: SocketIO, new: NewClient) -> None:
    @dataclass
    class Point:
        x: int
        y: int

    @io.ns("/").on("mirror")
    def mirror(point: Data[Point]) -> Point:
        return Point(point.y, point.x)

    with new(io) as client:
        assert client.connect().call("mirror", Point(1, 2)) == {"x": 2, "y": 1}
