"""Tests of namespaces that clients call into being: whom they let in, what they share, when they end."""

from __future__ import annotations

import gc
import re
from collections.abc import Mapping
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import (
    AdapterError,
    ConnectRefused,
    Data,
    DynamicNamespace,
    EventCall,
    HandlerSignatureError,
    Namespace,
    NamespaceError,
    Next,
    PatternConflictError,
    PatternError,
    Socket,
    SocketIO,
)
from geventsio.adapters import LocalAdapter, LocalSocket
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet

INVALID = {"message": "Invalid namespace"}


def paths(io: SocketIO) -> list[str]:
    """The paths of the namespaces that exist."""
    return sorted(namespace.path for namespace in io.nsps())


def params(socket: Socket) -> dict[str, str]:
    """An event's handler: what the parameters stand for."""
    return socket.params


def path(socket: Socket) -> str:
    """An event's handler: in which namespace it is called."""
    return socket.ns


def join(socket: Socket) -> None:
    """A connect handler that joins a room."""
    socket.join("room")


# Connecting


def test_a_client_calls_a_namespace_into_being(serve: Serve, transport: str) -> None:
    io = SocketIO()
    seen: list[tuple[str, dict[str, str], object]] = []

    @io.dyn_ns("/client/{id}")
    def connect(socket: Socket, auth: Data[dict[str, Any]]) -> None:
        seen.append((socket.ns, socket.params, auth))
        socket.emit("welcome")

    site = serve(io)
    assert io.nsps() == []
    peer = site.peer(transport)
    sid = peer.connect("/client/42", {"token": "x"})
    assert peer.packet() == Packet(EVENT, "/client/42", ["welcome"])
    assert seen == [("/client/42", {"id": "42"}, {"token": "x"})]
    assert paths(io) == ["/client/42"]
    assert sid in io.of("/client/42").sockets


def test_the_values_of_parameters(serve: Serve) -> None:
    io = SocketIO()
    io.dyn_ns("/files/{user}/img-{name}.png").on("params", params)
    io.dyn_ns("/tree/{*path}").on("params", params)
    io.ns("/static").on("params", params)
    peer = serve(io).websocket()
    for asked, values in {
        "/files/größe/img-a.png.png": {"user": "größe", "name": "a.png"},
        "/tree/a//b/": {"path": "a//b/"},
        "/static": {},
    }.items():
        peer.connect(asked)
        assert peer.ask("params", namespace=asked) == [values]
    for asked in ("/files/a/b/img-c.png", "/files//img-c.png", "/tree/", "/tree", "/statics", "/", "/Tree/a"):
        assert peer.refused(asked) == INVALID


def test_what_one_handler_does_with_its_params_others_do_not_see(serve: Serve) -> None:
    io = SocketIO()

    @io.dyn_ns("/{id}").on("take")
    def take(socket: Socket) -> str:
        return socket.params.pop("id")

    peer = serve(io).connect("/1")
    assert peer.ask("take", namespace="/1") == ["1"]
    assert peer.ask("take", namespace="/1") == ["1"]


def test_a_namespace_that_exists_comes_before_patterns(serve: Serve) -> None:
    io = SocketIO()
    io.dyn_ns("/{id}").on("who", lambda: "dynamic")
    io.dyn_ns("/vip").on("who", lambda: "vip")
    io.ns("/admin").on("who", lambda: "static")
    peer = serve(io).websocket()
    for asked, who in {"/admin": "static", "/admins": "dynamic", "/vip": "vip"}.items():
        peer.connect(asked)
        assert peer.ask("who", namespace=asked) == [who]
        assert io.of(asked).params == ({"id": "admins"} if asked == "/admins" else {})


def test_a_pattern_without_its_slash(serve: Serve) -> None:
    io = SocketIO()
    users = io.dyn_ns("client/{id}")
    assert users.path == "/client/{id}"
    serve(io).connect("/client/1")


@pytest.mark.parametrize("pattern", ["/{}", "/{a}{b}", "/{*a}/b", "/a,b", "/a?b={c}", "/" + "a/" * 200])
def test_patterns_that_nothing_can_match_are_refused(pattern: str) -> None:
    io = SocketIO()
    with pytest.raises(ValueError):
        io.dyn_ns(pattern)


