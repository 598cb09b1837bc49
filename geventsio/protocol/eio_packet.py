"""Engine.IO packets, protocol version 4; those of version 3 look the same but for binary ones."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import orjson

from geventsio.errors import ProtocolError

__all__ = [
    "CLOSE",
    "NOOP",
    "PING",
    "PONG",
    "PROBE_PING",
    "PROBE_PONG",
    "UPGRADE",
    "Packet",
    "PacketType",
    "decode_base64",
    "decode_packet",
    "encode_open",
]


class PacketType(IntEnum):
    """engine.io-protocol, "Packet types"."""

    OPEN = 0
    CLOSE = 1
    PING = 2
    PONG = 3
    MESSAGE = 4
    UPGRADE = 5
    NOOP = 6


class Packet(NamedTuple):
    """One packet; `data` is bytes only for a binary message."""

    type: PacketType
    data: str | bytes


# What the server sends is bytes, what it compares with is text.
CLOSE = b"1"
PING = b"2"
PONG = b"3"
NOOP = b"6"
PROBE_PONG = b"3probe"
PROBE_PING = "2probe"
UPGRADE = "5"

_TYPES = {str(type.value): type for type in PacketType}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def encode_open(
    sid: str, upgrades: Sequence[str], ping_interval: float, ping_timeout: float, max_payload: int
) -> bytes:
    """Return the OPEN packet that starts a session.

    Args:
        sid: the session's secret id.
        upgrades: transports that the client may change to.
        ping_interval: seconds between two pings.
        ping_timeout: seconds that the client has for its pong.
        max_payload: bytes that one of its payloads or messages may have.
    """
    handshake = {
        "sid": sid,
        "upgrades": list(upgrades),
        "pingInterval": _milliseconds(ping_interval),
        "pingTimeout": _milliseconds(ping_timeout),
        "maxPayload": max_payload,
    }
    return b"0" + orjson.dumps(handshake)


def decode_packet(text: str) -> Packet:
    """Return the packet that a text message, or one part of a polling payload, holds.

    Raises:
        ProtocolError: it is empty, of unknown type, or its base64 is broken.
    """
    packet_type = _TYPES.get(text[:1])
    if packet_type is not None:
        return Packet(packet_type, text[1:])
    if text[:1] == "b":
        return Packet(PacketType.MESSAGE, decode_base64(text[1:]))
    raise ProtocolError("unknown Engine.IO packet type" if text else "empty Engine.IO packet")


def decode_base64(text: str) -> bytes:
    """Return the binary message that a text holds.

    Raises:
        ProtocolError: it is no base64 with correct padding.
    """
    # b64decode looks at the alphabet, but lets superfluous padding pass.
    if len(text) % 4 or text.endswith("==="):
        raise ProtocolError("invalid base64 padding")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ProtocolError("invalid base64") from None
