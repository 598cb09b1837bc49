"""Tests of the end of namespaces: by `delete_ns`, from anywhere, and with the server."""

from __future__ import annotations

import threading
from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from geventsio import (
    AckClosedError,
    AckSender,
    ConnectRefused,
    DisconnectReason,
    NamespaceError,
    Socket,
    SocketClosedError,
    SocketIO,
)
from geventsio.adapters import LocalAdapter
from geventsio.engine.drain import drain_all
from geventsio.sending.broadcasting import Broadcaster
from geventsio.sending.choosing import Chooser
from tests.socketio.harness import Log, Serve, Site, wait_until
from tests.socketio.peer import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet, Peer

INVALID = {"message": "Invalid namespace"}
GOODBYE = Packet(DISCONNECT, "/chat")
DELETED = "server namespace disconnect"


class Noted(LocalAdapter):
    """Notes when it begins, when it ends, and what is left then."""

    trace: list[str]

    def init(self) -> None:
        self.trace.append(f"init {self.namespace}")

    def close(self) -> None:
        self.trace.append(f"close {self.namespace} with {len(self.sockets)} sockets")


@pytest.fixture
def noted() -> type[Noted]:
    """A class of adapters whose notes begin empty."""

    class Fresh(Noted):
        trace: list[str] = []

    return Fresh


def test_clients_are_told_and_handlers_run(serve: Serve, noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)
    left: list[tuple[str, str, frozenset[str]]] = []
    gate = Event()

    @io.ns("/chat")
    def connect(socket: Socket) -> None:
        socket.join("room")

    @io.ns("/chat").on_disconnect
    def bye(socket: Socket, reason: DisconnectReason) -> None:
        gate.wait()
        left.append((socket.id, str(reason), socket.rooms))

    io.ns("/").on("echo", lambda *args: args)
    site = serve(io)
    peers: list[Peer] = [site.websocket(), site.polling(), site.websocket()]
    for peer in peers:
        peer.connect()
    ids = [peer.connect("/chat") for peer in peers]
    wait_until(lambda: all(socket.rooms for socket in io.of("/chat").sockets.values()))
    sockets = list(io.of("/chat").sockets.values())
    sockets[0].emit("last words")
    io.delete_ns("/chat")
    assert not any(socket.connected for socket in sockets)
    with pytest.raises(SocketClosedError):
        sockets[0].emit("too late")
    assert [namespace.path for namespace in io.nsps()] == ["/"]
    with pytest.raises(NamespaceError):
        io.of("/chat")
    assert peers[0].packet() == Packet(EVENT, "/chat", ["last words"])
    for peer in peers:
        assert peer.packet() == GOODBYE
        assert peer.ask("echo", 1) == [1]  # the connection stays, and the other namespaces
        assert peer.refused("/chat") == INVALID
    assert noted.trace == ["init /chat", "init /"]
    gate.set()
    wait_until(lambda: len(noted.trace) == 3)
    assert noted.trace[2] == "close /chat with 0 sockets"
    assert sorted(left) == sorted((sid, DELETED, frozenset({"room"})) for sid in ids)


@pytest.mark.parametrize("path", ["/nothing", "nothing", "/", "/chat/"])
def test_what_does_not_exist_can_be_deleted(path: str) -> None:
    io = SocketIO()
    io.ns("/chat")
    io.delete_ns(path)
    assert [namespace.path for namespace in io.nsps()] == ["/chat"]


def test_a_path_is_a_path() -> None:
    with pytest.raises(TypeError, match="a namespace's path is a str"):
        SocketIO().delete_ns(None)  # type: ignore[arg-type]


def test_deleting_before_anybody_has_come(noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)
    namespace = io.ns("chat")
    io.delete_ns("chat")
    io.delete_ns("/chat")
    assert noted.trace == ["init /chat", "close /chat with 0 sockets"]
    assert io.ns("/chat") is not namespace
    assert io.close() is True
    assert noted.trace[2:] == ["init /chat", "close /chat with 0 sockets"]


