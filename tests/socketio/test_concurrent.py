"""Tests of handlers that overlap: what stays in order, what does not, and how many there may be."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import DisconnectReason, EventCall, Next, Socket, SocketIO
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.levels import both_levels, registered
from tests.socketio.peer import ACK, DISCONNECT, EVENT, Packet


class Gates:
    """Handlers that block until the test lets them go on, and what they did."""

    def __init__(self) -> None:
        self.trace: list[str] = []
        self._gates: dict[str, Event] = {}

    def handle(self, name: str) -> str:
        """Be a handler: block until `release`."""
        self.trace.append(f"{name} begins")
        self._gates.setdefault(name, Event()).wait()
        self.trace.append(f"{name} ends")
        return name

    def note(self, name: str) -> str:
        """Be a handler that does not block."""
        self.trace.append(name)
        return name

    def release(self, *names: str) -> None:
        """Let these go on."""
        for name in names:
            self._gates.setdefault(name, Event()).set()

    def begun(self, count: int) -> list[str]:
        """Wait until so much has happened, and return it."""
        wait_until(lambda: len(self.trace) >= count)
        return self.trace


def events(event: str, *names: str) -> list[Packet]:
    """One event for each name, with the ack ids 0, 1, ..."""
    return [Packet(EVENT, "/", [event, name], index) for index, name in enumerate(names)]


@both_levels
@pytest.mark.parametrize("how", ["argument", "option"])
def test_handlers_begin_in_order_and_overlap(serve: Serve, level: str, how: str) -> None:
    where, peer = registered(serve, level, concurrent_handlers=how == "option")
    gates = Gates()
    where.on("event", gates.handle, concurrent=True if how == "argument" else None)
    peer.send_packet(*events("event", "a", "b", "c"))
    assert gates.begun(3) == ["a begins", "b begins", "c begins"]
    gates.release("c", "a", "b")
    # Answers come as handlers end.
    gates.begun(6)
    assert {packet.data[0] for packet in (peer.packet(), peer.packet(), peer.packet())} == {"a", "b", "c"}
    assert gates.trace[3:] == ["c ends", "a ends", "b ends"]


def test_answers_come_in_the_order_in_which_handlers_end(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")
    gates = Gates()
    where.on("event", gates.handle, concurrent=True)
    peer.send_packet(*events("event", "a", "b"))
    gates.begun(2)
    gates.release("b")
    assert peer.packet() == Packet(ACK, "/", ["b"], 1)
    gates.release("a")
    assert peer.packet() == Packet(ACK, "/", ["a"], 0)


@both_levels
def test_once_and_decorators_overlap_as_well(serve: Serve, level: str) -> None:
    where, peer = registered(serve, level)
    gates = Gates()
    where.once("once", concurrent=True)(gates.handle)
    where.on("event", concurrent=True)(gates.handle)
    peer.send_packet(*events("once", "a", "nobody"), *events("event", "b"))
    assert gates.begun(2) == ["a begins", "b begins"]
    gates.release("a", "b")
    gates.begun(4)


def test_the_option_has_exceptions(serve: Serve) -> None:
    where, peer = registered(serve, "namespace", concurrent_handlers=True)
    gates = Gates()
    where.on("ordered", gates.handle, concurrent=False)
    where.on_fallback(gates.handle)
    peer.send_packet(*events("other", "a"), *events("ordered", "b"), *events("other", "c"))
    assert gates.begun(2) == ["a begins", "b begins"]
    assert peer.rest() == []
    assert gates.trace == ["a begins", "b begins"]  # c waits for b
    gates.release("b")
    assert gates.begun(4) == ["a begins", "b begins", "b ends", "c begins"]
    gates.release("a", "c")
    gates.begun(6)


def test_one_that_overlaps_waits_for_those_before_it_that_do_not(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")
    gates = Gates()
    where.on("ordered", gates.handle)
    where.on("event", gates.handle, concurrent=True)
    where.on("note", gates.note)
    peer.send_packet(*events("ordered", "a"), *events("event", "b"), *events("note", "c"))
    assert gates.begun(1) == ["a begins"]
    assert peer.rest() == []
    assert gates.trace == ["a begins"]
    gates.release("a")
    assert gates.begun(4) == ["a begins", "a ends", "b begins", "c"]
    gates.release("b")
    gates.begun(5)


def test_the_connect_handler_does_not_overlap(serve: Serve) -> None:
    io = SocketIO(concurrent_handlers=True)
    gates = Gates()
    io.ns("/").on_connect(lambda socket: gates.handle("connect"))
    io.ns("/").on("event", gates.note)
    peer = serve(io).connect()
    gates.begun(1)
    peer.send_packet(*events("event", "a", "b"))
    assert peer.rest() == []
    assert gates.trace == ["connect begins"]
    gates.release("connect")
    assert gates.begun(4) == ["connect begins", "connect ends", "a", "b"]


def test_a_middleware_around_one_that_overlaps_overlaps_too(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")
    gates = Gates()

    @where.use_event
    def wait(call: EventCall, next: Next) -> Any:
        gates.handle(f"around {call.args[0]}")
        return next()

    where.on("event", gates.note, concurrent=True)
    peer.send_packet(*events("event", "a", "b"))
    assert gates.begun(2) == ["around a begins", "around b begins"]
    gates.release("around a", "around b")
    gates.begun(6)
    assert {peer.packet().data[0], peer.packet().data[0]} == {"a", "b"}


# How the socket ends


def test_the_disconnect_handler_begins_after_the_events_before_it_and_waits_for_none(serve: Serve) -> None:
    where, peer = registered(serve, "namespace")
    gates = Gates()
    where.on("ordered", gates.handle)
    where.on("event", gates.handle, concurrent=True)

    @where.on_disconnect
    def bye(socket: Socket, reason: DisconnectReason) -> None:
        gates.note(f"{reason} {sorted(socket.rooms)}")

    (socket,) = where.io.sockets()
    socket.join("room")
    peer.send_packet(*events("ordered", "a"), *events("event", "b"), Packet(DISCONNECT))
    assert gates.begun(1) == ["a begins"]
    wait_until(lambda: not socket.connected)
    assert gates.trace == ["a begins"]
    gates.release("a")
    assert gates.begun(4) == ["a begins", "a ends", "b begins", "client namespace disconnect ['room']"]
    gates.release("b")
    assert gates.begun(5)[4] == "b ends"


def test_handlers_that_run_until_the_disconnect_handler_ends_them(serve: Serve) -> None:
    # More than may overlap: those that wait begin all the same when the client has gone, and so does its end.
    where, peer = registered(serve, "namespace", max_pending_events=3)
    gone = Event()
    counts: Counter[str] = Counter()

    @where.on("subscribe", concurrent=True)
    def subscribe() -> None:
        counts["begun"] += 1
        gone.wait()
        counts["ended"] += 1

    where.on_disconnect(gone.set)
    (socket,) = where.io.sockets()
    peer.send_packet(*(Packet(EVENT, "/", ["subscribe"]) for _ in range(5)))
    wait_until(lambda: socket.pending_events == 2)
    assert counts["begun"] == 3
    peer.close()
    wait_until(lambda: counts["ended"] == 5)


# How many there may be


def test_so_many_overlap_and_the_rest_wait(serve: Serve) -> None:
    where, peer = registered(serve, "namespace", max_pending_events=3)
    gates = Gates()
    where.on("event", gates.handle, concurrent=True)
    (socket,) = where.io.sockets()
    peer.send_packet(*events("event", *"abcdef"))
    wait_until(lambda: socket.pending_events == 3)
    assert gates.trace == ["a begins", "b begins", "c begins"]
    gates.release("b")
    assert gates.begun(5)[3:] == ["b ends", "d begins"]
    assert socket.pending_events == 2
    gates.release("d", "a")
    gates.begun(9)
    assert sorted(gates.trace[5:]) == ["a ends", "d ends", "e begins", "f begins"]
    assert gates.trace.index("e begins") < gates.trace.index("f begins")
    gates.release(*"abcdef")
    gates.begun(12)


def test_a_client_with_too_many_is_not_read(serve: Serve) -> None:
    where, peer = registered(serve, "namespace", max_pending_events=2)
    gates = Gates()
    where.on("event", gates.handle, concurrent=True)
    (socket,) = where.io.sockets()
    names = [str(number) for number in range(20)]
    for packet in events("event", *names):
        peer.send_packet(packet)
        gevent.sleep(0)
    wait_until(lambda: socket.client.session.is_paused)
    assert len(gates.trace) == 2
    assert socket.pending_events <= 8
    gates.release(*names)
    assert sorted(peer.packet().data[0] for _ in names) == sorted(names)
    begun = [entry for entry in gates.trace if entry.endswith("begins")]
    assert begun == [f"{name} begins" for name in names]


def test_thousands_that_overlap_leave_nothing(serve: Serve) -> None:
    where, peer = registered(serve, "namespace", max_pending_events=100)
    gates = Gates()
    where.on("event", gates.handle, concurrent=True)
    names = [str(number) for number in range(3000)]
    gates.release(*names[1::2])  # every other one does not block
    peer.send_packet(*events("event", *names))
    gates.begun(200)
    gates.release(*names)
    assert sorted(int(peer.packet().data[0]) for _ in names) == list(range(3000))
    pool = where.io.engine.runtime.workers
    assert peer.ask("sync") == ["sync"]
    wait_until(lambda: pool.busy == 0)


def test_exceptions_end_one_of_them_only(serve: Serve, log: Log) -> None:
    where, peer = registered(serve, "namespace", max_pending_events=2)
    gates = Gates()

    @where.on("event", concurrent=True)
    def event(name: str) -> None:
        gates.handle(name)
        raise ValueError(name)

    peer.send_packet(*events("event", *"abcd"))
    gates.begun(2)
    gates.release(*"abcd")
    gates.begun(8)
    assert peer.ask("sync") == ["sync"]
    assert sorted(str(record.exc_info and record.exc_info[1]) for record in log.take()) == list("abcd")


@pytest.mark.parametrize("seed", range(5))
def test_any_mixture_of_both(serve: Serve, transport: str, seed: int) -> None:
    rng = random.Random(seed)
    limit = rng.choice((1, 2, 5, 50))
    io = SocketIO(max_pending_events=limit)
    trace: list[tuple[str, int]] = []

    def handle(number: int) -> None:
        trace.append(("begins", number))
        for _ in range(rng.choice((0, 0, 1, 2, 5))):
            gevent.sleep(0)
        trace.append(("ends", number))

    io.ns("/").on("ordered", handle)
    io.ns("/").on("overlaps", handle, concurrent=True)
    io.ns("/").on_disconnect(lambda: trace.append(("disconnect", -1)))
    peer = serve(io).peer(transport)
    peer.connect()
    kinds = [rng.choice(("ordered", "overlaps", "overlaps")) for _ in range(200)]
    packets = [Packet(EVENT, "/", [kind, number]) for number, kind in enumerate(kinds)]
    while packets:
        count = rng.randrange(1, 30)
        peer.send_packet(*packets[:count])
        del packets[:count]
    peer.send_packet(Packet(DISCONNECT))
    wait_until(lambda: len(trace) == 401)
    assert [number for what, number in trace if what == "begins"] == list(range(200))
    begun = [what for what, _ in trace[: trace.index(("disconnect", -1))] if what == "begins"]
    assert len(begun) == 200
    running: set[int] = set()
    for what, number in trace:
        if what == "begins":
            assert not any(kinds[other] == "ordered" for other in running), "something began beside an ordered one"
            running.add(number)
        elif what == "ends":
            running.discard(number)
