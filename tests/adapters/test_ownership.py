"""Whose adapters they are: when they begin and end, and what becomes of their errors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from gevent import get_hub
from gevent.event import Event

from geventsio import AdapterError, GeventsioError, NamespaceError, SocketIO
from geventsio.adapters import Adapter, BroadcastOptions, EventPacket, LocalAdapter, LocalSocket
from tests.socketio.harness import Log, Serve, wait_until


class Noted(LocalAdapter):
    """Notes when it is told to begin and to end."""

    def __init__(self, namespace: str, sockets: Mapping[str, LocalSocket]) -> None:
        super().__init__(namespace, sockets)
        self.calls: list[str] = []

    def init(self) -> None:
        assert self.host.make_packet("event", ()).group.text is not None
        self.calls.append("init")

    def close(self) -> None:
        self.calls.append(f"close with {len(self.sockets)} sockets")


def test_each_namespace_has_an_adapter_from_its_beginning_to_the_server_s_end(serve: Serve) -> None:
    io = SocketIO(adapter=Noted)
    adapters = [io.ns("/").adapter, io.ns("/chat").adapter]
    assert adapters[0] is not adapters[1]
    assert io.ns("/").adapter is adapters[0]
    site = serve(io)
    site.connect()
    io.close(timeout=5)
    site.close()
    for adapter in adapters:
        assert isinstance(adapter, Noted)
        assert adapter.calls[:2] == ["init", "close with 0 sockets"]


def test_any_callable_makes_adapters() -> None:
    made: list[str] = []

    def make(name: str, namespace: str, sockets: Mapping[str, LocalSocket]) -> Adapter:
        made.append(f"{name} {namespace} {len(sockets)}")
        return LocalAdapter(namespace, sockets)

    io = SocketIO(adapter=partial(make, "mine"))
    io.ns("/")
    io.ns("chat")
    assert made == ["mine / 0", "mine /chat 0"]


class Unfinished(Adapter):
    """Lacks all that an adapter must have."""


def test_an_adapter_lacks_nothing() -> None:
    with pytest.raises(AdapterError, match="abstract methods '?add_sockets'?, '?broadcast") as caught:
        SocketIO(adapter=Unfinished).ns("/")
    assert isinstance(caught.value.__cause__, TypeError)


class Broken(LocalAdapter):
    """Can't do anything once it is told to fail."""

    failure: Exception | None = None

    def _fail(self, *args: object) -> Any:
        if self.failure is not None:
            raise self.failure

    def init(self) -> None:
        self._fail()

    def close(self) -> None:
        self._fail()

    def __getattribute__(self, name: str) -> Any:
        broken = ("broadcast", "broadcast_with_ack", "add_sockets", "del_sockets", "disconnect_sockets", "rooms")
        if name in (*broken, "fetch_sockets") and self.failure is not None:
            return self._fail
        return super().__getattribute__(name)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], Exception]:
    """Have all `Broken` adapters fail from now on."""

    def fail(failure: Exception) -> Exception:
        monkeypatch.setattr(Broken, "failure", failure)
        return failure

    return fail


Action = Callable[[SocketIO], object]

