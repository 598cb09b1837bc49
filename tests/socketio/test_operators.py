"""Tests of the chains that choose sockets: who is chosen, and what is done with the chosen ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from gevent.event import Event

from geventsio import (
    AckTimeoutError,
    BroadcastOperator,
    NamespaceError,
    RemoteSocket,
    SerializeError,
    Socket,
    SocketClosedError,
    SocketIO,
)
from geventsio.sending.operators import SocketOperator
from tests.socketio.harness import Serve, Site, wait_until
from tests.socketio.peer import CONNECT, DISCONNECT, Packet, WebSocketPeer


@dataclass
class Four:
    """Sockets A, B, C and D, of which r1 has A and B, and r2 has B and C. E is in both, of another namespace."""

    io: SocketIO
    site: Site
    peers: dict[str, WebSocketPeer]
    sockets: dict[str, Socket]

    @property
    def a(self) -> Socket:
        """Socket A."""
        return self.sockets["A"]

    def names(self, found: Sequence[Socket | RemoteSocket]) -> str:
        """The names of sockets, one behind the other; one that is there twice is named twice."""
        ids = [socket.id for socket in found]
        return "".join(name * ids.count(socket.id) for name, socket in sorted(self.sockets.items()))

    def receivers(self, event: str) -> str:
        """The names of those who got an event, once for each time; nothing else may have come."""
        got = ""
        for name, peer in self.peers.items():
            messages = peer.rest()
            assert all(str(message) == f'2["{event}"]' for message in messages), messages
            got += name * len(messages)
        return got


@pytest.fixture
def four(serve: Serve) -> Iterator[Four]:
    """The worked example of the selection rules."""
    io = SocketIO()
    io.ns("/")
    site = serve(io)
    peers = {name: site.websocket() for name in "ABCD"}
    sockets = {name: io.of("/").sockets[peer.connect()] for name, peer in peers.items()}
    for name, rooms in (("A", "r1"), ("B", "r1"), ("B", "r2"), ("C", "r2")):
        sockets[name].join(rooms)
    chat = io.ns("/chat")
    peers["E"] = site.websocket()
    chat.sockets[peers["E"].connect("/chat")].join(["r1", "r2"])
    yield Four(io, site, peers, sockets)


Choose = Callable[[Four], BroadcastOperator]

CHOICES: list[tuple[str, Choose, str]] = [
    ("io.broadcast()", lambda four: four.io.broadcast(), "ABCD"),
    ("io.to('r1')", lambda four: four.io.to("r1"), "AB"),
    ("io.within('r1')", lambda four: four.io.within("r1"), "AB"),
    ("io.to('r1').to('r2')", lambda four: four.io.to("r1").to("r2"), "ABC"),
    ("io.to(['r1', 'r2'])", lambda four: four.io.to(["r1", "r2"]), "ABC"),
    ("io.to(('r1', 'r1'))", lambda four: four.io.to(("r1", "r1")), "AB"),
    ("io.to('r1').within('r2')", lambda four: four.io.to("r1").within("r2"), "ABC"),
    ("io.except_('r1')", lambda four: four.io.except_("r1"), "CD"),
    ("io.except_(['r1', 'r2'])", lambda four: four.io.except_(["r1", "r2"]), "D"),
    ("io.except_('r1').except_('r2')", lambda four: four.io.except_("r1").except_("r2"), "D"),
    ("io.except_('unknown')", lambda four: four.io.except_("unknown"), "ABCD"),
    ("io.to('r1').except_('r2')", lambda four: four.io.to("r1").except_("r2"), "A"),
    ("io.except_('r2').to('r1')", lambda four: four.io.except_("r2").to("r1"), "A"),
    ("io.local()", lambda four: four.io.local(), "ABCD"),
    ("io.to('r1').local()", lambda four: four.io.to("r1").local(), "AB"),
    ("io.to('unknown')", lambda four: four.io.to("unknown"), ""),
    ("io.to(['unknown', 'r1'])", lambda four: four.io.to(["unknown", "r1"]), "AB"),
    ("io.timeout(1).to('r1')", lambda four: four.io.timeout(1).to("r1"), "AB"),
    ("A.broadcast()", lambda four: four.a.broadcast(), "BCD"),
    ("A.to('r1')", lambda four: four.a.to("r1"), "B"),
    ("A.to('r2')", lambda four: four.a.to("r2"), "BC"),
    ("A.within('r1')", lambda four: four.a.within("r1"), "AB"),
    ("A.within('r2')", lambda four: four.a.within("r2"), "BC"),
    ("A.to('r1').to('r2')", lambda four: four.a.to("r1").to("r2"), "BC"),
    ("A.to(['r1', 'r2'])", lambda four: four.a.to(["r1", "r2"]), "BC"),
    ("A.within('r1').within('r2')", lambda four: four.a.within("r1").within("r2"), "ABC"),
    ("A.within(['r1', 'r2'])", lambda four: four.a.within(["r1", "r2"]), "ABC"),
    ("A.within('r1').to('r2')", lambda four: four.a.within("r1").to("r2"), "BC"),
    ("A.within('r1').broadcast()", lambda four: four.a.within("r1").broadcast(), "B"),
    ("A.within('r1').except_('r2')", lambda four: four.a.within("r1").except_("r2"), "A"),
    ("A.except_('r2').within('r1')", lambda four: four.a.except_("r2").within("r1"), "A"),
    ("A.except_('r2')", lambda four: four.a.except_("r2"), "D"),
    ("A.except_('unknown')", lambda four: four.a.except_("unknown"), "BCD"),
    ("A.to('r2').except_('r1')", lambda four: four.a.to("r2").except_("r1"), "C"),
    ("A.to('unknown')", lambda four: four.a.to("unknown"), ""),
    ("A.within('unknown')", lambda four: four.a.within("unknown"), ""),
    ("A.local()", lambda four: four.a.local(), "BCD"),
    ("A.local().broadcast()", lambda four: four.a.local().broadcast(), "BCD"),
    ("A.within('r1').local()", lambda four: four.a.within("r1").local(), "AB"),
    ("A.local().within('r1')", lambda four: four.a.local().within("r1"), "AB"),
    ("A.to('r1').local()", lambda four: four.a.to("r1").local(), "B"),
    ("A.timeout(1).to('r1')", lambda four: four.a.timeout(1).to("r1"), "B"),
    ("A.timeout(1).within('r1')", lambda four: four.a.timeout(1).within("r1"), "AB"),
    ("A.timeout(1).except_('r2')", lambda four: four.a.timeout(1).except_("r2"), "D"),
    ("A.timeout(1).local()", lambda four: four.a.timeout(1).local(), "BCD"),
    ("A.timeout(1).broadcast()", lambda four: four.a.timeout(1).broadcast(), "BCD"),
    ("A.volatile().to('r1')", lambda four: four.a.volatile().to("r1"), "B"),
    ("A.within('r1').volatile()", lambda four: four.a.within("r1").volatile(), "AB"),
    ("A.volatile().local()", lambda four: four.a.volatile().local(), "BCD"),
    ("io.volatile()", lambda four: four.io.volatile(), "ABCD"),
    ("io.volatile().except_('r1')", lambda four: four.io.volatile().except_("r1"), "CD"),
    ("io.to(D.id)", lambda four: four.io.to(four.sockets["D"].id), "D"),
    ("io.to(['r1', A.id])", lambda four: four.io.to(["r1", four.a.id]), "AB"),
    ("io.except_(D.id)", lambda four: four.io.except_(four.sockets["D"].id), "ABC"),
    ("A.to(A.id)", lambda four: four.a.to(four.a.id), ""),
    ("A.within(A.id)", lambda four: four.a.within(four.a.id), "A"),
    ("A.within('r1').except_(A.id)", lambda four: four.a.within("r1").except_(four.a.id), "B"),
]


@pytest.mark.parametrize(("choose", "chosen"), [choice[1:] for choice in CHOICES], ids=[name for name, *_ in CHOICES])
def test_who_is_chosen(four: Four, choose: Choose, chosen: str) -> None:
    operator = choose(four)
    assert four.names(operator.sockets()) == chosen
    assert four.names(operator.fetch_sockets()) == chosen
    operator.emit("event")
    assert four.receivers("event") == chosen  # each once


def test_the_shortcuts_emit_to_everybody(four: Four) -> None:
    four.io.emit("event")
    assert four.receivers("event") == "ABCD"
    four.io.of("/").emit("event")
    assert four.receivers("event") == "ABCD"
    assert four.names(four.io.sockets()) == "ABCD"
    assert four.names(four.io.fetch_sockets()) == four.names(four.io.of("/").fetch_sockets()) == "ABCD"


SHORTCUTS: list[Callable[[SocketIO], object]] = [
    lambda io: io.emit("event"),
    lambda io: io.emit_with_ack("event"),
    lambda io: io.to("room"),
    lambda io: io.within("room"),
    lambda io: io.except_("room"),
    lambda io: io.local(),
    lambda io: io.broadcast(),
    lambda io: io.volatile(),
    lambda io: io.timeout(1),
    lambda io: io.sockets(),
    lambda io: io.fetch_sockets(),
    lambda io: io.get_socket("id"),
    lambda io: io.join("room"),
    lambda io: io.leave("room"),
    lambda io: io.rooms(),
    lambda io: io.disconnect(),
]


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_the_shortcuts_need_the_main_namespace(shortcut: Callable[[SocketIO], object]) -> None:
    io = SocketIO()
    io.ns("/chat")
    with pytest.raises(NamespaceError, match=re.escape("register it with io.ns('/')")):
        shortcut(io)


def test_a_socket_is_found_by_its_id(four: Four) -> None:
    for start in (four.io, four.io.of("/"), four.io.to("r2"), four.a.broadcast()):
        assert start.get_socket(four.a.id) is four.a
        assert start.get_socket("r1") is None
    four.a.disconnect(close=True)
    wait_until(lambda: four.io.get_socket(four.a.id) is None)
    four.peers.pop("A").end()


def test_a_namespace_chooses_as_io_does(four: Four) -> None:
    root = four.io.of("/")
    for name in ("to", "within", "except_"):
        assert getattr(root, name)("r1").sockets() == getattr(four.io, name)("r1").sockets()
    for name in ("local", "broadcast"):
        assert getattr(root, name)().sockets() == getattr(four.io, name)().sockets()
    assert root.timeout(1).sockets() == four.io.sockets()


def test_a_sender_that_has_gone_excludes_nobody_else(four: Four) -> None:
    others = four.a.to("r1")
    four.peers.pop("A").close()
    wait_until(lambda: four.a.id not in four.io.of("/").sockets)
    others.emit("event")
    assert four.receivers("event") == "B"


# Chains


def test_a_chain_is_immutable() -> None:
    io = SocketIO()
    io.ns("/")
    start = io.to("a")
    steps = [start.to("b"), start.within("b"), start.except_("b"), start.local(), start.broadcast()]
    steps += [start.timeout(1), start.volatile()]
    assert all(step is not start for step in steps)
    assert start.options == io.to("a").options
    assert start.path == "/"


def test_a_chain_that_is_kept_finds_those_who_are_there_then(four: Four) -> None:
    kept = four.io.to("later")
    kept.emit("event")
    assert four.receivers("event") == ""
    four.sockets["D"].join("later")
    kept.emit("event")
    assert four.receivers("event") == "D"
    four.sockets["D"].leave("later")
    assert kept.sockets() == []


def test_branches_of_a_chain_do_not_mix(four: Four) -> None:
    stem = four.a.within("r1")
    left, right = stem.to("r2"), stem.except_("r2")
    assert four.names(left.sockets()) == "BC"
    assert four.names(right.sockets()) == "A"
    assert four.names(stem.sockets()) == "AB"


# Acting


def test_an_event_is_the_same_for_all(four: Four) -> None:
    four.io.to("r1").emit("data", 1, {"b": b"\x00\x01"}, [b"2"])
    for name in "AB":
        assert four.peers[name].event() == ["data", 1, {"b": b"\x00\x01"}, [b"2"]]
    assert four.receivers("nothing") == ""


def test_polling_and_websocket_clients_get_the_same(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    site = serve(io)
    peers = [site.websocket(), site.polling(), site.websocket(), site.polling()]
    for peer in peers:
        peer.connect()
    for number in range(3):
        io.emit("data", number, b"\x00\xff" * number, "größe™")
    for number in range(3):
        for peer in peers:
            assert peer.event() == ["data", number, b"\x00\xff" * number, "größe™"]


def test_what_can_not_be_sent_reaches_nobody(four: Four) -> None:
    for emit in (four.io.emit, four.io.to("r1").emit, four.a.to("r1").emit, four.io.to("r1").emit_with_ack):
        with pytest.raises(SerializeError):
            emit("event", object())
        with pytest.raises(ValueError, match="'connect' is a reserved event name"):
            emit("connect")
        with pytest.raises(TypeError):
            emit(5)  # type: ignore[arg-type, call-overload]
    with pytest.raises(SerializeError):
        four.io.to("unknown").emit("event", object())
    assert four.receivers("nothing") == ""


def test_the_chosen_join_and_leave(four: Four) -> None:
    four.io.to("r1").join(["new", "r2"])
    assert four.names(four.io.to("new").sockets()) == "AB"
    assert four.names(four.io.to("r2").sockets()) == "ABC"
    four.a.to("new").leave("new")
    assert four.names(four.io.to("new").sockets()) == "A"
    four.io.leave("r2")
    assert four.io.to("r2").sockets() == []
    four.io.join("all")
    assert four.names(four.io.to("all").sockets()) == "ABCD"


def test_the_rooms_of_the_chosen(four: Four) -> None:
    four.sockets["C"].join("other")
    assert four.io.rooms() == {"r1", "r2", "other"}
    assert four.io.to("r1").rooms() == {"r1", "r2"}
    assert four.a.within("r1").except_("r2").rooms() == {"r1"}
    assert four.io.to("unknown").rooms() == frozenset()


def test_the_chosen_are_disconnected(four: Four) -> None:
    reasons: list[str] = []
    four.io.of("/").on_disconnect(lambda reason: reasons.append(str(reason)))
    four.io.to("r1").disconnect()
    for name in "AB":
        assert four.peers[name].packet() == Packet(DISCONNECT)
    wait_until(lambda: len(reasons) == 2)
    assert reasons == ["server namespace disconnect"] * 2
    assert four.names(four.io.sockets()) == "CD"
    four.peers["A"].connect()  # the connection stayed


def test_the_connections_of_the_chosen_are_closed(four: Four) -> None:
    four.a.to("r1").disconnect(close=True)
    ended, messages = four.peers["B"].end()
    assert ended.orderly
    assert messages == ["1"]
    wait_until(lambda: len(four.io.of("/").sockets) == 3)
    assert four.names(four.io.sockets()) == "ACD"


def test_everybody_is_disconnected(four: Four) -> None:
    four.io.disconnect()
    for name in "ABCD":
        assert four.peers[name].packet() == Packet(DISCONNECT)
    assert four.io.sockets() == []
    assert len(four.io.of("/chat").sockets) == 1


def test_a_broadcast_skips_those_who_are_being_closed(serve: Serve) -> None:
    io = SocketIO()
    gate, begun = Event(), Event()

    @io.ns("/").on_disconnect
    def bye() -> None:
        begun.set()
        gate.wait()

    site = serve(io)
    peer, other = site.websocket(), site.connect()
    socket = io.of("/").sockets[peer.connect()]
    socket.join("room")
    socket.disconnect()
    begun.wait()
    io.emit("news")
    io.to("room").emit("news")
    io.to(socket.id).emit("news")
    assert other.event() == ["news"]
    assert peer.rest() == ["1"]
    gate.set()


def test_a_disconnect_in_the_middle_of_a_broadcast_s_handler(four: Four) -> None:
    # Each handler that a broadcast makes run may change what it was sent to.
    stream = four.io.timeout(5).emit_with_ack("question")
    for name in "ABCD":
        ack_id, _ = four.peers[name].question()
        four.peers[name].answer(ack_id, name)
    for socket_id, _ in stream:
        socket = four.io.get_socket(socket_id)
        assert socket is not None
        socket.disconnect()
    assert four.io.sockets() == []


# One socket with a timeout


def test_a_timeout_of_one_socket_stays_with_that_socket(four: Four) -> None:
    operator = four.a.timeout(0.02)
    assert isinstance(operator, SocketOperator)
    operator.emit("event")
    assert four.receivers("event") == "A"
    future = operator.emit_with_ack("question")
    with pytest.raises(AckTimeoutError, match=r"0\.02 seconds"):
        future.result()
    longer = operator.timeout(30).emit_with_ack("question")
    four.peers["A"].question()
    ack_id, _ = four.peers["A"].question()
    four.peers["A"].answer(ack_id, "in time")
    assert longer.result() == "in time"


def test_a_timeout_goes_along_to_the_rooms(four: Four) -> None:
    for operator in (four.a.timeout(0.02).to("r1"), four.a.to("r1").timeout(0.02), four.io.timeout(0.02).to("r1")):
        results = list(operator.emit_with_ack("question"))
        assert {type(result) for _, result in results} == {AckTimeoutError}


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "1", None, True])
def test_a_timeout_is_a_positive_number_of_seconds(four: Four, seconds: float) -> None:
    for start in (four.io.timeout, four.a.timeout, four.io.to("r1").timeout):
        with pytest.raises((TypeError, ValueError), match="seconds"):
            start(seconds)


def test_a_socket_that_connects_meanwhile_is_included_once(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.join("room")
        io.to("room").emit("joined", socket.id)

    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT))
    answer = peer.packet()
    assert peer.event() == ["joined", answer.data["sid"]]
    assert peer.rest() == []


def test_a_closed_socket_s_chains_still_reach_others(four: Four) -> None:
    four.a.disconnect()
    with pytest.raises(SocketClosedError):
        four.a.timeout(1).emit("event")
    four.peers["A"].packet()
    four.a.broadcast().emit("event")
    assert four.receivers("event") == "BCD"
