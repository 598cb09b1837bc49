"""Tests of what a client may send, and of the sockets that one connection has."""

from __future__ import annotations

import gc
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import AckClosedError, AckError, ConnectRefused, DisconnectReason, Namespace, Socket, SocketIO
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import ACK, CONNECT, DISCONNECT, EVENT, Packet, PollingPeer


def server(*paths: str, **options: Any) -> tuple[SocketIO, list[tuple[str, str]]]:
    """A server whose namespaces echo, and the list of (path, reason) that their disconnect handlers fill."""
    io = SocketIO(**options)
    left: list[tuple[str, str]] = []
    for path in paths or ("/",):
        namespace = io.ns(path)
        namespace.on("echo", lambda *args: args)

        @namespace.on_disconnect
        def bye(socket: Socket, reason: DisconnectReason) -> None:
            left.append((socket.ns, str(reason)))

    return io, left


# Connecting


def test_a_client_connects(serve: Serve, transport: str) -> None:
    io, _ = server()
    peer = serve(io).peer(transport)
    socket_id = peer.connect()
    assert len(socket_id) == 20
    assert peer.ask("echo", 1) == [1]
    socket = io.get_socket(socket_id)
    assert socket is not None and socket.connected


def test_the_auth_payload_arrives(serve: Serve, transport: str) -> None:
    io = SocketIO()
    seen: list[Any] = []

    @io.ns("/")
    def connect(auth: Any) -> None:
        seen.append(auth)

    peer = serve(io).peer(transport)
    peer.connect(auth={"token": "secret", "nested": [1, None]})
    wait_until(lambda: seen)
    assert seen == [{"token": "secret", "nested": [1, None]}]


def test_no_auth_payload_is_an_empty_object(serve: Serve) -> None:
    io = SocketIO()
    seen: list[Any] = []

    @io.ns("/")
    def connect(auth: Any) -> None:
        seen.append(auth)

    serve(io).connect()
    wait_until(lambda: seen)
    assert seen == [{}]


@pytest.mark.parametrize("auth", ["[]", '"x"', "1", "null", "{", "x"])
def test_an_auth_payload_that_is_no_object_closes_the_connection(serve: Serve, auth: str) -> None:
    io, _ = server()
    peer = serve(io).websocket()
    peer.send("0" + auth)
    ended, messages = peer.end()
    assert ended.orderly
    assert messages == []
    assert io.sockets() == []


def test_an_unknown_namespace_is_refused_and_the_connection_stays(serve: Serve, transport: str) -> None:
    io, _ = server()
    peer = serve(io).peer(transport)
    assert peer.refused("/unknown") == {"message": "Invalid namespace"}
    peer.connect()
    assert peer.ask("echo") == []


def test_no_namespace_exists_unless_it_is_registered(serve: Serve) -> None:
    peer = serve(SocketIO()).websocket()
    assert peer.refused("/") == {"message": "Invalid namespace"}


def test_a_namespace_can_be_registered_while_clients_are_there(serve: Serve) -> None:
    io, _ = server()
    peer = serve(io).connect()
    assert peer.refused("/late") == {"message": "Invalid namespace"}
    io.ns("/late").on("echo", lambda *args: args)
    peer.connect("/late")
    assert peer.ask("echo", 1, namespace="/late") == [1]


def test_the_query_of_a_namespace_is_left_out(serve: Serve) -> None:
    io, _ = server("/chat")
    peer = serve(io).websocket()
    peer.send("0/chat?token=1,")
    assert peer.packet().namespace == "/chat"


def test_one_connection_has_a_socket_in_each_namespace(serve: Serve, transport: str) -> None:
    io, left = server("/", "/chat", "/news")
    peer = serve(io).peer(transport)
    ids = [peer.connect(path) for path in ("/", "/chat", "/news")]
    assert len(set(ids)) == 3
    assert peer.handshake["sid"] not in ids
    assert peer.ask("echo", 1, namespace="/chat") == [1]
    assert peer.ask("echo", 2) == [2]
    peer.close()
    wait_until(lambda: len(left) == 3)
    assert sorted(path for path, _ in left) == ["/", "/chat", "/news"]
    assert {reason for _, reason in left} == {"transport close"}


