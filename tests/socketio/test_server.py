"""Tests of the server object: its options, its shortcuts, its use before any request, and its end."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio import DisconnectReason, NamespaceError, SerializeError, Socket, SocketClosedError, SocketIO
from tests.socketio.harness import Serve, Site, wait_until
from tests.socketio.peer import CONNECT, EVENT, Packet, Peer, PollingPeer, http_request

ROOT = Path(__file__).parents[2]

# Options


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"ping_intervall": 5}, TypeError, "unknown option 'ping_intervall'; did you mean 'ping_interval'"),
        ({"cors_allowed_origin": "*"}, TypeError, "did you mean 'cors_allowed_origins'"),
        ({"path": "/x"}, TypeError, "unknown option 'path'"),
        ({"xyzzy": 1}, TypeError, "unknown option 'xyzzy'; the options are ack_timeout, "),
        ({"ack_timeout": "5"}, TypeError, "ack_timeout must be a number of seconds, not '5'"),
        ({"connect_timeout": 0}, ValueError, "connect_timeout must be a positive number of seconds, not 0"),
        ({"max_pending_events": -1}, ValueError, "max_pending_events"),
        ({"serve_client": 1}, TypeError, "serve_client must be True or False, not 1"),
        ({"req_path": "/"}, ValueError, "req_path"),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        SocketIO(**options)


def test_options_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        SocketIO("/socket.io")  # type: ignore[call-arg, arg-type]


def test_the_handshake_announces_the_options(serve: Serve, transport: str) -> None:
    io = SocketIO(ping_interval=1.5, ping_timeout=0.25, max_payload=1234, transports=["polling", "websocket"])
    handshake = serve(io).peer(transport).handshake
    upgrades = ["websocket"] if transport == "polling" else []
    assert handshake == {
        "sid": handshake["sid"],
        "upgrades": upgrades,
        "pingInterval": 1500,
        "pingTimeout": 250,
        "maxPayload": 1234,
    }


# Before the first request


def test_everything_may_be_called_before_any_request_has_come() -> None:
    io = SocketIO()
    io.ns("/")
    io.emit("event", b"1")
    io.to("room").emit("event")
    io.except_("room").local().emit("event")
    io.join("room")
    io.leave("room")
    io.disconnect()
    io.disconnect(close=True)
    assert io.sockets() == []
    assert io.rooms() == frozenset()
    assert io.get_socket("nobody") is None
    assert list(io.emit_with_ack("event")) == []
    with pytest.raises(SerializeError):
        io.emit("event", object())
    assert io.close() is True


def test_a_foreign_thread_may_emit_before_any_request_has_come() -> None:
    io = SocketIO()
    io.ns("/")
    errors: list[BaseException] = []

    def work() -> None:
        try:
            io.emit("event")
            io.to("room").emit("event")
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []


def test_what_a_foreign_thread_emits_arrives_after_the_first_request(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    io.emit("too early")
    peer = serve(io).connect()
    thread = threading.Thread(target=lambda: [io.emit("number", number) for number in range(100)])  # type: ignore[func-returns-value]
    thread.start()
    for number in range(100):
        assert peer.event() == ["number", number]
    thread.join()


def test_no_hub_is_taken_before_the_first_request() -> None:
    program = """
import gevent._hub_local as local
from geventsio import Socket, SocketIO

io = SocketIO(ack_timeout=1)
app = io.layer(lambda environ, start_response: [])

@io.ns("/")
def connect(socket: Socket) -> None: ...

io.ns("/chat").on("event", lambda text: text)
io.emit("event")
io.to("room").emit("event", b"1")
assert list(io.emit_with_ack("event")) == []
assert local.get_hub_if_exists() is None, "there is a hub"
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=30)


# Shortcuts


def test_namespaces_are_found(serve: Serve) -> None:
    io = SocketIO()
    with pytest.raises(NamespaceError):
        io.sockets()
    root, chat = io.ns("/"), io.ns("chat")
    assert io.nsps() == [root, chat]
    assert (io.of("/"), io.of("chat")) == (root, chat)
    io.nsps().clear()
    assert len(io.nsps()) == 2


