"""RFC 6455 on the server's side: the parser of the client's frames, and all the names that others need."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from geventsio.errors import ProtocolError
from geventsio.protocol.deflate import Inflater, max_deflated_size
from geventsio.protocol.websocket_frames import (
    MAX_CONTROL_PAYLOAD,
    NO_STATUS,
    CloseCode,
    Opcode,
    accept_key,
    build_binary,
    build_close,
    build_frame,
    build_text,
    is_valid_key,
)

try:
    from websockets.speedups import apply_mask
except ImportError:  # the wheel of this platform comes without the C extension
    from websockets.utils import apply_mask

__all__ = [
    "MAX_FRAGMENTS",
    "Close",
    "CloseCode",
    "FrameParser",
    "Opcode",
    "Ping",
    "Pong",
    "accept_key",
    "build_binary",
    "build_close",
    "build_frame",
    "build_text",
    "is_valid_key",
]

# 1004 to 1006 and 1015 must not be sent (section 7.4.1); 1012 to 1014 were registered later.
_VALID_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})

#: Frames that one message may be cut into: what each takes beside its payload is bounded by nothing else.
MAX_FRAGMENTS = 1024

_FIN = 0x80
_RSV = 0x70
_RSV1 = 0x40  # the message is compressed (RFC 7692 section 6)
_OPCODE = 0x0F
_MASKED = 0x80
_MIN_HEADER = 2

# As plain numbers: looking up and comparing enum members costs more than the rest of a frame.
_CONTINUATION = Opcode.CONTINUATION.value
_TEXT = Opcode.TEXT.value
_BINARY = Opcode.BINARY.value
_CLOSE = Opcode.CLOSE.value
_PING = Opcode.PING.value
_PONG = Opcode.PONG.value
_FIN_TEXT = _FIN | _TEXT
_FIN_BINARY = _FIN | _BINARY
_INVALID_DATA = CloseCode.INVALID_DATA.value
_MESSAGE_TOO_BIG = CloseCode.MESSAGE_TOO_BIG.value


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping frame; answer it with a pong of the same payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """A pong frame."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame; `code` is 1005 when it had no body."""

    code: int
    reason: str


class _Fragments:
    """A message of which not all fragments have arrived."""

    __slots__ = ("binary", "count", "decoder", "inflater", "size", "text")

    def __init__(self, opcode: int, inflater: Inflater | None) -> None:
        self.count = 0
        self.size = 0  # of the frames' payloads, as they came
        self.inflater = inflater
        self.binary: list[bytes] = []
        self.text: list[str] = []
        self.decoder = codecs.getincrementaldecoder("utf-8")() if opcode == _TEXT else None

    def add(self, payload: bytes, fin: bool) -> str | bytes | None:
        """Take one fragment; return the message when it was the last one."""
        self.count += 1
        self.size += len(payload)
        if self.inflater is not None:
            payload = self.inflater.inflate(payload, fin)
        if self.decoder is None:
            self.binary.append(payload)
            return b"".join(self.binary) if fin else None
        self.text.append(self.decoder.decode(payload, fin))
        return "".join(self.text) if fin else None


