"""Tests of handlers that run in native threads: they block nobody, and may do all that handlers may."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import FrameType
from typing import Any

import gevent.local
import pytest

from geventsio import (
    AckClosedError,
    AckSender,
    AckTimeoutError,
    ClassNamespace,
    ConnectRefused,
    Data,
    EventCall,
    Extensions,
    Namespace,
    Next,
    Socket,
    SocketClosedError,
    SocketIO,
    State,
    event,
    testing,
    threadpool,
)
from geventsio import globals as proxies
from geventsio.adapters import AckCollector, BroadcastOptions, EventPacket, LocalAdapter
from geventsio.context import current
from geventsio.handling.registry import EventHandlers
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.levels import both_levels, registered
from tests.socketio.peer import ACK, EVENT, Packet, WebSocketPeer


class Pipe:
    """What native threads wait for as libraries in C do: nothing of gevent's."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        #: The threads that have come here.
        self.threads: list[int] = []

    def wait(self, *_: object) -> None:
        """Block the calling thread, with all its greenlets, until `release`."""
        self.threads.append(threading.get_ident())
        os.read(self._reader, 1)

    def release(self, count: int = 1) -> None:
        """Let so many go on."""
        os.write(self._writer, b"x" * count)

    def close(self) -> None:
        """Give it back."""
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe; the test has let everybody go who waits there."""
    made = Pipe()
    yield made
    made.close()


def is_native() -> bool:
    """Whether this is not the thread of the tests and of the server's hub."""
    return threading.get_ident() != threading.main_thread().ident


@both_levels
@pytest.mark.parametrize("how", ["argument", "decorator", "once", "fallback"])
def test_it_blocks_nobody_but_its_socket(serve: Serve, pipe: Pipe, level: str, how: str) -> None:
    where, peer = registered(serve, level)

    def block(number: int) -> int:
        pipe.wait()
        return number

    if how == "argument":
        where.on("block", block, threadpool=True)
    elif how == "decorator":
        where.on("block", threadpool=True)(block)
    elif how == "once":
        where.once("block", threadpool=True)(block)
    else:
        where.on_fallback(threadpool=True)(block)
    peer.send_packet(Packet(EVENT, "/", ["block", 7], 1), Packet(EVENT, "/", ["sync"], 2))
    wait_until(lambda: pipe.threads)
    assert pipe.threads != [threading.get_ident()]
    other = WebSocketPeer(peer.socket.getpeername())
    other.connect()
    assert other.ask("sync") == ["sync"]
    assert peer.rest() == []  # the ping was answered; the next event waits
    assert where.io.sockets()[0].pending_events == 1
    pipe.release()
    assert [peer.packet(), peer.packet()] == [Packet(ACK, "/", [7], 1), Packet(ACK, "/", ["sync"], 2)]
    other.close()


def test_those_that_overlap(serve: Serve, pipe: Pipe) -> None:
    where, peer = registered(serve, "namespace")
    where.on("block", pipe.wait, concurrent=True, threadpool=True)
    peer.emit("block", 1)
    peer.emit("block", 2)
    wait_until(lambda: len(pipe.threads) == 2)
    assert len(set(pipe.threads)) == 2
    assert peer.ask("sync") == ["sync"]
    pipe.release(2)


def test_what_is_more_than_the_pool_holds_waits_without_the_hub(serve: Serve, pipe: Pipe) -> None:
    where, first = registered(serve, "namespace", threadpool_size=1)
    where.on("block", pipe.wait, threadpool=True)
    where.on("last", is_native, threadpool=True)
    site = first.socket.getpeername()
    peers = [first, *(WebSocketPeer(site) for _ in range(4))]
    for peer in peers[1:]:
        peer.connect()
    for peer in peers[:4]:
        peer.emit("block")
    wait_until(lambda: where.io.native.jobs == 4)
    assert where.io.native.jobs > where.io.native.size
    assert peers[4].ask("sync") == ["sync"]
    wait_until(lambda: pipe.threads)
    assert len(pipe.threads) == 1
    pipe.release(4)
    assert [peer.ask("last") for peer in peers] == [[True]] * 5
    assert len(set(pipe.threads)) == 1
    assert where.io.native.jobs == 0
    for peer in peers[1:]:
        peer.close()


