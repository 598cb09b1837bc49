"""Tests of the metrics: what is counted and measured, for whom, and that clients can't make it grow."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import ConnectRefused, Data, Socket, SocketIO
from geventsio.context import current
from geventsio.metrics import Histogram, Metrics
from geventsio.metrics.families import FAMILIES
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import ACK, EVENT, Packet, http_request


def counted(**options: Any) -> SocketIO:
    """A server with metrics, whose namespace `/` handles the event `event`."""
    io = SocketIO(metrics=options.pop("metrics", None) or Metrics(), **options)
    io.ns("/").on("event", lambda *args: args)
    return io


def read(io: SocketIO, name: str) -> dict[Any, Any]:
    """The samples of one metric by their labels; a label that is alone without its tuple, a histogram by its count."""
    assert io.metrics is not None
    (family,) = [family for family in io.metrics.collect() if family.shape.name == name]
    samples = {}
    for labels, value in family.samples:
        assert len(labels) == len(family.shape.labels)
        key = labels[0] if len(labels) == 1 else labels
        assert key not in samples
        samples[key] = sum(value.counts) if isinstance(value, Histogram) else value
    return samples


def some(samples: dict[Any, Any]) -> dict[Any, Any]:
    """Those that are not 0."""
    return {labels: value for labels, value in samples.items() if value}


def test_before_the_first_request_there_is_nothing_and_no_hub_is_taken() -> None:
    io = counted()
    assert read(io, "sessions") == {"polling": 0, "websocket": 0}
    assert read(io, "sockets") == {("/", "polling"): 0, ("/", "websocket"): 0}
    assert not io.engine.has_started


def test_all_families_are_told_in_their_order() -> None:
    metrics = Metrics()
    SocketIO(metrics=metrics)
    assert [family.shape for family in metrics.collect()] == list(FAMILIES)


def test_clients_by_transport_and_namespace_come_and_go(serve: Serve) -> None:
    io = counted()
    io.ns("/chat")
    site = serve(io)
    first, second, third = site.connect(), site.websocket(), site.polling()
    second.connect("/chat")
    third.connect()
    third.connect("/chat")
    assert read(io, "sessions") == {"polling": 1, "websocket": 2}
    assert read(io, "sockets") == {
        ("/", "polling"): 1,
        ("/", "websocket"): 1,
        ("/chat", "polling"): 1,
        ("/chat", "websocket"): 1,
    }
    first.say_goodbye()
    third.close()
    wait_until(lambda: len(io.engine.sessions) == 1)
    assert read(io, "sessions") == {"polling": 0, "websocket": 1}
    assert some(read(io, "sockets")) == {("/chat", "websocket"): 1}
    assert read(io, "sessions_opened") == {"polling": 1, "websocket": 2}
    assert read(io, "sessions_closed") == {"transport close": 2}
    assert read(io, "connects") == {"/": 2, "/chat": 2}
    assert read(io, "disconnects") == {("/", "transport close"): 2, ("/chat", "transport close"): 1}


def test_one_that_upgrades_changes_its_transport(serve: Serve) -> None:
    io = counted()
    site = serve(io)
    polling = site.polling()
    polling.connect()
    upgraded = site.websocket(sid=polling.handshake["sid"])
    upgraded.upgrade()
    wait_until(lambda: read(io, "sessions") == {"polling": 0, "websocket": 1})
    assert some(read(io, "sockets")) == {("/", "websocket"): 1}
    assert read(io, "sessions_opened") == {"polling": 1, "websocket": 0}


def test_reasons_of_disconnecting(serve: Serve) -> None:
    io = counted()

    @io.ns("/").on("bye")
    def bye(socket: Socket) -> None:
        socket.disconnect()

    peer = serve(io).connect()
    peer.emit("bye")
    peer.packet()
    peer.connect()
    assert read(io, "disconnects") == {("/", "server namespace disconnect"): 1}
    assert some(read(io, "sockets")) == {("/", "websocket"): 1}


def test_a_slow_consumer(serve: Serve, log: Log) -> None:
    io = counted(max_buffer_bytes=50_000)
    peer = serve(io).connect()

    def emit() -> bool:
        io.emit("much", "x" * 40_000)
        return not io.engine.sessions

    wait_until(emit)
    assert log.take_one().levelname == "WARNING"
    assert read(io, "sessions_closed") == {"slow consumer": 1}
    assert read(io, "disconnects") == {("/", "slow consumer"): 1}
    assert read(io, "outbox_bytes") == {(): 0}
    peer.close()


def test_what_waits_to_be_sent(serve: Serve) -> None:
    io = counted()
    peer = serve(io).polling()
    peer.connect()
    assert (read(io, "outbox_messages"), read(io, "outbox_bytes")) == ({(): 0}, {(): 0})
    for _ in range(3):
        io.emit("news", "x" * 1000)
    assert read(io, "outbox_messages") == {(): 3}
    assert 3000 < read(io, "outbox_bytes")[()] < 3300
    assert [peer.event() for _ in range(3)] == [["news", "x" * 1000]] * 3
    assert (read(io, "outbox_messages"), read(io, "outbox_bytes")) == ({(): 0}, {(): 0})


def test_events_that_wait_for_their_handlers(serve: Serve) -> None:
    io = counted()
    gate = Event()
    io.ns("/").on("wait", gate.wait)
    peer = serve(io).connect()
    for _ in range(4):
        peer.emit("wait")
    wait_until(lambda: read(io, "pending_events") == {"/": 3})
    gate.set()
    assert peer.ask("event") == []
    assert read(io, "pending_events") == {"/": 0}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_bytes(serve: Serve, transport: str) -> None:
    io = counted()
    other = {"websocket": "polling", "polling": "websocket"}[transport]
    peer = serve(io).peer(transport)
    peer.connect()
    before = read(io, "received_bytes")[transport], read(io, "sent_bytes")[transport]
    sizes = 100_000, 30_000
    peer.send_packet(Packet(EVENT, "/", ["event", b"x" * sizes[0]], 1))
    peer.packet()
    io.emit("news", bytes(sizes[1]))
    peer.packet()
    received = read(io, "received_bytes")[transport] - before[0]
    sent = read(io, "sent_bytes")[transport] - before[1]
    factor = 1 if transport == "websocket" else 4 / 3  # base64
    assert factor * sizes[0] < received < factor * sizes[0] + 1000
    assert factor * sum(sizes) < sent < factor * sum(sizes) + 1000
    assert read(io, "received_bytes")[other] == 0
    assert read(io, "sent_bytes")[other] == 0


def test_events_of_clients(serve: Serve) -> None:
    io = counted()
    io.ns("/chat").on("message", lambda: "heard")

    @io.ns("/chat")
    def connect(socket: Socket) -> None:
        socket.on("own", lambda: "own")

    peer = serve(io).connect()
    peer.connect("/chat")
    assert peer.ask("event", 1) == [1]
    for event in ("message", "message", "own"):
        peer.ask(event, namespace="/chat")
    expected = {("/", "event"): 1, ("/chat", "message"): 2, ("/chat", "own"): 1}
    wait_until(lambda: some(read(io, "handler_seconds")) == expected)
    assert some(read(io, "events_received")) == expected


def test_the_time_that_a_handler_takes(serve: Serve) -> None:
    io = counted(metrics=Metrics(buckets=[0.02, 1000]))
    io.ns("/").on("take time", lambda: gevent.sleep(0.03))
    peer = serve(io).connect()
    peer.emit("take time")
    assert peer.ask("event") == []
    assert io.metrics is not None
    (family,) = [family for family in io.metrics.collect() if family.shape.name == "handler_seconds"]
    (histogram,) = [sample.value for sample in family.samples if sample.labels == ("/", "take time")]
    assert isinstance(histogram, Histogram)
    assert histogram.counts == [0, 1, 0]
    assert 0.02 < histogram.sum < 1000


def test_events_that_are_emitted(serve: Serve) -> None:
    io = counted(metrics=Metrics(emitted=["news"]))
    site = serve(io)
    peers = [site.connect() for _ in range(3)]
    io.emit("news", 1)
    io.sockets()[0].emit("event")
    io.to("nobody").emit(f"made of data: {id(io)}")
    assert [peer.event() for peer in peers] == [["news", 1]] * 3
    assert some(read(io, "events_emitted")) == {("/", "news"): 1, ("/", "event"): 1, ("/", "other"): 1}


def test_jobs_that_fail(serve: Serve, log: Log) -> None:
    io = counted()

    @io.ns("/").on("fail")
    def fail() -> None:
        raise ValueError("secret")

    @io.ns("/").on("number")
    def number(value: int) -> None: ...

    @io.ns("/")
    def connect() -> None:
        raise ValueError("secret")

    @io.ns("/").on_disconnect
    def bye() -> None:
        raise ValueError("secret")

    @io.ns("/").on_fallback
    def fallback() -> None:
        raise ValueError("secret")

    peer = serve(io).connect()
    peer.emit("fail")
    peer.emit("number", "one")
    peer.emit("a client's choice")
    peer.emit("fail")
    peer.ask("event")
    peer.say_goodbye()
    wait_until(lambda: not io.ns("/").sockets)
    assert len(log.take()) == 6
    assert read(io, "handler_errors") == {
        ("/", "connect", "exception"): 1,
        ("/", "fail", "exception"): 2,
        ("/", "number", "parameters"): 1,
        ("/", "other", "exception"): 1,
        ("/", "disconnect", "exception"): 1,
    }


def test_refusals(serve: Serve, log: Log) -> None:
    io = counted(max_connections=1)

    @io.ns("/").use
    def middleware(auth: Data[dict[str, str]]) -> None:
        if auth["token"] == "wrong":
            raise ConnectRefused("not you")
        if auth["token"] == "tired":
            current.socket.disconnect()
            return
        raise ValueError("secret")

    site = serve(io)
    peer = site.websocket()
    peer.refused(auth={"token": "wrong"})
    peer.refused(auth={"token": "tired"})
    peer.refused(auth={"token": "none"})
    peer.refused(auth={"token": 1})
    peer.refused("/nowhere")
    assert read(io, "connect_refusals") == {
        ("/", "refused"): 2,
        ("/", "error"): 1,
        ("/", "parameters"): 1,
        ("other", "unknown namespace"): 1,
    }
    log.take()
    assert http_request(site.address, "GET", "/socket.io/?EIO=4&transport=polling").status == 503
    assert http_request(site.address, "GET", "/socket.io/?EIO=4&transport=polling&sid=unknown").status == 400
    assert read(io, "requests_refused") == {"overloaded": 1, "unknown_sid": 1}
    log.take()


@pytest.mark.parametrize("keeps", [False, True], ids=["raised", "kept by a unit of work"])
def test_one_that_is_refused_twice_counts_once(serve: Serve, keeps: bool) -> None:
    io = counted()

    @io.ns("/").use
    def middleware() -> None:
        current.socket.disconnect()
        raise ConnectRefused("and again")

    if keeps:
        io.unit_of_work(lambda call: suppress(ConnectRefused))
    assert serve(io).websocket().refused() == {"message": "Connection refused"}
    wait_until(lambda: io.ns("/").is_empty)
    assert read(io, "connect_refusals") == {("/", "refused"): 1, ("other", "unknown namespace"): 0}


def test_one_that_has_left_is_not_refused(serve: Serve) -> None:
    io = counted()
    gate = Event()

    @io.ns("/").use
    def middleware() -> None:
        gate.wait()
        raise ConnectRefused("too late")

    peer = serve(io).websocket()
    peer.send("0")
    wait_until(lambda: not io.ns("/").is_empty)
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    gate.set()
    wait_until(lambda: io.ns("/").is_empty)
    assert some(read(io, "connect_refusals")) == {}


def test_acknowledgements_that_do_not_come(serve: Serve) -> None:
    io = counted()
    site = serve(io)
    peers = [site.connect() for _ in range(3)]
    answers = io.timeout(0.05).emit_with_ack("question")
    peers[0].send_packet(Packet(ACK, "/", [1], peers[0].packet().id))
    assert len(list(answers)) == 3
    assert read(io, "acks_timed_out") == {(): 2}
    (socket, *_) = io.sockets()
    wait_until(socket.timeout(0.01).emit_with_ack("question").done)
    assert read(io, "acks_timed_out") == {(): 3}
    later = socket.emit_with_ack("question")
    socket.disconnect()
    wait_until(later.done)
    assert read(io, "acks_timed_out") == {(): 3}


def test_a_handler_that_blocks_is_named_as_ever(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    io = counted(blocked_threshold=0.01)
    io.ns("/").on("block", lambda: time.sleep(0.03))
    peer = serve(io).connect()
    peer.emit("block")
    assert peer.ask("event") == []
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "<lambda> of 'block' in / blocked the hub" in line]


def test_native_jobs(serve: Serve) -> None:
    io = counted()
    gate = threading.Semaphore(0)
    io.ns("/").on("wait", lambda: gate.acquire() and None, threadpool=True)
    peer = serve(io).connect()
    peer.emit("wait")
    wait_until(lambda: read(io, "native_jobs") == {(): 1})
    gate.release()
    wait_until(lambda: read(io, "native_jobs") == {(): 0})


def test_the_lag_of_the_loop_is_looked_at_while_there_are_clients(serve: Serve) -> None:
    io = counted()
    peer = serve(io).connect()
    wait_until(lambda: read(io, "loop_lag_seconds")[()] >= 1)
    assert peer.ask("event") == []


# Whatever clients send


def test_names_of_events_that_clients_make_up_get_no_label(serve: Serve) -> None:
    io = counted()
    io.ns("/").on_fallback(lambda: None)
    peer = serve(io).connect()
    before = len(read(io, "events_received"))
    for number in range(500):
        peer.emit(f"event {number}")
    assert peer.ask("event") == []
    assert some(read(io, "events_received")) == {("/", "event"): 1, ("/", "other"): 500}
    assert len(read(io, "events_received")) <= before + 1


def test_an_event_that_is_called_as_those_without_a_label(serve: Serve) -> None:
    io = counted(metrics=Metrics(emitted=["other"]))
    io.ns("/").on("other", lambda: "heard")
    peer = serve(io).connect()
    peer.emit("nobody's")
    assert peer.ask("other") == ["heard"]
    io.emit("other")
    assert some(read(io, "events_received")) == {("/", "other"): 2}
    assert some(read(io, "events_emitted")) == {("/", "other"): 1}


def test_dynamic_namespaces_share_a_label(serve: Serve) -> None:
    io = counted(cleanup_empty_child_namespaces=False)
    io.dyn_ns("/room/{id}").on("event", lambda: "heard")
    peer = serve(io).websocket()
    for number in range(50):
        path = f"/room/{number}"
        peer.connect(path)
        peer.ask("event", namespace=path)
    assert some(read(io, "namespaces")) == {"/": 1, "/room/{id}": 50}
    assert some(read(io, "sockets")) == {("/room/{id}", "websocket"): 50}
    assert some(read(io, "events_received")) == {("/room/{id}", "event"): 50}
    peer.say_goodbye()
    wait_until(lambda: not some(read(io, "sockets")))
    assert read(io, "disconnects") == {("/room/{id}", "transport close"): 50}


def test_namespaces_and_handlers_made_of_data_have_an_end() -> None:
    io = counted()
    for number in range(1000):
        io.ns(f"/{number}")
    for number in range(1000):
        io.ns("/").on(f"job {number}", lambda: None)
        io.emit(f"job {number}")
    assert len(read(io, "connects")) < 300
    assert len(read(io, "events_emitted")) < 1000
    assert sum(read(io, "events_emitted").values()) == 1000


def test_metrics_are_read_in_any_thread(serve: Serve) -> None:
    io = counted()
    site = serve(io)
    peers = [site.connect() for _ in range(5)]
    found: list[object] = []
    errors: list[BaseException] = []

    def scrape() -> None:
        try:
            for _ in range(200):
                found.append(read(io, "sockets"))
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=scrape)
    thread.start()
    while thread.is_alive():
        for peer in peers:
            peer.ask("event")
    thread.join()
    sys.setswitchinterval(interval)
    assert errors == []
    assert found == [{("/", "polling"): 0, ("/", "websocket"): 5}] * 200


# What can't be


def test_what_are_no_metrics() -> None:
    with pytest.raises(TypeError, match=r"metrics must be a geventsio.metrics.Metrics, not True"):
        SocketIO(metrics=True)  # type: ignore[arg-type]


def test_each_server_has_its_own() -> None:
    metrics = Metrics()
    SocketIO(metrics=metrics)
    with pytest.raises(ValueError, match="belong to another server"):
        SocketIO(metrics=metrics)


def test_those_of_no_server() -> None:
    with pytest.raises(RuntimeError, match="belong to no server"):
        Metrics().collect()


@pytest.mark.parametrize("buckets", [[], [1, 1], [2, 1], [1, float("inf")]], ids=["none", "twice", "down", "infinite"])
def test_buckets_that_are_none(buckets: list[float]) -> None:
    with pytest.raises(ValueError, match="buckets must be ascending numbers"):
        Metrics(buckets=buckets)


def test_one_name_is_no_collection_of_names() -> None:
    with pytest.raises(TypeError, match="emitted must be a collection"):
        Metrics(emitted="news")
