"""Tests of namespaces: paths, handlers and which of them wins, middlewares, and what is sent to all sockets."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import (
    AckSender,
    ConnectRefused,
    Data,
    HandlerSignatureError,
    NamespaceError,
    Socket,
    SocketClosedError,
    SocketIO,
)
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import CONNECT, CONNECT_ERROR, Packet

# Paths


def test_a_missing_slash_is_added(serve: Serve) -> None:
    io = SocketIO()
    assert io.ns("chat") is io.ns("/chat") is io.of("chat")
    assert io.ns("chat").path == "/chat"
    serve(io).connect("/chat")


def test_a_namespace_is_made_once() -> None:
    io = SocketIO()
    assert io.ns("/") is io.ns("/")
    assert [namespace.path for namespace in io.nsps()] == ["/"]


def test_an_unregistered_namespace_has_no_operators() -> None:
    io = SocketIO()
    with pytest.raises(NamespaceError, match=r"'/chat' is not registered.*io\.ns\('/chat'\)"):
        io.of("/chat")
    with pytest.raises(NamespaceError, match="'/' is not registered"):
        io.emit("x")


@pytest.mark.parametrize("path", ["/a,b", "/a?b"])
def test_a_path_that_no_client_can_ask_for_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="comma or a question mark"):
        SocketIO().ns(path)


def test_a_path_is_a_str() -> None:
    with pytest.raises(TypeError, match="path is a str, not 5"):
        SocketIO().ns(5)  # type: ignore[call-overload]


def test_paths_beyond_ascii(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/raum-größe™").on("echo", lambda *args: args)
    peer = serve(io).connect("/raum-größe™")
    assert peer.ask("echo", "ß", namespace="/raum-größe™") == ["ß"]


# Registering


def test_decorators_give_their_function_back() -> None:
    io = SocketIO()
    chat = io.ns("/chat")

    def handler() -> None: ...

    assert chat(handler) is handler
    assert io.ns("/")(handler) is handler
    assert chat.use(handler) is handler
    assert chat.on("a")(handler) is handler
    assert chat.on("a", handler) is handler
    assert chat.on_fallback(handler) is handler
    assert chat.on_disconnect(handler) is handler
    assert io.ns("/other", handler) is handler
    assert io.ns("/third").on_connect(handler) is handler


def test_the_connect_handler_is_registered_in_one_call(serve: Serve) -> None:
    io = SocketIO()
    calls: list[str] = []

    def connect(socket: Socket) -> None:
        calls.append(socket.id)

    io.ns("/", connect)
    peer = serve(io).websocket()
    socket_id = peer.connect()
    wait_until(lambda: calls)
    assert calls == [socket_id]


def test_a_second_connect_handler_is_an_error() -> None:
    io = SocketIO()
    io.ns("/", lambda: None)
    with pytest.raises(NamespaceError, match="^/ has a connect handler already$"):
        io.ns("/", lambda: None)
    with pytest.raises(NamespaceError):
        io.ns("/").on_connect(lambda: None)


def test_a_connect_handler_that_can_not_work_leaves_the_place_free() -> None:
    io = SocketIO()

    def wrong(ack: AckSender) -> None: ...

    with pytest.raises(HandlerSignatureError):
        io.ns("/", wrong)
    io.ns("/", lambda: None)


# Which handler


def levels(*present: str) -> SocketIO:
    """A server whose handlers of "event" say which of them they are; the names tell which ones there are."""
    io = SocketIO()
    namespace = io.ns("/")

    @namespace
    def connect(socket: Socket) -> None:
        if "socket" in present:
            socket.on("event", lambda: "socket")
        if "socket fallback" in present:
            socket.on_fallback(lambda: "socket fallback")

    if "namespace" in present:
        namespace.on("event", lambda: "namespace")
    if "namespace fallback" in present:
        namespace.on_fallback(lambda: "namespace fallback")
    return io


LEVELS = ["socket", "namespace", "socket fallback", "namespace fallback"]


@pytest.mark.parametrize("first", range(4), ids=LEVELS)
def test_the_nearest_handler_wins(serve: Serve, first: int) -> None:
    peer = serve(levels(*LEVELS[first:])).connect()
    assert peer.ask("event") == [LEVELS[first]]


@pytest.mark.parametrize("only", LEVELS)
def test_each_level_serves_alone(serve: Serve, only: str) -> None:
    peer = serve(levels(only)).connect()
    assert peer.ask("event") == [only]


def test_fallbacks_serve_what_has_no_handler(serve: Serve) -> None:
    peer = serve(levels(*LEVELS)).connect()
    assert peer.ask("another") == ["socket fallback"]
    peer = serve(levels("namespace", "namespace fallback")).connect()
    assert peer.ask("another") == ["namespace fallback"]


def test_an_event_without_a_handler_is_ignored(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on("known", lambda: "here")
    peer = serve(io).connect()
    peer.send('21["unknown"]')
    assert peer.ask("known") == ["here"]


def test_a_handler_is_replaced(serve: Serve) -> None:
    io = SocketIO()
    namespace = io.ns("/")

    @namespace
    def connect(socket: Socket) -> None:
        socket.on("own", lambda: "first")
        socket.on("own", lambda: "second")

    namespace.on("shared", lambda: "first")
    namespace.on("shared", lambda: "second")
    namespace.on_fallback(lambda: "first")
    namespace.on_fallback(lambda: "second")
    peer = serve(io).connect()
    assert peer.ask("own") == ["second"]
    assert peer.ask("shared") == ["second"]
    assert peer.ask("else") == ["second"]
    namespace.on("shared", lambda: "third")
    assert peer.ask("shared") == ["third"]


def test_a_handler_replaces_itself_while_it_runs(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("step")
    def first(socket: Socket) -> str:
        socket.on("step", lambda: "second")
        return "first"

    peer = serve(io).connect()
    assert [peer.ask("step"), peer.ask("step")] == [["first"], ["second"]]


def test_a_socket_s_own_handlers_are_its_own(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(socket: Socket, auth: dict[str, str]) -> None:
        name = auth["name"]
        socket.on("who", lambda: name)

    site = serve(io)
    first, second = site.connect(auth={"name": "first"}), site.connect(auth={"name": "second"})
    assert first.ask("who") == ["first"]
    assert second.ask("who") == ["second"]


def test_namespaces_do_not_share_handlers(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on("who", lambda: "root")
    io.ns("/chat").on("who", lambda: "chat")
    peer = serve(io).connect()
    peer.connect("/chat")
    assert peer.ask("who") == ["root"]
    assert peer.ask("who", namespace="/chat") == ["chat"]


def test_one_function_serves_many(serve: Serve) -> None:
    io = SocketIO()

    def where(socket: Socket) -> str:
        return socket.ns

    for path in ("/", "/chat"):
        io.ns(path).on("where", where)
        io.ns(path).on("else", where)
    peer = serve(io).connect()
    peer.connect("/chat")
    assert peer.ask("where") == ["/"]
    assert peer.ask("else", namespace="/chat") == ["/chat"]


@pytest.mark.parametrize("own", [True, False])
def test_a_socket_s_own_disconnect_handler_wins(serve: Serve, own: bool) -> None:
    io = SocketIO()
    calls: list[str] = []

    @io.ns("/")
    def connect(socket: Socket) -> None:
        if own:
            socket.on_disconnect(lambda: calls.append("socket"))
        socket.emit("ready")

    io.ns("/").on_disconnect(lambda: calls.append("namespace"))
    peer = serve(io).connect()
    peer.event()
    peer.say_goodbye()
    wait_until(lambda: calls)
    assert calls == ["socket" if own else "namespace"]


# Middlewares


def test_middlewares_run_in_the_order_in_which_they_were_added(serve: Serve) -> None:
    io = SocketIO()
    calls: list[str] = []
    chat = io.ns("/")
    chat.use(lambda: calls.append("first"))

    @chat.use
    def second(socket: Socket, auth: Data[dict[str, str]]) -> None:
        gevent.sleep(0)
        calls.append(f"{auth['name']} {socket.connected} {len(io.sockets())}")

    chat.use(lambda: calls.append("third"))

    @chat
    def connect(socket: Socket) -> None:
        calls.append(f"connect {socket.connected} {len(io.sockets())}")

    serve(io).connect(auth={"name": "second"})
    wait_until(lambda: len(calls) == 4)
    assert calls == ["first", "second False 0", "third", "connect True 1"]


def test_a_middleware_can_be_added_later(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    site = serve(io)
    site.connect()
    io.ns("/").use(refuse)
    assert site.websocket().refused() == {"message": "no"}


def refuse() -> None:
    raise ConnectRefused("no")


@pytest.mark.parametrize(
    ("refusal", "payload"),
    [
        (ConnectRefused(), {"message": "Connection refused"}),
        (ConnectRefused("wrong token"), {"message": "wrong token"}),
        (
            ConnectRefused("wrong", data={"code": 7, "why": [None]}),
            {"message": "wrong", "data": {"code": 7, "why": [None]}},
        ),
        (ConnectRefused("wrong", data=0), {"message": "wrong", "data": 0}),
        (ConnectRefused("größer™"), {"message": "größer™"}),
        (ConnectRefused(KeyError("token")), {"message": "'token'"}),  # type: ignore[arg-type]
    ],
)
def test_a_middleware_refuses_with_message_and_data(
    serve: Serve, transport: str, refusal: ConnectRefused, payload: object
) -> None:
    io = SocketIO()
    calls: list[str] = []
    chat = io.ns("/chat")

    @chat.use
    def check(socket: Socket) -> None:
        socket.join("room")
        raise refusal

    chat.use(lambda: calls.append("second middleware"))
    chat(lambda: calls.append("connect"))
    chat.on_disconnect(lambda: calls.append("disconnect"))
    peer = serve(io).peer(transport)
    assert peer.refused("/chat") == payload
    assert peer.refused("/chat") == payload  # and the connection stays
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    assert calls == []
    assert chat.sockets == {}


@pytest.mark.parametrize("close", [False, True])
def test_a_middleware_that_disconnects_refuses(serve: Serve, transport: str, close: bool) -> None:
    io = SocketIO()
    chat = io.ns("/chat")
    trace: list[str] = []

    @chat.use
    def check(socket: Socket) -> None:
        socket.join("room")
        socket.disconnect(close)
        socket.disconnect(close)
        trace.append(str(socket))

    chat(lambda: trace.append("connect"))
    chat.on_disconnect(lambda: trace.append("disconnect"))
    peer = serve(io).peer(transport)
    assert peer.refused("/chat") == {"message": "Connection refused"}
    wait_until(lambda: not io.engine.runtime.workers.busy)
    assert [text.rpartition(" ")[2] for text in trace] == ["refused>"]
    assert (chat.sockets, chat.is_empty) == ({}, True)
    assert chat.rooms() == frozenset()
    if close:
        assert peer.end()[0].orderly
    else:
        assert peer.refused("/chat") == {"message": "Connection refused"}
    assert bool(io.engine.sessions) is not close


def test_nothing_of_a_refused_socket_remains(serve: Serve) -> None:
    io = SocketIO()
    chat = io.ns("/")
    refused: list[Socket] = []

    @chat.use
    def check(socket: Socket, auth: dict[str, bool]) -> None:
        socket.join(["room", "other"])
        if not auth:
            refused.append(socket)
            raise ConnectRefused("no")

    site = serve(io)
    peer = site.websocket()
    peer.refused()
    (socket,) = refused
    assert (socket.connected, socket.rooms) == (False, frozenset())
    assert io.get_socket(socket.id) is None
    socket.join("late")
    assert socket.rooms == frozenset()
    io.to("room").emit("x")
    io.to(socket.id).emit("x")
    with pytest.raises(SocketClosedError):
        socket.emit("x")
    # The same client may try again, and is somebody else then.
    accepted = peer.connect(auth={"ok": True})
    assert accepted != socket.id
    assert peer.rest() == []
    assert io.to("room").sockets() == [io.get_socket(accepted)]


def test_a_refused_namespace_leaves_the_others_alone(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on("echo", lambda *args: args)
    io.ns("/admin").use(refuse)
    peer = serve(io).connect()
    assert peer.refused("/admin") == {"message": "no"}
    assert peer.ask("echo", 1) == [1]


def test_an_exception_in_a_middleware_refuses_and_tells_nothing(serve: Serve, log: Log, transport: str) -> None:
    io = SocketIO()

    @io.ns("/").use
    def check() -> None:
        raise RuntimeError("password is hunter2")

    assert serve(io).peer(transport).refused() == {"message": "Internal server error"}
    record = log.take_one()
    assert record.exc_info is not None and isinstance(record.exc_info[1], RuntimeError)
    assert (record.levelname, vars(record)["event"], vars(record)["namespace"]) == ("ERROR", "connect", "/")
    assert len(vars(record)["socket_id"]) == 20


def test_a_timeout_that_escapes_from_a_middleware_refuses(serve: Serve, log: Log) -> None:
    io = SocketIO()
    calls: list[str] = []

    @io.ns("/").use
    def check() -> None:
        with gevent.Timeout(0.01):
            Event().wait()

    io.ns("/")(lambda: calls.append("connect"))
    assert serve(io).websocket().refused() == {"message": "Internal server error"}
    assert calls == []
    record = log.take_one()
    assert record.exc_info is not None and isinstance(record.exc_info[1], gevent.Timeout)


def test_an_emit_in_a_middleware_is_an_error_that_is_logged(serve: Serve, log: Log) -> None:
    io = SocketIO()

    @io.ns("/").use
    def check(socket: Socket) -> None:
        socket.emit("too early")

    peer = serve(io).websocket()
    assert peer.refused() == {"message": "Internal server error"}
    record = log.take_one()
    assert record.exc_info is not None and isinstance(record.exc_info[1], SocketClosedError)


@pytest.mark.parametrize("operator", ["socket", "timeout", "to", "within", "except_", "local", "broadcast"])
@pytest.mark.parametrize("method", ["emit", "emit_with_ack"])
def test_what_a_middleware_can_send(serve: Serve, operator: str, method: str) -> None:
    io = SocketIO()
    outcomes: list[str] = []
    arguments: dict[str, tuple[Any, ...]] = {"timeout": (1,), "to": ("a",), "within": ("a",), "except_": ("a",)}

    @io.ns("/").use
    def check(socket: Socket) -> None:
        chosen = socket if operator == "socket" else getattr(socket, operator)(*arguments.get(operator, ()))
        try:
            getattr(chosen, method)("hello")
        except SocketClosedError:
            outcomes.append("closed")
        else:
            outcomes.append("sent")

    peer = serve(io).connect()
    assert peer.rest() == []
    # To itself it can't, to others it can.
    assert outcomes == ["closed" if operator in ("socket", "timeout") else "sent"]
    assert not io.sockets()[0].owes_ack


def test_a_refusal_whose_data_can_not_be_sent_still_refuses(serve: Serve, log: Log) -> None:
    io = SocketIO()

    @io.ns("/").use
    def check() -> None:
        raise ConnectRefused("no", data=object())

    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT))
    log.take_one()
    wait_until(lambda: not io.engine.runtime.workers.busy)
    (answer,) = peer.rest()
    assert isinstance(answer, str) and answer.startswith(f'{CONNECT_ERROR}{{"message":')


def test_a_middleware_that_blocks_delays_no_other_client(serve: Serve) -> None:
    io = SocketIO()
    gate = Event()

    @io.ns("/slow").use
    def slow() -> None:
        gate.wait()

    io.ns("/").on("echo", lambda *args: args)
    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT, "/slow"))
    peer.connect()
    assert peer.ask("echo", 1) == [1]
    gate.set()
    assert peer.packet().namespace == "/slow"


def test_middlewares_run_for_each_attempt(serve: Serve) -> None:
    io = SocketIO()
    attempts: list[str] = []

    @io.ns("/").use
    def check(socket: Socket) -> None:
        attempts.append(socket.id)
        if len(attempts) < 3:
            raise ConnectRefused(f"attempt {len(attempts)}")

    peer = serve(io).websocket()
    assert [peer.refused()["message"], peer.refused()["message"]] == ["attempt 1", "attempt 2"]
    assert peer.connect() == attempts[2]
    assert len(set(attempts)) == 3


def test_a_client_that_leaves_during_its_middleware_is_not_accepted(serve: Serve) -> None:
    io = SocketIO()
    calls: list[str] = []
    asked, decide = Event(), Event()
    chat = io.ns("/")
    sockets: list[Socket] = []

    @chat.use
    def slow(socket: Socket) -> None:
        socket.join("room")
        sockets.append(socket)
        asked.set()
        decide.wait()

    chat(lambda: calls.append("connect"))
    chat.on_disconnect(lambda: calls.append("disconnect"))
    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT))
    asked.wait()
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    decide.set()
    wait_until(lambda: not io.engine.runtime.workers.busy)
    assert (calls, chat.sockets, sockets[0].rooms) == ([], {}, frozenset())


# What is sent to all sockets


def test_a_namespace_sends_to_its_own_sockets_only(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    chat = io.ns("/chat")
    site = serve(io)
    root, first, second = site.connect(), site.connect("/chat"), site.connect("/chat")
    chat.emit("news", 1)
    assert first.event("/chat") == second.event("/chat") == ["news", 1]
    assert root.rest() == []


def test_a_namespace_puts_all_sockets_into_rooms(serve: Serve) -> None:
    io = SocketIO()
    chat = io.ns("/chat")
    site = serve(io)
    first, second = site.websocket(), site.websocket()
    ids = {first.connect("/chat"), second.connect("/chat")}
    assert chat.rooms() == frozenset()
    chat.join(["a", "b"])
    chat.leave("b")
    assert chat.rooms() == {"a"}
    assert {socket.id for socket in chat.to("a").sockets()} == ids
    chat.disconnect()
    assert first.packet().namespace == second.packet().namespace == "/chat"
    wait_until(lambda: not chat.sockets)
    assert chat.rooms() == frozenset()


def test_sockets_are_found_by_id(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    chat = io.ns("/chat")
    peer = serve(io).connect()
    socket_id = peer.connect("/chat")
    socket = chat.get_socket(socket_id)
    assert socket is not None and socket.id == socket_id and socket.ns == "/chat"
    assert io.get_socket(socket_id) is None
    assert chat.get_socket("nobody") is None
    assert "/chat with 1 sockets" in repr(chat)


def test_nobody_can_be_put_into_another_s_own_room(serve: Serve) -> None:
    io = SocketIO()
    chat = io.ns("/")
    site = serve(io)
    first, second = site.websocket(), site.websocket()
    first_id, second_id = first.connect(), second.connect()
    with pytest.raises(ValueError, match="another socket's id"):
        chat.join(first_id)
    with pytest.raises(ValueError, match="another socket's id"):
        chat.to(second_id).join(["fine", first_id])
    assert chat.rooms() == frozenset()
    io.to(first_id).emit("for one")
    assert first.event() == ["for one"]
    assert second.rest() == []
