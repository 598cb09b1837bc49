"""Engine.IO packets and polling payloads, protocol version 3: what differs from version 4."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from geventsio.errors import ProtocolError
from geventsio.protocol.eio3_framing import frame_text, split_binary, split_text
from geventsio.protocol.eio_packet import Packet, PacketType, decode_base64, decode_packet
from geventsio.protocol.eio_payload import TEXT, PayloadCodec
from geventsio.protocol.packet_group import MESSAGE_TYPE, Eio3Group, PacketGroup

__all__ = ["PayloadCodec3", "decode_binary_message", "decode_payload", "decode_text_packet", "take_payload"]

BINARY = "application/octet-stream"

#: Texts without any content in one payload. They are passed over here, where nobody else gets a turn in between, and no
#: client sends them; a megabyte of them would keep the hub for half a second.
MAX_EMPTY = 100


def decode_text_packet(text: str) -> Packet:
    """Return the packet that a text holds; base64 names its type, which is that of a message.

    Raises:
        ProtocolError: it is empty, of unknown type, or its base64 is broken.
    """
    if text[:1] != "b":
        return decode_packet(text)
    if text[1:2] != "4":
        raise ProtocolError("base64 that is no message")
    return Packet(PacketType.MESSAGE, decode_base64(text[2:]))


def decode_binary_message(data: bytes) -> bytes:
    """Return a binary message without the byte of its type.

    Raises:
        ProtocolError: that byte is missing, or of another type.
    """
    if data[:1] != MESSAGE_TYPE:
        raise ProtocolError("binary packet that is no message")
    return data[1:]


def decode_payload(body: bytes, content_type: str = "") -> Iterator[Packet]:
    """Yield the packets of a POST's body, lazily; texts without any content are passed over.

    Args:
        body: of the request.
        content_type: of the request; it tells the framing.

    Raises:
        ProtocolError: the body is empty, one of its packets is broken, or too many have no content.
    """
    if not body:
        raise ProtocolError("empty payload")
    empty = 0
    for packet in _packets(body, content_type):
        if packet is not None:
            yield packet
        else:
            empty += 1
            if empty > MAX_EMPTY:
                raise ProtocolError("too many empty packets")


def _packets(body: bytes, content_type: str) -> Iterator[Packet | None]:
    """Yield the packets, with None for those that are empty."""
    if content_type.partition(";")[0].strip().lower() == BINARY:
        for content in split_binary(body):
            if isinstance(content, bytes):
                yield Packet(PacketType.MESSAGE, decode_binary_message(content))
            else:
                yield decode_text_packet(content) if content else None
    else:
        for text in split_text(body):
            if not text:
                yield None
            else:
                yield decode_text_packet(text if text.isascii() else _decode_again(text))


def _decode_again(text: str) -> str:
    """Undo what socket.io-client 1 does to a text payload: it encodes its packets in UTF-8 before the body is."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def take_payload(queue: deque[PacketGroup], max_payload: int, base64: bool) -> bytes:
    """Take groups from the left of the queue, as many as one answer to a GET may carry.

    The first group is always taken, however large. A group is never split, and all packets of a payload have one
    framing: the binary one if any of them is binary, unless the client wants base64.

    Args:
        queue: what waits; not empty. What does not fit stays in it.
        max_payload: bytes that the answer should not exceed.
        base64: whether the client can't read binary.

    Returns:
        The body of the answer.
    """
    taken = [queue.popleft().eio3]
    is_binary = bool(taken[0].attachments) and not base64
    size = len(_framed(taken[0], is_binary))
    while queue:
        group = queue[0].eio3
        turns_binary = bool(group.attachments) and not base64 and not is_binary
        if turns_binary:
            size = sum(len(earlier.binary_payload) for earlier in taken)
        size += len(_framed(group, is_binary or turns_binary))
        if size > max_payload:
            break
        is_binary = is_binary or turns_binary
        taken.append(group)
        queue.popleft()
    return b"".join([_framed(group, is_binary) for group in taken])


def _framed(group: Eio3Group, is_binary: bool) -> bytes:
    return group.binary_payload if is_binary else group.payload


class PayloadCodec3(PayloadCodec):
    """Engine.IO v3.

    Args:
        base64: whether the client can't read binary payloads.
    """

    def __init__(self, base64: bool) -> None:
        self._base64 = base64

    def decode(self, body: bytes, content_type: str) -> Iterator[Packet]:
        """See `PayloadCodec`."""
        return decode_payload(body, content_type)

    def encode(self, packet: bytes) -> bytes:
        """See `PayloadCodec`."""
        return frame_text(packet)

    def take(self, queue: deque[PacketGroup], max_payload: int) -> bytes:
        """See `PayloadCodec`."""
        return take_payload(queue, max_payload, self._base64)

    def content_type(self, payload: bytes) -> str:
        """See `PayloadCodec`."""
        # A text payload begins with a digit, a binary one with a zero or a one.
        return TEXT if payload[0] > 1 else BINARY
