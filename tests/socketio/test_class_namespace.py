"""Tests of class-based namespaces."""

from __future__ import annotations

from typing import Any

import pytest
from gevent.event import Event

from geventsio import (
    AckSender,
    ClassNamespace,
    Data,
    DisconnectReason,
    HandlerSignatureError,
    NamespaceError,
    Socket,
    SocketIO,
    event,
)
from geventsio.context import current
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import EVENT, Packet


class Chat(ClassNamespace):
    """Has a method of each kind."""

    def __init__(self, path: str | None = None) -> None:
        super().__init__(path)
        self.trace: list[tuple[Any, ...]] = []

    def on_connect(self, socket: Socket, auth: Data[dict[str, Any]]) -> None:
        self.trace.append(("connect", socket.id, auth))
        socket.join("lobby")

    def on_disconnect(self, socket: Socket, reason: DisconnectReason) -> None:
        self.trace.append(("disconnect", socket.id, str(reason)))

    def on_error(self, error: BaseException, socket: Socket) -> None:
        self.trace.append(("error", socket.id, type(error).__name__))

    def on_fallback(self, *args: Any) -> Any:
        return ("fallback", *args)

    def on_any(self, event: str, *args: Any) -> None:
        self.trace.append(("any", event, *args))

    def on_number(self, value: int, ack: AckSender) -> None:
        ack.send(value + 1)

    @event("my event")
    @event("my-event")
    def speak(self, socket: Socket, text: str) -> str:
        self.namespace.to("lobby").emit("said", text)
        return f"{self.path} {socket.ns} {self.io is socket.io}"

    def helper(self, text: str) -> str:
        """No handler."""
        return text


def test_each_kind_of_method(serve: Serve, log: Log) -> None:
    io = SocketIO()
    chat = Chat("/chat")
    assert io.register(chat) is io.ns("/chat") is chat.namespace
    peer = serve(io).websocket()
    socket_id = peer.connect("/chat", {"user": 1})
    assert peer.ask("number", 6, namespace="/chat") == [7]
    peer.emit("my event", "hello", namespace="/chat")
    assert peer.event("/chat") == ["said", "hello"]
    peer.send('2/chat,5["my-event","hello"]')
    assert peer.event("/chat") == ["said", "hello"]
    assert peer.packet().data == ["/chat /chat True"]
    assert peer.ask("helper", 1, namespace="/chat") == ["fallback", 1]
    assert peer.ask("speak", 1, namespace="/chat") == ["fallback", 1]
    peer.emit("number", "seven", namespace="/chat")
    peer.close()
    wait_until(lambda: chat.trace[-1][0] == "disconnect")
    assert log.take_one().levelname == "WARNING"
    assert chat.trace == [
        ("connect", socket_id, {"user": 1}),
        ("any", "number", 6),
        ("any", "my event", "hello"),
        ("any", "my-event", "hello"),
        ("any", "helper", 1),
        ("any", "speak", 1),
        ("any", "number", "seven"),
        ("error", socket_id, "ExtractError"),
        ("disconnect", socket_id, "transport close"),
    ]


def test_one_class_serves_many_paths(serve: Serve) -> None:
    class Echo(ClassNamespace):
        def on_where(self) -> str:
            return self.path

    class Admin(Echo):
        path = "/admin"

    io = SocketIO()
    for namespace in (Echo(), Echo("one"), Echo("/two"), Admin(), Admin("/other")):
        io.register(namespace)
    peer = serve(io).websocket()
    for path in ("/", "/one", "/two", "/admin", "/other"):
        peer.connect(path)
        (where,) = peer.ask("where", namespace=path)
        assert str(where).removeprefix("/") == path.removeprefix("/")


def test_one_object_serves_all_sockets(serve: Serve) -> None:
    class Counter(ClassNamespace):
        count = 0

        def on_count(self, socket: Socket) -> tuple[int, int]:
            self.count += 1
            socket.data["count"] = socket.data.get("count", 0) + 1
            return self.count, socket.data["count"]

    io = SocketIO()
    io.register(Counter())
    site = serve(io)
    first, second = site.connect(), site.connect()
    answers = [peer.ask("count") for peer in (first, second, first)]
    assert answers == [[1, 1], [2, 1], [3, 2]]


# Inheritance


class Base(ClassNamespace):
    def on_connect(self, socket: Socket) -> None:
        socket.data["greeting"] = "hello"

    def on_kept(self, socket: Socket) -> str:
        return f"kept {socket.data['greeting']}"

    def on_replaced(self) -> str:
        return "of the base"

    def on_off(self) -> str:
        return "of the base"

    @event("odd name")
    def odd(self) -> str:
        return "of the base"

    @event("old name")
    def renamed(self) -> str:
        return "of the base"


class Mixin:
    def on_mixed(self) -> str:
        return "mixed in"


class Derived(Mixin, Base):
    on_off = None  # type: ignore[assignment]

    def on_replaced(self) -> str:
        return f"{super().on_replaced()} and derived"

    def odd(self) -> str:
        return "derived"

    @event("new name")
    def renamed(self) -> str:
        return "derived"


