"""Tests of acknowledgements: our answers to the client's events, and the client's to ours."""

from __future__ import annotations

import gc
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import (
    AckClosedError,
    AckError,
    AckFuture,
    AckSender,
    AckStream,
    AckTimeoutError,
    BufferFullError,
    SerializeError,
    Socket,
    SocketClosedError,
    SocketIO,
)
from tests.socketio.harness import Log, Serve, Site, wait_until
from tests.socketio.peer import ACK, DISCONNECT, Packet, Peer, WebSocketPeer


def one(serve: Serve, transport: str = "websocket", **options: Any) -> tuple[Site, Peer, Socket]:
    """A server with one client, and that client's socket."""
    io = SocketIO(**options)
    io.ns("/").on("echo", lambda *args: args)
    site = serve(io)
    peer = site.peer(transport)
    return site, peer, io.of("/").sockets[peer.connect()]


def several(serve: Serve, number: int, **options: Any) -> tuple[SocketIO, list[WebSocketPeer], list[str]]:
    """A server with several clients, and the ids of their sockets."""
    io = SocketIO(**options)
    io.ns("/").on("echo", lambda *args: args)
    site = serve(io)
    peers = [site.websocket() for _ in range(number)]
    return io, peers, [peer.connect() for peer in peers]


# Our answers


@pytest.mark.parametrize("args", [(), (None,), ("one",), (1, [2], {"3": b"\x04"}), ([],), ((),)], ids=repr)
def test_an_answer_has_the_arguments_that_were_sent(serve: Serve, transport: str, args: tuple[Any, ...]) -> None:
    _, peer, socket = one(serve, transport)
    senders: list[AckSender] = []

    @socket.on("event")
    def event(ack: AckSender) -> None:
        assert ack.expected and not ack.sent
        ack.send(*args)
        assert ack.sent
        senders.append(ack)

    assert peer.ask("event") == [list(arg) if isinstance(arg, tuple) else arg for arg in args]


@pytest.mark.parametrize("ack_id", [0, 1, 2**53 - 1])
def test_an_answer_has_the_id_of_the_question(serve: Serve, ack_id: int) -> None:
    _, peer, _ = one(serve)
    peer.send(f'2{ack_id}["echo",1]')
    assert peer.packet() == Packet(ACK, "/", [1], ack_id)


def test_an_answer_is_sent_in_its_namespace(serve: Serve) -> None:
    site, peer, _ = one(serve)
    site.io.ns("/chat").on("event", lambda: b"chat")
    peer.connect("/chat")
    assert peer.ask("event", namespace="/chat") == [b"chat"]


def test_answering_twice_is_an_error(serve: Serve) -> None:
    _, peer, socket = one(serve)

    @socket.on("event")
    def event(ack: AckSender) -> None:
        ack.send("first")
        with pytest.raises(RuntimeError, match="answered already"):
            ack.send("second")

    assert peer.ask("event") == ["first"]
    assert peer.ask("echo") == []


def test_answering_nobody_does_nothing(serve: Serve) -> None:
    _, peer, socket = one(serve)
    seen: list[bool] = []

    @socket.on("event")
    def event(ack: AckSender) -> None:
        seen.append(ack.expected)
        ack.send("to nobody")
        seen.append(ack.sent)

    peer.emit("event")
    assert peer.ask("echo") == []
    assert seen == [False, True]


def test_an_answer_that_can_not_be_sent_may_be_replaced(serve: Serve) -> None:
    _, peer, socket = one(serve)

    @socket.on("event")
    def event(ack: AckSender) -> None:
        with pytest.raises(SerializeError):
            ack.send(object())
        assert not ack.sent
        ack.send("instead")

    assert peer.ask("event") == ["instead"]


def test_an_answer_may_come_after_the_handler_has_ended(serve: Serve) -> None:
    _, peer, socket = one(serve)
    senders: list[AckSender] = []

    @socket.on("event")
    def event(ack: AckSender) -> None:
        senders.append(ack)

    peer.send('25["event"]')
    assert peer.ask("echo", 1) == [1]
    senders[0].send("late")
    assert peer.packet() == Packet(ACK, "/", ["late"], 5)


