"""Tests of `volatile`: clients that can't take more yet miss events, but never a part of one."""

from __future__ import annotations

import threading
from typing import Any

import gevent
import pytest

from geventsio import BufferFullError, SerializeError, Socket, SocketClosedError, SocketIO
from tests.socketio.harness import Log, Serve, Site, wait_until
from tests.socketio.peer import Peer, PollingPeer, WebSocketPeer, http_request


def one(serve: Serve, transport: str, **options: Any) -> tuple[Site, Peer, Socket]:
    """A server with one client, and that client's socket."""
    io = SocketIO(**options)
    io.ns("/").on("echo", lambda *args: args)
    site = serve(io)
    peer = site.peer(transport)
    return site, peer, io.of("/").sockets[peer.connect()]


def clog(peer: Peer, socket: Socket) -> int:
    """Emit to a client that does not read until it can't take more; return how many events that were.

    Over polling there is nothing to do: it can't take anything while it does not poll.
    """
    if isinstance(peer, PollingPeer):
        return 0
    number = 0
    while not socket.client.session.outbox.waiting():
        socket.emit("fill", "x" * 500_000)
        number += 1
        gevent.sleep(0.005)  # what is only held back behind the CONNECT packet goes out meanwhile
    return number


def test_who_does_not_poll_gets_the_newest(serve: Serve) -> None:
    _, peer, socket = one(serve, "polling")
    assert isinstance(peer, PollingPeer)
    socket.volatile().emit("news", "dropped")
    socket.emit("normal")
    socket.volatile().emit("news", "kept")
    body = http_request(peer.address, "GET", peer._target).body
    assert body == b'42["normal"]\x1e42["news","kept"]'


def test_who_keeps_up_misses_nothing(serve: Serve) -> None:
    _, peer, socket = one(serve, "websocket")
    for number in range(100):
        socket.volatile().emit("news", number, b"x")
        socket.emit("normal", number)
    for number in range(100):
        assert peer.event() == ["news", number, b"x"]
        assert peer.event() == ["normal", number]


def test_who_does_not_gets_the_newest_of_each_event(serve: Serve, transport: str) -> None:
    site, peer, socket = one(serve, transport)
    site.io.ns("/chat")
    chat = site.io.of("/chat").sockets[peer.connect("/chat")]
    filled = clog(peer, socket)
    operator = socket.volatile()
    for number in range(50):
        operator.emit("position", number, b"one", b"two" * number)
        operator.emit("score", number)
        chat.volatile().emit("score", "chat", number)
    socket.emit("normal")
    for _ in range(filled):
        assert peer.event()[0] == "fill"
    assert peer.event() == ["normal"]
    assert peer.event() == ["position", 49, b"one", b"two" * 49]
    assert peer.event() == ["score", 49]
    assert peer.event("/chat") == ["score", "chat", 49]
    assert peer.ask("echo", 1) == [1]


def test_it_is_never_a_reason_to_close(serve: Serve, transport: str, log: Log) -> None:
    _, peer, socket = one(serve, transport, max_buffer_size=10, max_buffer_bytes=100_000)
    clog(peer, socket)
    for number in range(1000):
        socket.volatile().emit(f"event {number}", "x" * 10_000)
    assert socket.connected
    with pytest.raises(BufferFullError):
        while True:
            socket.emit("row", "x" * 10_000)
    peer.close()
    wait_until(lambda: not socket.connected)
    log.take()


def test_a_closed_socket_is_an_error(serve: Serve, transport: str) -> None:
    _, peer, socket = one(serve, transport)
    with pytest.raises(SerializeError):
        socket.volatile().emit("event", object())
    with pytest.raises(ValueError, match="reserved"):
        socket.volatile().emit("connect")
    peer.close()
    wait_until(lambda: not socket.connected)
    with pytest.raises(SocketClosedError):
        socket.volatile().emit("event")
    socket.volatile().broadcast().emit("event")


