"""Tests of answers whose type was told by `returns`, and of recipients that can't be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import gevent
import msgspec
import pytest

from geventsio import (
    AckClosedError,
    AckDecodeError,
    AckError,
    AckFuture,
    AckTimeoutError,
    BufferFullError,
    Socket,
    SocketClosedError,
    SocketIO,
)
from tests.socketio.harness import Log, Serve, Site, wait_until
from tests.socketio.peer import Packet, Peer


@dataclass
class User:
    """A user, as clients tell it."""

    name: str
    age: int = 0


class Point(NamedTuple):
    """A type about all arguments."""

    x: int
    y: int


def one(serve: Serve, **options: Any) -> tuple[Site, Peer, Socket]:
    """A server with one client, and that client's socket."""
    io = SocketIO(**options)
    io.ns("/").on("echo", lambda *args: args)
    site = serve(io)
    peer = site.websocket()
    return site, peer, io.of("/").sockets[peer.connect()]


FITTING: list[tuple[Any, tuple[Any, ...], Any]] = [
    (int, (5,), 5),
    (int, (5, "ignored"), 5),
    (str, ("text",), "text"),
    (User, ({"name": "Ann", "age": 5},), User("Ann", 5)),
    (list[int], ([1, 2],), [1, 2]),
    (tuple[int, str], (1, "two"), (1, "two")),
    (tuple[()], (), ()),
    (tuple[int, ...], (1, 2, 3), (1, 2, 3)),
    (Point, (1, 2), Point(1, 2)),
    (bytes, (b"\x00\xff",), b"\x00\xff"),
    (dict[str, bytes], ({"a": b"b"},), {"a": b"b"}),
    (int | None, (), None),
    (None, (), None),
    (Any, (1, 2), (1, 2)),
]


@pytest.mark.parametrize(("returns", "answer", "value"), FITTING, ids=[str(row[0]) for row in FITTING])
def test_an_answer_of_the_type(serve: Serve, returns: Any, answer: tuple[Any, ...], value: Any) -> None:
    site, peer, socket = one(serve)
    (remote,) = site.io.fetch_sockets()
    futures = [
        socket.emit_with_ack("question", 1, returns=returns),
        socket.timeout(5).volatile().emit_with_ack("question", 1, returns=returns),
        remote.emit_with_ack("question", 1, returns=returns),
    ]
    streams = [
        site.io.emit_with_ack("question", 1, returns=returns),
        site.io.of("/").emit_with_ack("question", 1, returns=returns),
        site.io.to(socket.id).emit_with_ack("question", 1, returns=returns),
    ]
    for _ in range(6):
        ack_id, question = peer.question()
        assert question == ["question", 1]
        peer.answer(ack_id, *answer)
    for future in futures:
        assert (future.result(), future.get()) == (value, value)
        assert type(future.result()) is type(value)
        assert future.result() is future.result()  # made once
    for stream in streams:
        assert list(stream) == [(socket.id, value)]


MISFITS: list[tuple[Any, tuple[Any, ...], str]] = [
    (int, ("5",), "Expected `int`, got `str`"),
    (int, (), "got `null`"),
    (User, ({"name": 5},), "$.name"),
    (list[User], ([{"name": "a"}, {"name": None}],), "$[1].name"),
    (tuple[int, str], (1,), "length 2, got 1"),
    (tuple[int, str], (1, "two", 3), "length 2, got 3"),
    (Point, (1, "2"), "Expected `int`, got `str`"),
    (None, (1,), "null"),
]


@pytest.mark.parametrize(("returns", "answer", "why"), MISFITS, ids=[str(row[0]) for row in MISFITS])
def test_an_answer_of_another_type(serve: Serve, returns: Any, answer: tuple[Any, ...], why: str) -> None:
    site, peer, socket = one(serve)
    future = socket.emit_with_ack("question", returns=returns)
    stream = site.io.emit_with_ack("question", returns=returns)
    for _ in range(2):
        ack_id, _ = peer.question()
        peer.answer(ack_id, *answer)
    with pytest.raises(AckDecodeError) as caught:
        future.result()
    assert why in str(caught.value)
    assert isinstance(caught.value, AckError)
    assert caught.value.__cause__ is not None
    with pytest.raises(AckDecodeError):
        future.result()
    ((socket_id, error),) = stream
    assert socket_id == socket.id
    assert isinstance(error, AckDecodeError)
    assert why in str(error)
    assert peer.ask("echo", 1) == [1]  # the connection is none the worse


def test_a_stream_s_first_answer_may_not_fit(serve: Serve) -> None:
    site, peer, _ = one(serve)
    stream = site.io.emit_with_ack("question", returns=int)
    ack_id, _ = peer.question()
    peer.answer(ack_id, "text")
    with pytest.raises(AckDecodeError):
        stream.result()


def test_a_type_that_no_client_can_send_is_an_error_at_once(serve: Serve) -> None:
    site, peer, socket = one(serve)
    (remote,) = site.io.fetch_sockets()
    for asked in (socket, socket.timeout(1), remote):
        with pytest.raises(TypeError, match="Socket"):
            asked.emit_with_ack("question", returns=Socket)
    for chosen in (site.io, site.io.of("/"), site.io.to("room")):
        with pytest.raises(TypeError, match="Socket"):
            chosen.emit_with_ack("question", returns=Socket)
    assert peer.ask("echo", 1) == [1]  # nothing was sent
    assert not socket.owes_ack
    assert len(site.io.ack_deadlines(None)) == 0


