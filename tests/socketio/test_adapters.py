"""The contract of adapters, tested with the sockets of a real server; each adapter is to pass all of it."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import FrozenInstanceError, dataclass

import pytest

from geventsio import AdapterError, GeventsioError, Socket, SocketIO
from geventsio.adapters import Adapter, BroadcastOptions, LocalAdapter, LocalSocket
from geventsio.protocol.packet_group import PacketGroup
from tests.socketio.harness import Serve, wait_until
from tests.socketio.peer import DISCONNECT, Packet, WebSocketPeer

Factory = Callable[[str, Mapping[str, LocalSocket]], Adapter]

#: The adapters that are held to the contract, by name.
ADAPTERS: dict[str, Factory] = {"local": LocalAdapter}


@pytest.fixture(params=ADAPTERS)
def make_adapter(request: pytest.FixtureRequest) -> Factory:
    """Each adapter in turn."""
    return ADAPTERS[request.param]


@dataclass
class Three:
    """Sockets A, B and C of one namespace, in no room."""

    adapter: Adapter
    sockets: dict[str, Socket]
    peers: dict[str, WebSocketPeer]

    def names(self, sockets: Iterable[object]) -> str:
        """The names of sockets, each as often as it is there."""
        return "".join(sorted(name for name, socket in self.sockets.items() for found in sockets if found is socket))

    def chosen(self, options: BroadcastOptions) -> str:
        """Whom an operation is for, by what `broadcast` sends and by what `local_sockets` returns, which must agree."""
        self.adapter.broadcast(PacketGroup(b'42["event"]'), options)
        got = ""
        for name, peer in self.peers.items():
            messages = peer.rest()
            assert set(messages) <= {'2["event"]'}
            got += name * len(messages)
        assert self.names(self.adapter.local_sockets(options)) == got
        return got


@pytest.fixture
def three(serve: Serve, make_adapter: Factory) -> Three:
    """See `Three`."""
    io = SocketIO(adapter=make_adapter)
    root = io.ns("/")
    site = serve(io)
    peers = {name: site.websocket() for name in "ABC"}
    sockets = {name: root.sockets[peer.connect()] for name, peer in peers.items()}
    return Three(root.adapter, sockets, peers)


# Rooms


def test_rooms_are_joined_and_left(three: Three) -> None:
    adapter, a, b = three.adapter, three.sockets["A"], three.sockets["B"]
    adapter.join(a, ["x", "y"])
    adapter.join(a, ("y", "z"))
    adapter.join(b, ["x"])
    assert adapter.socket_rooms(a) == {"x", "y", "z"}
    assert adapter.socket_rooms(b) == {"x"}
    assert adapter.socket_rooms(three.sockets["C"]) == frozenset()
    adapter.leave(a, ["x", "never joined"])
    adapter.leave(three.sockets["C"], ["x"])
    assert adapter.socket_rooms(a) == {"y", "z"}
    assert three.chosen(BroadcastOptions(rooms=("x",))) == "B"
    adapter.leave_all(a)
    adapter.leave_all(a)
    assert adapter.socket_rooms(a) == frozenset()
    assert adapter.rooms(BroadcastOptions()) == {"x"}


def test_a_room_that_is_empty_does_not_exist(three: Three) -> None:
    adapter, a, b = three.adapter, three.sockets["A"], three.sockets["B"]
    adapter.join(a, ["x", "y"])
    adapter.join(b, ["x"])
    assert adapter.rooms(BroadcastOptions()) == {"x", "y"}
    adapter.leave(a, ["x", "y"])
    assert adapter.rooms(BroadcastOptions()) == {"x"}
    adapter.leave_all(b)
    assert adapter.rooms(BroadcastOptions()) == frozenset()
    assert three.chosen(BroadcastOptions(rooms=("x",))) == ""


class Name(str):
    """A room's name that can be watched."""

    __slots__ = ("__weakref__",)