class FrameParser:
    """Turns the bytes of a client into messages and control frames.

    Give it what arrives with `receive_data`, then call `next_event` until it returns None, or stop earlier and go on
    later. It answers nothing itself: pings and close frames come out as events. Work and memory are linear in the
    bytes received, however they are cut. After an error or a close frame it ignores what follows (section 5.5.1).

    Args:
        max_message_size: bytes of payload that one message may have, over all its fragments and after inflation.
        max_fragments: frames that one message may be cut into.
        per_message_deflate: whether the client may compress its messages, without context takeover.

    Attributes:
        buffer: what has been received and not been read yet; false if that is nothing.
        unfinished: the message whose last fragment has not arrived; None if there is none. Not to be touched.
    """

    # Thousands of connections are idle at any time: then `buffer` is the shared b"" and the rest are small numbers.
    __slots__ = ("_done", "_max_fragments", "_max_message_size", "_need", "_pos", "_reserved", "buffer", "unfinished")

    def __init__(
        self, max_message_size: int, max_fragments: int = MAX_FRAGMENTS, per_message_deflate: bool = False
    ) -> None:
        self._max_message_size = max_message_size
        self._max_fragments = max_fragments
        self._reserved = _RSV & ~_RSV1 if per_message_deflate else _RSV
        self.buffer: bytes | bytearray = b""
        self._pos = 0
        # Bytes from `_pos` on without which nothing more can be told.
        self._need = _MIN_HEADER
        self.unfinished: _Fragments | None = None
        self._done = False

    @property
    def has_buffered(self) -> bool:
        """Whether bytes wait that might hold another event."""
        return len(self.buffer) - self._pos >= self._need

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came from the socket."""
        if not self.buffer:
            # After an error or a close nothing is kept: memory must not grow while the peer goes on sending.
            if not self._done:
                self.buffer = data
            return
        buffer = self.buffer
        if isinstance(buffer, bytearray):
            if self._pos:
                del buffer[: self._pos]
        else:
            # A bytearray grows in place: many small pieces cost neither a copy nor an object each.
            buffer = self.buffer = bytearray(memoryview(buffer)[self._pos :])
        self._pos = 0
        buffer += data

    def next_event(self) -> str | bytes | Ping | Pong | Close | None:
        """Return the next event, or None when it takes more bytes.

        Returns:
            A text message as str, a binary message as bytes, or a control frame.

        Raises:
            ProtocolError: the client broke RFC 6455 or exceeded a limit; `close_code` says how to answer.
        """
        buffer = self.buffer
        pos = self._pos
        size = len(buffer)
        if size - pos < self._need:
            if pos:
                self._wait(self._need)
            return None
        # Nearly every frame is a whole unfragmented message under 64 KB; the general path takes three times as long.
        first = buffer[pos]
        if (first == _FIN_TEXT or first == _FIN_BINARY) and self.unfinished is None:
            length = buffer[pos + 1] - _MASKED
            start = pos + 6
            shortest = 0
            if length == 126 and size - pos > 8:
                length = buffer[pos + 2] << 8 | buffer[pos + 3]
                start = pos + 8
                shortest = 126
            elif length > 125:
                length = -1
            end = start + length
            if shortest <= length <= self._max_message_size and end <= size:
                payload = apply_mask(buffer[start:end], buffer[start - 4 : start])
                if end == size:
                    self.buffer = b""
                    self._pos = 0
                else:
                    self._pos = end
                self._need = _MIN_HEADER
                if first == _FIN_BINARY:
                    return payload
                try:
                    return payload.decode()
                except UnicodeDecodeError:
                    self._stop()
                    raise ProtocolError("text that is not UTF-8", _INVALID_DATA) from None
        try:
            return self._next_event()
        except ProtocolError:
            self._stop()
            raise

    def _next_event(self) -> str | bytes | Ping | Pong | Close | None:
        while True:
            header = self._read_header()
            if header is None:
                return None
            start, length = header
            end = start + length
            if len(self.buffer) < end:
                self._wait(end - self._pos)
                return None
            first = self.buffer[self._pos]
            payload = self._take(start, end)
            opcode = first & _OPCODE
            if opcode >= _CLOSE:
                return self._control(opcode, payload)
            message = self._data(first, payload)
            if message is not None:
                return message

    def _read_header(self) -> tuple[int, int] | None:
        """Check the header at `_pos`; return where its payload starts and its length, or None if bytes lack."""
        buffer = self.buffer
        pos = self._pos
        available = len(buffer) - pos
        if available < _MIN_HEADER:
            self._wait(_MIN_HEADER)
            return None
        first = buffer[pos]
        second = buffer[pos + 1]
        self._check_start(first, second)
        length = second & 0x7F
        if length < 126:
            header_size = 6
        elif length == 126:
            header_size = 8
        else:
            header_size = 14
        # The length alone decides whether the payload may come: 4 bytes before the header ends.
        if available < header_size - 4:
            self._wait(header_size - 4)
            return None
        if length >= 126:
            minimum = 126 if length == 126 else 65536
            length = int.from_bytes(buffer[pos + 2 : pos + header_size - 4], "big")
            if length < minimum or length >> 63:
                raise ProtocolError("invalid payload length")
        if first & _OPCODE < _CLOSE:
            self._check_limits(first, length)
        return pos + header_size, length

    def _check_start(self, first: int, second: int) -> None:
        if first & self._reserved:
            raise ProtocolError("reserved bits without an extension that uses them")
        if second < _MASKED:
            raise ProtocolError("unmasked frame from a client")
        opcode = first & _OPCODE
        if first & _RSV1 and opcode != _TEXT and opcode != _BINARY:
            raise ProtocolError("reserved bit of a message's first frame on another one")
        if opcode >= _CLOSE:
            if opcode > _PONG:
                raise ProtocolError("unknown opcode")
            if first < _FIN:
                raise ProtocolError("fragmented control frame")
            if second & 0x7F > MAX_CONTROL_PAYLOAD:
                raise ProtocolError("control frame longer than 125 bytes")
        elif opcode > _BINARY:
            raise ProtocolError("unknown opcode")
        elif (opcode == _CONTINUATION) is (self.unfinished is None):
            raise ProtocolError("fragment out of sequence")

    def _check_limits(self, first: int, length: int) -> None:
        fragments = self.unfinished
        is_compressed = first & _RSV1 != 0
        if fragments is not None:
            length += fragments.size
            if fragments.count >= self._max_fragments:
                raise ProtocolError("message of too many fragments", _MESSAGE_TOO_BIG)
            is_compressed = fragments.inflater is not None
        limit = max_deflated_size(self._max_message_size) if is_compressed else self._max_message_size
        if length > limit:
            raise ProtocolError("message too big", _MESSAGE_TOO_BIG)

    def _wait(self, need: int) -> None:
        """Let go of what has been read and wait for `need` bytes from here."""
        self._need = need
        if self._pos:
            self.buffer = self.buffer[self._pos :]
            self._pos = 0

    def _take(self, start: int, end: int) -> bytes:
        """Unmask the payload and step behind the frame."""
        buffer = self.buffer
        key = buffer[start - 4 : start]
        payload = apply_mask(memoryview(buffer)[start:end], key)
        if end == len(buffer):
            self.buffer = b""
            self._pos = 0
        else:
            self._pos = end
        self._need = _MIN_HEADER
        return payload

    def _data(self, first: int, payload: bytes) -> str | bytes | None:
        """Return the message if this frame completes one."""
        fragments = self.unfinished
        fin = first >= _FIN
        try:
            if fragments is None:
                opcode = first & _OPCODE
                inflater = Inflater(self._max_message_size) if first & _RSV1 else None
                if fin:
                    if inflater is not None:
                        payload = inflater.inflate(payload, True)
                    return payload.decode() if opcode == _TEXT else payload
                fragments = self.unfinished = _Fragments(opcode, inflater)
            elif fin:
                self.unfinished = None
            return fragments.add(payload, fin)
        except UnicodeDecodeError:
            raise ProtocolError("text that is not UTF-8", _INVALID_DATA) from None

    def _control(self, opcode: int, payload: bytes) -> Ping | Pong | Close:
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong(payload)
        close = _parse_close(payload)
        self._stop()
        return close

    def _stop(self) -> None:
        self._done = True
        self.buffer = b""
        self._pos = 0
        self._need = _MIN_HEADER
        self.unfinished = None


def _parse_close(payload: bytes) -> Close:
    if not payload:
        return Close(NO_STATUS, "")
    # Half a code is one below 256, and refused as such.
    code = int.from_bytes(payload[:2], "big")
    if code not in _VALID_CLOSE_CODES and not 3000 <= code <= 4999:
        raise ProtocolError("invalid close code")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise ProtocolError("close reason that is not UTF-8", _INVALID_DATA) from None