class Slow(msgspec.Struct):
    """Takes its time to be made."""

    number: int

    def __post_init__(self) -> None:
        gevent.sleep(0)


def test_validators_may_block(serve: Serve) -> None:
    site, peer, socket = one(serve)
    future = socket.emit_with_ack("question", returns=Slow)
    stream = site.io.emit_with_ack("question", returns=Slow)
    for number in range(2):
        ack_id, _ = peer.question()
        peer.answer(ack_id, {"number": number})
    waiting = [gevent.spawn(future.result) for _ in range(3)]
    assert [greenlet.get() for greenlet in waiting] == [Slow(0)] * 3
    assert stream.result() == Slow(1)


def test_callbacks_get_the_type(serve: Serve) -> None:
    _, peer, socket = one(serve)
    users: list[User] = []
    socket.emit_with_ack("question", returns=User).add_done_callback(lambda done: users.append(done.result()))
    ack_id, _ = peer.question()
    peer.answer(ack_id, {"name": "Ann"})
    wait_until(lambda: users)
    assert users == [User("Ann")]


# Recipients that can't be asked


def test_who_has_no_room_for_a_question_has_an_error_in_the_stream(serve: Serve, log: Log) -> None:
    io = SocketIO(max_buffer_bytes=100_000, max_buffer_size=5)
    io.ns("/").on("echo", lambda *args: args)
    site = serve(io)
    full, peer = site.polling(), site.websocket()
    full_id, peer_id = full.connect(), peer.connect()
    for number in range(5):
        io.of("/").sockets[full_id].emit("fill", number)
    stream = io.emit_with_ack("question")
    first_id, error = next(iter(stream))  # at once, and raised nowhere
    assert first_id == full_id
    assert isinstance(error, AckClosedError)
    assert isinstance(error.__cause__, BufferFullError)
    assert len(stream) == 1
    ack_id, _ = peer.question()
    peer.answer(ack_id, "answer")
    assert list(stream) == [(peer_id, "answer")]
    wait_until(lambda: len(io.of("/").sockets) == 1)
    assert len(io.ack_deadlines(None)) == 0
    log.take()


def test_a_remote_socket_that_has_no_room_for_a_question(serve: Serve, log: Log) -> None:
    io = SocketIO(max_buffer_size=2)
    io.ns("/")
    peer = serve(io).polling()
    socket = io.of("/").sockets[peer.connect()]
    (remote,) = io.fetch_sockets()
    for _ in range(2):
        socket.emit("fill")
    future = remote.emit_with_ack("question")
    assert future.done()
    with pytest.raises(AckClosedError) as caught:
        future.result()
    assert isinstance(caught.value.__cause__, BufferFullError)
    wait_until(lambda: not socket.connected)
    log.take()


def test_broadcast_streams_fail_at_once_when_sockets_close(serve: Serve) -> None:
    io = SocketIO(ack_timeout=1000)
    io.ns("/")
    site = serve(io)
    peers = [site.websocket() for _ in range(3)]
    ids = [peer.connect() for peer in peers]
    stream = io.emit_with_ack("question")
    io.of("/").sockets[ids[0]].disconnect()
    peers[1].close()
    found = [next(iter(stream)) for _ in range(2)]
    assert {socket_id for socket_id, _ in found} == set(ids[:2])
    assert {type(answer) for _, answer in found} == {AckClosedError}
    io.disconnect()
    assert [type(answer) for _, answer in stream] == [AckClosedError]
    assert len(io.ack_deadlines(None)) == 0


def test_ten_thousand_questions_that_nobody_answers_leave_nothing(serve: Serve) -> None:
    io = SocketIO(ack_timeout=0.05, max_buffer_size=50_000)
    io.ns("/")
    site = serve(io)
    peers = [site.websocket() for _ in range(10)]
    sockets = [io.of("/").sockets[peer.connect()] for peer in peers]
    remotes = io.fetch_sockets()
    for _ in range(500):
        io.emit_with_ack("stream")
        for socket in sockets:
            socket.emit_with_ack("future")
    for remote in remotes:
        remote.emit_with_ack("remote")
    assert all(socket.owes_ack for socket in sockets)
    wait_until(lambda: not any(socket.owes_ack for socket in sockets))
    assert len(io.ack_deadlines(None)) == 0
    assert all(socket._acks is None for socket in sockets)
    for peer in peers:
        assert len(peer.rest()) == 1001
        peer.answer(1, "late")
        peer.answer(5000, "late")


def test_asking_a_closed_socket_leaves_nothing(serve: Serve) -> None:
    site, peer, socket = one(serve)
    socket.disconnect()
    assert peer.packet() == Packet(1)
    for asked in (socket, socket.timeout(1), socket.volatile()):
        with pytest.raises(SocketClosedError):
            asked.emit_with_ack("question", returns=int)
    assert list(site.io.emit_with_ack("question")) == []
    assert len(site.io.ack_deadlines(None)) == 0


def test_a_future_that_nobody_reads_is_no_error(serve: Serve) -> None:
    _, peer, socket = one(serve, ack_timeout=0.02)
    future: AckFuture[int] = socket.emit_with_ack("question", returns=int)
    ack_id, _ = peer.question()
    peer.answer(ack_id, "no number")
    wait_until(future.done)
    late = socket.emit_with_ack("question", returns=int)
    wait_until(late.done)
    with pytest.raises(AckTimeoutError):
        late.result()
