"""A complete parser as users may write one: a header as text and, if there are data, their JSON as binary behind it.

The header is a list: the type, the namespace, the acknowledgement id or null, and whether data follow. Nothing is
checked here that `geventsio.protocol.parser` does not ask for: a client that sends something else makes it fail.
"""

from __future__ import annotations

__all__ = ["HeaderDecoder", "HeaderParser"]

import json
from collections.abc import Sequence
from typing import Any

from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.parser import make_group
from geventsio.protocol.sio_packet import Packet, PacketType


class HeaderDecoder:
    """Decodes the messages of one connection."""

    def __init__(self) -> None:
        self._packet: Packet | None = None

    @property
    def pending_namespace(self) -> str | None:
        """The namespace of an EVENT or ACK whose data have not come."""
        if self._packet is None or self._packet.type is PacketType.CONNECT:
            return None
        return self._packet.namespace

    def add_text(self, text: str) -> Packet | None:
        """Take a header."""
        kind, namespace, ack_id, has_data = json.loads(text)
        packet = Packet(PacketType(kind), namespace, None, ack_id)
        if not has_data:
            return packet
        self._packet = packet
        return None

    def add_binary(self, data: bytes) -> Packet | None:
        """Take the data of the packet whose header has come."""
        packet, self._packet = self._packet, None
        packet.data = json.loads(data)  # type: ignore[union-attr]
        return packet

    def reset(self) -> None:
        """Drop a packet whose data have not come."""
        self._packet = None


class HeaderParser:
    """Encodes packets and makes decoders."""

    def __init__(self) -> None:
        #: How many packets have been encoded.
        self.encoded = 0

    def encode_connect(self, namespace: str, payload: object) -> PacketGroup:
        """Return a CONNECT."""
        return self._encode(PacketType.CONNECT, namespace, None, payload)

    def encode_connect_error(self, namespace: str, payload: object) -> PacketGroup:
        """Return a CONNECT_ERROR."""
        return self._encode(PacketType.CONNECT_ERROR, namespace, None, payload)

    def encode_disconnect(self, namespace: str) -> PacketGroup:
        """Return a DISCONNECT."""
        return self._encode(PacketType.DISCONNECT, namespace, None, None)

    def encode_event(
        self, namespace: str, event: str, args: Sequence[object], ack_id: int | None = None
    ) -> PacketGroup:
        """Return an EVENT."""
        return self._encode(PacketType.EVENT, namespace, ack_id, [event, *args])

    def encode_ack(self, namespace: str, ack_id: int, args: Sequence[object]) -> PacketGroup:
        """Return an ACK."""
        return self._encode(PacketType.ACK, namespace, ack_id, [*args])

    def decoder(self) -> HeaderDecoder:
        """Return a decoder for one connection."""
        return HeaderDecoder()

    def _encode(self, kind: PacketType, namespace: str, ack_id: int | None, data: Any) -> PacketGroup:
        self.encoded += 1
        header = json.dumps([kind, namespace, ack_id, data is not None])
        return make_group(header) if data is None else make_group(header, json.dumps(data).encode())