def test_it_is_not_sent_behind_a_disconnect(serve: Serve) -> None:
    _, peer, socket = one(serve, "polling")
    socket.volatile().emit("event")
    socket.disconnect(close=True)
    ended, messages = peer.end()
    assert ended.orderly
    assert messages == ["1"]


@pytest.mark.parametrize("chain", ["rooms first", "volatile first", "broadcast", "everybody"])
def test_a_broadcast(serve: Serve, transport: str, chain: str) -> None:
    site, peer, socket = one(serve, transport)
    others = [site.websocket(), site.websocket()]
    ids = [other.connect() for other in others]
    sender, outsider = (site.io.of("/").sockets[socket_id] for socket_id in ids)
    for member in (socket, sender):
        member.join("room")
    filled = clog(peer, socket)
    chains = {
        "rooms first": sender.to("room").volatile(),
        "volatile first": sender.volatile().to("room").except_("none").local(),
        "broadcast": sender.broadcast().except_(outsider.id).volatile(),
        "everybody": site.io.volatile().except_(ids),
    }
    for number in range(5):
        chains[chain].emit("news", number, b"x")
    for _ in range(filled):
        assert peer.event()[0] == "fill"
    assert peer.event() == ["news", 4, b"x"]
    assert peer.ask("echo", 1) == [1]
    assert [other.rest() for other in others] == [[], []]


def test_a_broadcast_reaches_each_as_far_as_it_can(serve: Serve) -> None:
    site, slow, socket = one(serve, "polling")
    quick = site.connect()
    for number in range(10):
        site.io.volatile().emit("news", number)
    assert [quick.event()[1] for _ in range(10)] == list(range(10))
    assert slow.event() == ["news", 9]


def test_an_answer_is_awaited_all_the_same(serve: Serve, transport: str) -> None:
    site, peer, socket = one(serve, transport)
    clogged = clog(peer, socket)
    futures = [socket.volatile().emit_with_ack("question", number) for number in range(3)]
    stream = site.io.volatile().emit_with_ack("question", 3)
    for _ in range(clogged):
        peer.event()
    for number in range(4):
        ack_id, question = peer.question()
        assert question == ["question", number]
        peer.answer(ack_id, number)
    assert [future.result() for future in futures] == [0, 1, 2]
    assert stream.result() == 3


def test_a_foreign_thread(serve: Serve) -> None:
    site, peer, socket = one(serve, "websocket")

    def work() -> None:
        socket.volatile().emit("own")
        site.io.volatile().emit("all")

    thread = threading.Thread(target=work)
    thread.start()
    assert [peer.event(), peer.event()] == [["own"], ["all"]]
    thread.join()


def test_an_operator_of_one_socket_joins_and_leaves(serve: Serve) -> None:
    _, _, socket = one(serve, "websocket")
    socket.volatile().join(["a", "b"])
    socket.volatile().timeout(1).leave("a")
    assert socket.rooms == {"b"}


def test_flags_stay_with_the_chain(serve: Serve) -> None:
    site, _, socket = one(serve, "websocket")
    operator = socket.timeout(5).volatile()
    assert operator.to("a").options.volatile
    assert operator.to("a").within("b").except_("c").local().timeout(1).options.volatile
    assert not socket.to("a").options.volatile
    assert not site.io.to("a").options.volatile
    assert site.io.volatile().to("a").options.volatile


def test_a_kept_broadcast_holds_nothing_when_it_has_been_sent(serve: Serve) -> None:
    _, peer, socket = one(serve, "websocket")
    assert isinstance(peer, WebSocketPeer)
    filled = clog(peer, socket)
    socket.volatile().emit("news")
    assert socket.client.session.outbox.waiting()
    for _ in range(filled):
        peer.event()
    assert peer.event() == ["news"]
    wait_until(lambda: not socket.client.session.outbox.waiting())
    assert peer.ask("echo", 2) == [2]
