"""Compression over the wire: permessage-deflate with real clients, and compressed answers to polls."""

from __future__ import annotations

import gzip
import json
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from wsproto.frame_protocol import Opcode

from tests import tools
from tests.live.endpoint import Endpoint
from tests.live.harness import DEADLINE
from tests.live.http_client import Reply, request
from tests.live.ws_client import WebSocket, frame

MAX_PAYLOAD = 1_000_000
LARGE = "4" + "hello " * 1000


def deflated(payload: bytes) -> bytes:
    """A compressed message as a client sends it."""
    compressor = zlib.compressobj(9, wbits=-15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.fixture
def deflating(engine: Endpoint) -> Endpoint:
    """The Engine.IO server, where permessage-deflate can be negotiated with it; `test_ws` checks the others."""
    if engine.kind == "gevent-websocket":
        pytest.skip("its handler answers the handshake, without extensions, before the application runs")
    return engine


def target(engine: Endpoint) -> str:
    return f"{engine.path}?EIO=4&transport=websocket"


def open_session(engine: Endpoint) -> WebSocket:
    socket = WebSocket(engine.address, target(engine), deflate=True)
    assert socket.receive_text().startswith("0{")
    return socket


def test_messages_with_and_without_compression(deflating: Endpoint) -> None:
    with open_session(deflating) as socket:
        for message in (LARGE, "4short", LARGE.encode(), b"\x01"):
            socket.send(message)
            assert socket.receive() == message
        data = deflated(LARGE.encode())
        socket.send_raw(frame(Opcode.TEXT, data[:7], rsv=4, fin=False))
        assert socket.ping(b"between") == b"between"
        socket.send_raw(frame(Opcode.CONTINUATION, data[7:]))
        assert socket.receive() == LARGE


def test_the_largest_message(deflating: Endpoint) -> None:
    message = b"\x05" * MAX_PAYLOAD
    with open_session(deflating) as socket:
        socket.send_raw(frame(Opcode.BINARY, deflated(message), rsv=4))
        assert socket.receive() == message


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(Opcode.BINARY, deflated(bytes(MAX_PAYLOAD + 1)), rsv=4), 1009),
        (frame(Opcode.BINARY, deflated(bytes(500 * MAX_PAYLOAD)), rsv=4), 1009),
        (frame(Opcode.TEXT, b"4hello", rsv=4), 1007),
        (frame(Opcode.TEXT, deflated(b"4hello")[:-3], rsv=4), 1007),
        (frame(Opcode.TEXT, deflated(b"4\xff"), rsv=4), 1007),
        (frame(Opcode.PING, b"", rsv=4), 1002),
        (frame(Opcode.TEXT, b"4hello", rsv=2), 1002),
    ],
    ids=["too big", "bomb", "not compressed", "incomplete", "not UTF-8", "ping", "another bit"],
)
def test_a_message_that_breaks_the_rules(deflating: Endpoint, sent: bytes, code: int) -> None:
    with open_session(deflating) as socket:
        socket.send_raw(sent)
        closing = socket.closing()
    assert (closing.code, closing.messages) == (code, [])


def check_client(endpoint: Endpoint, client: str, folder: Path) -> None:
    """Run the checks of one JavaScript client, all of which must pass."""
    outcome = "plain" if endpoint.kind == "gevent-websocket" else "negotiated"
    script = Path(__file__).with_name("js") / "deflate_checks.mjs"
    command = [str(tools.node()), str(script), client, str(folder), endpoint.server.url, outcome]
    ended = subprocess.run(command, capture_output=True, timeout=6 * DEADLINE, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    results = json.loads(ended.stdout)
    assert results
    assert {name: problem for name, problem in results.items() if problem is not None} == {}


def test_ws(websocket: Endpoint) -> None:
    check_client(websocket, "ws", tools.js_package("ws"))


def test_socket_io_client(socketio: Endpoint) -> None:
    check_client(socketio, "socket.io", tools.js_package("socket.io-client"))


def poll(engine: Endpoint, message: str, headers: dict[str, str]) -> Reply:
    """Let the server echo a message, and poll it."""
    session = engine.open_polling()
    session.send(message)
    return request(engine.address, "GET", session.target(), headers=headers)


@pytest.mark.parametrize(
    ("accepted", "coding", "expand"),
    [
        ("gzip, deflate, br", "gzip", gzip.decompress),
        ("gzip;q=0.5, deflate", "deflate", zlib.decompress),
    ],
)
def test_a_compressed_poll(engine: Endpoint, accepted: str, coding: str, expand: Callable[[bytes], bytes]) -> None:
    reply = poll(engine, LARGE, {"Accept-Encoding": accepted, "Origin": "http://example.org"})
    assert (reply.status, reply.headers["Content-Encoding"]) == (200, coding)
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers.get_all("Vary") == ["Accept-Encoding"]
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert expand(reply.body).decode() == LARGE


@pytest.mark.parametrize(
    ("message", "accepted"), [(LARGE, ""), (LARGE, "identity"), (LARGE, "br"), (LARGE, "gzip;q=0"), ("4hello", "gzip")]
)
def test_a_poll_that_is_not_compressed(engine: Endpoint, message: str, accepted: str) -> None:
    reply = poll(engine, message, {"Accept-Encoding": accepted})
    assert (reply.status, reply.headers["Content-Encoding"], reply.text) == (200, None, message)
    assert reply.headers["Content-Length"] == str(len(reply.body))


def test_errors_are_not_compressed(engine: Endpoint) -> None:
    reply = request(engine.address, "GET", engine.path, headers={"Accept-Encoding": "gzip"})
    assert (reply.status, reply.headers["Content-Encoding"], reply.headers["Vary"]) == (400, None, None)
    assert reply.json["code"] == 0
