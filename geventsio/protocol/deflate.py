"""permessage-deflate (RFC 7692) without context takeover: its negotiation, and the data of single messages.

No compressor or decompressor outlives a message, so a connection that is idle costs what it costs without the
extension, and a message that is compressed once suits every client.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

from geventsio.errors import ProtocolError
from geventsio.protocol.websocket_frames import CloseCode

__all__ = ["MAX_WINDOW_BITS", "Agreement", "Inflater", "deflate", "max_deflated_size", "negotiate"]

MAX_WINDOW_BITS = 15

# It runs in the hub. Measured with JSON of 64 KB: 0.35 ms for 26 % of its size; at zlib's default, 6, 1.5 ms for 21 %.
_LEVEL = 2

# What the sender takes off (section 7.2.1), and an empty final block: the stream ends there only if the message's
# data were complete.
_REST = b"\x00\x00\xff\xff\x03\x00"

# A message may hold several streams, each ended by a block with BFINAL (section 7.2.3.4). No known client sends more
# than two; each takes a decompressor.
_MAX_STREAMS = 64

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_WINDOW_BITS = {str(bits): bits for bits in range(8, MAX_WINDOW_BITS + 1)}

Parameters = list[tuple[str, "str | None"]]


class Agreement(NamedTuple):
    """What a handshake agreed on.

    Attributes:
        header: the value of `Sec-WebSocket-Extensions` in the answer.
        window_bits: what `deflate` is to be called with.
    """

    header: str
    window_bits: int


def negotiate(header: str) -> Agreement | None:
    """Choose the first acceptable offer of permessage-deflate (section 5 and 7.1).

    An offer with a parameter that is unknown, repeated or out of range is declined, and so is
    `server_max_window_bits=8`, which zlib does not provide. A header that breaks the syntax of RFC 6455 section 9.1
    offers nothing.

    Args:
        header: the request's `Sec-WebSocket-Extensions`, empty if it has none.

    Returns:
        None if compression can't be used.
    """
    try:
        offers = _parse(header)
    except ValueError:
        return None
    for name, parameters in offers:
        if name == "permessage-deflate":
            agreement = _answer(parameters)
            if agreement is not None:
                return agreement
    return None


def _answer(parameters: Parameters) -> Agreement | None:
    values = dict(parameters)
    if len(values) < len(parameters):
        return None
    # Both sides without takeover, whether the client asked for it or not (section 7.1.1).
    header = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    window_bits = MAX_WINDOW_BITS
    for name, value in values.items():
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value is not None:
                return None
        elif name == "client_max_window_bits":
            # Nothing to answer: any window can be inflated.
            if value is not None and value not in _WINDOW_BITS:
                return None
        elif name == "server_max_window_bits":
            window_bits = _WINDOW_BITS.get(value or "", 0)
            if window_bits <= 8:
                return None
            header += f"; server_max_window_bits={window_bits}"
        else:
            return None
    return Agreement(header, window_bits)


def _parse(header: str) -> list[tuple[str, Parameters]]:
    """Split the header; a quoted value must be a token too, so that no separator can hide in one.

    Raises:
        ValueError: it breaks the syntax.
    """
    extensions: list[tuple[str, Parameters]] = []
    for element in header.split(","):
        if not element.strip(" \t"):
            continue  # RFC 9110 section 5.6.1.2: empty elements are to be ignored
        name, *rest = [part.strip(" \t") for part in element.split(";")]
        extensions.append((_token(name), [_parameter(part) for part in rest]))
    return extensions


def _parameter(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    name = _token(name.rstrip(" \t"))
    if not equals:
        return name, None
    value = value.lstrip(" \t")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return name, _token(value)


def _token(text: str) -> str:
    if not text or not _TOKEN.issuperset(text):
        raise ValueError("not a token")
    return text


def deflate(payload: bytes, window_bits: int = MAX_WINDOW_BITS) -> bytes:
    """Return the compressed payload of one message (section 7.2.1).

    Args:
        payload: the whole message.
        window_bits: 9 to 15, the base-2 logarithm of the window's bytes.
    """
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window_bits)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def max_deflated_size(size: int) -> int:
    """Bytes that a client's compressor may make of `size` bytes.

    Data that can't be compressed grow: the bound is that of zlib for its smallest window and least memory.
    """
    return size + size // 7 + 64


class Inflater:
    """Decompresses one message (section 7.2.2). It stops as soon as the message exceeds its limit.

    Args:
        limit: bytes that the message may have.
    """

    __slots__ = ("_room", "_stream", "_streams")

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._streams = 0
        self._stream: Any = None  # None where a stream may begin

    def inflate(self, data: bytes, fin: bool) -> bytes:
        """Return what the payload of one frame holds.

        Args:
            data: the payloads of the message's frames, in turn.
            fin: whether this is the last one.

        Raises:
            ProtocolError: the data are invalid or incomplete, or the message is too big.
        """
        try:
            inflated = self._run(data)
            # A stream that has been ended needs no rest; some senders leave the empty block behind it out.
            if fin and self._stream is not None:
                inflated += self._run(_REST)
                if self._stream is not None:
                    raise ProtocolError("incomplete compressed data", CloseCode.INVALID_DATA)
        except zlib.error:
            raise ProtocolError("invalid compressed data", CloseCode.INVALID_DATA) from None
        return inflated

    def _run(self, data: bytes) -> bytes:
        inflated = b""
        while data:
            stream = self._stream
            if stream is None:
                self._streams += 1
                if self._streams > _MAX_STREAMS:
                    raise ProtocolError("too many compressed streams in one message", CloseCode.INVALID_DATA)
                stream = self._stream = zlib.decompressobj(-MAX_WINDOW_BITS)
            # One byte more than allowed tells a message that is too big; what it would inflate to is never made.
            piece = stream.decompress(data, self._room + 1)
            self._room -= len(piece)
            if self._room < 0:
                raise ProtocolError("message too big", CloseCode.MESSAGE_TOO_BIG)
            inflated = inflated + piece if inflated else piece
            if not stream.eof:
                break
            self._stream = None
            data = stream.unused_data
        return inflated
