"""Frames as a client writes them, right and wrong, and what a parser makes of them."""

from __future__ import annotations

from collections.abc import Iterable

from geventsio.protocol.websocket import Close, FrameParser, Ping, Pong

__all__ = ["Event", "client_frame", "events_of", "parse", "xor"]

Event = str | bytes | Ping | Pong | Close

KEY = b"\x37\xfa\x21\x3d"


def xor(payload: bytes, key: bytes) -> bytes:
    """Mask a payload as RFC 6455 section 5.3 defines it."""
    size = len(payload)
    keys = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(size, "big")


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = KEY,
    length_size: int | None = None,
    length: int | None = None,
) -> bytes:
    """Build a frame.

    Args:
        key: None leaves the frame unmasked.
        length_size: bytes of the extended length, 0, 2 or 8; None takes the fewest.
        length: what the header says, if it is to be a lie.
    """
    length = len(payload) if length is None else length
    if length_size is None:
        length_size = 0 if length < 126 else 2 if length < 65536 else 8
    short = {0: length, 2: 126, 8: 127}[length_size]
    head = bytes((fin << 7 | rsv << 4 | opcode, (key is not None) << 7 | short))
    if length_size:
        head += length.to_bytes(length_size, "big")
    return head + (payload if key is None else key + xor(payload, key))


def events_of(parser: FrameParser) -> list[Event]:
    """Take all events that a parser has."""
    events: list[Event] = []
    while (event := parser.next_event()) is not None:
        events.append(event)
    return events


def parse(pieces: Iterable[bytes], parser: FrameParser | None = None) -> list[Event]:
    """Return the events of a stream that arrives in pieces."""
    parser = parser or FrameParser(1_000_000)
    events: list[Event] = []
    for piece in pieces:
        parser.receive_data(piece)
        events += events_of(parser)
    return events