def test_an_answer_to_somebody_who_left_is_an_error(serve: Serve) -> None:
    _, peer, socket = one(serve)
    senders: list[AckSender] = []

    @socket.on("event")
    def event(ack: AckSender) -> None:
        senders.append(ack)

    peer.send('25["event"]')
    wait_until(lambda: senders)
    peer.close()
    wait_until(lambda: not socket.connected)
    with pytest.raises(SocketClosedError):
        senders[0].send("late")


# A client's answer


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ((), None),
        ((None,), None),
        (("one",), "one"),
        ((0,), 0),
        ((["in", "a list"],), ["in", "a list"]),
        (([],), []),
        ((1, "two"), (1, "two")),
        ((None, None), (None, None)),
        ((b"\x00\xff",), b"\x00\xff"),
        (({"a": b"b"}, [b"c"]), ({"a": b"b"}, [b"c"])),
    ],
    ids=repr,
)
def test_a_client_s_answer(serve: Serve, transport: str, answer: tuple[Any, ...], value: object) -> None:
    _, peer, socket = one(serve, transport)
    future = socket.emit_with_ack("question", 1, b"2")
    assert not future.done()
    ack_id, question = peer.question()
    assert question == ["question", 1, b"2"]
    peer.answer(ack_id, *answer)
    assert future.result() == value
    assert type(future.result()) is type(value)
    assert future.done()
    assert future.get() == value
    assert not socket.owes_ack


def test_answers_come_in_any_order(serve: Serve) -> None:
    _, peer, socket = one(serve)
    futures = [socket.emit_with_ack("question", number) for number in range(20)]
    questions = [peer.question() for _ in futures]
    assert len({ack_id for ack_id, _ in questions}) == 20
    for ack_id, question in reversed(questions):
        peer.answer(ack_id, question[1])
    assert [future.result() for future in futures] == list(range(20))


def test_ids_are_not_shared_between_sockets_of_a_connection(serve: Serve) -> None:
    site, peer, root = one(serve)
    chat_namespace = site.io.ns("/chat")
    chat = chat_namespace.sockets[peer.connect("/chat")]
    first, second = root.emit_with_ack("question"), chat.emit_with_ack("question")
    root_id, _ = peer.question()
    chat_id, _ = peer.question("/chat")
    peer.answer(chat_id, "chat", namespace="/chat")
    peer.answer(root_id, "root")
    assert (first.result(), second.result()) == ("root", "chat")


def test_one_socket_can_not_answer_for_another(serve: Serve) -> None:
    io, (first, second), ids = several(serve, 2)
    socket = io.of("/").sockets[ids[0]]
    future = socket.emit_with_ack("question")
    ack_id, _ = first.question()
    second.answer(ack_id, "forged")
    assert second.ask("echo") == []
    assert not future.done()
    first.answer(ack_id, "true")
    assert future.result() == "true"


def test_answers_that_nobody_awaits_are_ignored(serve: Serve) -> None:
    _, peer, socket = one(serve)
    peer.answer(0, "never asked")
    peer.answer(2**53 - 1, "never asked")
    future = socket.emit_with_ack("question")
    ack_id, _ = peer.question()
    peer.answer(ack_id, "first")
    peer.answer(ack_id, "second")
    assert peer.ask("echo", 1) == [1]
    assert future.result() == "first"


def test_an_answer_that_does_not_come_in_time(serve: Serve, transport: str) -> None:
    _, peer, socket = one(serve, transport, ack_timeout=0.02)
    future = socket.emit_with_ack("question")
    ack_id, _ = peer.question()
    with pytest.raises(AckTimeoutError, match=r"no answer within 0\.02 seconds") as caught:
        future.result()
    assert isinstance(caught.value, TimeoutError)
    peer.answer(ack_id, "late")
    assert peer.ask("echo", 1) == [1]
    with pytest.raises(AckTimeoutError):
        future.result()


def test_the_deadline_counts_from_the_emit(serve: Serve) -> None:
    _, _, socket = one(serve, ack_timeout=0.02)
    future = socket.emit_with_ack("question")
    wait_until(future.done)  # nobody has called result
    with gevent.Timeout.start_new(0, Hurry()), pytest.raises(AckTimeoutError):
        future.result()


class Hurry(BaseException):
    """Strikes as soon as somebody waits."""