def test_a_pattern_is_text() -> None:
    io = SocketIO()
    for pattern in (None, b"/x", re.compile(b"/x"), ["/x"]):
        with pytest.raises(TypeError, match="a pattern is a str, or a compiled regular expression"):
            io.dyn_ns(pattern)  # type: ignore[arg-type]


def test_patterns_that_match_the_same_paths_are_refused() -> None:
    io = SocketIO()
    io.dyn_ns("/foo/{name}")
    with pytest.raises(PatternConflictError, match="conflict with previously registered route: /foo/{name}$"):
        io.dyn_ns("/foo/{names}")
    with pytest.raises(NamespaceError):
        io.dyn_ns("/foo/{name}")
    with pytest.raises(PatternError):
        io.dyn_ns("/foo/{*rest}")


def test_a_handler_that_can_not_work_leaves_the_pattern_free(serve: Serve) -> None:
    io = SocketIO()
    with pytest.raises(HandlerSignatureError):
        io.dyn_ns("/{id}", lambda socket, auth, more: None)
    io.dyn_ns("/{id}", join)
    serve(io).connect("/7")
    wait_until(lambda: io.of("/7").rooms())


def test_a_regular_expression(serve: Serve) -> None:
    io = SocketIO()
    rooms = io.dyn_ns(re.compile(r"/room-(?P<number>\d+)(?P<extra>x)?(y)?"))
    rooms.on("params", params)
    io.dyn_ns("/room-{name}").on("params", lambda: "pattern")
    peer = serve(io).websocket()
    assert peer.refused("/a/room-1") == INVALID
    peer.connect("/room-1")
    assert peer.ask("params", namespace="/room-1") == ["pattern"]
    assert repr(rooms) == r"<DynamicNamespace /room-(?P<number>\d+)(?P<extra>x)?(y)?>"


def test_a_regular_expression_is_for_the_whole_path(serve: Serve) -> None:
    io = SocketIO()
    io.dyn_ns(re.compile(r"^/room-(?P<number>\d+)(?P<extra>x)?$")).on("params", params)
    peer = serve(io).websocket()
    for asked in ("/room-", "/room-1/", "/a/room-1"):
        assert peer.refused(asked) == INVALID
    for asked, values in {"/room-12": {"number": "12"}, "/room-3x": {"number": "3", "extra": "x"}}.items():
        peer.connect(asked)
        assert peer.ask("params", namespace=asked) == [values]


# What namespaces of a pattern share, and what not


def test_handlers_are_shared(serve: Serve) -> None:
    io = SocketIO()
    users = io.dyn_ns("/client/{id}")
    assert isinstance(users, DynamicNamespace)
    trace: list[str] = []

    @users
    def connect(socket: Socket) -> None:
        trace.append(f"connect {socket.ns}")

    @users.use
    def check(socket: Socket) -> None:
        trace.append(f"check {socket.params['id']}")
        socket.join("room")

    users.on("where", path)
    users.on_fallback(params)

    @users.on_disconnect
    def bye(socket: Socket) -> None:
        trace.append(f"bye {socket.ns}")

    peer = serve(io).websocket()
    for number in ("1", "2"):
        asked = f"/client/{number}"
        peer.connect(asked)
        assert peer.ask("where", namespace=asked) == [asked]
        assert peer.ask("other", namespace=asked) == [{"id": number}]
    io.of("/client/1").to("room").emit("event")
    assert peer.packet() == Packet(EVENT, "/client/1", ["event"])
    assert [namespace.path for namespace in users.nsps()] == ["/client/1", "/client/2"]
    peer.close()
    wait_until(lambda: not io.nsps())
    assert trace[:4] == ["check 1", "connect /client/1", "check 2", "connect /client/2"]
    assert sorted(trace[4:]) == ["bye /client/1", "bye /client/2"]


