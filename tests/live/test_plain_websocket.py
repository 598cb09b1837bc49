"""The plain WebSocket echo server: the transport without Engine.IO on top."""

from __future__ import annotations

import pytest
from wsproto.frame_protocol import Opcode

from tests.live.endpoint import Endpoint
from tests.live.http_client import request
from tests.live.ws_client import Closing, WebSocket, frame

MAX_MESSAGE = 16 * 1024 * 1024


@pytest.mark.parametrize("message", ["", "hello", "h€llo 𝕊", b"", b"\x00\xff", "x" * 65535, b"x" * 65536])
def test_a_message_comes_back(websocket: Endpoint, message: str | bytes) -> None:
    with WebSocket(websocket.address, "/") as socket:
        socket.send(message)
        assert socket.receive() == message
        assert socket.close() == Closing(1000)


@pytest.mark.parametrize("message", ["x" * MAX_MESSAGE, b"\x01" * MAX_MESSAGE], ids=["text", "binary"])
def test_a_message_of_the_largest_size_comes_back(websocket: Endpoint, message: str | bytes) -> None:
    with WebSocket(websocket.address, "/") as socket:
        socket.send(message)
        assert socket.receive() == message


def test_a_larger_message_closes_the_connection(websocket: Endpoint) -> None:
    with WebSocket(websocket.address, "/") as socket:
        socket.send_raw(frame(Opcode.BINARY, b"", length=MAX_MESSAGE + 1))
        assert socket.closing().code == 1009


def test_fragments_of_a_large_message_are_put_together(websocket: Endpoint) -> None:
    part = b"\x07" * 65536
    with WebSocket(websocket.address, "/") as socket:
        socket.send_raw(frame(Opcode.BINARY, part, fin=False))
        for _ in range(62):
            socket.send_raw(frame(Opcode.CONTINUATION, part, fin=False))
        socket.send_raw(frame(Opcode.CONTINUATION, part))
        assert socket.receive() == part * 64


def test_a_plain_request_is_refused(websocket: Endpoint) -> None:
    assert request(websocket.address, "GET", "/").status in (400, 426)