def test_a_namespace_can_be_made_anew(serve: Serve, noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)
    io.ns("/chat").on("who", lambda: "old")
    site = serve(io)
    peer = site.connect("/chat")
    io.delete_ns("/chat")
    io.ns("/chat").on("who", lambda: "new")
    assert peer.packet() == GOODBYE
    peer.connect("/chat")
    assert peer.ask("who", namespace="/chat") == ["new"]
    wait_until(lambda: len(noted.trace) == 3)


def test_a_pattern_makes_it_anew(serve: Serve, noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)
    left: list[str] = []
    io.dyn_ns("/{any}").on_disconnect(lambda reason: left.append(str(reason)))
    site = serve(io)
    peer = site.connect("/chat")
    namespace = io.of("/chat")
    io.delete_ns("/chat")
    assert peer.packet() == GOODBYE
    peer.connect("/chat")
    assert io.of("/chat") is not namespace
    wait_until(lambda: len(noted.trace) == 3)
    assert left == [DELETED]
    assert noted.trace.count("close /chat with 0 sockets") == 1


def test_what_was_under_way_is_ignored(serve: Serve) -> None:
    io = SocketIO()
    seen: list[str] = []
    io.ns("/chat").on("event", lambda: seen.append("event"))
    io.ns("/").on("echo", lambda *args: args)
    peer = serve(io).connect("/chat")
    peer.connect()
    io.delete_ns("/chat")
    peer.emit("event", namespace="/chat")
    peer.send_packet(GOODBYE)
    assert peer.packet() == GOODBYE
    assert peer.ask("echo", 1) == [1]
    assert seen == []