def test_a_room_that_is_empty_is_forgotten(three: Three) -> None:
    adapter, a, b = three.adapter, three.sockets["A"], three.sockets["B"]
    names = [Name(f"room {number}") for number in range(3)]
    watched = [weakref.ref(name) for name in names]
    for socket in (a, b):
        adapter.join(socket, names)
        adapter.leave(socket, names[:2])
    adapter.leave_all(a)
    three.peers["B"].close()
    wait_until(lambda: b.id not in adapter.sockets)
    names.clear()
    gc.collect()
    assert [name() for name in watched] == [None] * 3


def test_what_is_returned_does_not_change_afterwards(three: Three) -> None:
    adapter, a = three.adapter, three.sockets["A"]
    adapter.join(a, ["x"])
    rooms, chosen = adapter.socket_rooms(a), adapter.local_sockets(BroadcastOptions(rooms=("x",)))
    adapter.leave_all(a)
    assert rooms == {"x"}
    assert chosen == [a]


def test_many_rooms_and_no_trace_of_them(three: Three) -> None:
    adapter, a = three.adapter, three.sockets["A"]
    names = [f"room {number}" for number in range(1000)]
    adapter.join(a, names)
    assert len(adapter.socket_rooms(a)) == 1000
    assert three.chosen(BroadcastOptions(rooms=tuple(names))) == "A"
    adapter.leave(a, names)
    assert adapter.rooms(BroadcastOptions()) == frozenset()


# Choosing


@pytest.mark.parametrize(
    ("rooms", "except_rooms", "except_name", "chosen"),
    [
        ((), (), None, "ABC"),
        ((), (), "A", "BC"),
        ((), ("x",), None, "C"),
        ((), ("x", "y"), None, ""),
        ((), ("unknown",), None, "ABC"),
        ((), ("y",), "B", "A"),
        (("x",), (), None, "AB"),
        (("x", "x"), (), None, "AB"),
        (("x", "y"), (), None, "ABC"),
        (("y", "x"), (), "A", "BC"),
        (("x",), ("y",), None, "A"),
        (("x", "y"), ("x",), None, "C"),
        (("x", "y"), ("y",), "A", ""),
        (("unknown",), (), None, ""),
        (("unknown", "x"), (), None, "AB"),
        (("A",), (), None, "A"),
        (("A", "x"), (), None, "AB"),
        (("A",), (), "A", ""),
        (("x",), ("A",), None, "B"),
        ((), ("A", "C"), None, "B"),
    ],
)
@pytest.mark.parametrize("local", [False, True])
def test_whom_an_operation_is_for(
    three: Three,
    rooms: tuple[str, ...],
    except_rooms: tuple[str, ...],
    except_name: str | None,
    chosen: str,
    local: bool,
) -> None:
    three.adapter.join(three.sockets["A"], ["x"])
    three.adapter.join(three.sockets["B"], ["x", "y"])
    three.adapter.join(three.sockets["C"], ["y"])
    ids = {name: socket.id for name, socket in three.sockets.items()}  # a name of a socket stands for its own room
    options = BroadcastOptions(
        tuple(ids.get(room, room) for room in rooms),
        tuple(ids.get(room, room) for room in except_rooms),
        None if except_name is None else ids[except_name],
        local,
    )
    assert three.chosen(options) == chosen


def test_an_id_that_nobody_has_excludes_nobody(three: Three) -> None:
    assert three.chosen(BroadcastOptions(except_id="nobody")) == "ABC"


def test_sockets_that_have_left_are_not_chosen(three: Three) -> None:
    a = three.sockets["A"]
    three.adapter.join(a, ["x"])
    three.peers.pop("A").close()
    wait_until(lambda: a.id not in three.adapter.sockets)
    assert three.chosen(BroadcastOptions()) == "BC"
    assert three.chosen(BroadcastOptions(rooms=("x", a.id))) == ""
    assert three.adapter.socket_rooms(a) == frozenset()


def test_options_can_cross_a_wire() -> None:
    options = BroadcastOptions(("a",), ("b",), "id", True)
    assert options == BroadcastOptions(rooms=("a",), except_rooms=("b",), except_id="id", local=True)
    assert hash(options) == hash(BroadcastOptions(("a",), ("b",), "id", True))
    with pytest.raises(FrozenInstanceError):
        options.local = False  # type: ignore[misc]


# Operations