ACTIONS: dict[str, Action] = {
    "io.emit": lambda io: io.emit("event"),
    "to": lambda io: io.to("room").emit("event"),
    "volatile": lambda io: io.volatile().emit("event"),
    "broadcast": lambda io: io.sockets()[0].broadcast().emit("event"),
    "emit_with_ack": lambda io: io.emit_with_ack("event"),
    "fetch_sockets": lambda io: io.fetch_sockets(),
    "join": lambda io: io.join("room"),
    "leave": lambda io: io.to("room").leave("other"),
    "rooms": lambda io: io.rooms(),
    "disconnect": lambda io: io.disconnect(),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_what_an_adapter_can_not_do_is_an_error_for_who_asked(
    serve: Serve, broken: Callable[[Exception], Exception], action: Action, log: Log
) -> None:
    io = SocketIO(adapter=Broken)
    io.ns("/").on("echo", lambda *args: args)
    peer = serve(io).connect()
    failure = broken(AdapterError("the broker is gone"))
    with pytest.raises(AdapterError, match="^the broker is gone$") as caught:
        action(io)
    assert caught.value is failure
    cause = broken(ConnectionError("refused"))
    with pytest.raises(AdapterError, match=re.escape("the adapter of / failed: ConnectionError('refused')")) as caught:
        action(io)
    assert caught.value.__cause__ is cause
    assert isinstance(caught.value, GeventsioError)
    io.sockets()[0].emit("direct")  # needs no adapter
    assert peer.event() == ["direct"]
    assert peer.ask("echo", 1) == [1]
    assert len(io.ack_deadlines(None)) == 0
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    io.close()
    assert log.take_one().getMessage() == "the adapter of / could not be closed"
    broken(None)  # type: ignore[arg-type]


def test_remote_sockets_fail_with_their_adapter(serve: Serve, broken: Callable[[Exception], Exception]) -> None:
    io = SocketIO(adapter=Broken)
    io.ns("/")
    serve(io).connect()
    (remote,) = io.fetch_sockets()
    broken(ConnectionError("refused"))
    actions: list[Callable[[], object]] = [
        lambda: remote.emit("event"),
        lambda: remote.emit_with_ack("event"),
        lambda: remote.join("room"),
        lambda: remote.leave("room"),
        lambda: remote.disconnect(),
    ]
    for action in actions:
        with pytest.raises(AdapterError):
            action()
    broken(None)  # type: ignore[arg-type]


def test_a_namespace_whose_adapter_can_not_begin_is_not_registered(
    serve: Serve, broken: Callable[[Exception], Exception]
) -> None:
    io = SocketIO(adapter=Broken)
    io.ns("/")
    broken(OSError("no route"))
    with pytest.raises(AdapterError, match="no route"):
        io.ns("/chat")
    with pytest.raises(NamespaceError):
        io.of("/chat")
    broken(None)  # type: ignore[arg-type]
    assert serve(io).websocket().refused("/chat") == {"message": "Invalid namespace"}
    io.ns("/chat")  # may be tried again
    assert len(io.nsps()) == 2


def test_errors_in_another_thread_s_operations_are_logged(
    serve: Serve, broken: Callable[[Exception], Exception], log: Log
) -> None:
    io = SocketIO(adapter=Broken)
    io.ns("/").on("echo", lambda *args: args)
    peer = serve(io).connect()
    failure = broken(ConnectionError("refused"))
    get_hub().threadpool.apply(io.emit, ("event",))
    record = log.take_one()
    assert record.getMessage() == "the adapter of / failed"
    assert record.exc_info is not None and record.exc_info[1] is failure
    broken(None)  # type: ignore[arg-type]
    get_hub().threadpool.apply(io.emit, ("event",))
    assert peer.event() == ["event"]


def test_another_thread_can_not_ask_other_servers(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    serve(io).connect()

    def ask_all() -> None:
        for ask in (io.fetch_sockets, io.rooms, lambda: io.emit_with_ack("event")):
            with pytest.raises(RuntimeError, match="in the thread that serves the clients"):
                ask()

    get_hub().threadpool.apply(ask_all)


class Patient(LocalAdapter):
    """Waits, in the greenlet of who asks, until it is told to go on."""

    def __init__(self, gate: Event, namespace: str, sockets: Mapping[str, LocalSocket]) -> None:
        super().__init__(namespace, sockets)
        self._gate = gate

    def broadcast(self, packet: EventPacket, options: BroadcastOptions) -> None:
        self._gate.wait()
        super().broadcast(packet, options)


def test_an_adapter_may_wait(serve: Serve) -> None:
    gate = Event()
    io = SocketIO(adapter=partial(Patient, gate))

    @io.ns("/").on("tell")
    def tell() -> str:
        io.emit("event")
        return "told"

    io.ns("/").on("echo", lambda *args: args)
    site = serve(io)
    peer, other = site.connect(), site.connect()
    peer.send('25["tell"]')
    assert other.ask("echo", 1) == [1]
    get_hub().threadpool.apply(io.emit, ("from afar",))
    gate.set()
    assert {str(other.event()[0]) for _ in range(2)} == {"event", "from afar"}


class Busy(LocalAdapter):
    """Keeps the hub, as bad code does."""

    def broadcast(self, packet: EventPacket, options: BroadcastOptions) -> None:
        time.sleep(0.05)
        super().broadcast(packet, options)


def test_an_adapter_that_blocks_the_hub_is_named(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    io = SocketIO(adapter=Busy, blocked_threshold=0.02)
    io.ns("/chat")
    peer = serve(io).websocket()
    peer.connect("/chat")
    get_hub().threadpool.apply(io.of("/chat").emit, ("event",))
    assert peer.event("/chat") == ["event"]
    assert any("the adapter's Busy.broadcast in /chat" in message for message in caplog.messages)