def test_answers_that_are_awaited_fail(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/chat")
    site = serve(io)
    socket = io.of("/chat").sockets[site.websocket().connect("/chat")]
    future, stream = socket.emit_with_ack("question"), io.of("/chat").emit_with_ack("question")
    io.delete_ns("/chat")
    with pytest.raises(AckClosedError):
        future.result()
    assert [type(result) for _, result in stream] == [AckClosedError]


# From everywhere in the namespace itself


def check_gone(io: SocketIO, site: Site, noted: type[Noted], left: list[str]) -> None:
    """Nothing is left of the namespace, its handlers have run, and others are served."""
    wait_until(lambda: len(noted.trace) == 2)
    assert noted.trace == ["init /chat", "close /chat with 0 sockets"]
    assert io.nsps() == []
    assert left == [DELETED]
    assert site.websocket().refused("/chat") == INVALID
    wait_until(lambda: io.engine.runtime.workers.busy == 0)


@pytest.mark.parametrize("place", ["connect handler", "event handler", "ack callback", "spawned greenlet"])
def test_deleting_a_namespace_from_inside(serve: Serve, noted: type[Noted], place: str, transport: str) -> None:
    io = SocketIO(adapter=noted)
    left: list[str] = []
    trace: list[str] = []
    chat = io.ns("/chat")

    def delete() -> None:
        trace.append("begin")
        io.delete_ns("/chat")
        trace.append("end")

    @chat
    def connect(socket: Socket) -> None:
        if place == "connect handler":
            delete()

    @chat.on("delete")
    def event(socket: Socket) -> str | None:
        if place == "ack callback":
            socket.emit_with_ack("ask").add_done_callback(lambda future: delete())
        elif place == "spawned greenlet":
            gevent.spawn(delete)
        else:
            delete()
            gevent.sleep(0)
            return "too late to be told"
        return None

    @chat.on_disconnect
    def bye(socket: Socket, reason: DisconnectReason) -> None:
        assert trace == ["begin", "end"]
        left.append(str(reason))

    site = serve(io)
    peer = site.peer(transport)
    peer.connect("/chat")
    if place != "connect handler":
        peer.send_packet(Packet(EVENT, "/chat", ["delete"], 5))
    if place == "ack callback":
        asked = peer.packet()
        peer.send_packet(Packet(ACK, "/chat", [], asked.id))
    assert peer.packet() == GOODBYE
    check_gone(io, site, noted, left)


@pytest.mark.parametrize("others", [0, 2])
def test_deleting_a_namespace_from_its_disconnect_handler(serve: Serve, noted: type[Noted], others: int) -> None:
    io = SocketIO(adapter=noted)
    left: list[str] = []

    @io.ns("/chat").on_disconnect
    def bye(reason: DisconnectReason) -> None:
        io.delete_ns("/chat")
        gevent.sleep(0)
        left.append(str(reason))
        io.delete_ns("/chat")

    site = serve(io)
    peers = [site.connect("/chat") for _ in range(1 + others)]
    peers[0].send_packet(GOODBYE)
    for peer in peers[1:]:
        assert peer.packet() == GOODBYE
    wait_until(lambda: len(noted.trace) == 2)
    assert noted.trace == ["init /chat", "close /chat with 0 sockets"]
    assert sorted(left) == ["client namespace disconnect"] + [DELETED] * others
    assert peers[0].refused("/chat") == INVALID


def test_deleting_and_registering_in_a_disconnect_handler(serve: Serve, noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)

    @io.ns("/chat").on_disconnect
    def bye() -> None:
        io.delete_ns("/chat")
        io.ns("/chat").on("who", lambda: "new")

    peer = serve(io).connect("/chat")
    peer.send_packet(GOODBYE)
    wait_until(lambda: len(noted.trace) == 3)
    assert sorted(noted.trace) == ["close /chat with 0 sockets", "init /chat", "init /chat"]
    peer.connect("/chat")
    assert peer.ask("who", namespace="/chat") == ["new"]


@pytest.mark.parametrize("registered_anew", [False, True])
def test_deleting_a_namespace_from_its_middleware(serve: Serve, noted: type[Noted], registered_anew: bool) -> None:
    io = SocketIO(adapter=noted)
    trace: list[str] = []
    chat = io.ns("/chat")

    @chat.use
    def check(socket: Socket) -> None:
        socket.join("room")
        io.delete_ns("/chat")
        if registered_anew:
            io.ns("/chat")

    chat(lambda: trace.append("connect"))
    chat.on_disconnect(lambda: trace.append("disconnect"))
    peer = serve(io).websocket()
    assert peer.refused("/chat") == INVALID
    wait_until(lambda: "close /chat with 0 sockets" in noted.trace)
    assert trace == []
    if registered_anew:
        peer.connect("/chat")
    else:
        assert peer.refused("/chat") == INVALID


def test_middlewares_that_are_running_end_in_refusal(serve: Serve, noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)
    trace: list[str] = []
    gate = Event()
    chat = io.ns("/chat")

    @chat.use
    def check() -> None:
        trace.append("begin")
        gate.wait()
        if len(trace) == 2:
            trace.append("refuse")
            raise ConnectRefused("for another reason")

    chat(lambda: trace.append("connect"))
    site = serve(io)
    peers = [site.websocket(), site.polling()]
    for peer in peers:
        peer.send_packet(Packet(CONNECT, "/chat"))
    wait_until(lambda: len(trace) == 2)
    io.delete_ns("/chat")
    gevent.sleep(0)
    assert noted.trace == ["init /chat"]
    gate.set()
    refusals = [peer.packet() for peer in peers]
    messages = sorted(str(packet.data["message"]) for packet in refusals)
    assert {(packet.type, packet.namespace) for packet in refusals} == {(CONNECT_ERROR, "/chat")}
    assert messages == ["Invalid namespace", "for another reason"]
    wait_until(lambda: len(noted.trace) == 2)
    assert trace == ["begin", "begin", "refuse"]


def test_deleting_a_namespace_while_it_is_prepared(serve: Serve) -> None:
    trace: list[str] = []
    gate = Event()

    class Slow(LocalAdapter):
        def init(self) -> None:
            trace.append("init")
            gate.wait()

        def close(self) -> None:
            trace.append("close")

    io = SocketIO(adapter=Slow)
    io.dyn_ns("/{id}")
    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT, "/chat"))
    wait_until(lambda: trace)
    io.delete_ns("/chat")
    registering = gevent.spawn(io.ns, "/static")
    wait_until(lambda: len(trace) == 2)
    io.delete_ns("/static")
    gate.set()
    assert peer.packet() == Packet(CONNECT_ERROR, "/chat", INVALID)
    registering.get()
    wait_until(lambda: len(trace) == 4)
    assert trace == ["init", "init", "close", "close"]
    assert io.nsps() == []