def test_attachments_follow_their_packet(three: Three) -> None:
    text = b'452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    three.adapter.broadcast(PacketGroup(text, (b"one", b"two")), BroadcastOptions())
    for peer in three.peers.values():
        assert peer.event() == ["x", b"one", b"two"]


def test_each_recipient_is_expected_before_it_is_sent_to(three: Three) -> None:
    a = three.sockets["A"]
    three.adapter.join(a, ["x"])
    three.adapter.join(three.sockets["B"], ["x"])
    expected: list[LocalSocket] = []
    options = BroadcastOptions(rooms=("x", a.id))
    three.adapter.broadcast_with_ack(PacketGroup(b'427["question"]'), options, expected.append)
    assert three.names(expected) == "AB"
    for name in "AB":
        assert three.peers[name].question() == (7, ["question"])
    assert three.peers["C"].rest() == []


def test_sockets_are_put_into_rooms_and_taken_out(three: Three) -> None:
    adapter = three.adapter
    adapter.add_sockets(BroadcastOptions(except_id=three.sockets["C"].id), ("x", "y"))
    assert three.chosen(BroadcastOptions(rooms=("y",))) == "AB"
    adapter.add_sockets(BroadcastOptions(rooms=("x",)), ("x", "z"))
    adapter.del_sockets(BroadcastOptions(rooms=("x",), except_rooms=(three.sockets["A"].id,)), ("x", "never joined"))
    assert three.chosen(BroadcastOptions(rooms=("x",))) == "A"
    adapter.add_sockets(BroadcastOptions(rooms=("unknown",)), ("w",))
    assert adapter.rooms(BroadcastOptions()) == {"x", "y", "z"}
    assert adapter.rooms(BroadcastOptions(rooms=(three.sockets["B"].id,))) == {"y", "z"}


@pytest.mark.parametrize("close", [False, True])
def test_sockets_are_disconnected(three: Three, close: bool) -> None:
    a, b = three.sockets["A"], three.sockets["B"]
    for socket in (a, b):
        three.adapter.join(socket, ["x"])
    three.adapter.disconnect_sockets(BroadcastOptions(rooms=("x",), except_id=a.id), close)
    assert (a.connected, b.connected) == (True, False)
    assert three.peers["B"].packet() == Packet(DISCONNECT)
    if close:
        assert three.peers["B"].end()[0].orderly
    wait_until(lambda: b.id not in three.adapter.sockets)
    assert three.adapter.socket_rooms(b) == frozenset()


def test_a_server_that_stands_alone_is_one(make_adapter: Factory) -> None:
    adapter = SocketIO(adapter=make_adapter).ns("/chat").adapter
    assert adapter.server_count() == 1
    assert adapter.namespace == "/chat"


# Whose adapter it is


class Noted(LocalAdapter):
    """Notes when it is told to begin and to end."""

    def __init__(self, namespace: str, sockets: Mapping[str, LocalSocket]) -> None:
        super().__init__(namespace, sockets)
        self.calls: list[str] = []

    def init(self) -> None:
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


class Broken(LocalAdapter):
    """Can't reach the others."""

    def broadcast(self, group: PacketGroup, options: BroadcastOptions) -> None:
        raise AdapterError("the broker is gone")


def test_what_an_adapter_can_not_do_is_an_error_for_who_asked(serve: Serve) -> None:
    io = SocketIO(adapter=Broken)
    io.ns("/").on("echo", lambda *args: args)
    peer = serve(io).connect()
    for emit in (io.emit, io.to("room").emit, io.sockets()[0].broadcast().emit):
        with pytest.raises(AdapterError, match="^the broker is gone$") as caught:
            emit("event")
        assert isinstance(caught.value, GeventsioError)
    io.sockets()[0].emit("direct")  # needs no adapter
    assert peer.event() == ["direct"]
    assert peer.ask("echo", 1) == [1]


class Unfinished(Adapter):
    """Lacks all that an adapter must have."""


def test_an_adapter_lacks_nothing() -> None:
    with pytest.raises(TypeError, match=re.escape("abstract")):
        SocketIO(adapter=Unfinished).ns("/")
