"""What only several servers can do wrong: messages that are late, lost or out of order, and servers that die."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import AckTimeoutError, AdapterError, SerializeError, Socket
from geventsio.adapters import BroadcastOptions
from tests.adapters.bus import BusAdapter
from tests.adapters.cluster import Cluster
from tests.socketio.harness import Log, Serve, wait_until


@pytest.fixture
def start(serve: Serve) -> Callable[..., Cluster]:
    """Start clusters of a given size."""

    def make(size: int, **options: Any) -> Cluster:
        return Cluster(serve, size, **options)

    return make


Start = Callable[..., Cluster]


def bus_adapters(cluster: Cluster) -> list[BusAdapter]:
    """The adapters, as what they are."""
    adapters = [adapter for adapter in cluster.adapters if isinstance(adapter, BusAdapter)]
    assert len(adapters) == len(cluster.ios)
    return adapters


def leftovers(cluster: Cluster) -> list[object]:
    """What adapters still wait for."""
    return [left for adapter in bus_adapters(cluster) for left in (*adapter.collectors, *adapter.requests)]


# Order


def test_who_joins_first_hears_what_is_emitted_next(start: Start) -> None:
    cluster = start(3)
    for number in range(20):
        cluster.io.join(f"room {number}")
        cluster.io.to(f"room {number}").emit("event", number)
        cluster.fetch("B").join(f"own {number}")
        cluster.io.to(f"own {number}").emit("own", number)
    for name in "ABCD":
        expected = [
            [kind, number] for number in range(20) for kind in ("event", "own") if kind == "event" or name == "B"
        ]
        assert [cluster.peers[name].event() for _ in expected] == expected
    assert cluster.receivers("nothing") == ""


def test_broadcasts_arrive_in_the_order_in_which_they_were_sent(start: Start) -> None:
    cluster = start(2)
    for number in range(200):
        cluster.io.emit("event", number, b"x" * (number % 3))
    for name in "ABCD":
        assert [cluster.peers[name].event()[1] for _ in range(200)] == list(range(200))


def test_events_of_two_servers_do_not_mix_their_attachments(start: Start) -> None:
    cluster = start(2)

    def emit(number: int) -> None:
        for part in range(10):
            cluster.ios[number % 2].emit("event", number, bytes([number]), part, bytes([number, part]))
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(emit, number) for number in range(10)], raise_error=True)
    for name in "ABCD":
        for _ in range(100):
            event, number, one, part, two = cluster.peers[name].event()
            assert (event, one, two) == ("event", bytes([number]), bytes([number, part]))


# A socket that was sent to


def test_a_sender_on_another_server_is_left_out(start: Start) -> None:
    cluster = start(2)
    for name in "AB":
        cluster.sockets[name].join("r")
    for name in "AB":
        cluster.sockets[name].broadcast().emit("event")
        assert cluster.receivers("event") == "ABCD".replace(name, "")
        cluster.sockets[name].to("r").emit("event")
        assert cluster.receivers("event") == "AB".replace(name, "")
        cluster.sockets[name].within("r").emit("event")
        assert cluster.receivers("event") == "AB"
        cluster.sockets[name].volatile().to("r").emit("event")
        assert cluster.receivers("event") == "AB".replace(name, "")


def test_volatile_crosses_servers(start: Start) -> None:
    cluster = start(2, max_buffer_bytes=50_000)
    slow = cluster.sockets["B"]
    for number in range(300):
        cluster.io.volatile().emit("event", number, "x" * 50_000)
        cluster.settle()
    assert slow.connected  # or it would have been closed as a slow consumer
    numbers = [cluster.peers["B"].event()[1]]
    while numbers[-1] != 299:
        numbers.append(cluster.peers["B"].event()[1])
    assert numbers == sorted(numbers)
    assert len(numbers) < 300
    for name in "ACD":
        cluster.peers[name].close()


# Errors and deadlines


def test_a_bus_that_is_down_is_an_error_for_who_emits(start: Start) -> None:
    cluster = start(2)
    cluster.bus.is_down = True
    actions: list[Callable[[], object]] = [
        lambda: cluster.io.emit("event"),
        lambda: cluster.io.emit_with_ack("event"),
        lambda: cluster.io.fetch_sockets(),
        lambda: cluster.io.rooms(),
        lambda: cluster.io.join("room"),
        lambda: cluster.io.disconnect(),
    ]
    for action in actions:
        with pytest.raises(AdapterError, match="the bus is down") as caught:
            action()
        assert isinstance(caught.value.__cause__, ConnectionError)
    cluster.io.local().emit("event")
    assert cluster.receivers("event") == "AC"
    assert leftovers(cluster) == []
    assert not any(socket.owes_ack for socket in cluster.sockets.values())


def test_what_can_not_be_sent_reaches_nobody_on_any_server(start: Start) -> None:
    cluster = start(2)
    with pytest.raises(SerializeError):
        cluster.io.emit("event", object())
    assert cluster.receivers("nothing") == ""


def test_servers_that_do_not_answer_are_left_out(start: Start) -> None:
    cluster = start(3, request_timeout=0.3)
    for name in "ABCD":
        cluster.sockets[name].join(f"room {name}")
    cluster.bus.die(bus_adapters(cluster)[1])  # of B
    assert cluster.names(cluster.io.fetch_sockets()) == "ACD"
    assert cluster.io.rooms() == {"room A", "room C", "room D"}
    assert leftovers(cluster) == []
    cluster.io.emit("event")
    assert cluster.receivers("event") == "ACD"


def test_a_stream_ends_without_the_server_that_died(start: Start) -> None:
    cluster = start(3, request_timeout=0.3, ack_timeout=0.3)
    cluster.bus.die(bus_adapters(cluster)[1])
    stream = cluster.io.emit_with_ack("question")
    for name in "AC":
        ack_id, _ = cluster.peers[name].question()
        cluster.peers[name].answer(ack_id, name)
    answers = dict(stream)
    assert isinstance(answers.pop(cluster.sockets["D"].id), AckTimeoutError)
    assert answers == {cluster.sockets[name].id: name for name in "AC"}
    assert leftovers(cluster) == []


def test_a_server_that_dies_while_its_sockets_are_asked(start: Start) -> None:
    cluster = start(2, request_timeout=0.05, ack_timeout=0.3)
    stream = cluster.io.to(cluster.ids("BD")).emit_with_ack("question")
    ack_id, _ = cluster.peers["B"].question()
    cluster.peers["B"].answer(ack_id, "in time")
    assert next(iter(stream)) == (cluster.sockets["B"].id, "in time")
    assert len(stream) == 1  # it is known that there is one more
    cluster.bus.die(bus_adapters(cluster)[1])
    assert list(stream) == []
    assert leftovers(cluster) == []


def test_a_remote_socket_of_a_server_that_died_does_not_answer(start: Start) -> None:
    cluster = start(2, request_timeout=0.05, ack_timeout=0.05)
    remote = cluster.fetch("B")
    cluster.bus.die(bus_adapters(cluster)[1])
    remote.emit("event")
    with pytest.raises(AckTimeoutError):
        remote.emit_with_ack("question").result()


def test_a_server_that_has_left_is_not_waited_for(start: Start) -> None:
    cluster = start(3)  # with time enough for the test to hang
    cluster.ios[1].close(timeout=5)
    assert cluster.adapter.server_count() == 2
    assert cluster.names(cluster.io.fetch_sockets()) == "ACD"
    stream = cluster.io.to([cluster.a.id, cluster.sockets["B"].id]).emit_with_ack("question")
    ack_id, _ = cluster.peers["A"].question()
    cluster.peers["A"].answer(ack_id)
    assert cluster.names(socket_id for socket_id, _ in stream) == "A"


def test_late_answers_are_ignored(start: Start) -> None:
    cluster = start(2, request_timeout=0.02, ack_timeout=0.02)
    cluster.bus.is_held = True
    assert cluster.names(cluster.io.fetch_sockets()) == "AC"
    assert cluster.io.rooms() == frozenset()
    stream = cluster.io.to(cluster.sockets["B"].id).emit_with_ack("question")
    assert list(stream) == []
    cluster.bus.is_held = False
    cluster.bus.deliver()
    ack_id, _ = cluster.peers["B"].question()
    cluster.peers["B"].answer(ack_id, "late")
    assert cluster.peers["B"].ask("echo") == []
    cluster.settle()
    assert list(stream) == []
    assert leftovers(cluster) == []


def test_other_servers_have_time_beyond_the_clients(start: Start) -> None:
    cluster = start(2, request_timeout=10, ack_timeout=0.3)
    cluster.bus.is_held = True
    stream = cluster.io.emit_with_ack("question")
    wait_until(lambda: not cluster.a.owes_ack)
    cluster.bus.is_held = False
    cluster.bus.deliver()
    ack_id, _ = cluster.peers["B"].question()
    cluster.peers["B"].answer(ack_id, "in its own time")
    answers = dict(stream)
    assert answers[cluster.sockets["B"].id] == "in its own time"
    assert len(answers) == 4


def test_time_runs_while_the_adapter_sends(start: Start) -> None:
    cluster = start(2, ack_timeout=0.02)
    cluster.bus.gate = Event()
    asking = gevent.spawn(cluster.io.emit_with_ack, "question")
    wait_until(lambda: len(cluster.io.ack_deadlines(None)))
    wait_until(lambda: not len(cluster.io.ack_deadlines(None)))
    cluster.bus.gate.set()
    answers = dict(asking.get())
    assert cluster.names(answers) == "ABCD"
    assert {type(answer) for answer in answers.values()} == {AckTimeoutError}
    assert leftovers(cluster) == []
    assert not any(socket.owes_ack for socket in cluster.sockets.values())


def test_a_broken_bus_ends_what_waits_for_it(start: Start) -> None:
    cluster = start(2)
    cluster.bus.gate = Event()

    def ask() -> None:
        with pytest.raises(AdapterError):
            cluster.io.emit_with_ack("question")

    asking = gevent.spawn(ask)
    wait_until(lambda: len(cluster.io.ack_deadlines(None)))
    cluster.bus.is_down = True
    cluster.bus.gate.set()
    asking.get()
    assert len(cluster.io.ack_deadlines(None)) == 0
    assert leftovers(cluster) == []


def test_an_answer_that_can_not_be_passed_on_harms_nobody(start: Start, log: Log) -> None:
    cluster = start(2, request_timeout=0.05, ack_timeout=0.1)
    stream = cluster.io.to(cluster.ids("BD")).emit_with_ack("question")
    ack_id, _ = cluster.peers["B"].question()
    cluster.settle()
    cluster.bus.is_down = True
    cluster.peers["B"].answer(ack_id, "lost")
    assert cluster.peers["B"].ask("echo", 1) == [1]  # it is still there
    assert list(stream) == []
    wait_until(lambda: not cluster.sockets["D"].owes_ack)
    messages = {record.getMessage() for record in log.take()}
    assert messages == {"an adapter failed when it was told of an acknowledgement"}


def test_a_request_blocks_only_who_asks(start: Start) -> None:
    cluster = start(2)
    cluster.bus.is_held = True

    @cluster.io.ns("/").on("who")
    def who(socket: Socket) -> int:
        return len(socket.within("r").fetch_sockets()) + len(socket.broadcast().fetch_sockets())

    cluster.peers["A"].send('25["who"]')
    assert cluster.peers["C"].ask("echo", 1) == [1]
    cluster.bus.is_held = False
    cluster.bus.deliver()
    assert cluster.peers["A"].packet().data == [3]


# What is kept with sockets


def test_data_that_can_not_be_sent_is_left_out(start: Start) -> None:
    cluster = start(2)
    for name in "AB":
        cluster.sockets[name].data.update(lock=object(), name=name, nested={"file": object()})
    found = {remote.id: remote.data for remote in cluster.io.fetch_sockets()}
    assert found[cluster.sockets["B"].id] == {"name": "B"}
    assert set(found[cluster.a.id]) == {"lock", "name", "nested"}  # has crossed no wire


def test_ids_of_acknowledgements_are_each_server_s_own(start: Start) -> None:
    cluster = start(2)
    own = cluster.sockets["B"].emit_with_ack("own")
    own_id, _ = cluster.peers["B"].question()
    streams = [cluster.io.emit_with_ack("question", number) for number in range(5)]
    asked = [cluster.peers["B"].question() for _ in streams]
    assert own_id not in [ack_id for ack_id, _ in asked]
    for ack_id, (_, number) in asked:
        cluster.peers["B"].answer(ack_id, number)
    cluster.peers["B"].answer(own_id, "own")
    assert own.result() == "own"
    for number, stream in enumerate(streams):
        assert dict([next(iter(stream))]) == {cluster.sockets["B"].id: number}
        stream.close()


def test_nothing_is_sent_to_others_for_what_is_local(start: Start) -> None:
    cluster = start(2)
    cluster.bus.is_down = True
    local = BroadcastOptions(local=True)
    assert len(cluster.io.local().fetch_sockets()) == len(cluster.adapter.fetch_sockets(local)) == 2
    cluster.io.local().join("x")
    cluster.io.local().leave("x")
    assert cluster.io.local().rooms() == frozenset()
    assert cluster.a.local().rooms() == frozenset()
    cluster.io.local().disconnect()
    assert [cluster.sockets[name].connected for name in "ABCD"] == [False, True, False, True]