def test_several_connects_in_one_segment(serve: Serve) -> None:
    io, _ = server("/", "/chat")
    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT), Packet(CONNECT, "/chat"), Packet(CONNECT, "/no"))
    assert {peer.packet().namespace for _ in range(3)} == {"/", "/chat", "/no"}


def test_a_connection_can_be_in_so_many_namespaces(serve: Serve) -> None:
    paths = [f"/{number}" for number in range(257)]
    io, left = server(*paths)
    peer = serve(io).websocket()
    peer.send_packet(*(Packet(CONNECT, path) for path in paths))
    ended, messages = peer.end()
    assert ended.orderly
    assert len(messages) <= 256
    wait_until(lambda: not any(namespace.sockets for namespace in io.nsps()))
    assert {reason for _, reason in left} <= {"parse error"}


# What may not be sent


def test_a_second_connect_closes_the_connection(serve: Serve, transport: str) -> None:
    io, left = server()
    peer = serve(io).peer(transport)
    first = peer.connect()
    if isinstance(peer, PollingPeer):
        assert peer.post("40").status == 400
    else:
        peer.send("0")
    assert peer.end()[1] == []
    wait_until(lambda: left)
    assert left == [("/", "parse error")]
    assert io.get_socket(first) is None


def test_a_second_connect_while_the_first_is_decided_closes_the_connection(serve: Serve) -> None:
    io, left = server()
    asked, decide = Event(), Event()
    calls: list[str] = []

    @io.ns("/").use
    def check() -> None:
        asked.set()
        decide.wait()

    @io.ns("/")
    def connect() -> None:
        calls.append("connect")

    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT))
    asked.wait()
    peer.send_packet(Packet(CONNECT))
    ended, messages = peer.end()
    assert (ended.orderly, messages) == (True, [])
    decide.set()
    wait_until(lambda: not io.engine.runtime.workers.busy)
    assert (calls, left, io.sockets()) == ([], [], [])


@pytest.mark.parametrize(
    "packet",
    [Packet(EVENT, "/chat", ["echo"]), Packet(EVENT, "/chat", ["echo"], 1), Packet(ACK, "/chat", [], 1)]
    + [Packet(DISCONNECT, "/chat"), Packet(EVENT, "/unknown", ["echo"])],
    ids=["event", "question", "ack", "disconnect", "unknown namespace"],
)
def test_a_packet_for_a_namespace_that_was_never_joined_closes_the_connection(serve: Serve, packet: Packet) -> None:
    io, left = server("/", "/chat")
    peer = serve(io).connect()
    peer.send_packet(packet)
    ended, messages = peer.end()
    assert (ended.orderly, messages) == (True, [])
    wait_until(lambda: left)
    assert left == [("/", "parse error")]


def test_a_packet_before_connect_closes_the_connection(serve: Serve) -> None:
    io, left = server()
    peer = serve(io).websocket()
    peer.emit("echo")
    assert peer.end()[0].orderly
    assert left == []


@pytest.mark.parametrize(
    "text",
    ["", "7", "8[]", "x", "2", "2{}", "2[]", "2[1]", "2[null]", '2["connect"]', '2["disconnect"]', '2["echo"', "3[]"]
    + ['4{"message":"x"}', '5["echo"]', '51-["echo"]', '5999999999-["echo"]', '2["a"]x', "1[]", '3x["a"]'],
)
def test_a_packet_that_makes_no_sense_closes_the_connection(serve: Serve, text: str) -> None:
    io, left = server()
    peer = serve(io).connect()
    peer.send(text)
    ended, messages = peer.end()
    assert (ended.orderly, messages) == (True, [])
    wait_until(lambda: left)
    assert left == [("/", "parse error")]


def test_a_binary_message_out_of_place_closes_the_connection(serve: Serve) -> None:
    io, left = server()
    peer = serve(io).connect()
    peer.send(b"\x00")
    assert peer.end()[0].orderly
    wait_until(lambda: left)
    assert left == [("/", "parse error")]