def test_handlers_registered_later_count_for_those_that_exist(serve: Serve) -> None:
    io = SocketIO()
    users = io.dyn_ns("/client/{id}")
    site = serve(io)
    peer = site.connect("/client/1")
    users.on("late", path)
    assert peer.ask("late", namespace="/client/1") == ["/client/1"]

    @users.use
    def refuse() -> None:
        raise ConnectRefused("closed by now")

    assert site.websocket().refused("/client/1") == {"message": "closed by now"}

    left: list[str] = []
    users.on_disconnect(lambda reason: left.append(str(reason)))
    users(lambda: left.append("never"))
    with pytest.raises(NamespaceError, match="/client/{id} has a connect handler already"):
        users(lambda: None)
    peer.close()
    wait_until(lambda: left)
    assert left == ["transport close"]


def test_whatever_can_be_registered_is_shared(serve: Serve, log: Log) -> None:
    io = SocketIO()
    users = io.dyn_ns("/client/{id}")
    peer = serve(io).websocket()
    for number in ("1", "2"):
        peer.connect(f"/client/{number}")
    trace: list[str] = []

    @users.use_event
    def wrap(call: EventCall, proceed: Next) -> object:
        return ["wrapped", proceed()]

    @users.on_any
    def listen(socket: Socket) -> None:
        trace.append(socket.ns)

    @users.on_error
    def failed(error: Exception, socket: Socket) -> None:
        trace.append(f"{error} in {socket.ns}")

    @users.on("fail")
    def fail() -> None:
        raise RuntimeError("on purpose")

    users.once("once", path)
    assert peer.ask("once", namespace="/client/1") == [["wrapped", "/client/1"]]
    peer.emit("once", namespace="/client/2")  # one time for all of them
    users.on("twice", path)
    assert peer.ask("twice", namespace="/client/2") == [["wrapped", "/client/2"]]
    peer.emit("fail", namespace="/client/2")
    assert log.take_one().exc_info is not None
    assert users.off("twice")
    assert trace == ["/client/1", "/client/2", "/client/2", "/client/2", "on purpose in /client/2"]


def test_patterns_share_nothing_with_each_other(serve: Serve) -> None:
    io = SocketIO()
    io.dyn_ns("/a/{id}").on("who", lambda: "a")
    io.dyn_ns("/b/{id}").on("who", lambda: "b")
    peer = serve(io).websocket()
    for name in ("a", "b"):
        peer.connect(f"/{name}/1")
        assert peer.ask("who", namespace=f"/{name}/1") == [name]


def test_sockets_and_rooms_are_each_namespace_s_own(serve: Serve) -> None:
    io = SocketIO()
    io.dyn_ns("/client/{id}", join)
    site = serve(io)
    peers = [site.connect(f"/client/{number}") for number in (1, 1, 2)]
    io.of("/client/1").to("room").emit("event")
    for peer in peers[:2]:
        assert peer.packet() == Packet(EVENT, "/client/1", ["event"])
    io.of("client/2").emit("only")
    assert peers[2].packet() == Packet(EVENT, "/client/2", ["only"])
    assert [len(io.of(f"/client/{number}").sockets) for number in (1, 2)] == [2, 1]


def test_registering_a_namespace_that_a_client_has_called_gives_that_one(serve: Serve) -> None:
    io = SocketIO()
    users = io.dyn_ns("/client/{id}")
    peer = serve(io).connect("/client/1")
    namespace = io.ns("/client/1")
    assert namespace.template is users
    namespace.emit("hello")
    assert peer.packet() == Packet(EVENT, "/client/1", ["hello"])


# When they end


def test_an_empty_one_ends(serve: Serve) -> None:
    adapters: list[str] = []

    class Noted(LocalAdapter):
        def init(self) -> None:
            adapters.append(f"init {self.namespace}")

        def close(self) -> None:
            adapters.append(f"close {self.namespace} with {len(self.sockets)} sockets")

    io = SocketIO(adapter=Noted)
    gate = Event()
    io.dyn_ns("/client/{id}").on_disconnect(lambda: bool(gate.wait()))
    io.ns("/static")
    site = serve(io)
    first, second = site.connect("/client/1"), site.connect("/client/1")
    namespace = io.of("/client/1")
    first.send_packet(Packet(DISCONNECT, "/client/1"))
    second.send_packet(Packet(DISCONNECT, "/client/1"))
    wait_until(lambda: not any(socket.connected for socket in namespace.sockets.values()))
    assert io.of("/client/1") is namespace  # the disconnect handlers are running, and may use it
    site.connect("/client/1")  # there is no other meanwhile
    assert io.of("/client/1") is namespace
    gate.set()
    wait_until(lambda: len(namespace.sockets) == 1)
    assert io.of("/client/1") is namespace
    namespace.disconnect()
    wait_until(lambda: len(adapters) == 3)
    assert paths(io) == ["/static"]
    with pytest.raises(NamespaceError, match="'/client/1' is not registered"):
        io.of("/client/1")
    assert adapters == ["init /static", "init /client/1", "close /client/1 with 0 sockets"]
    first.connect("/client/1")
    assert io.of("/client/1") is not namespace


