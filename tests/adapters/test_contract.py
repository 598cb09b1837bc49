"""The contract of adapters, tested with the sockets of real servers; each adapter is to pass all of it."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from geventsio.adapters import Answer, BroadcastOptions, EventPacket, LocalSocket, RemoteSocketData
from geventsio.errors import AckClosedError, AckTimeoutError
from geventsio.protocol.packet_group import PacketGroup
from tests.adapters.cluster import Cluster, MakeCluster
from tests.socketio.harness import wait_until
from tests.socketio.peer import DISCONNECT, Packet


def everybody(**changes: Any) -> BroadcastOptions:
    """Options that begin with all sockets."""
    return BroadcastOptions(**changes)


# Rooms


def test_rooms_are_joined_and_left(cluster: Cluster) -> None:
    adapter, a = cluster.adapter, cluster.a
    other = cluster.connect("E", 0)
    adapter.join(a, ["x", "y"])
    adapter.join(a, ("y", "z"))
    adapter.join(other, ["x"])
    assert adapter.socket_rooms(a) == {"x", "y", "z"}
    assert adapter.socket_rooms(other) == {"x"}
    adapter.leave(a, ["x", "never joined"])
    assert adapter.socket_rooms(a) == {"y", "z"}
    assert cluster.chosen(everybody(rooms=("x",))) == "E"
    adapter.leave_all(a)
    adapter.leave_all(a)
    assert adapter.socket_rooms(a) == frozenset()
    assert adapter.rooms(everybody()) == {"x"}


def test_a_room_that_is_empty_does_not_exist(cluster: Cluster) -> None:
    a, b = cluster.a, cluster.sockets["B"]
    a.join(["x", "y"])
    b.join(["x"])
    assert cluster.adapter.rooms(everybody()) == {"x", "y"}
    a.leave(["x", "y"])
    assert cluster.adapter.rooms(everybody()) == {"x"}
    b.leave_all()
    assert cluster.adapter.rooms(everybody()) == frozenset()
    assert cluster.chosen(everybody(rooms=("x",))) == ""


class Name(str):
    """A room's name that can be watched."""

    __slots__ = ("__weakref__",)


def test_a_room_that_is_empty_is_forgotten(cluster: Cluster) -> None:
    adapter, a, other = cluster.adapter, cluster.a, cluster.connect("E", 0)
    names = [Name(f"room {number}") for number in range(3)]
    watched = [weakref.ref(name) for name in names]
    for socket in (a, other):
        adapter.join(socket, names)
        adapter.leave(socket, names[:2])
    adapter.leave_all(a)
    cluster.peers["E"].close()
    wait_until(lambda: other.id not in adapter.sockets)
    names.clear()
    gc.collect()
    assert [name() for name in watched] == [None] * 3


def test_what_is_returned_does_not_change_afterwards(cluster: Cluster) -> None:
    adapter, a = cluster.adapter, cluster.a
    adapter.join(a, ["x"])
    rooms, chosen = adapter.socket_rooms(a), adapter.local_sockets(everybody(rooms=("x",)))
    (data,) = adapter.fetch_sockets(everybody(rooms=("x",)))
    adapter.leave_all(a)
    a.data["key"] = "value"
    assert rooms == {"x"}
    assert chosen == [a]
    assert data.rooms == {"x"}
    assert data.data == {}


def test_many_rooms_and_no_trace_of_them(cluster: Cluster) -> None:
    adapter, a = cluster.adapter, cluster.a
    names = [f"room {number}" for number in range(1000)]
    adapter.join(a, names)
    assert len(adapter.socket_rooms(a)) == 1000
    assert cluster.chosen(everybody(rooms=tuple(names))) == "A"
    adapter.leave(a, names)
    assert adapter.rooms(everybody()) == frozenset()


# Choosing


#: Rooms, rooms that are left out, who is left out, and who is chosen. A socket's name stands for its own room.
CHOICES: list[tuple[tuple[str, ...], tuple[str, ...], str | None, str]] = [
    ((), (), None, "ABCD"),
    ((), (), "A", "BCD"),
    ((), ("x",), None, "CD"),
    ((), ("x", "y"), None, "D"),
    ((), ("unknown",), None, "ABCD"),
    ((), ("y",), "B", "AD"),
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
    (("B",), (), None, "B"),
    (("A", "x"), (), None, "AB"),
    (("A",), (), "A", ""),
    (("x",), ("A",), None, "B"),
    (("x",), ("B",), None, "A"),
    ((), ("A", "C"), None, "BD"),
]


