"""What a server writes of RFC 6455: handshake values and frames, and the numbers both sides use."""

from __future__ import annotations

import base64
import hashlib
import struct
from enum import IntEnum

__all__ = [
    "MAX_CONTROL_PAYLOAD",
    "NO_STATUS",
    "CloseCode",
    "Opcode",
    "accept_key",
    "build_binary",
    "build_close",
    "build_deflated",
    "build_frame",
    "build_text",
    "is_valid_key",
]


class Opcode(IntEnum):
    """RFC 6455 section 5.2, "Opcode"."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """RFC 6455 section 7.4.1, and those that IANA registered later, as far as we send them."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013


# Never on the wire: it stands for a close frame without a body (section 7.4.1).
NO_STATUS = 1005
MAX_CONTROL_PAYLOAD = 125  # bytes, section 5.5
_MAX_REASON = MAX_CONTROL_PAYLOAD - 2

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FIN = 0x80
_RSV1 = 0x40
_FIN_TEXT = _FIN | Opcode.TEXT
_FIN_BINARY = _FIN | Opcode.BINARY
_CLOSE = Opcode.CLOSE.value

_pack_16 = struct.Struct("!BBH").pack
_pack_64 = struct.Struct("!BBQ").pack
_TEXT_HEADERS = tuple(bytes((_FIN_TEXT, length)) for length in range(126))
_BINARY_HEADERS = tuple(bytes((_FIN_BINARY, length)) for length in range(126))


def accept_key(key: str) -> str:
    """Return the `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (section 4.2.2)."""
    digest = hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def is_valid_key(key: str) -> bool:
    """Tell whether a `Sec-WebSocket-Key` is the base64 of exactly 16 bytes (section 4.1)."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def _long_header(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65536:
        return _pack_16(first, 126, length)
    return _pack_64(first, 127, length)


def build_text(payload: bytes) -> bytes:
    """Return one unfragmented text frame, unmasked as a server's frames are; `payload` is UTF-8."""
    length = len(payload)
    if length < 126:
        return _TEXT_HEADERS[length] + payload
    return _long_header(_FIN_TEXT, length) + payload


def build_binary(payload: bytes) -> bytes:
    """Return one unfragmented, unmasked binary frame."""
    length = len(payload)
    if length < 126:
        return _BINARY_HEADERS[length] + payload
    return _long_header(_FIN_BINARY, length) + payload


def build_deflated(opcode: int, payload: bytes) -> bytes:
    """Return one unfragmented, unmasked frame of a message that is compressed (RFC 7692 section 7.2)."""
    return _long_header(_FIN | _RSV1 | opcode, len(payload)) + payload


def build_frame(opcode: int, payload: bytes) -> bytes:
    """Return one unfragmented, unmasked frame of any opcode.

    Raises:
        ValueError: a control frame's payload is longer than 125 bytes (section 5.5).
    """
    if opcode >= _CLOSE and len(payload) > MAX_CONTROL_PAYLOAD:
        raise ValueError("a control frame carries at most 125 bytes")
    return _long_header(_FIN | opcode, len(payload)) + payload


def build_close(code: int, reason: str = "") -> bytes:
    """Return a close frame (section 5.5.1).

    Args:
        code: the status code; 1005 makes a frame without body.
        reason: cut to 123 bytes, between two characters.
    """
    if code == NO_STATUS:
        return build_frame(_CLOSE, b"")
    text = reason.encode("utf-8", "replace")[:_MAX_REASON].decode("utf-8", "ignore")
    return build_frame(_CLOSE, code.to_bytes(2, "big") + text.encode())
