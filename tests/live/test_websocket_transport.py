"""Engine.IO messages over WebSocket, and the rules of RFC 6455, against the echo server."""

from __future__ import annotations

import struct

import pytest
from wsproto.frame_protocol import Opcode

from tests.live.endpoint import Endpoint
from tests.live.ws_client import Closing, ConnectionClosed, frame

MAX_PAYLOAD = 1_000_000


@pytest.mark.parametrize(
    "message",
    ["4hello", "4", "4€ 𝕊 日本語 \u2028", "4\x00\x1e", bytes([1, 2, 3, 4]), b"", b"4hello", bytes(range(256)) * 300],
)
def test_a_message_comes_back(engine: Endpoint, message: str | bytes) -> None:
    with engine.open_websocket_session() as socket:
        socket.send(message)
        assert socket.receive() == message


def test_many_messages_in_one_segment_keep_their_order(engine: Endpoint) -> None:
    messages: list[str | bytes] = [f"4{number}" if number % 3 else bytes([number % 256]) for number in range(1000)]
    frames = [
        frame(Opcode.TEXT, message.encode()) if isinstance(message, str) else frame(Opcode.BINARY, message)
        for message in messages
    ]
    with engine.open_websocket_session() as socket:
        socket.send_raw(b"".join(frames))
        assert [socket.receive() for _ in messages] == messages


def test_frames_may_come_byte_by_byte(engine: Endpoint) -> None:
    with engine.open_websocket_session() as socket:
        for byte in frame(Opcode.TEXT, "4h€llo".encode()) + frame(Opcode.BINARY, b"\x01" * 130):
            socket.send_raw(bytes([byte]))
        assert [socket.receive(), socket.receive()] == ["4h€llo", b"\x01" * 130]


def test_a_frame_behind_the_handshake_is_not_lost(engine: Endpoint) -> None:
    with engine.open_websocket() as socket:
        # Before the open packet has been read: the server may find both in one segment.
        socket.send("4early")
        assert socket.receive_text().startswith("0{")
        assert socket.receive() == "4early"


def test_a_fragmented_message_is_put_together(engine: Endpoint) -> None:
    with engine.open_websocket_session() as socket:
        text = "4€uro".encode()
        socket.send_raw(frame(Opcode.TEXT, text[:2], fin=False))
        socket.send_raw(frame(Opcode.CONTINUATION, b"", fin=False))
        assert socket.ping(b"between") == b"between"
        socket.send_raw(frame(Opcode.CONTINUATION, text[2:]))
        assert socket.receive() == "4€uro"


def test_a_ping_frame_is_answered(engine: Endpoint) -> None:
    with engine.open_websocket_session() as socket:
        assert socket.ping() == b""
        assert socket.ping(b"x" * 125) == b"x" * 125
        socket.send_raw(frame(Opcode.PONG, b"unasked"))
        socket.send("4hello")
        assert socket.receive() == "4hello"


@pytest.mark.parametrize("message", ["abc", "x", "9", "", "0{}"])
def test_an_invalid_packet_closes_the_connection(engine: Endpoint, message: str) -> None:
    with engine.open_websocket_session() as socket:
        socket.send(message)
        closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, [])


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999, None])
def test_a_close_frame_is_answered(engine: Endpoint, code: int | None) -> None:
    with engine.open_websocket_session() as socket:
        assert socket.close(code) == Closing(1005 if code is None else code)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(Opcode.TEXT, b"4hello", mask=None), 1002),
        (frame(Opcode.TEXT, b"4hello", rsv=4), 1002),
        (frame(Opcode.TEXT, b"4hello", rsv=1), 1002),
        (frame(3, b"4hello"), 1002),
        (frame(11, b""), 1002),
        (frame(Opcode.CONTINUATION, b"4hello"), 1002),
        (frame(Opcode.TEXT, b"4", fin=False) + frame(Opcode.TEXT, b"4"), 1002),
        (frame(Opcode.PING, b"", fin=False), 1002),
        (frame(Opcode.PING, b"x" * 126), 1002),
        (frame(Opcode.CLOSE, b"\x03"), 1002),
        (frame(Opcode.CLOSE, struct.pack("!H", 1005)), 1002),
        (frame(Opcode.CLOSE, struct.pack("!H", 999)), 1002),
        (frame(Opcode.CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
        (frame(Opcode.TEXT, b"4\xff"), 1007),
        (frame(Opcode.TEXT, b"4\xed\xa0\x80"), 1007),
        (frame(Opcode.BINARY, b"", length=MAX_PAYLOAD + 1), 1009),
        (frame(Opcode.BINARY, b"", length=1 << 62), 1009),
        (frame(Opcode.BINARY, b"", length=(1 << 63) + 5), 1002),
    ],
)
def test_a_frame_that_breaks_rfc_6455(engine: Endpoint, sent: bytes, code: int) -> None:
    with engine.open_websocket_session() as socket:
        socket.send_raw(sent)
        closing = socket.closing()
    assert (closing.code, closing.messages) == (code, [])


def test_messages_of_the_largest_size_pass(engine: Endpoint) -> None:
    with engine.open_websocket_session() as socket:
        for message in ("4" + "x" * (MAX_PAYLOAD - 1), b"\x05" * MAX_PAYLOAD):
            socket.send(message)
            assert socket.receive() == message


def test_an_oversize_message_closes_the_connection(engine: Endpoint) -> None:
    with engine.open_websocket_session() as socket:
        socket.send("4" + "x" * MAX_PAYLOAD)
        assert socket.closing().code == 1009


def test_an_oversize_message_in_fragments_closes_the_connection(engine: Endpoint) -> None:
    half = b"x" * (MAX_PAYLOAD // 2)
    with engine.open_websocket_session() as socket:
        socket.send_raw(frame(Opcode.BINARY, half, fin=False) + frame(Opcode.CONTINUATION, half, fin=False))
        socket.send_raw(frame(Opcode.CONTINUATION, b"x"))
        assert socket.closing().code == 1009


def test_what_came_before_a_violation_is_still_answered(engine: Endpoint) -> None:
    with engine.open_websocket_session() as socket:
        socket.send("4first")
        assert socket.receive() == "4first"
        socket.send_raw(frame(Opcode.TEXT, b"4no", mask=None))
        with pytest.raises(ConnectionClosed):
            socket.receive()