def test_whom_an_operation_is_for(cluster: Cluster) -> None:
    for name, joined in (("A", "x"), ("B", "xy"), ("C", "y")):
        cluster.sockets[name].join(list(joined))
    ids = {name: socket.id for name, socket in cluster.sockets.items()}
    for rooms, except_rooms, except_name, chosen in CHOICES:
        options = BroadcastOptions(
            tuple(ids.get(room, room) for room in rooms),
            tuple(ids.get(room, room) for room in except_rooms),
            None if except_name is None else ids[except_name],
        )
        row = (rooms, except_rooms, except_name)
        assert (row, cluster.chosen(options)) == (row, chosen)
        assert (row, cluster.chosen(replace(options, volatile=True))) == (row, chosen)
        assert (row, cluster.chosen(replace(options, local=True))) == (row, cluster.here(chosen))


def test_an_id_that_nobody_has_excludes_nobody(cluster: Cluster) -> None:
    assert cluster.chosen(everybody(except_id="nobody")) == "ABCD"


@pytest.mark.parametrize("name", ["A", "B"])
def test_sockets_that_have_left_are_not_chosen(cluster: Cluster, name: str) -> None:
    left = cluster.sockets[name]
    left.join(["x"])
    adapter = cluster.adapter_of(name)
    cluster.peers.pop(name).close()
    wait_until(lambda: left.id not in adapter.sockets)
    assert cluster.chosen(everybody()) == "ABCD".replace(name, "")
    assert cluster.chosen(everybody(rooms=("x", left.id))) == ""
    assert adapter.socket_rooms(left) == frozenset()


def test_options_can_cross_a_wire() -> None:
    options = BroadcastOptions(("a",), ("b",), "id", True, True)
    assert options == BroadcastOptions(rooms=("a",), except_rooms=("b",), except_id="id", local=True, volatile=True)
    assert hash(options) == hash(BroadcastOptions(("a",), ("b",), "id", True, True))
    with pytest.raises(AttributeError):
        options.local = False  # type: ignore[misc]


# Operations


def test_attachments_follow_their_packet(cluster: Cluster) -> None:
    packet = cluster.io.of("/").make_packet("x", (b"one", {"two": b"two"}, "größe™", None, 2**63))
    cluster.adapter.broadcast(packet, everybody())
    for peer in cluster.peers.values():
        assert peer.event() == ["x", b"one", {"two": b"two"}, "größe™", None, 2**63]


def test_sockets_are_put_into_rooms_and_taken_out(cluster: Cluster) -> None:
    adapter = cluster.adapter
    adapter.add_sockets(everybody(except_id=cluster.sockets["C"].id), ("x", "y"))
    assert cluster.chosen(everybody(rooms=("y",))) == "ABD"
    adapter.add_sockets(everybody(rooms=("x",)), ("x", "z"))
    adapter.del_sockets(everybody(rooms=("x",), except_rooms=(cluster.a.id,)), ("x", "never joined"))
    assert cluster.chosen(everybody(rooms=("x",))) == "A"
    adapter.add_sockets(everybody(rooms=("unknown",)), ("w",))
    assert adapter.rooms(everybody()) == {"x", "y", "z"}
    assert adapter.rooms(everybody(rooms=(cluster.sockets["B"].id,))) == {"y", "z"}


def test_only_this_server_s_sockets_join_and_leave(cluster: Cluster) -> None:
    cluster.adapter.add_sockets(everybody(), ("x",))
    cluster.adapter.add_sockets(everybody(local=True), ("y",))
    assert cluster.chosen(everybody(rooms=("y",))) == cluster.here("ABCD")
    cluster.adapter.del_sockets(everybody(local=True), ("x",))
    there = "".join(name for name in "ABCD" if not cluster.is_first(name))
    assert cluster.chosen(everybody(rooms=("x",))) == there
    assert cluster.adapter.rooms(everybody(local=True)) == {"y"}
    assert cluster.adapter.rooms(everybody()) == ({"x", "y"} if there else {"y"})