def test_a_refused_client_leaves_none_behind(serve: Serve, transport: str) -> None:
    io = SocketIO()

    @io.dyn_ns("/client/{id}").use
    def refuse(socket: Socket) -> None:
        socket.join("room")
        raise ConnectRefused("no")

    peer = serve(io).peer(transport)
    for number in range(10):
        assert peer.refused(f"/client/{number}") == {"message": "no"}
    wait_until(lambda: not io.nsps())


def test_a_client_that_leaves_while_it_is_decided_leaves_none_behind(serve: Serve) -> None:
    io = SocketIO()
    begun, gate = Event(), Event()

    @io.dyn_ns("/client/{id}").use
    def check() -> None:
        begun.set()
        gate.wait()

    site = serve(io)
    peer = site.websocket()
    peer.send_packet(Packet(CONNECT, "/client/1"))
    begun.wait()
    peer.close()
    wait_until(lambda: not io.engine.sessions)
    assert paths(io) == ["/client/1"]
    gate.set()
    wait_until(lambda: not io.nsps())


def test_empty_ones_stay_if_you_say_so(serve: Serve) -> None:
    io = SocketIO(cleanup_empty_child_namespaces=False)
    users = io.dyn_ns("/client/{id}")
    site = serve(io)
    site.connect("/client/1").close()
    wait_until(lambda: not io.engine.sessions and not io.of("/client/1").sockets)
    (namespace,) = users.nsps()
    site.connect("/client/1")
    assert users.nsps() == [namespace]


def test_a_client_can_not_have_more_than_its_share(serve: Serve) -> None:
    io = SocketIO()
    io.dyn_ns("/{*any}")
    peer = serve(io).websocket()
    for number in range(256):
        peer.send_packet(Packet(CONNECT, f"/{number}"))
        peer.packet()
    assert len(io.nsps()) == 256
    peer.send_packet(Packet(CONNECT, "/256"))
    assert peer.end()[0].orderly
    wait_until(lambda: not io.nsps())
    gc.collect()
    assert not [found for found in gc.get_objects() if type(found) is Namespace and found.path == "/256"]


def test_a_client_that_comes_and_goes_leaves_nothing(serve: Serve) -> None:
    io = SocketIO()

    @io.dyn_ns("/refused/{*any}").use
    def refuse() -> None:
        raise ConnectRefused("no")

    io.dyn_ns("/{*any}")
    peer = serve(io).websocket()
    for number in range(300):
        peer.connect(f"/{number}")
        peer.send_packet(Packet(DISCONNECT, f"/{number}"))
        assert peer.refused(f"/refused/{number}") == {"message": "no"}
    wait_until(lambda: not io.nsps())
    # Of what it has been told to have left, the last can still have events under way.
    peer.emit("late", namespace="/refused/299")
    peer.connect("/still here")
    peer.emit("too late", namespace="/refused/0")
    assert peer.end()[0].orderly


# Adapters that take their time


class Slow(LocalAdapter):
    """Its preparation waits for a gate, and may fail."""

    begun: list[str]
    gate: Event
    fails: list[BaseException]
    closed: list[str]

    def init(self) -> None:
        self.begun.append(self.namespace)
        self.gate.wait()
        if self.fails:
            raise self.fails.pop()

    def close(self) -> None:
        gevent.sleep(0)
        self.closed.append(self.namespace)


@pytest.fixture
def slow() -> type[Slow]:
    """A class of adapters with its gate shut."""

    class Fresh(Slow):
        begun: list[str] = []
        gate = Event()
        fails: list[BaseException] = []
        closed: list[str] = []

    return Fresh


