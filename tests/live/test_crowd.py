"""Clients that share a server: one that does not read, one that sends without end, and more than there is room for."""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import gevent
import pytest

from tests import tools
from tests.conformance.servers import SERVERS
from tests.live.harness import DEADLINE, Server
from tests.live.http_client import request, start_request
from tests.live.ws_client import Refused, WebSocket, frame
from tests.socketio.peer import WebSocketPeer

PATH = "/socket.io/"
POLLING = f"{PATH}?EIO=4&transport=polling"
WEBSOCKET = f"{PATH}?EIO=4&transport=websocket"

#: Those whose number of connections gunicorn limits.
GUNICORN = ("gunicorn", "gunicorn-pywsgi", "gevent-websocket")

CLIENTS = 200
#: Bytes that may wait for one client: what is broadcast at a time (NEWS in number, of SIZE bytes) must fit.
BOUND = 500_000
NEWS, SIZE = 16, 16_000

#: Bytes by which memory may grow besides: sockets' buffers are the kernel's, so little remains.
SPARE = 4_000_000

FLOOD = 50_000

Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers, with options of `SocketIO` and settings of gunicorn; they must end without another word."""
    with ExitStack() as stack, gevent.Timeout(4 * DEADLINE):

        def start(kind: str, settings: dict[str, Any] | None = None, **options: Any) -> Server:
            if kind != "pywsgi":
                tools.gunicorn()
            command = [sys.executable, "-m", "tests.live.crowd_server", "--server", kind]
            more = ["--options", json.dumps(options), "--settings", json.dumps(settings or {})]
            return stack.enter_context(Server([*command, *more]))

        yield start


def _state(server: Server) -> dict[str, Any]:
    state: dict[str, Any] = request(server.address, "GET", "/state").json
    return state


def _open(server: Server) -> WebSocket:
    """Connect a websocket to `/`."""
    client = WebSocket(server.address, WEBSOCKET)
    assert client.receive_text().startswith("0{")
    client.send("40")
    assert client.receive_text().startswith("40{")
    return client


@pytest.mark.parametrize("kind", SERVERS)
def test_one_of_200_that_does_not_read(kind: str, start: Start) -> None:
    server = start(kind, max_buffer_bytes=BOUND)
    message = json.dumps(["news", "x" * SIZE], separators=(",", ":")).encode()
    expected = (struct.pack("!BBH", 0x81, 126, len(message) + 2) + b"42" + message) * NEWS

    def read(client: WebSocketPeer) -> None:
        rest = len(expected)
        while rest:
            data = client.socket.recv(rest)
            position = len(expected) - rest
            assert data == expected[position : position + len(data)] != b""
            rest -= len(data)

    clients = [WebSocketPeer(server.address) for _ in range(CLIENTS)]
    for client in clients:
        client.connect()
    stuck, others = clients[0], clients[1:]
    before = _state(server)
    assert before["sessions"] == CLIENTS
    end = time.monotonic() + DEADLINE
    while (after := _state(server))["sessions"] == CLIENTS:
        assert time.monotonic() < end, "the kernel takes everything"
        others[-1].emit("news", SIZE, NEWS)
        gevent.joinall([gevent.spawn(read, client) for client in others], raise_error=True)
    assert (after["sessions"], after["reasons"]) == (CLIENTS - 1, {"slow consumer": 1})
    assert after["memory"] - before["memory"] < BOUND + SPARE
    # The others go on.
    others[0].emit("news", SIZE, NEWS)
    for client in others:
        read(client)
        client.close()
    stuck.close()
    [line] = server.take_errors().splitlines()
    assert line.startswith("WARNING geventsio.engine.complaints: closed a client that does not read: ")
    assert f"max_buffer_bytes={BOUND}" in line and "127.0.0.1" in line


@pytest.mark.parametrize("kind", SERVERS)
def test_one_that_sends_without_end(kind: str, start: Start) -> None:
    server = start(kind)
    with ExitStack() as stack, ThreadPoolExecutor(1) as thread:
        flooder, *others = (stack.enter_context(_open(server)) for _ in range(11))
        assert request(server.address, "GET", "/health").body == b"0"
        with server.stopped():
            # More than the kernel keeps for both sides: it is sent as the server reads.
            flood = thread.submit(flooder.send_raw, frame(1, b'42["flood"]') * FLOOD)
            for client in others:
                client.send('420["ask"]')
            health = stack.enter_context(start_request(server.address, "GET", "/health"))
        # Nobody waits until the flood is over; how long they wait is for benchmarks.
        for client in others:
            assert int(client.receive_text().removeprefix("430[").removesuffix("]")) < FLOOD
        assert int(health.reply().body) < FLOOD
        flood.result()
        flooder.send('421["ask"]')
        assert flooder.receive() == f"431[{FLOOD}]"


@pytest.mark.parametrize("kind", SERVERS)
def test_a_crowd_that_comes_back_at_once(kind: str, start: Start) -> None:
    server = start(kind)
    peers: list[WebSocketPeer] = []

    def come() -> None:
        peer = WebSocketPeer(server.address)
        peer.connect()
        assert peer.ask("ask") == [0]
        peers.append(peer)

    with _open(server) as bystander:
        with server.stopped():
            coming = [gevent.spawn(come) for _ in range(CLIENTS)]
            gevent.sleep(0.01)  # their handshakes wait in the kernel
            bystander.send('420["ask"]')
            health = start_request(server.address, "GET", "/health")
        # Neither waits until all are in, nor is anybody turned away.
        assert bystander.receive() == "430[0]"
        with health:
            assert health.reply().status == 200
        gevent.joinall(coming, raise_error=True)
        assert _state(server)["sessions"] == CLIENTS + 1
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("kind", GUNICORN)
def test_websockets_take_no_place_of_others(kind: str, start: Start) -> None:
    server = start(kind, settings={"worker_connections": 5}, max_connections=20)
    with ExitStack() as stack:
        clients = [stack.enter_context(_open(server)) for _ in range(20)]
        for _ in range(10):
            assert request(server.address, "GET", "/health").status == 200
        reply = request(server.address, "GET", POLLING)
        assert (reply.status, reply.json) == (503, {"message": "Too many connections"})
        assert int(reply.headers["Retry-After"]) > 0
        _check_refused(server, kind)
        assert request(server.address, "GET", "/health").status == 200
        for client in clients:
            client.send('420["ask"]')
            assert client.receive() == "430[0]"
        clients[0].close()
        while _state(server)["sessions"] == 20:
            time.sleep(0.01)
        stack.enter_context(_open(server))
        errors = server.take_errors().splitlines()
    assert any("refused a client: there are max_connections=20 sessions" in line for line in errors)
    assert all("max_connections=20" in line for line in errors), errors


def _check_refused(server: Server, kind: str) -> None:
    """Check that a websocket is refused."""
    try:
        client = WebSocket(server.address, WEBSOCKET)
    except Refused as refused:
        assert refused.status == 503
        return
    with client:
        assert kind == "gevent-websocket"  # which has answered the upgrade by then
        assert client.closing().code == 1013