def test_deleting_in_another_thread(serve: Serve, noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)
    left: list[str] = []
    io.ns("/chat").on_disconnect(lambda reason: left.append(str(reason)))
    site = serve(io)
    peer = site.connect("/chat")
    thread = threading.Thread(target=io.delete_ns, args=("/chat",))
    thread.start()
    thread.join()
    assert peer.packet() == GOODBYE
    check_gone(io, site, noted, left)


def test_a_handler_that_is_running_ends_before_the_disconnect_handler(serve: Serve) -> None:
    io = SocketIO()
    trace: list[object] = []
    gate = Event()

    @io.ns("/chat").on("event")
    def event(ack: AckSender, number: int) -> None:
        trace.append(number)
        gate.wait()

    io.ns("/chat").on_disconnect(lambda: trace.append("bye"))
    peer = serve(io).connect("/chat")
    for number in range(3):
        peer.emit("event", number, namespace="/chat")
    wait_until(lambda: trace)
    io.delete_ns("/chat")
    assert peer.packet() == GOODBYE
    gate.set()
    wait_until(lambda: "bye" in trace)
    assert trace[0] == 0
    assert trace[-1] == "bye"


# Shortcuts for a namespace "/" that is not registered


SHORTCUTS: dict[str, Callable[[SocketIO], object]] = {
    "emit": lambda io: io.emit("event"),
    "emit_with_ack": lambda io: io.emit_with_ack("event"),
    "to": lambda io: io.to("room"),
    "within": lambda io: io.within("room"),
    "except_": lambda io: io.except_("room"),
    "local": lambda io: io.local(),
    "broadcast": lambda io: io.broadcast(),
    "timeout": lambda io: io.timeout(1),
    "volatile": lambda io: io.volatile(),
    "sockets": lambda io: io.sockets(),
    "fetch_sockets": lambda io: io.fetch_sockets(),
    "join": lambda io: io.join("room"),
    "leave": lambda io: io.leave("room"),
    "rooms": lambda io: io.rooms(),
    "disconnect": lambda io: io.disconnect(),
    "get_socket": lambda io: io.get_socket("id"),
}


def test_no_shortcut_is_forgotten() -> None:
    inherited = {name for cls in (Chooser, Broadcaster) for name in vars(cls) if not name.startswith("_")}
    assert set(SHORTCUTS) == inherited | {"sockets"}


@pytest.mark.parametrize("name", SHORTCUTS)
@pytest.mark.parametrize("deleted", [False, True], ids=["never registered", "deleted"])
def test_shortcuts_need_the_main_namespace(name: str, deleted: bool) -> None:
    io = SocketIO()
    io.ns("/chat")
    if deleted:
        io.ns("/")
        io.delete_ns("/")
    with pytest.raises(NamespaceError, match=r"the namespace '/' is not registered: register it with io.ns\('/'\)"):
        SHORTCUTS[name](io)


# The server's end