def test_methods_are_inherited_and_overridden(serve: Serve) -> None:
    io = SocketIO()
    io.register(Derived())
    io.ns("/").on_fallback(lambda: "nobody's")
    peer = serve(io).connect()
    names = ["kept", "replaced", "off", "odd name", "odd", "old name", "new name", "mixed"]
    assert {name: peer.ask(name)[0] for name in names} == {
        "kept": "kept hello",
        "replaced": "of the base and derived",
        "off": "nobody's",
        "odd name": "derived",
        "odd": "nobody's",
        "old name": "nobody's",
        "new name": "derived",
        "mixed": "mixed in",
    }


def test_static_methods_and_class_methods(serve: Serve) -> None:
    class Namespace(ClassNamespace):
        @staticmethod
        def on_static(text: str) -> str:
            return text

        @classmethod
        def on_class(cls, text: str) -> str:
            return f"{cls.__name__} {text}"

    io = SocketIO()
    io.register(Namespace())
    peer = serve(io).connect()
    assert peer.ask("static", "a") == ["a"]
    assert peer.ask("class", "b") == ["Namespace b"]


def test_a_name_that_means_something_else_can_be_an_event(serve: Serve) -> None:
    class Namespace(ClassNamespace):
        @event("any")
        def on_any(self, text: str) -> str:
            return text

        @event("error")
        def failed(self) -> str:
            return "failed"

    io = SocketIO()
    io.register(Namespace())
    peer = serve(io).connect()
    assert peer.ask("any", "a") == ["a"]
    assert peer.ask("error") == ["failed"]


def test_a_method_that_overlaps(serve: Serve) -> None:
    class Namespace(ClassNamespace):
        def __init__(self) -> None:
            self.gate = Event()

        @event("wait", concurrent=True)
        def on_wait(self) -> str:
            self.gate.wait()
            return "waited"

        def on_open(self) -> str:
            self.gate.set()
            return "open"

    io = SocketIO()
    io.register(Namespace())
    peer = serve(io).connect()
    peer.send_packet(Packet(EVENT, "/", ["wait"], 1), Packet(EVENT, "/", ["open"], 2))
    assert sorted(peer.packet().data[0] for _ in range(2)) == ["open", "waited"]


# Beside other handlers


def test_handlers_can_be_added(serve: Serve) -> None:
    io = SocketIO()
    namespace = io.register(Base())
    namespace.on("added", lambda: "added")
    namespace.use(lambda: current.socket.join("room"))
    peer = serve(io).connect()
    assert peer.ask("added") == ["added"]
    assert peer.ask("kept") == ["kept hello"]
    assert io.rooms() == {"room"}


def test_the_namespaces_of_a_pattern(serve: Serve) -> None:
    class Room(ClassNamespace):
        def on_connect(self, socket: Socket) -> None:
            socket.join("room")

        def on_say(self, text: str) -> None:
            self.namespace.to("room").emit("said", text, self.io.nsps().index(self.namespace))

    io = SocketIO()
    rooms = io.dyn_ns("/rooms/{name}")
    room = Room()
    room.attach(rooms)
    assert rooms.owner is room
    with pytest.raises(NamespaceError, match="registered already"):
        Room().attach(rooms)
    peer = serve(io).websocket()
    for path in ("/rooms/a", "/rooms/b"):
        peer.connect(path)
    peer.emit("say", "hello", namespace="/rooms/b")
    assert peer.event("/rooms/b") == ["said", "hello", 1]
    with pytest.raises(RuntimeError, match="not called by a handler"):
        _ = room.namespace


def test_each_path_has_one_instance() -> None:
    io = SocketIO()
    base = Base("/chat")
    io.register(base)
    with pytest.raises(NamespaceError, match="/chat"):
        io.register(Derived("/chat"))
    with pytest.raises(NamespaceError, match="registered already"):
        io.register(base)
    with pytest.raises(NamespaceError, match="registered already"):
        SocketIO().register(base)
    assert io.ns("/chat").owner is base


def test_there_is_one_connect_handler(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/", lambda socket: None)
    base = Base()
    with pytest.raises(NamespaceError, match="has a connect handler already"):
        io.register(base)
    io.ns("/").on_fallback(lambda: "nobody's")
    assert serve(io).connect().ask("kept") == ["nobody's"]


def test_a_method_that_can_not_be_a_handler_leaves_nothing_registered(serve: Serve) -> None:
    class Wrong(Base):
        def on_wrong(self, socket: Socket, reason: DisconnectReason) -> None: ...

    io = SocketIO()
    with pytest.raises(HandlerSignatureError, match=r"'reason' of the event handler .*Wrong\.on_wrong"):
        io.register(Wrong())
    io.register(Base())
    assert serve(io).connect().ask("kept") == ["kept hello"]


def test_reserved_names_are_refused() -> None:
    with pytest.raises(ValueError, match="'disconnect' is a reserved event name"):
        event("disconnect")

    class Wrong(ClassNamespace):
        def on_disconnecting(self) -> None: ...

    with pytest.raises(ValueError, match="'disconnecting' is a reserved event name"):
        SocketIO().register(Wrong())


def test_before_it_is_registered_it_has_no_namespace() -> None:
    base = Base("/chat")
    assert base.path == "/chat"
    with pytest.raises(NamespaceError, match=r"register it with io\.register"):
        _ = base.namespace
    with pytest.raises(NamespaceError, match=r"register it with io\.register"):
        _ = base.io