def test_two_servers_share_nothing(serve: Serve) -> None:
    first, second = SocketIO(), SocketIO()
    first.ns("/").on("who", lambda: "first")
    second.ns("/").on("who", lambda: "second")
    one, other = serve(first).connect(), serve(second).connect()
    assert (one.ask("who"), other.ask("who")) == (["first"], ["second"])
    first.emit("event")
    assert one.event() == ["event"]
    assert other.rest() == []


# The end


def connected(site: Site, peer: Peer, namespace: str = "/") -> Socket:
    """Connect a peer and return its socket."""
    return site.io.of(namespace).sockets[peer.connect(namespace)]


def test_close_says_goodbye_to_everybody_once(serve: Serve) -> None:
    io = SocketIO()
    left: list[tuple[str, str]] = []
    for path in ("/", "/chat"):

        @io.ns(path).on_disconnect
        def bye(socket: Socket, reason: DisconnectReason) -> None:
            gevent.sleep(0)
            left.append((socket.ns, str(reason)))

    site = serve(io)
    peers: list[Peer] = [site.websocket(), site.polling(), site.websocket(), site.polling()]
    sockets = [connected(site, peer) for peer in peers[:2]]
    sockets += [connected(site, peers[0], "/chat"), connected(site, peers[1], "/chat")]
    for socket in sockets:
        socket.emit("last words")
    assert io.close(timeout=10) is True
    assert sorted(left) == [("/", "server shutting down")] * 2 + [("/chat", "server shutting down")] * 2
    assert not any(socket.connected for socket in sockets)
    with pytest.raises(SocketClosedError):
        sockets[0].emit("too late")
    for index, peer in enumerate(peers):
        ended, messages = peer.end()
        assert ended.orderly
        assert ended.code == (None if isinstance(peer, PollingPeer) else 1001)  # so that clients come back
        assert messages == (['2["last words"]', '2/chat,["last words"]'] if index < 2 else [])
    assert io.close(timeout=10) is True
    assert len(left) == 4


def test_draining_says_goodbye_too_and_takes_its_time(serve: Serve) -> None:
    io = SocketIO(drain_timeout=0.2)
    left: list[str] = []
    io.ns("/").on("echo", lambda *args: args)
    io.ns("/").on_disconnect(lambda reason: left.append(str(reason)))
    site = serve(io)
    peers = [site.connect() for _ in range(40)]
    draining = gevent.spawn(io.drain)
    assert peers[0].end()[0].code == 1001
    assert peers[-1].ask("echo", "still served") == ["still served"]
    for peer in peers[1:]:
        assert peer.end()[0].code == 1001
    assert draining.get() is True
    assert left == ["server shutting down"] * 40


def test_draining_waits_no_longer_than_it_may(serve: Serve) -> None:
    io = SocketIO()
    gate = Event()
    io.ns("/").on_disconnect(lambda: bool(gate.wait()))
    serve(io).connect()
    assert io.drain(limit=0.01) is False
    gate.set()
    wait_until(lambda: not io.sockets())


def test_draining_a_server_that_has_served_nobody() -> None:
    assert SocketIO().drain() is True


def test_close_waits_for_the_handlers(serve: Serve) -> None:
    io = SocketIO()
    gate, ended = Event(), Event()

    @io.ns("/").on_disconnect
    def bye() -> None:
        gate.wait()
        ended.set()

    serve(io).connect()
    assert io.close(timeout=0) is False
    assert io.close(timeout=0.01) is False
    closing = gevent.spawn(io.close)
    gevent.sleep(0)
    assert not closing.ready()
    gate.set()
    assert closing.get() is True
    assert ended.is_set()