def test_those_that_wait_for_a_thread_get_one_in_their_order(serve: Serve, pipe: Pipe) -> None:
    io = SocketIO(threadpool_size=1)
    begun: list[int] = []

    @io.ns("/").on("block", concurrent=True, threadpool=True)
    def block(number: int) -> None:
        begun.append(number)
        pipe.wait()

    def has_begun(count: int) -> bool:
        return len(begun) == count

    peer = serve(io).connect()
    for number in range(4):
        peer.emit("block", number)
    wait_until(lambda: io.native.jobs == 4 and begun)
    for number in range(4, 8):
        # When the hub looks again, there are the end of a job and a new event, which has not waited yet.
        peer.emit("block", number)
        pipe.release()
        time.sleep(0.002)
        wait_until(partial(has_begun, number - 2))
    pipe.release(4)
    wait_until(lambda: io.native.jobs == 0)
    assert begun == list(range(8))


def test_where_no_thread_can_be_started_it_runs_all_the_same(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on("event", lambda: [is_native()], threadpool=True)
    peer = serve(io).connect()
    size = threading.stack_size(2**60)  # as when there are too many, or in Python 3.12 when the interpreter exits
    try:
        assert peer.ask("event") == [[False]]
    finally:
        threading.stack_size(size)
    assert peer.ask("event") == [[True]]
    wait_until(lambda: io.native.jobs == 0)


def test_a_client_that_sends_too_much_meanwhile_is_not_read(serve: Serve, pipe: Pipe) -> None:
    where, peer = registered(serve, "namespace", max_pending_events=3)
    where.on("block", pipe.wait, threadpool=True)
    peer.emit("block")
    wait_until(lambda: pipe.threads)
    (socket,) = where.io.sockets()
    for _ in range(6):
        peer.emit("nothing")
    wait_until(lambda: socket.client.session.is_paused)
    assert socket.pending_events == 4
    pipe.release()
    assert peer.ask("sync") == ["sync"]
    assert not socket.client.session.is_paused


def test_connect_and_disconnect_handlers(serve: Serve) -> None:
    io = SocketIO()
    native: list[tuple[str, bool]] = []
    rooms: list[list[str]] = []

    @io.ns("/").use
    def middleware(socket: Socket) -> None:
        native.append(("middleware", is_native()))
        socket.join("early")

    @io.ns("/")(threadpool=True)
    def connect(socket: Socket, auth: Data[dict[str, int]]) -> None:
        native.append((f"connect {auth}", is_native()))
        assert socket.connected
        socket.join("late")
        socket.emit("welcome")

    @io.ns("/").on_disconnect(threadpool=True)
    def bye(socket: Socket, reason: str) -> None:
        native.append((reason, is_native()))
        rooms.append(sorted(socket.rooms))

    peer = serve(io).connect(auth={"a": 1})
    assert peer.event() == ["welcome"]
    peer.close()
    wait_until(lambda: rooms)
    assert native == [("middleware", True), ("connect {'a': 1}", True), ("transport close", True)]
    assert rooms == [["early", "late"]]


def test_a_connection_that_is_refused_in_a_thread(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on_connect(lambda: None, threadpool=True)

    @io.ns("/").use
    def refuse() -> None:
        raise ConnectRefused("not you" if is_native() else "not in a thread", [1])

    assert serve(io).websocket().refused() == {"message": "not you", "data": [1]}
    assert io.ns("/").is_empty


def test_a_client_that_leaves_while_its_connect_middleware_blocks_a_thread(serve: Serve, pipe: Pipe) -> None:
    io = SocketIO()
    ran: list[str] = []
    io.ns("/").use(pipe.wait)
    io.ns("/").on_connect(lambda: ran.append("connect"), threadpool=True)
    peer = serve(io).websocket()
    peer.send("0")
    wait_until(lambda: pipe.threads)
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    pipe.release()
    wait_until(lambda: io.ns("/").is_empty)
    assert ran == []


def test_class_based_namespaces(serve: Serve) -> None:
    native: list[str] = []

    class Reports(ClassNamespace):
        @threadpool
        def on_connect(self) -> None:
            native.append(f"connect {is_native()}")

        @threadpool
        def on_report(self) -> bool:
            return is_native()

        @threadpool
        @event("yearly report")
        def yearly(self) -> bool:
            return is_native()

        def on_note(self) -> bool:
            return is_native()

        @threadpool
        def on_fallback(self) -> bool:
            return is_native()

        @threadpool
        def on_disconnect(self) -> None:
            native.append(f"disconnect {is_native()}")

    io = SocketIO()
    io.register(Reports())
    peer = serve(io).connect()
    assert [peer.ask(name)[0] for name in ("report", "yearly report", "note", "other")] == [True, True, False, True]
    peer.close()
    wait_until(lambda: len(native) == 2)
    assert native == ["connect True", "disconnect True"]


def test_a_listener_has_no_thread_of_its_own() -> None:
    class Watching(ClassNamespace):
        @threadpool
        def on_any(self, name: str) -> None: ...

    io = SocketIO()
    with pytest.raises(TypeError, match="on_any can't run in a native thread of its own"):
        io.register(Watching())
    assert io.ns("/").owner is None


# What is around it


class Database:
    """A state."""


def test_what_handlers_take_and_know(serve: Serve) -> None:
    database = Database()
    io = SocketIO(state=[database])
    seen: list[object] = []

    @io.ns("/").on("event", threadpool=True)
    def handle(socket: Socket, number: int, ack: AckSender, db: State[Database]) -> None:
        seen.append((db is database, number, current.socket is socket, current.event, proxies.socket.id == socket.id))
        ack.send(is_native(), ack.expected)

    assert serve(io).connect().ask("event", 5) == [True, True]
    assert seen == [(True, 5, True, "event", True)]


def test_units_of_work_and_middlewares_are_in_its_thread(serve: Serve) -> None:
    io = SocketIO()
    threads: list[int] = []
    local = threading.local()
    user: ContextVar[str] = ContextVar("user")

    @io.unit_of_work
    @contextmanager
    def unit(call: EventCall) -> Iterator[None]:
        threads.append(threading.get_ident())
        local.session = call.event
        user.set("somebody")
        yield
        threads.append(threading.get_ident())
        del local.session

    @io.ns("/").use_event
    def middleware(call: EventCall, next: Next) -> Any:
        threads.append(threading.get_ident())
        return next()

    @io.ns("/").on("event", threadpool=True)
    def handle() -> list[str]:
        threads.append(threading.get_ident())
        return [local.session, user.get()]

    peer = serve(io).connect()
    threads.clear()
    assert peer.ask("event") == [["event", "somebody"]]
    assert len(threads) == 4
    assert len(set(threads)) == 1 and threads[0] != threading.get_ident()


def test_nothing_of_one_job_is_seen_by_the_next(serve: Serve) -> None:
    io = SocketIO(threadpool_size=1)
    local = gevent.local.local()  # which is threading's in a patched process
    threads: set[int] = set()

    @io.ns("/").on("visit", threadpool=True)
    def visit(name: str) -> str:
        threads.add(threading.get_ident())
        seen = getattr(local, "name", "nobody")
        local.name = name
        return seen

    site = serve(io)
    assert [site.connect().ask("visit", name) for name in ("a", "b")] == [["nobody"]] * 2
    assert len(threads) == 1


def test_listeners_that_fail(serve: Serve, log: Log) -> None:
    io = SocketIO()
    told: list[tuple[str, str, bool, bool]] = []

    @io.ns("/").on_any
    def listen() -> None:
        raise ZeroDivisionError(is_native())

    @io.ns("/").on_error
    def failed(error: Exception, socket: Socket) -> None:
        told.append((repr(error), current.event, current.socket is socket, is_native()))

    io.ns("/").on("event", lambda: "handled", threadpool=True)
    assert serve(io).connect().ask("event") == ["handled"]
    assert log.take_one().exc_info is not None
    assert told == [("ZeroDivisionError(True)", "event", True, False)]


def test_exceptions(serve: Serve, log: Log) -> None:
    io = SocketIO()
    told: list[tuple[str, str, bool]] = []

    @io.ns("/").on("fail", threadpool=True)
    def fail() -> None:
        raise ZeroDivisionError("secret")

    @io.ns("/").on_error
    def failed(error: Exception, socket: Socket) -> None:
        told.append((repr(error), current.event, is_native()))

    @io.ns("/").on("number", threadpool=True)
    def number(value: int) -> int:
        return value

    peer = serve(io).connect()
    peer.emit("fail")
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[2] is not None
    assert told == [("ZeroDivisionError('secret')", "fail", False)]
    peer.emit("number", "one")
    assert log.take_one().levelname == "WARNING"
    assert peer.ask("number", 1) == [1]


def test_one_that_serves_once_serves_one_of_many(serve: Serve, pipe: Pipe) -> None:
    io = SocketIO()
    calls: list[bool] = []

    @io.ns("/").use_event
    def wait(call: EventCall, next: Next) -> Any:
        pipe.wait()
        return next()

    io.ns("/").once("event", lambda: calls.append(is_native()), threadpool=True)
    site = serve(io)
    peers = [site.connect() for _ in range(5)]
    for peer in peers:
        peer.emit("event")
    wait_until(lambda: len(pipe.threads) == 5)
    pipe.release(5)
    wait_until(lambda: io.native.jobs == 0)
    assert calls == [True]


# What it may do


def test_all_that_is_sent_comes_in_order(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")

    @where.on("event", threadpool=True)
    def handle(socket: Socket) -> str:
        for number in range(200):
            socket.emit("own", number)
            socket.io.emit("all", number)
            socket.join(f"room {number}")
            socket.io.to(f"room {number}").emit("room", number)
        return "end"

    peer.send_packet(Packet(EVENT, "/", ["event"], 1))
    expected = [[name, number] for number in range(200) for name in ("own", "all", "room")]
    assert [peer.event() for _ in range(600)] == expected
    assert peer.packet() == Packet(ACK, "/", ["end"], 1)


def test_what_was_done_is_seen(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")

    @where.on("event", threadpool=True)
    def handle(socket: Socket) -> list[object]:
        socket.join(["a", "b"])
        socket.leave("b")
        found = where.io.to("a").fetch_sockets()
        return [
            sorted(socket.rooms),
            [remote.id == socket.id for remote in found],
            [other is socket for other in socket.io.within("a").sockets()],
            sorted(where.io.within("a").rooms()),
        ]

    assert peer.ask("event") == [[["a"], [True], [True], ["a"]]]


def test_acknowledgements_of_one(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")
    called: list[tuple[object, bool]] = []

    @where.on("event", threadpool=True)
    def handle(socket: Socket) -> list[object]:
        future = socket.emit_with_ack("question", returns=int)
        future.add_done_callback(lambda done: called.append((done.result(), is_native())))
        number = future.result()
        with pytest.raises(AckTimeoutError):
            socket.timeout(0.01).emit_with_ack("late").result()
        waiting = socket.emit_with_ack("later")
        with pytest.raises(AckTimeoutError):
            waiting.result(timeout=0.01)
        return [number, waiting.done()]

    peer.send_packet(Packet(EVENT, "/", ["event"], 1))
    question = peer.packet()
    assert question.data == ["question"]
    peer.send_packet(Packet(ACK, "/", [5], question.id))
    assert [peer.packet().data for _ in range(2)] == [["late"], ["later"]]
    assert peer.packet() == Packet(ACK, "/", [[5, False]], 1)
    assert called == [(5, False)]


def test_acknowledgements_of_many(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("event", threadpool=True)
    def handle(socket: Socket) -> list[object]:
        return [answer for _, answer in io.emit_with_ack("question", returns=str)]

    site = serve(io)
    peers = [site.connect() for _ in range(3)]
    peers[0].send_packet(Packet(EVENT, "/", ["event"], 1))
    for number, peer in enumerate(peers):
        peer.send_packet(Packet(ACK, "/", [f"answer {number}"], peer.packet().id))
    (answers,) = peers[0].packet().data
    assert sorted(answers) == ["answer 0", "answer 1", "answer 2"]


def test_acknowledgements_through_a_remote_socket(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("event", threadpool=True)
    def handle(socket: Socket) -> object:
        (remote,) = io.fetch_sockets()
        return remote.emit_with_ack("question").result()

    peer = serve(io).connect()
    peer.send_packet(Packet(EVENT, "/", ["event"], 1))
    peer.send_packet(Packet(ACK, "/", ["answer"], peer.packet().id))
    assert peer.packet() == Packet(ACK, "/", ["answer"], 1)


def test_greenlets_that_it_starts_know_its_socket(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")
    found: list[tuple[str, bool]] = []

    @where.on("event", threadpool=True)
    def handle(socket: Socket) -> str:
        where.io.spawn(lambda: found.append((current.socket.id, is_native())))
        return socket.id

    (socket_id,) = peer.ask("event")
    wait_until(lambda: found)
    assert found == [(socket_id, False)]


def test_disconnecting(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")

    @where.on("bye", threadpool=True)
    def bye(socket: Socket) -> None:
        socket.disconnect(close=True)

    peer.emit("bye")
    ended, _ = peer.end()
    assert ended.orderly


def test_a_client_that_leaves_meanwhile(serve: Serve, pipe: Pipe) -> None:
    io = SocketIO()
    ended: list[str] = []

    @io.ns("/").on("event", threadpool=True)
    def handle(socket: Socket) -> None:
        waiting = socket.emit_with_ack("question")
        pipe.wait()
        with pytest.raises(AckClosedError):
            waiting.result()
        with pytest.raises(SocketClosedError):
            socket.emit_with_ack("question")
        ended.append("handler")
        socket.emit("nobody")

    io.ns("/").on_disconnect(lambda reason: ended.append(reason))
    peer = serve(io).connect()
    peer.emit("event")
    wait_until(lambda: pipe.threads)
    peer.packet()  # or what is unread would make it another end
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    pipe.release()
    wait_until(lambda: len(ended) == 2)
    assert ended == ["handler", "transport close"]


def test_sending_everybody_away(serve: Serve, pipe: Pipe) -> None:
    io = SocketIO()

    @io.ns("/").on("close", threadpool=True)
    def close() -> None:
        io.close(0)
        pipe.wait()

    site = serve(io)
    peer, other = site.connect(), site.polling()
    other.connect()
    peer.emit("close")
    for client in (peer, other):
        ended, _ = client.end()
        assert ended.orderly
    assert len(pipe.threads) == 1
    pipe.release()


def test_namespaces_and_what_adapters_are_told_belong_to_the_hub(serve: Serve) -> None:
    native: list[tuple[str, bool]] = []

    class Watching(LocalAdapter):
        def init(self) -> None:
            native.append((f"init {self.namespace}", is_native()))

        def broadcast_with_ack(self, packet: EventPacket, options: BroadcastOptions, acks: AckCollector) -> None:
            super().broadcast_with_ack(packet, options, acks)
            acks.when_ended(lambda: native.append(("acks", is_native())))

    io = SocketIO(adapter=Watching)

    @io.ns("/").on("event", threadpool=True)
    def handle() -> str:
        answers = io.emit_with_ack("question")
        answers.close()
        assert list(answers) == []
        return io.ns("late").path

    peer = serve(io).connect()
    peer.send_packet(Packet(EVENT, "/", ["event"], 1))
    assert [peer.packet().data for _ in range(2)] == [["question"], ["/late"]]
    assert native == [("init /", False), ("acks", False), ("init /late", False)]


@pytest.mark.parametrize("made", [Extensions, EventHandlers])
def test_what_two_threads_ask_a_socket_for_at_the_same_time(serve: Serve, made: type[Any]) -> None:
    io = SocketIO()
    both = threading.Barrier(2, timeout=5)
    ended: list[int] = []

    def meet(frame: FrameType, event: str, arg: object) -> None:
        if frame.f_code is made.__init__.__code__:
            both.wait()

    @io.ns("/").on("event", concurrent=True, threadpool=True)
    def handle(socket: Socket, number: int) -> None:
        value: object = [number] if number else {number}
        sys.settrace(meet)
        try:
            if made is Extensions:
                socket.extensions.insert(value)
            else:
                socket.on(f"event {number}", lambda: None)
        finally:
            sys.settrace(None)
            ended.append(number)

    peer = serve(io).connect()
    for number in range(2):
        peer.emit("event", number)
    wait_until(lambda: len(ended) == 2)
    (socket,) = io.sockets()
    assert not both.broken
    assert len(socket.extensions) == 2 if made is Extensions else socket.off("event 0") and socket.off("event 1")


def test_threads_of_others_can_wait_for_nothing(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")
    errors: list[str] = []

    @where.on("event", threadpool=True)
    def handle(socket: Socket) -> None:
        def ask() -> None:
            try:
                socket.emit_with_ack("question")
            except RuntimeError as error:
                errors.append(str(error))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

    assert isinstance(where, Namespace)
    peer.emit("event")
    wait_until(lambda: errors)
    assert "can only be waited for in the thread that serves the clients" in errors[0]


def test_in_process_clients() -> None:
    io = SocketIO()
    io.ns("/").on("event", lambda number: [number, is_native()], threadpool=True)
    threads = len(sys._current_frames())
    for number in range(2):  # the server is let go of in between, with its threads
        with testing.TestClient(io) as client:
            assert client.connect().call("event", number) == [number, True]
    wait_until(lambda: len(sys._current_frames()) <= threads)


@pytest.mark.parametrize("register", [lambda root: root.on, lambda root: root.once], ids=["on", "once"])
def test_it_can_be_removed(register: Callable[[Namespace], Any]) -> None:
    root = SocketIO().ns("/")

    def handle() -> None: ...

    register(root)("event", handle, threadpool=True)
    assert root.off("event", handle)
    assert not root.off("event")