def test_more_attachments_than_allowed_close_the_connection(serve: Serve) -> None:
    io, left = server(max_attachments=2)
    peer = serve(io).connect()
    assert peer.ask("echo", b"1", b"2") == [b"1", b"2"]
    peer.emit("echo", b"1", b"2", b"3")
    assert peer.end()[0].orderly
    wait_until(lambda: left)


def test_an_event_whose_attachments_never_come_is_dropped_with_the_connection(serve: Serve) -> None:
    io, left = server()
    calls: list[Any] = []
    io.ns("/").on("data", lambda *args: calls.append(args))
    peer = serve(io).connect()
    peer.send('52-["data",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"one")
    peer.say_goodbye()
    wait_until(lambda: left)
    assert calls == []


# Leaving


def test_a_client_leaves_a_namespace_and_no_other(serve: Serve, transport: str) -> None:
    io, left = server("/", "/chat")
    peer = serve(io).peer(transport)
    peer.connect()
    peer.connect("/chat")
    peer.send_packet(Packet(DISCONNECT, "/chat"))
    wait_until(lambda: left)
    assert left == [("/chat", "client namespace disconnect")]
    assert io.of("/chat").sockets == {}
    assert peer.ask("echo", 1) == [1]  # and nothing was answered to the DISCONNECT


def test_a_client_that_left_a_namespace_can_come_back(serve: Serve) -> None:
    io, left = server()
    peer = serve(io).websocket()
    first = peer.connect()
    peer.send_packet(Packet(DISCONNECT))
    second = peer.connect()
    assert first != second
    wait_until(lambda: left)
    assert [socket.id for socket in io.sockets()] == [second]
    assert peer.ask("echo", 1) == [1]


def test_what_a_client_sends_to_a_namespace_that_it_left_closes_the_connection(serve: Serve) -> None:
    io, left = server("/", "/chat")
    peer = serve(io).connect()
    peer.connect("/chat")
    peer.send_packet(Packet(DISCONNECT, "/chat"), Packet(EVENT, "/chat", ["echo"]))
    assert peer.end()[0].orderly
    wait_until(lambda: len(left) == 2)
    assert left == [("/chat", "client namespace disconnect"), ("/", "parse error")]


@pytest.mark.parametrize(
    "packet",
    [Packet(EVENT, "/chat", ["echo"], 7), Packet(EVENT, "/chat", ["echo", b"1"], 7), Packet(ACK, "/chat", [], 1)]
    + [Packet(DISCONNECT, "/chat")],
    ids=["event", "binary event", "ack", "disconnect"],
)
def test_what_was_under_way_when_the_server_ended_a_namespace_is_ignored(serve: Serve, packet: Packet) -> None:
    io, left = server("/", "/chat")
    peer = serve(io).connect()
    socket_id = peer.connect("/chat")
    socket = io.of("/chat").sockets[socket_id]
    socket.disconnect()
    peer.send_packet(packet)
    assert peer.packet() == Packet(DISCONNECT, "/chat")
    assert peer.ask("echo", 1) == [1]
    assert left == [("/chat", "server namespace disconnect")]


def test_what_follows_a_refusal_is_ignored(serve: Serve) -> None:
    io, _ = server("/", "/chat")
    calls: list[str] = []
    io.of("/chat").use(_refuse)
    io.of("/chat").on("order", calls.append)
    peer = serve(io).connect()
    peer.send_packet(Packet(CONNECT, "/chat"), Packet(EVENT, "/chat", ["order", "x"]))
    assert peer.packet().data == {"message": "no"}
    peer.emit("order", "y", namespace="/chat")
    assert peer.ask("echo", 1) == [1]
    assert calls == []


def _refuse() -> None:
    raise ConnectRefused("no")


def test_a_namespace_that_the_server_ended_can_be_joined_again(serve: Serve) -> None:
    io, _ = server()
    peer = serve(io).websocket()
    socket = io.of("/").sockets[peer.connect()]
    socket.disconnect()
    assert peer.packet() == Packet(DISCONNECT)
    peer.connect()
    assert peer.ask("echo", 1) == [1]
    peer.send_packet(Packet(DISCONNECT), Packet(EVENT, "/", ["echo"]))
    assert peer.end()[0].orderly  # what the server ended before counts no more


# Time


def test_a_client_that_joins_nothing_is_sent_away_in_time(serve: Serve) -> None:
    io, left = server(connect_timeout=0.05)
    site = serve(io)
    joined = site.connect()
    idle = site.websocket()
    assert idle.end()[0].orderly
    # The deadline of the first one lay before.
    assert joined.ask("echo", 1) == [1]
    assert left == []


def test_a_refused_client_is_sent_away_in_time(serve: Serve, transport: str) -> None:
    io, _ = server(connect_timeout=0.05)
    peer = serve(io).peer(transport)
    peer.send_packet(Packet(CONNECT, "/unknown"))
    ended, messages = peer.end()
    assert ended.orderly
    assert messages == ['4/unknown,{"message":"Invalid namespace"}']


def test_a_client_that_comes_and_goes_while_it_is_decided_is_sent_away(serve: Serve) -> None:
    io, left = server()
    decide = Event()
    asked: list[str] = []

    @io.ns("/").use
    def slow(socket: Socket) -> None:
        asked.append(socket.id)
        decide.wait()

    peer = serve(io).websocket()
    peer.send(*(["0", "1"] * 1000))
    assert peer.end()[0].orderly
    assert len(asked) == 256
    decide.set()
    wait_until(lambda: not io.engine.runtime.workers.busy)
    assert (io.sockets(), left) == ([], [])


def test_a_client_may_come_and_go_as_often_as_it_likes(serve: Serve) -> None:
    io, left = server()
    peer = serve(io).websocket()
    for _ in range(300):
        peer.connect()
        peer.send_packet(Packet(DISCONNECT))
    peer.connect()
    assert peer.ask("echo", 1) == [1]
    assert len(left) == 300


def test_a_client_in_too_many_namespaces_creates_no_more(serve: Serve) -> None:
    io = SocketIO(cleanup_empty_child_namespaces=True)
    io.dyn_ns("/room/{number}")
    peer = serve(io).websocket()
    for number in range(256):
        peer.connect(f"/room/{number}")
    peer.send_packet(Packet(CONNECT, "/room/more"))
    assert peer.end()[0].orderly
    wait_until(lambda: not io.nsps())
    made = [namespace.path for namespace in gc.get_objects() if type(namespace) is Namespace]
    assert "/room/more" not in made


def test_the_time_that_middlewares_take_counts(serve: Serve) -> None:
    io, left = server(connect_timeout=0.05)
    asked, decide = Event(), Event()
    calls: list[str] = []

    @io.ns("/").use
    def slow(socket: Socket) -> None:
        socket.join("room")
        asked.set()
        decide.wait()

    @io.ns("/")
    def connect() -> None:
        calls.append("connect")

    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT))
    asked.wait()
    assert peer.end()[1] == []
    decide.set()
    wait_until(lambda: not io.engine.runtime.workers.busy)
    assert (calls, left) == ([], [])
    assert io.of("/").sockets == {}


