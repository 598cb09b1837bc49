"""The msgpack parser: each packet is one binary message; understood by the official socket.io-msgpack-parser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from geventsio.errors import ProtocolError
from geventsio.protocol.msgpack_codec import check_nesting, dumps, loads, make_decoder
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import Packet, PacketType, check_event, check_packet, query_data

__all__ = ["ClientDecoder", "MsgpackDecoder", "MsgpackParser"]

_EVENT = PacketType.EVENT

# Clients in other languages write the types that only the default parser needs, where there is binary.
_ALIASES = {PacketType.BINARY_EVENT: _EVENT, PacketType.BINARY_ACK: PacketType.ACK}


class _Map(msgspec.Struct):
    """What a packet looks like; further keys are skipped, unread (the official client sends its "options")."""

    type: PacketType
    nsp: str
    data: Any = None
    id: Any = None


_MAP = make_decoder(_Map)


class MsgpackParser:
    """Encodes packets and makes decoders; one instance serves all connections."""

    __slots__ = ()

    def decoder(self) -> MsgpackDecoder:
        """Return a decoder for one connection."""
        return _DECODER

    def client_decoder(self) -> ClientDecoder:
        """Return a decoder for what a server sends."""
        return ClientDecoder()

    def encode_event(
        self, namespace: str, event: str, args: Sequence[object], ack_id: int | None = None
    ) -> PacketGroup:
        """Return an EVENT, with an id if an acknowledgement is expected.

        Raises:
            SerializeError: an argument can't be encoded.
        """
        if ack_id is None:
            return _group({"type": 2, "nsp": namespace, "data": None}, [event, *args])
        return _group({"type": 2, "nsp": namespace, "data": None, "id": ack_id}, [event, *args])

    def encode_ack(self, namespace: str, ack_id: int, args: Sequence[object]) -> PacketGroup:
        """Return the ACK that answers the client's event of this id.

        Raises:
            SerializeError: an argument can't be encoded.
        """
        return _group({"type": 3, "nsp": namespace, "data": None, "id": ack_id}, [*args])

    def encode_connect(self, namespace: str, payload: object) -> PacketGroup:
        """Return the CONNECT that accepts a client; without payload if it is None.

        Raises:
            SerializeError: the payload can't be encoded.
        """
        return _plain_group(0, namespace, payload)

    def encode_connect_error(self, namespace: str, payload: object) -> PacketGroup:
        """Return the CONNECT_ERROR that refuses a client.

        Raises:
            SerializeError: the payload can't be encoded.
        """
        return _plain_group(4, namespace, payload)

    def encode_disconnect(self, namespace: str) -> PacketGroup:
        """Return the DISCONNECT that ends a namespace's connection."""
        return _plain_group(1, namespace, None)


def _plain_group(kind: int, namespace: str, payload: object) -> PacketGroup:
    packet: dict[str, object] = {"type": kind, "nsp": namespace}
    if payload is not None:
        return _group(packet, payload)
    return PacketGroup(None, (dumps(packet),))


def _group(packet: dict[str, object], data: object) -> PacketGroup:
    # Only the data is the user's: the rest need not be looked through.
    return PacketGroup(None, (dumps(data, packet),))


class MsgpackDecoder:
    """Decodes packets. Each is complete in itself, so that one decoder serves all connections."""

    __slots__ = ()

    #: No packet is ever incomplete.
    pending_namespace: str | None = None

    def reset(self) -> None:
        """Drop a packet that is incomplete: there is none."""

    def add_text(self, text: str) -> NoReturn:
        """Refuse a text message, such as clients with the default parser send.

        Raises:
            ProtocolError: always.
        """
        raise ProtocolError("unexpected text message: is the client using the msgpack parser?")

    def add_binary(self, data: bytes) -> Packet:
        """Decode a packet.

        Raises:
            ProtocolError: it is not a packet that a client may send.
        """
        packet = self._read(data)
        # Nearly every packet is an event of the main namespace that wants no acknowledgement.
        if packet.type is _EVENT and packet.namespace == "/" and packet.id is None:
            check_event(packet.data)
        else:
            check_packet(packet)
        return packet

    def _read(self, data: bytes) -> Packet:
        found = loads(data, _MAP)
        check_nesting(data, found.data)
        kind = found.type
        packet = Packet(_ALIASES.get(kind, kind), found.nsp, found.data, found.id)
        if "?" in found.nsp:
            # Clients of Socket.IO v2 send a namespace's query with its path.
            packet.namespace, _, query = found.nsp.partition("?")
            if kind is PacketType.CONNECT and found.data is None:
                packet.data = query_data(query)
        return packet


class ClientDecoder(MsgpackDecoder):
    """Decodes what a server sends: it may refuse."""

    __slots__ = ()

    def add_binary(self, data: bytes) -> Packet:
        """Decode a packet.

        Raises:
            ProtocolError: it is not a packet.
        """
        return self._read(data)


_DECODER = MsgpackDecoder()