def waiting(io: SocketIO) -> int:
    """How many sockets wait, here for their namespace."""
    return io.engine.runtime.workers.busy if io.engine.has_started else 0


def register(io: SocketIO, failures: list[AdapterError]) -> None:
    """Register a namespace, and note what the adapter has to say."""
    try:
        io.ns("/client/1")
    except AdapterError as error:
        failures.append(error)


def test_clients_that_arrive_together_share_one_namespace(serve: Serve, slow: type[Slow]) -> None:
    io = SocketIO(adapter=slow)
    trace: list[str] = []
    io.dyn_ns("/client/{id}", lambda: trace.append("connect"))
    site = serve(io)
    peers = [site.websocket(), site.polling(), site.websocket()]
    for peer in peers:
        peer.send_packet(Packet(CONNECT, "/client/1"))
    wait_until(lambda: waiting(io) == 3)
    registering = gevent.spawn(io.ns, "/client/1")
    gevent.sleep(0)
    assert (slow.begun, io.nsps(), trace, registering.ready()) == (["/client/1"], [], [], False)
    with pytest.raises(NamespaceError):
        io.of("/client/1")
    slow.gate.set()
    ids = {peer.packet().data["sid"] for peer in peers}
    namespace = io.of("/client/1")
    assert set(namespace.sockets) == ids
    assert len(ids) == 3
    assert registering.get() is namespace
    assert slow.begun == ["/client/1"]
    assert trace == ["connect"] * 3


def cause(error: BaseException | None) -> BaseException | None:
    """What the adapter has raised; users see an AdapterError in any case."""
    assert isinstance(error, AdapterError)
    return error.__cause__ or error


@pytest.mark.parametrize("error", [AdapterError("the broker is gone"), RuntimeError("a mistake")])
def test_a_preparation_that_fails(serve: Serve, slow: type[Slow], log: Log, error: Exception) -> None:
    io = SocketIO(adapter=slow)
    io.dyn_ns("/client/{id}")
    slow.fails.append(error)
    site = serve(io)
    peers = [site.websocket(), site.polling(), site.websocket()]
    for peer in peers:
        peer.send_packet(Packet(CONNECT, "/client/1"))
    wait_until(lambda: waiting(io) == 3)
    failures: list[AdapterError] = []
    registering = gevent.spawn(register, io, failures)
    gevent.sleep(0)
    slow.gate.set()
    for peer in peers:
        assert peer.packet() == Packet(CONNECT_ERROR, "/client/1", {"message": "Namespace unavailable"})
    registering.get()
    assert str(failures[0]) == "the adapter of /client/1 can't be prepared"
    assert cause(failures[0].__cause__) is error
    record = log.take_one()
    assert record.getMessage() == "the adapter of /client/1 can't be prepared"
    assert record.exc_info is not None and cause(record.exc_info[1]) is error
    assert io.nsps() == []
    assert slow.closed == []
    peers[0].connect("/client/1")  # the next one tries again
    assert slow.begun == ["/client/1"] * 2
    assert paths(io) == ["/client/1"]


def test_an_adapter_that_can_not_be_made(serve: Serve, log: Log) -> None:
    def make(namespace: str, sockets: Mapping[str, LocalSocket]) -> LocalAdapter:
        if namespace.endswith("bad"):
            raise RuntimeError("no adapter for this")
        return LocalAdapter(namespace, sockets)

    io = SocketIO(adapter=make)
    io.dyn_ns("/{id}")
    peer = serve(io).connect("/good")
    assert peer.refused("/bad") == {"message": "Namespace unavailable"}
    assert log.take_one().getMessage() == "the adapter of /bad can't be prepared"
    with pytest.raises(AdapterError, match="no adapter for this"):
        io.ns("/bad")
    assert paths(io) == ["/good"]


def test_all_who_asked_may_be_gone_when_the_namespace_is_there(serve: Serve, slow: type[Slow]) -> None:
    io = SocketIO(adapter=slow)
    trace: list[str] = []
    io.dyn_ns("/client/{id}", lambda: trace.append("connect"))
    site = serve(io)
    left, gone = site.websocket(), site.websocket()
    for peer in (left, gone):
        peer.send_packet(Packet(CONNECT, "/client/1"))
    wait_until(lambda: slow.begun)
    left.send_packet(Packet(DISCONNECT, "/client/1"))
    gone.close()
    wait_until(lambda: len(io.engine.sessions) == 1)
    slow.gate.set()
    wait_until(lambda: slow.closed)
    assert io.nsps() == []
    assert trace == []
    left.connect("/client/1")
    wait_until(lambda: trace)