# Clients that send more than their handlers can do


def flooded(**options: Any) -> tuple[SocketIO, list[int], Event]:
    """A server whose handler of "work" waits for the event before it notes its number."""
    io, _ = server(max_pending_events=10, **options)
    done: list[int] = []
    gate = Event()

    @io.ns("/").on("work")
    def work(number: int) -> None:
        gate.wait()
        done.append(number)

    return io, done, gate


def test_a_client_that_sends_too_much_is_not_read(serve: Serve) -> None:
    io, done, gate = flooded()
    site = serve(io)
    peer, other = site.websocket(), site.connect()
    socket = io.of("/").sockets[peer.connect()]
    peer.send_packet(*(Packet(EVENT, "/", ["work", number]) for number in range(200)))
    wait_until(lambda: socket.pending_events > 10)
    for number in range(20):  # others are served, and their turns show that it is not read slowly but not at all
        assert other.ask("echo", number) == [number]
    assert socket.pending_events == 11
    gate.set()
    assert peer.ask("echo", "end") == ["end"]
    assert done == list(range(200))


def test_a_polling_client_that_sends_too_much_waits_for_its_answer(serve: Serve) -> None:
    io, done, gate = flooded()
    site = serve(io)
    peer, other = site.polling(), site.connect()
    socket = io.of("/").sockets[peer.connect()]
    posting = gevent.spawn(peer.send_packet, *(Packet(EVENT, "/", ["work", number]) for number in range(200)))
    wait_until(lambda: socket.pending_events > 10)
    for number in range(20):
        assert other.ask("echo", number) == [number]
    assert socket.pending_events == 11
    assert not posting.ready()
    gate.set()
    posting.get()
    assert peer.ask("echo", "end") == ["end"]
    assert done == list(range(200))