def test_result_waits_no_longer_than_it_is_told(serve: Serve) -> None:
    _, peer, socket = one(serve)
    future = socket.emit_with_ack("question")
    ack_id, _ = peer.question()
    with pytest.raises(AckTimeoutError, match=r"within 0\.01 seconds of waiting"):
        future.result(timeout=0.01)
    with pytest.raises(AckTimeoutError):
        future.result(timeout=0)
    assert not future.done()
    peer.answer(ack_id, "later")
    assert future.result(timeout=10) == "later"
    assert future.result(timeout=0) == "later"


def test_a_timeout_around_result_is_the_caller_s(serve: Serve) -> None:
    _, _, socket = one(serve)
    future = socket.emit_with_ack("question")
    with pytest.raises(gevent.Timeout) as caught, gevent.Timeout(0.01) as outer:
        future.result()
    assert caught.value is outer
    with gevent.Timeout(0.01, False):  # type: ignore[arg-type]
        future.result()
    with pytest.raises(Hurry), gevent.Timeout(0.01, Hurry()):
        future.result(timeout=5)


def test_a_pending_answer_fails_at_once_when_the_socket_closes(serve: Serve) -> None:
    site, peer, socket = one(serve)
    gate = Event()
    site.io.ns("/").on_disconnect(lambda: bool(gate.wait()))
    futures = [socket.emit_with_ack("question") for _ in range(3)]
    waiting = gevent.spawn(outcome, futures[0])
    gevent.sleep(0)
    socket.disconnect()
    assert all(future.done() for future in futures)  # while the disconnect handler still runs
    assert isinstance(waiting.get(), AckClosedError)
    for future in futures:
        with pytest.raises(AckClosedError, match="closed before the client answered"):
            future.result()
    ack_id, _ = peer.question()
    peer.answer(ack_id, "late")
    assert [peer.question()[1], peer.question()[1]] == [["question"]] * 2
    assert peer.packet() == Packet(DISCONNECT)
    gate.set()


def outcome(future: AckFuture) -> Any:
    """What a future ends with, an error or not."""
    try:
        return future.result()
    except AckError as error:
        return error


def test_a_pending_answer_fails_when_the_client_leaves(serve: Serve, transport: str) -> None:
    _, peer, socket = one(serve, transport)
    future = socket.emit_with_ack("question")
    peer.close()
    assert isinstance(outcome(future), AckClosedError)
    with pytest.raises(SocketClosedError):
        socket.emit_with_ack("question")
    assert not socket.owes_ack


def test_several_may_wait_for_one_answer(serve: Serve) -> None:
    _, peer, socket = one(serve)
    future = socket.emit_with_ack("question")
    waiting = [gevent.spawn(future.result) for _ in range(3)]
    ack_id, _ = peer.question()
    peer.answer(ack_id, "for all")
    assert [greenlet.get() for greenlet in waiting] == ["for all"] * 3


def test_callbacks_are_called_when_the_answer_is_there(serve: Serve, log: Log) -> None:
    _, peer, socket = one(serve)
    called: list[tuple[str, Any]] = []
    future = socket.emit_with_ack("question")

    @future.add_done_callback
    def before(done: AckFuture) -> None:
        gevent.sleep(0)  # it may block
        called.append(("before", done.result()))

    @future.add_done_callback
    def fails(done: AckFuture) -> None:
        raise ZeroDivisionError

    assert called == []
    ack_id, _ = peer.question()
    peer.answer(ack_id, "answer")
    wait_until(lambda: called)
    future.add_done_callback(lambda done: called.append(("after", done.result())))
    wait_until(lambda: len(called) == 2)
    assert called == [("before", "answer"), ("after", "answer")]
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError
    assert vars(record)["socket_id"] == socket.id


@pytest.mark.parametrize("how", ["timeout", "closed"])
def test_callbacks_are_called_when_no_answer_comes(serve: Serve, how: str) -> None:
    _, peer, socket = one(serve, ack_timeout=0.02 if how == "timeout" else 5)
    errors: list[Any] = []
    socket.emit_with_ack("question").add_done_callback(lambda done: errors.append(outcome(done)))
    if how == "closed":
        peer.close()
    wait_until(lambda: errors)
    assert type(errors[0]) is (AckTimeoutError if how == "timeout" else AckClosedError)


def test_a_question_that_finds_no_room_leaves_nothing(serve: Serve, log: Log) -> None:
    site, _, socket = one(serve, max_buffer_bytes=100_000)
    futures: list[AckFuture] = []
    with pytest.raises(BufferFullError):
        while True:
            futures.append(socket.emit_with_ack("row", "x" * 10_000))
    assert len(site.io.ack_deadlines(None)) == len(futures)
    wait_until(lambda: not socket.connected)
    assert {type(outcome(future)) for future in futures} == {AckClosedError}
    assert len(site.io.ack_deadlines(None)) == 0
    log.take()