def test_close_handles_first_what_came_before(serve: Serve) -> None:
    io = SocketIO()
    trace: list[object] = []
    begun, gate = Event(), Event()

    @io.ns("/").on("event")
    def event(number: int) -> None:
        begun.set()
        gate.wait()
        trace.append(number)

    io.ns("/").on_disconnect(lambda: trace.append("bye"))
    peer = serve(io).connect()
    peer.send_packet(*(Packet(EVENT, "/", ["event", number]) for number in range(3)))
    begun.wait()
    closing = gevent.spawn(io.close)
    peer.end()
    gate.set()
    assert closing.get() is True
    assert trace == [0, 1, 2, "bye"]


def test_close_during_a_connect_handler(serve: Serve) -> None:
    io = SocketIO()
    trace: list[str] = []
    begun, gate = Event(), Event()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        begun.set()
        gate.wait()
        trace.append("connect")

    io.ns("/").on_disconnect(lambda reason: trace.append(str(reason)))
    serve(io).connect()
    begun.wait()
    closing = gevent.spawn(io.close)
    gevent.sleep(0)
    gate.set()
    closing.get()
    assert trace == ["connect", "server shutting down"]


def test_close_during_a_middleware_lets_nobody_in(serve: Serve) -> None:
    io = SocketIO()
    trace: list[str] = []
    begun, gate = Event(), Event()

    @io.ns("/").use
    def check() -> None:
        begun.set()
        gate.wait()

    io.ns("/")(lambda: trace.append("connect"))
    io.ns("/").on_disconnect(lambda: trace.append("disconnect"))
    peer = serve(io).websocket()
    peer.send_packet(Packet(CONNECT))
    begun.wait()
    assert io.close(timeout=10) is True
    gate.set()
    assert peer.end()[1] == []
    wait_until(lambda: not io.engine.runtime.workers.busy)
    assert trace == []


def test_close_fails_the_answers_that_are_awaited(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    site = serve(io)
    socket = connected(site, site.websocket())
    future, stream = socket.emit_with_ack("question"), io.emit_with_ack("question")
    io.close(timeout=10)
    assert future.done()
    assert [type(result).__name__ for _, result in stream] == ["AckClosedError"]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_nobody_gets_in_after_the_close(serve: Serve, transport: str) -> None:
    io = SocketIO()
    io.ns("/")
    site = serve(io)
    site.connect()
    io.close(timeout=10)
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    reply = http_request(
        site.address,
        "GET",
        f"/socket.io/?EIO=4&transport={transport}",
        headers=headers if transport == "websocket" else {},
    )
    assert reply.status == 503


def test_a_handler_may_close_the_server(serve: Serve) -> None:
    io = SocketIO()
    outcomes: list[object] = []

    @io.ns("/").on("shut down")
    def shut_down() -> None:
        outcomes.append(io.close(timeout=0))

    io.ns("/").on_disconnect(lambda: outcomes.append("bye"))
    peer = serve(io).connect()
    peer.emit("shut down")
    assert peer.end()[0].orderly
    wait_until(lambda: len(outcomes) == 2)
    assert outcomes == [False, "bye"]


def test_clients_that_came_and_went_leave_no_object(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.data["self"] = socket.id
        socket.join(["room", f"of {socket.id}"])
        socket.on("event", lambda text: text)
        socket.on_disconnect(lambda: None)

    site = serve(io)
    for number in range(20):
        peer = site.polling() if number % 2 else site.websocket()
        peer.connect()
        assert peer.ask("event", "text") == ["text"]
        if number % 3:
            io.to("room").emit_with_ack("question")
        peer.close()
    wait_until(lambda: not io.of("/").sockets and not io.engine.sessions)
    wait_until(lambda: not io.engine.runtime.workers.busy)
    # Whoever comes last stands where the last one's greenlet may still hold something.
    last = site.connect()
    gc.collect()
    assert len([found for found in gc.get_objects() if type(found) is Socket and found.io is io]) <= 1
    assert io.rooms() == {"room", f"of {io.sockets()[0].id}"}
    last.close()