def test_a_client_asks_once_more_while_the_namespace_is_prepared(serve: Serve, slow: type[Slow]) -> None:
    io = SocketIO(adapter=slow)
    io.dyn_ns("/client/{id}")
    site = serve(io)
    peer = site.websocket()
    peer.send_packet(Packet(CONNECT, "/client/1"), Packet(DISCONNECT, "/client/1"), Packet(CONNECT, "/client/1"))
    wait_until(lambda: slow.begun)
    slow.gate.set()
    sid = peer.packet().data["sid"]
    wait_until(lambda: not waiting(io))
    assert list(io.of("/client/1").sockets) == [sid]
    assert slow.begun == ["/client/1"]


def test_the_next_one_waits_until_the_last_one_s_adapter_is_closed(serve: Serve) -> None:
    trace: list[str] = []
    closing, gate = Event(), Event()

    class Lingering(LocalAdapter):
        def init(self) -> None:
            trace.append("init")

        def close(self) -> None:
            closing.set()
            gate.wait()
            trace.append("closed")

    io = SocketIO(adapter=Lingering)
    io.dyn_ns("/client/{id}")
    peer = serve(io).connect("/client/1")
    peer.send_packet(Packet(DISCONNECT, "/client/1"))
    closing.wait()
    peer.send_packet(Packet(CONNECT, "/client/1"))
    wait_until(lambda: waiting(io))
    assert trace == ["init"]
    gate.set()
    assert peer.packet().type == CONNECT
    assert trace == ["init", "closed", "init"]


def test_an_adapter_that_can_not_be_closed(serve: Serve, log: Log) -> None:
    class Broken(LocalAdapter):
        def close(self) -> None:
            raise RuntimeError("will not close")

    io = SocketIO(adapter=Broken)
    io.dyn_ns("/client/{id}")
    peer = serve(io).connect("/client/1")
    peer.send_packet(Packet(DISCONNECT, "/client/1"))
    assert log.take_one().getMessage() == "the adapter of /client/1 could not be closed"
    peer.connect("/client/1")
    assert io.close(timeout=10) is True
    assert log.take_one().getMessage() == "the adapter of /client/1 could not be closed"


def test_a_slow_registration_is_shared_too(serve: Serve, slow: type[Slow]) -> None:
    io = SocketIO(adapter=slow)
    first, second = gevent.spawn(io.ns, "/chat"), gevent.spawn(io.ns, "chat")
    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT, "/chat"))
    wait_until(lambda: waiting(io))
    slow.gate.set()
    assert first.get() is second.get() is io.of("/chat")
    assert peer.packet().type == CONNECT
    assert slow.begun == ["/chat"]


def test_a_registration_that_is_killed_leaves_nothing(serve: Serve, slow: type[Slow]) -> None:
    io = SocketIO(adapter=slow)
    registering = gevent.spawn(io.ns, "/chat")
    peer = serve(io).websocket()
    wait_until(lambda: slow.begun)
    peer.send_packet(Packet(CONNECT, "/chat"))
    wait_until(lambda: waiting(io))
    registering.kill()
    assert peer.packet() == Packet(CONNECT_ERROR, "/chat", {"message": "Namespace unavailable"})
    slow.gate.set()
    assert io.ns("/chat") is io.of("/chat")
    peer.connect("/chat")


def test_events_wait_for_the_namespace(serve: Serve, slow: type[Slow], transport: str) -> None:
    io = SocketIO(adapter=slow)
    io.dyn_ns("/client/{id}").on("echo", lambda value: value)
    peer = serve(io).peer(transport)
    peer.send_packet(Packet(CONNECT, "/client/1"), Packet(EVENT, "/client/1", ["echo", "early"], 0))
    wait_until(lambda: slow.begun)
    slow.gate.set()
    assert peer.packet().type == CONNECT
    assert peer.packet().data == ["early"]