def test_a_room_joined_from_afar_is_where_the_socket_is_and_nowhere_else(cluster: Cluster) -> None:
    for name in "ABCD":
        cluster.adapter.add_sockets(everybody(rooms=(cluster.sockets[name].id,)), (f"room {name}",))
    cluster.adapter.add_sockets(everybody(rooms=("an id that has gone",)), ("ghosts",))
    cluster.settle()
    for name in "ABCD":
        assert cluster.rooms_of(name) == {f"room {name}"}
    for adapter in cluster.adapters:
        here = {f"room {name}" for name in "ABCD" if cluster.adapter_of(name) is adapter}
        assert adapter.rooms(everybody(local=True)) == here


@pytest.mark.parametrize("close", [False, True])
def test_sockets_are_disconnected(cluster: Cluster, close: bool) -> None:
    a, b, c = (cluster.sockets[name] for name in "ABC")
    for socket in (a, b, c):
        socket.join("x")
    cluster.adapter.disconnect_sockets(everybody(rooms=("x",), except_id=a.id), close)
    for name in "BC":
        assert cluster.peers[name].packet() == Packet(DISCONNECT)
        if close:
            assert cluster.peers[name].end()[0].orderly
    assert (a.connected, b.connected, c.connected) == (True, False, False)
    wait_until(lambda: not cluster.rooms_of("B") and not cluster.rooms_of("C"))
    assert cluster.names(cluster.adapter.fetch_sockets(everybody())) == "AD"


def test_only_this_server_s_sockets_are_disconnected(cluster: Cluster) -> None:
    cluster.adapter.disconnect_sockets(everybody(local=True), False)
    cluster.settle()
    connected = "".join(name for name, socket in cluster.sockets.items() if socket.connected)
    assert connected == "".join(name for name in "ABCD" if not cluster.is_first(name))


def test_what_is_told_of_sockets(cluster: Cluster) -> None:
    for name, socket in cluster.sockets.items():
        socket.data.update(name=name, tags=["a", {"b": 1}], raw=b"\x00\xff")
        socket.join([name, "all"])
    found = {data.data["name"]: data for data in cluster.adapter.fetch_sockets(everybody())}
    assert "".join(sorted(found)) == "ABCD"
    for name, data in found.items():
        socket = cluster.sockets[name]
        assert isinstance(data, RemoteSocketData)
        assert data.id == socket.id
        assert data.rooms == {name, "all"}
        assert data.data == {"name": name, "tags": ["a", {"b": 1}], "raw": b"\x00\xff"}
        assert data.handshake["headers"]["x-test"] == "yes"
        assert data.handshake["query"]["transport"] == "websocket"


def test_how_many_servers_there_are(cluster: Cluster) -> None:
    assert {adapter.server_count() for adapter in cluster.adapters} == {len(cluster.ios)}
    chat = cluster.io.ns("/chat").adapter
    assert (chat.server_count(), chat.namespace) == (1, "/chat")
    for io in cluster.ios[1:]:
        io.ns("/chat")
    assert chat.server_count() == len(cluster.ios)


def test_namespaces_do_not_mix(cluster: Cluster) -> None:
    for io in cluster.ios:
        io.ns("/chat")
    cluster.a.join("x")
    assert cluster.io.of("/chat").adapter.rooms(everybody()) == frozenset()
    cluster.io.of("/chat").emit("event")
    assert cluster.receivers("event") == ""


# Acknowledgements


class Acks:
    """Collects acknowledgements, and writes down in which order it was told of what."""

    timeout = 5.0

    def __init__(self) -> None:
        self.expected: list[LocalSocket] = []
        self.refused: list[LocalSocket] = []
        self.servers = 0
        self.numbers: list[int] = []
        self.answers: dict[str, Answer] = {}

    def expect(self, socket: LocalSocket) -> None:
        self.expected.append(socket)

    def refuse(self, socket: LocalSocket) -> None:
        self.refused.append(socket)

    def expect_servers(self, number: int, seconds: float) -> None:
        assert seconds > 0
        self.servers += number

    def expect_answers(self, number: int) -> None:
        self.numbers.append(number)

    def answer(self, socket_id: str, answer: Answer) -> None:
        assert socket_id not in self.answers
        self.answers[socket_id] = answer

    def when_ended(self, callback: object) -> None:
        """It does not end by itself."""


