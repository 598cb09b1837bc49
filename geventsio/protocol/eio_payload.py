"""Engine.IO polling payloads, protocol version 4: several packets in one HTTP body."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from geventsio.errors import ProtocolError
from geventsio.protocol.eio_packet import Packet, decode_packet
from geventsio.protocol.packet_group import PacketGroup

__all__ = ["SEPARATOR", "TEXT", "PayloadCodec", "decode_payload", "take_payload"]

SEPARATOR = b"\x1e"

TEXT = "text/plain; charset=UTF-8"


def decode_payload(body: bytes) -> Iterator[Packet]:
    """Yield the packets of a POST's body; one separator at its end is ignored.

    Lazily: a megabyte may hold a hundred thousand packets, and others want their turn in between.

    Raises:
        ProtocolError: it is empty or not UTF-8, or one of its packets is broken.
    """
    if not body:
        raise ProtocolError("empty payload")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ProtocolError("payload that is not UTF-8") from None
    parts = text.split("\x1e")
    if not parts[-1]:
        parts.pop()
    for part in parts:
        yield decode_packet(part)


def take_payload(queue: deque[PacketGroup], max_payload: int) -> bytes:
    """Take groups from the left of the queue, as many as one answer to a GET may carry.

    The first group is always taken, however large, so that the queue can't get stuck. A group is never split.

    Args:
        queue: what waits; not empty. What does not fit stays in it.
        max_payload: bytes that the answer should not exceed.

    Returns:
        The body of the answer.
    """
    payload = queue.popleft().payload
    size = len(payload)
    parts = [payload]
    while queue:
        payload = queue[0].payload
        size += 1 + len(payload)
        if size > max_payload:
            break
        parts.append(payload)
        queue.popleft()
    return SEPARATOR.join(parts)


class PayloadCodec:
    """How a session's packets travel in HTTP bodies: this is Engine.IO v4, other versions derive from it."""

    def decode(self, body: bytes, content_type: str) -> Iterator[Packet]:
        """Yield the packets of a POST's body, lazily.

        Raises:
            ProtocolError: it, or one of its packets, is broken.
        """
        return decode_payload(body)

    def encode(self, packet: bytes) -> bytes:
        """Return a payload of one text packet."""
        return packet

    def take(self, queue: deque[PacketGroup], max_payload: int) -> bytes:
        """Take groups from a queue, as many as one payload may carry; see `take_payload`."""
        return take_payload(queue, max_payload)

    def content_type(self, payload: bytes) -> str:
        """The Content-Type of a payload."""
        return TEXT
