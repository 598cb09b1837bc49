"""Handshake values and the frames that the server writes."""

from __future__ import annotations

import base64

import pytest

from geventsio.protocol.websocket import (
    CloseCode,
    Opcode,
    accept_key,
    build_binary,
    build_close,
    build_frame,
    build_text,
    is_valid_key,
)

LENGTHS = {
    0: b"\x00",
    1: b"\x01",
    125: b"\x7d",
    126: b"\x7e\x00\x7e",
    127: b"\x7e\x00\x7f",
    256: b"\x7e\x01\x00",
    65535: b"\x7e\xff\xff",
    65536: b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
}


def test_accept_key_of_rfc_6455_section_1_3() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("key", "valid"),
    [
        ("dGhlIHNhbXBsZSBub25jZQ==", True),
        (base64.b64encode(bytes(range(16))).decode(), True),
        (base64.b64encode(b"\xff" * 16).decode(), True),
        ("", False),
        ("dGhlIHNhbXBsZSBub25jZQ", False),
        (base64.b64encode(bytes(15)).decode(), False),
        (base64.b64encode(bytes(17)).decode(), False),
        (base64.b64encode(bytes(18)).decode(), False),
        ("dGhlIHNhbXBsZSBub25jZQ== ", False),
        ("dGhlIHNhbXBsZSBub25j\nQ==", False),
        ("dGhlIHNhbXBsZSBub25-ZQ==", False),
        ("dGhlIHNhbXBsZSBub25éZQ==", False),
        ("dGhlIHNhbXBsZSBub25jZQ======", False),
        ("=" * 24, False),
        ("A" * 24, False),
    ],
)
def test_valid_keys(key: str, valid: bool) -> None:
    assert is_valid_key(key) is valid


@pytest.mark.parametrize(("length", "header"), LENGTHS.items())
def test_headers(length: int, header: bytes) -> None:
    payload = b"x" * length
    assert build_text(payload) == b"\x81" + header + payload
    assert build_binary(payload) == b"\x82" + header + payload
    assert build_frame(Opcode.TEXT, payload) == b"\x81" + header + payload
    assert build_frame(Opcode.BINARY, payload) == b"\x82" + header + payload


def test_examples_of_rfc_6455_section_5_7() -> None:
    assert build_text(b"Hello") == bytes.fromhex("810548656c6c6f")
    assert build_frame(Opcode.PING, b"Hello") == bytes.fromhex("890548656c6c6f")


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CLOSE])
def test_control_frames_are_short(opcode: Opcode) -> None:
    assert build_frame(opcode, b"x" * 125) == bytes((0x80 | opcode, 125)) + b"x" * 125
    with pytest.raises(ValueError, match="125"):
        build_frame(opcode, b"x" * 126)


@pytest.mark.parametrize(
    ("code", "reason", "frame"),
    [
        (1000, "", b"\x88\x02\x03\xe8"),
        (CloseCode.MESSAGE_TOO_BIG, "too big", b"\x88\x09\x03\xf1too big"),
        (4999, "é", b"\x88\x04\x13\x87\xc3\xa9"),
        (1005, "", b"\x88\x00"),
        (1005, "ignored", b"\x88\x00"),
        (1000, "a" * 124, b"\x88\x7d\x03\xe8" + b"a" * 123),
        (1000, "a" * 122 + "é", b"\x88\x7c\x03\xe8" + b"a" * 122),
        (1000, "a" * 121 + "é", b"\x88\x7d\x03\xe8" + b"a" * 121 + b"\xc3\xa9"),
        (1000, "a" * 120 + "\U0001f600", b"\x88\x7a\x03\xe8" + b"a" * 120),
        (1000, "\ud800", b"\x88\x03\x03\xe8?"),
    ],
)
def test_close(code: int, reason: str, frame: bytes) -> None:
    assert build_close(code, reason) == frame