def test_who_is_asked(cluster: Cluster) -> None:
    for name in "AB":
        cluster.sockets[name].join("x")
    acks = Acks()
    group = PacketGroup(b'451-7["question","one",{"_placeholder":true,"num":0}]', (b"2",))
    packet = EventPacket("question", ("one", b"2"), group)
    options = everybody(rooms=("x", cluster.sockets["B"].id, cluster.sockets["C"].id), volatile=True)
    cluster.adapter.broadcast_with_ack(packet, options, acks)
    assert cluster.names(acks.expected) == cluster.here("ABC")
    assert acks.refused == []
    assert acks.servers == len(cluster.ios) - 1
    for number, name in enumerate("ABC"):
        ack_id, question = cluster.peers[name].question()
        assert question == ["question", "one", b"2"]
        assert ack_id == 7 or not cluster.is_first(name)  # another server's ids are its own
        cluster.peers[name].answer(ack_id, number, b"bytes")
    there = [name for name in "ABC" if not cluster.is_first(name)]
    wait_until(lambda: len(acks.answers) == len(there))
    assert sum(acks.numbers) == len(there)
    assert len(acks.numbers) == acks.servers
    assert acks.answers == {cluster.sockets[name].id: ["ABC".index(name), b"bytes"] for name in there}
    assert cluster.peers["D"].rest() == []


def test_the_answers_of_all(cluster: Cluster) -> None:
    stream = cluster.io.emit_with_ack("question", 1, b"2")
    for name in "DBCA":
        ack_id, question = cluster.peers[name].question()
        assert question == ["question", 1, b"2"]
        cluster.peers[name].answer(ack_id, name)
    answers = dict(stream)
    assert answers == {cluster.sockets[name].id: name for name in "ABCD"}
    assert len(stream) == 0


@pytest.mark.parametrize("answer", [(), (None,), ("x",), (1, 2), ([],), ([1, 2],), (b"1", {"2": b"2"})], ids=repr)
def test_answers_arrive_as_they_were_given(cluster: Cluster, answer: Sequence[Any]) -> None:
    stream = cluster.io.to([cluster.a.id, cluster.sockets["B"].id]).emit_with_ack("question")
    for name in "AB":
        ack_id, _ = cluster.peers[name].question()
        cluster.peers[name].answer(ack_id, *answer)
    expected = tuple(answer) if len(answer) > 1 else answer[0] if answer else None
    assert [value for _, value in stream] == [expected] * 2


def test_typed_answers_from_everywhere(cluster: Cluster) -> None:
    stream = cluster.io.emit_with_ack("question", returns=int)
    for name in "ABCD":
        ack_id, _ = cluster.peers[name].question()
        cluster.peers[name].answer(ack_id, ord(name))
    assert sorted(value for _, value in stream if isinstance(value, int)) == [65, 66, 67, 68]