def remaining(*kinds: type) -> list[object]:
    """The objects of these types that are still referenced."""
    gc.collect()
    return [found for found in gc.get_objects() if type(found) in kinds]


def test_unanswered_questions_leave_nothing(serve: Serve) -> None:
    site, peer, socket = one(serve, ack_timeout=0.05, max_buffer_size=20_000)
    assert isinstance(peer, WebSocketPeer)
    futures = [socket.emit_with_ack("question", number) for number in range(10_000)]
    assert len(peer.rest()) == 10_000
    wait_until(lambda: all(future.done() for future in futures))
    assert {type(outcome(future)) for future in futures} == {AckTimeoutError}
    assert not socket.owes_ack
    assert len(site.io.ack_deadlines(None)) == 0
    futures.clear()
    assert remaining(AckFuture, AckTimeoutError) == []


def test_questions_to_a_client_that_left_leave_nothing(serve: Serve) -> None:
    site, peer, socket = one(serve)
    futures = [socket.emit_with_ack("question", number) for number in range(1000)]
    peer.close()
    wait_until(lambda: all(future.done() for future in futures))
    assert {type(outcome(future)) for future in futures} == {AckClosedError}
    assert len(site.io.ack_deadlines(None)) == 0
    wait_until(lambda: not site.io.engine.sessions)
    futures.clear()
    assert remaining(AckFuture, AckClosedError) == []


def test_different_timeouts_leave_nothing(serve: Serve) -> None:
    site, peer, socket = one(serve)
    for number in range(1, 200):
        future = socket.timeout(number).emit_with_ack("question")
        ack_id, _ = peer.question()
        peer.answer(ack_id)
        assert future.result() is None
    assert peer.ask("echo") == []
    assert len(site.io._ack_deadlines) < 5


# The answers of a broadcast


def test_answers_come_in_the_order_of_their_arrival(serve: Serve) -> None:
    io, peers, ids = several(serve, 4)
    stream = io.emit_with_ack("question", 1, b"2")
    assert len(stream) == 4
    arrived: list[tuple[str, Any]] = []
    for index in (2, 0, 3, 1):
        ack_id, question = peers[index].question()
        assert question == ["question", 1, b"2"]
        peers[index].answer(ack_id, index)
        arrived.append(next(iter(stream)))
    assert arrived == [(ids[index], index) for index in (2, 0, 3, 1)]
    assert list(stream) == []
    assert len(stream) == 0


@pytest.mark.parametrize(
    ("answer", "value"), [((), None), (("x",), "x"), ((1, 2), (1, 2)), (([],), []), ((b"1", 2), (b"1", 2))], ids=repr
)
def test_a_stream_s_answers_are_those_of_a_future(serve: Serve, answer: tuple[Any, ...], value: object) -> None:
    io, (peer,), ids = several(serve, 1)
    stream = io.emit_with_ack("question")
    ack_id, _ = peer.question()
    peer.answer(ack_id, *answer)
    assert list(stream) == [(ids[0], value)]


def test_a_stream_has_an_error_for_each_who_does_not_answer(serve: Serve) -> None:
    io, peers, ids = several(serve, 3)
    stream = io.timeout(0.3).emit_with_ack("question")
    ack_id, _ = peers[1].question()
    peers[1].answer(ack_id, "answer")
    peers[2].close()
    results = list(stream)
    outcomes = {socket_id: type(result) for socket_id, result in results}
    assert outcomes == {ids[0]: AckTimeoutError, ids[1]: str, ids[2]: AckClosedError}
    assert len(results) == 3


def test_a_stream_goes_to_the_chosen(serve: Serve) -> None:
    io, peers, ids = several(serve, 3)
    first = io.of("/").sockets[ids[0]]
    first.join("room")
    io.of("/").sockets[ids[1]].join("room")
    stream = first.to("room").emit_with_ack("question")
    assert len(stream) == 1
    ack_id, _ = peers[1].question()
    peers[1].answer(ack_id, "me")
    assert list(stream) == [(ids[1], "me")]
    assert peers[0].rest() == peers[2].rest() == []


