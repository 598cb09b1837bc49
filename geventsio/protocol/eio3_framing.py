"""The two framings of Engine.IO v3 polling payloads: text with lengths in UTF-16 units, and binary."""

from __future__ import annotations

from collections.abc import Iterator

from geventsio.errors import ProtocolError

__all__ = ["frame_binary", "frame_text", "split_binary", "split_text"]

#: Of a packet's length; no body is longer.
MAX_DIGITS = 9

_STRING = b"\x00"
_BINARY = b"\x01"
_END_OF_LENGTH = b"\xff"
# A digit stands as the byte of its value: "42" as 04 02.
_FROM_ASCII = bytes.maketrans(b"0123456789", bytes(range(10)))
_TO_ASCII = bytes.maketrans(bytes(range(10)), b"0123456789")

_BROKEN = "invalid length in a payload"


def frame_text(packet: bytes) -> bytes:
    """Return a packet, in UTF-8, as it stands in a text payload. JavaScript counts its length in UTF-16 units."""
    length = len(packet) if packet.isascii() else len(packet.decode().encode("utf-16-le")) // 2
    return b"%d:%b" % (length, packet)


def frame_binary(content: bytes, is_string: bool) -> bytes:
    """Return a packet as it stands in a binary payload: text in UTF-8, or binary behind the byte of its type."""
    length = b"%d" % len(content)
    return b"".join((_STRING if is_string else _BINARY, length.translate(_FROM_ASCII), _END_OF_LENGTH, content))


def split_text(body: bytes) -> Iterator[str]:
    """Yield the packets of a text payload.

    Raises:
        ProtocolError: it is not UTF-8, or a length is broken, goes beyond the end, or cuts a character.
    """
    try:
        units = body.decode().encode("utf-16-le")
    except UnicodeDecodeError:
        raise ProtocolError("payload that is not UTF-8") from None
    start = 0
    while start < len(units):
        header = units[start : start + 2 * (MAX_DIGITS + 1)].decode("utf-16-le", "replace")
        digits, colon, _ = header.partition(":")
        if not (colon and digits.isdecimal() and digits.isascii()):
            raise ProtocolError(_BROKEN)
        start += 2 * (len(digits) + 1)
        end = start + 2 * int(digits)
        if end > len(units):
            raise ProtocolError(_BROKEN)
        try:
            yield units[start:end].decode("utf-16-le")
        except UnicodeDecodeError:
            raise ProtocolError("a length in a payload that cuts a character") from None
        start = end


def split_binary(body: bytes) -> Iterator[str | bytes]:
    """Yield the packets of a binary payload: text, or binary with the byte of its type in front.

    Raises:
        ProtocolError: a length is broken or goes beyond the end, or a text is not UTF-8.
    """
    start = 0
    while start < len(body):
        kind = body[start : start + 1]
        limit = body.find(_END_OF_LENGTH, start + 1, start + MAX_DIGITS + 2)
        digits = body[start + 1 : max(limit, 0)]
        if kind > _BINARY or not digits or max(digits) > 9:
            raise ProtocolError(_BROKEN)
        start = limit + 1
        end = start + int(digits.translate(_TO_ASCII))
        if end > len(body):
            raise ProtocolError(_BROKEN)
        content = body[start:end]
        start = end
        try:
            yield content if kind == _BINARY else content.decode()
        except UnicodeDecodeError:
            raise ProtocolError("text in a payload that is not UTF-8") from None