def test_who_does_not_answer_has_an_error_in_time(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(request_timeout=10, ack_timeout=10)
    stream = cluster.io.timeout(0.3).emit_with_ack("question")  # the others take our time, not their own
    ack_id, _ = cluster.peers["B"].question()
    cluster.peers["B"].answer(ack_id, "in time")
    answers = dict(stream)
    assert len(answers) == 4
    assert answers.pop(cluster.sockets["B"].id) == "in time"
    assert {type(answer) for answer in answers.values()} == {AckTimeoutError}


@pytest.mark.parametrize("name", ["A", "B"])
def test_who_leaves_has_an_error_at_once(cluster: Cluster, name: str) -> None:
    stream = cluster.io.to(cluster.sockets[name].id).emit_with_ack("question")
    cluster.peers[name].question()
    cluster.peers[name].close()
    ((socket_id, answer),) = stream
    assert socket_id == cluster.sockets[name].id
    assert isinstance(answer, AckClosedError)


def test_nobody_is_asked(cluster: Cluster) -> None:
    assert list(cluster.io.to("unknown").emit_with_ack("question")) == []


def test_only_this_server_s_sockets_are_asked(cluster: Cluster) -> None:
    stream = cluster.io.local().emit_with_ack("question")
    assert len(stream) == len(cluster.here("ABCD"))
    for name in cluster.here("ABCD"):
        ack_id, _ = cluster.peers[name].question()
        cluster.peers[name].answer(ack_id)
    assert cluster.names(socket_id for socket_id, _ in stream) == cluster.here("ABCD")
    cluster.settle()
    assert all(cluster.peers[name].rest() == [] for name in "ABCD")


def test_a_stream_that_is_closed_takes_no_answers(cluster: Cluster) -> None:
    stream = cluster.io.emit_with_ack("question")
    stream.close()
    for name in "ABCD":
        ack_id, _ = cluster.peers[name].question()
        cluster.peers[name].answer(ack_id, name)
        assert cluster.peers[name].ask("echo") == []
    cluster.settle()
    assert list(stream) == []


def test_no_acknowledgement_leaves_anything(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(ack_timeout=0.05)
    for _ in range(100):
        cluster.io.emit_with_ack("question")
    wait_until(lambda: not any(socket.owes_ack for socket in cluster.sockets.values()))
    cluster.settle()
    for adapter in cluster.adapters:
        assert getattr(adapter, "collectors", {}) == {}
    for io in cluster.ios:
        wait_until(lambda io=io: not len(io.ack_deadlines(None)))  # type: ignore[misc]


# Remote sockets


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_remote_socket(cluster: Cluster, name: str) -> None:
    socket, peer = cluster.sockets[name], cluster.peers[name]
    socket.join("r")
    socket.data["user"] = 5
    remote = cluster.fetch(name)
    assert (remote.id, remote.ns, remote.data) == (socket.id, "/", {"user": 5})
    assert remote.rooms == {"r"}
    assert remote.handshake == socket.handshake | {"issued": remote.handshake["issued"]}
    assert repr(remote) == f"<RemoteSocket {socket.id} in />"
    remote.emit("event", 1, b"2")
    assert peer.event() == ["event", 1, b"2"]
    remote.join(["s", "t"])
    remote.leave("r")
    cluster.settle()
    assert socket.rooms == {"s", "t"}
    assert remote.rooms == {"r"}  # as it was found
    future = remote.emit_with_ack("question", returns=int)
    ack_id, _ = peer.question()
    peer.answer(ack_id, 6)
    assert future.result() == 6
    done: list[object] = []
    future.add_done_callback(lambda done_future: done.append(done_future.result()))
    wait_until(lambda: done)
    remote.disconnect()
    assert peer.packet() == Packet(DISCONNECT)
    wait_until(lambda: not socket.rooms)
    assert all(other.rest() == [] for other_name, other in cluster.peers.items() if other_name != name)


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_remote_socket_s_connection_is_closed(cluster: Cluster, name: str) -> None:
    cluster.fetch(name).disconnect(close=True)
    ended, messages = cluster.peers[name].end()
    assert ended.orderly
    assert messages == ["1"]


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_remote_socket_has_time_to_answer(make_cluster: MakeCluster, name: str) -> None:
    cluster = make_cluster(ack_timeout=10)
    remote = cluster.fetch(name)
    hasty = remote.timeout(0.02)
    with pytest.raises(AckTimeoutError):
        hasty.emit_with_ack("question").result()
    with pytest.raises((TypeError, ValueError)):
        remote.timeout(0)
    future = remote.emit_with_ack("question")
    cluster.peers[name].question()
    ack_id, _ = cluster.peers[name].question()
    cluster.peers[name].answer(ack_id, "in time")
    assert future.result() == "in time"


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_remote_socket_that_is_gone(cluster: Cluster, name: str) -> None:
    remote, socket = cluster.fetch(name), cluster.sockets[name]
    waiting = remote.emit_with_ack("question")
    cluster.peers.pop(name).close()
    with pytest.raises(AckClosedError):
        waiting.result()
    wait_until(lambda: socket.id not in cluster.adapter_of(name).sockets)
    remote.emit("event")
    remote.join("ghosts")
    remote.leave("ghosts")
    remote.disconnect()
    with pytest.raises(AckClosedError, match=re.escape("no server has this socket")):
        remote.emit_with_ack("question").result()
    cluster.settle()
    assert all(adapter.rooms(everybody(local=True)) == frozenset() for adapter in cluster.adapters)
    assert cluster.io.to(remote.id).fetch_sockets() == []


def test_a_remote_socket_joins_no_room_of_another(cluster: Cluster) -> None:
    remote = cluster.fetch("B")
    with pytest.raises(ValueError, match="another socket's id"):
        remote.join(cluster.a.id)
    remote.join(remote.id)
    cluster.settle()
    assert cluster.rooms_of("B") == frozenset()