def test_closing_tells_everybody_and_then_closes_each_adapter_once(serve: Serve, noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)
    gate = Event()
    for namespace in (io.ns("/"), io.dyn_ns("/{id}"), io.ns("/empty")):

        @namespace.on_disconnect
        def bye(socket: Socket, reason: DisconnectReason) -> None:
            gate.wait()
            io.emit("left", socket.ns)  # the adapter of another namespace is still there
            noted.trace.append(f"left {socket.ns}: {reason}")

    site = serve(io)
    peers: list[Peer] = [site.websocket(), site.polling()]
    for path in ("/", "/a", "/b"):
        peers[0].connect(path)
    peers[1].connect("/a")
    nowhere: list[Peer] = [site.websocket(), site.polling()]
    noted.trace.clear()
    assert io.close(timeout=0) is False
    for peer in peers + nowhere:
        assert peer.end()[0].orderly
    assert noted.trace == []
    gate.set()
    wait_until(lambda: len(noted.trace) == 8)
    assert sorted(noted.trace[:4]) == sorted(f"left {path}: server shutting down" for path in ("/", "/a", "/a", "/b"))
    assert sorted(noted.trace[4:]) == sorted(f"close {path} with 0 sockets" for path in ("/", "/a", "/b", "/empty"))
    assert io.close(timeout=10) is True
    assert io.drain() is True
    assert len(noted.trace) == 8


@pytest.mark.parametrize("way", ["close", "drain", "process"])
def test_adapters_are_closed_whichever_way_the_server_ends(serve: Serve, noted: type[Noted], way: str) -> None:
    io = SocketIO(adapter=noted)
    io.ns("/").on_disconnect(lambda: noted.trace.append("bye"))
    io.ns("/empty")
    serve(io).connect()
    noted.trace.clear()
    ways: dict[str, Callable[[], object]] = {"close": io.close, "drain": io.drain, "process": drain_all}
    ways[way]()
    assert noted.trace == ["bye", "close / with 0 sockets", "close /empty with 0 sockets"]


def test_draining_closes_adapters_even_if_a_handler_does_not_end(serve: Serve, noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)
    gate = Event()
    io.ns("/").on_disconnect(lambda: bool(gate.wait()))
    serve(io).connect()
    noted.trace.clear()
    assert io.drain(limit=0.01) is False
    assert noted.trace == ["close / with 1 sockets"]
    gate.set()
    wait_until(lambda: not io.sockets())


def test_draining_does_not_wait_for_ever_for_an_adapter(serve: Serve, log: Log) -> None:
    gate = Event()

    class Stuck(LocalAdapter):
        def close(self) -> None:
            gate.wait()
            raise RuntimeError("after all")

    io = SocketIO(adapter=Stuck, close_timeout=0.01)
    io.ns("/")
    serve(io).connect()
    assert io.drain() is True
    gate.set()
    assert log.take_one().getMessage() == "the adapter of / could not be closed"


def test_clients_that_are_being_decided_are_not_let_in_when_the_server_closes(serve: Serve, noted: type[Noted]) -> None:
    io = SocketIO(adapter=noted)
    gate = Event()
    trace: list[str] = []

    @io.dyn_ns("/{id}").use
    def check(socket: Socket) -> None:
        trace.append("check")
        gate.wait()
        socket.join("room")

    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT, "/1"))
    wait_until(lambda: trace)
    assert io.close(timeout=10) is True
    assert noted.trace == ["init /1", "close /1 with 0 sockets"]
    gate.set()
    wait_until(lambda: not io.nsps())
    assert peer.end()[1] == []
    assert noted.trace == ["init /1", "close /1 with 0 sockets"]


def test_clients_of_older_protocols_must_find_the_main_namespace() -> None:
    io = SocketIO(allow_eio3=True)
    io.ns("/")
    with pytest.raises(ValueError, match="allow_eio3"):
        io.delete_ns("/")
    assert [namespace.path for namespace in io.nsps()] == ["/"]