def test_a_client_that_is_not_read_is_not_timed_out(serve: Serve) -> None:
    io, done, gate = flooded(ping_interval=0.05, ping_timeout=0.05)
    site = serve(io)
    peer, silent = site.websocket(), site.websocket()
    silent.answers_pings = False
    peer.connect()
    silent.connect()
    peer.send_packet(*(Packet(EVENT, "/", ["work", number]) for number in range(20)))
    silent.end()
    again = site.websocket()
    again.answers_pings = False
    again.end()
    gate.set()
    assert peer.ask("echo", "end") == ["end"]
    assert done == list(range(20))


def test_a_handler_that_asks_a_client_that_is_not_read_gets_its_answer(serve: Serve) -> None:
    io, _ = server(max_pending_events=10)
    answers: list[Any] = []
    waiting, gate = Event(), Event()

    @io.ns("/").on("ask")
    def ask(socket: Socket) -> None:
        waiting.set()
        gate.wait()
        try:
            answers.append(socket.emit_with_ack("question").result())
        except AckError as error:
            answers.append(error)

    peer = serve(io).websocket()
    socket = io.of("/").sockets[peer.connect()]
    peer.emit("ask")
    waiting.wait()
    peer.send_packet(*(Packet(EVENT, "/", ["none"]) for _ in range(30)))
    wait_until(lambda: socket.pending_events > 10)
    gate.set()
    ack_id, _ = peer.question()
    peer.answer(ack_id, "here")
    wait_until(lambda: answers)
    assert answers == ["here"]


def test_an_answer_passes_the_events_of_another_namespace(serve: Serve) -> None:
    io, _ = server(max_pending_events=10)
    answers: list[Any] = []
    gate = Event()
    io.ns("/chat").on("wait", lambda: gate.wait())

    @io.ns("/").on("ask")
    def ask(socket: Socket) -> None:
        try:
            answers.append(socket.emit_with_ack("question").result())
        except AckError as error:
            answers.append(error)

    peer = serve(io).connect()
    peer.connect("/chat")
    peer.emit("ask")
    ack_id, _ = peer.question()
    # More than may wait, and the answer behind them: it is owed by the client, whichever of its sockets is asked.
    events = [Packet(EVENT, "/chat", ["wait"]) for _ in range(20)]
    peer.send_packet(*events, Packet(ACK, "/", ["here"], ack_id))
    wait_until(lambda: answers)
    gate.set()
    assert answers == ["here"]


def test_a_client_that_floods_while_its_answer_is_awaited_is_closed(serve: Serve, log: Log) -> None:
    io, left = server(max_pending_events=10)
    errors: list[AckError] = []

    @io.ns("/").on("ask")
    def ask(socket: Socket) -> None:
        try:
            socket.emit_with_ack("question").result()
        except AckError as error:
            errors.append(error)

    peer = serve(io).connect()
    peer.emit("ask")
    peer.question()
    peer.send_packet(*(Packet(EVENT, "/", ["none"]) for _ in range(100)))
    ended, _ = peer.end()
    assert ended.orderly
    wait_until(lambda: left)
    assert [type(error) for error in errors] == [AckClosedError]
    assert "too many events" in log.take_one().getMessage()


def test_events_of_one_connection_keep_their_order(serve: Serve, transport: str) -> None:
    io, _ = server()
    seen: list[int] = []
    io.ns("/").on("number", seen.append)
    peer = serve(io).peer(transport)
    peer.connect()
    for start in range(0, 300, 100):
        peer.send_packet(*(Packet(EVENT, "/", ["number", number]) for number in range(start, start + 100)))
    assert peer.ask("echo") == []
    assert seen == list(range(300))