def test_a_stream_of_nobody_ends_at_once(serve: Serve) -> None:
    io, _, _ = several(serve, 1)
    stream = io.to("nobody").emit_with_ack("question")
    assert len(stream) == 0
    assert list(stream) == []
    with pytest.raises(AckTimeoutError, match="reached nobody"):
        stream.result()
    assert len(io.ack_deadlines(None)) == 0


def test_the_first_answer_is_the_result(serve: Serve) -> None:
    io, peers, _ = several(serve, 2)
    stream = io.emit_with_ack("question")
    ack_id, _ = peers[1].question()
    peers[1].answer(ack_id, "first")
    assert stream.result() == "first"
    peers[0].close()
    with pytest.raises(AckClosedError):
        stream.result()


def test_the_stream_s_deadline_counts_from_the_emit(serve: Serve) -> None:
    io, peers, _ = several(serve, 2, ack_timeout=0.02)
    stream = io.emit_with_ack("question")
    wait_until(lambda: not any(socket.owes_ack for socket in io.sockets()))
    with gevent.Timeout.start_new(0, Hurry()):
        assert {type(result) for _, result in stream} == {AckTimeoutError}
    ack_id, _ = peers[0].question()
    peers[0].answer(ack_id, "late")
    assert peers[0].ask("echo") == []
    assert len(stream) == 0


def test_only_the_first_answer_of_each_counts(serve: Serve) -> None:
    io, peers, ids = several(serve, 2)
    stream = io.emit_with_ack("question")
    ack_id, _ = peers[0].question()
    peers[0].answer(ack_id, "first")
    peers[0].answer(ack_id, "second")
    assert peers[0].ask("echo") == []
    peers[1].close()
    results = dict(stream)
    assert results[ids[0]] == "first"
    assert isinstance(results[ids[1]], AckClosedError)


def test_a_stream_that_is_closed_waits_for_nobody(serve: Serve) -> None:
    io, peers, ids = several(serve, 3)
    stream = io.emit_with_ack("question")
    ack_id, _ = peers[0].question()
    peers[0].answer(ack_id, "in time")
    assert peers[0].ask("echo") == []
    stream.close()
    stream.close()
    assert not any(socket.owes_ack for socket in io.sockets())
    assert len(io.ack_deadlines(None)) == 0
    late, _ = peers[1].question()
    peers[1].answer(late, "late")
    assert peers[1].ask("echo") == []
    assert list(stream) == [(ids[0], "in time")]


def test_closing_ends_an_iteration_that_waits(serve: Serve) -> None:
    io, _, _ = several(serve, 1)
    stream = io.emit_with_ack("question")
    waiting = gevent.spawn(list, stream)
    gevent.sleep(0)
    stream.close()
    assert waiting.get() == []


def test_two_iterations_share_the_answers(serve: Serve) -> None:
    io, peers, ids = several(serve, 4)
    stream = io.emit_with_ack("question")
    both = [gevent.spawn(list, stream) for _ in range(2)]
    for peer in peers:
        ack_id, _ = peer.question()
        peer.answer(ack_id, 1)
    shared: list[tuple[str, Any]] = [pair for greenlet in both for pair in greenlet.get()]
    assert sorted(shared) == sorted((socket_id, 1) for socket_id in ids)


def test_a_stream_that_is_dropped_leaves_nothing(serve: Serve) -> None:
    io, peers, _ = several(serve, 3, ack_timeout=0.02)
    for _ in range(100):
        io.emit_with_ack("question")
    wait_until(lambda: not any(socket.owes_ack for socket in io.sockets()))
    assert len(io.ack_deadlines(None)) == 0
    assert remaining(AckStream, AckTimeoutError) == []
    assert [len(peer.rest()) for peer in peers] == [100] * 3


def test_a_broadcast_with_ack_blocks_its_own_handler_only(serve: Serve) -> None:
    io, (peer, other), ids = several(serve, 2)

    @io.ns("/").on("poll")
    def poll(socket: Socket) -> list[tuple[str, Any]]:
        return sorted(socket.broadcast().emit_with_ack("question"))

    peer.send('25["poll"]')
    ack_id, _ = other.question()
    assert other.ask("echo", 1) == [1]
    other.answer(ack_id, "yes")
    assert peer.packet() == Packet(ACK, "/", [[[ids[1], "yes"]]], 5)
