"""The default Socket.IO parser: packets as text with JSON, attachments as binary messages behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geventsio.errors import ProtocolError, SerializeError
from geventsio.protocol.json_codec import dumps, loads
from geventsio.protocol.packet_group import JSONGroup, PacketGroup
from geventsio.protocol.sio_packet import MAX_ID, MAX_NAMESPACE, RESERVED_EVENTS, Packet, PacketType, query_data

__all__ = ["ClientDecoder", "CommonParser", "Decoder"]

MAX_ATTACHMENT_BYTES = 5_000_000
_MAX_ID_DIGITS = 16
_MAX_COUNT_DIGITS = 6

_CONNECT = PacketType.CONNECT
_DISCONNECT = PacketType.DISCONNECT
_EVENT = PacketType.EVENT
_ACK = PacketType.ACK


def _namespace_part(namespace: str) -> bytes:
    """Return how a packet names its namespace: not at all if it is the main one."""
    if namespace == "/" or not namespace:
        return b""
    if namespace[0] != "/":
        namespace = "/" + namespace
    return namespace.encode() + b","


class CommonParser:
    """Encodes packets and makes decoders; one instance serves all connections.

    Args:
        max_attachments: binary attachments that a packet from a client may announce.
        max_attachment_bytes: see `geventsio.config.SocketIOOptions`.
    """

    __slots__ = ("_max_attachment_bytes", "_max_attachments")

    def __init__(self, max_attachments: int = 10, max_attachment_bytes: int = MAX_ATTACHMENT_BYTES) -> None:
        self._max_attachments = max_attachments
        self._max_attachment_bytes = max_attachment_bytes

    def decoder(self) -> Decoder:
        """Return a decoder for one connection."""
        return Decoder(self._max_attachments, self._max_attachment_bytes)

    def client_decoder(self) -> ClientDecoder:
        """Return a decoder for what a server sends."""
        return ClientDecoder(10**_MAX_COUNT_DIGITS, max_attachment_bytes=2**63)

    def encode_event(
        self, namespace: str, event: str, args: Sequence[object], ack_id: int | None = None
    ) -> PacketGroup:
        """Return an EVENT, with an id if an acknowledgement is expected.

        Raises:
            SerializeError: an argument can't be encoded.
        """
        data, attachments = dumps([event, *args])
        if not attachments and ack_id is None and namespace == "/":
            return JSONGroup(b"42" + data)
        ack = b"" if ack_id is None else b"%d" % ack_id
        return _group(b"2", b"5", namespace, ack + data, attachments)

    def encode_ack(self, namespace: str, ack_id: int, args: Sequence[object]) -> PacketGroup:
        """Return the ACK that answers the client's event of this id.

        Raises:
            SerializeError: an argument can't be encoded.
        """
        data, attachments = dumps([*args])
        return _group(b"3", b"6", namespace, b"%d" % ack_id + data, attachments)

    def encode_connect(self, namespace: str, payload: object) -> PacketGroup:
        """Return the CONNECT that accepts a client; without payload if it is None.

        Raises:
            SerializeError: the payload can't be encoded, or holds bytes.
        """
        return _plain_group(b"40", namespace, payload)

    def encode_connect_error(self, namespace: str, payload: object) -> PacketGroup:
        """Return the CONNECT_ERROR that refuses a client.

        Raises:
            SerializeError: the payload can't be encoded, or holds bytes.
        """
        return _plain_group(b"44", namespace, payload)

    def encode_disconnect(self, namespace: str) -> PacketGroup:
        """Return the DISCONNECT that ends a namespace's connection."""
        return _plain_group(b"41", namespace, None)


def _group(text_type: bytes, binary_type: bytes, namespace: str, rest: bytes, attachments: list[bytes]) -> PacketGroup:
    part = _namespace_part(namespace)
    if attachments:
        return JSONGroup(b"4%b%d-%b%b" % (binary_type, len(attachments), part, rest), attachments)
    return JSONGroup(b"4%b%b%b" % (text_type, part, rest))


def _plain_group(prefix: bytes, namespace: str, payload: object) -> PacketGroup:
    data = b""
    if payload is not None:
        data, attachments = dumps(payload)
        if attachments:
            raise SerializeError("bytes can't be sent in a connect payload")
    return JSONGroup(prefix + _namespace_part(namespace) + data)


class _Pending:
    """A binary packet whose attachments are arriving."""

    __slots__ = ("attachments", "packet", "places", "size")

    def __init__(self, packet: Packet, places: list[tuple[Any, Any]]) -> None:
        self.packet = packet
        # Where each attachment belongs: a container and the key or index in it.
        self.places = places
        self.attachments: list[bytes] = []
        self.size = 0

    def add(self, data: bytes, max_bytes: int) -> Packet | None:
        attachments = self.attachments
        self.size += len(data)
        # The size of one is the transport's affair.
        if self.size > max_bytes and attachments:
            raise ProtocolError("attachments too large together")
        attachments.append(data)
        if len(attachments) < len(self.places):
            return None
        for (container, key), attachment in zip(self.places, attachments, strict=True):
            container[key] = attachment
        return self.packet


class Decoder:
    """Decodes the packets of one connection.

    After a `ProtocolError` the connection is to be closed: what follows can't be trusted to mean anything.
    """

    __slots__ = ("_max_attachment_bytes", "_max_attachments", "_pending")

    def __init__(self, max_attachments: int = 10, max_attachment_bytes: int = MAX_ATTACHMENT_BYTES) -> None:
        self._max_attachments = max_attachments
        self._max_attachment_bytes = max_attachment_bytes
        self._pending: _Pending | None = None

    @property
    def awaiting_attachments(self) -> bool:
        """Whether a binary packet is incomplete."""
        return self._pending is not None

    @property
    def pending_namespace(self) -> str | None:
        """The namespace of a binary packet that is incomplete; None if there is none."""
        return None if self._pending is None else self._pending.packet.namespace

    def reset(self) -> None:
        """Drop a binary packet that is incomplete."""
        self._pending = None

    def add_text(self, text: str) -> Packet | None:
        """Decode a text message.

        Args:
            text: an Engine.IO message without its leading "4".

        Returns:
            The packet, or None when its attachments are awaited.

        Raises:
            ProtocolError: it is not a packet that a client may send, or attachments were awaited.
        """
        if self._pending is not None:
            raise ProtocolError("text message while attachments are awaited")
        # Nearly every packet is an event of the main namespace that wants no acknowledgement.
        if text.startswith("2["):
            return Packet(_EVENT, "/", _event_data(text[1:]))
        return self._parse(text)

    def add_binary(self, data: bytes) -> Packet | None:
        """Take an attachment.

        Returns:
            The packet if this was its last attachment.

        Raises:
            ProtocolError: no attachment is awaited, or they are too large together.
        """
        pending = self._pending
        if pending is None:
            raise ProtocolError("unexpected binary message: is the client using the same parser?")
        packet = pending.add(data, self._max_attachment_bytes)
        if packet is not None:
            self._pending = None
        return packet

    def _parse(self, text: str) -> Packet | None:
        kind = text[:1]
        if kind == "5" or kind == "6":
            return self._parse_binary(kind, text)
        namespace, pos = _parse_namespace(text, 1)
        if kind == "2" or kind == "3":
            return _parse_message(kind, namespace, text, pos)
        if kind == "0":
            return Packet(_CONNECT, namespace, _connect_data(text, pos))
        if kind != "1":
            raise ProtocolError("packet type that a client can't send")
        if pos != len(text):
            raise ProtocolError("DISCONNECT with a payload")
        return Packet(_DISCONNECT, namespace)

    def _parse_binary(self, kind: str, text: str) -> Packet | None:
        dash = text.find("-", 1, 2 + _MAX_COUNT_DIGITS)
        if dash < 0:
            raise ProtocolError("binary packet without a number of attachments")
        count = _number(text[1:dash], _MAX_COUNT_DIGITS)
        if count > self._max_attachments:
            raise ProtocolError("too many attachments")
        namespace, pos = _parse_namespace(text, dash + 1)
        packet = _parse_message("2" if kind == "5" else "3", namespace, text, pos)
        places = _find_placeholders(packet.data, count)
        if not count:
            return packet
        self._pending = _Pending(packet, places)
        return None


class ClientDecoder(Decoder):
    """Decodes what a server sends: it may refuse, and send any number of attachments."""

    __slots__ = ()

    def _parse(self, text: str) -> Packet | None:
        if text[:1] != "4":
            return super()._parse(text)
        namespace, pos = _parse_namespace(text, 1)
        return Packet(PacketType.CONNECT_ERROR, namespace, loads(text[pos:]) if pos < len(text) else None)


def _number(digits: str, max_digits: int) -> int:
    """Return a number written in ASCII digits; its length is looked at before the conversion, which is quadratic."""
    if len(digits) > max_digits or not (digits.isdecimal() and digits.isascii()):
        raise ProtocolError("invalid number in a packet")
    return int(digits)


def _parse_namespace(text: str, pos: int) -> tuple[str, int]:
    """Return the namespace that may stand at `pos`, and where the packet goes on."""
    if text[pos : pos + 1] != "/":
        return "/", pos
    end = text.find(",", pos)
    if end < 0:
        end = after = len(text)
    else:
        after = end + 1
    # socket.io-client 1 and 2 send a query here when they connect: see `query_data`.
    namespace = text[pos:end].partition("?")[0]
    # A str that did not come from UTF-8 may hold surrogates.
    if len(namespace.encode("utf-8", "surrogatepass")) > MAX_NAMESPACE:
        raise ProtocolError("namespace too long")
    return namespace, after


def _parse_message(kind: str, namespace: str, text: str, pos: int) -> Packet:
    """Return the EVENT or ACK whose id or data begins at `pos`."""
    start = text.find("[", pos)
    if start < 0:
        raise ProtocolError("packet without a list of values")
    ack_id = None
    if start > pos:
        ack_id = _number(text[pos:start], _MAX_ID_DIGITS)
        if ack_id > MAX_ID:
            raise ProtocolError("acknowledgement id too large")
    if kind == "2":
        return Packet(_EVENT, namespace, _event_data(text[start:]), ack_id)
    if ack_id is None:
        raise ProtocolError("ACK without an id")
    # What begins with a bracket can only be a list.
    return Packet(_ACK, namespace, loads(text[start:]), ack_id)


def _event_data(text: str) -> list[Any]:
    data: list[Any] = loads(text)
    if not data or type(data[0]) is not str:
        raise ProtocolError("EVENT without a name")
    if data[0] in RESERVED_EVENTS:
        raise ProtocolError("EVENT of a reserved name")
    return data


def _connect_data(text: str, pos: int) -> dict[str, Any] | None:
    if pos == len(text):
        return query_data(text.partition("?")[2].removesuffix(","))
    data = loads(text[pos:])
    if type(data) is not dict:
        raise ProtocolError("CONNECT with a payload that is not an object")
    return data


def _find_placeholders(data: object, count: int) -> list[tuple[Any, Any]]:
    """Return the container and key of each attachment's place, by number; each must stand exactly once."""
    places: list[tuple[Any, Any] | None] = [None] * count
    stack: list[Any] = [data]
    while stack:
        container = stack.pop()
        items = container.items() if type(container) is dict else enumerate(container)
        for key, item in items:
            if type(item) is list:
                stack.append(item)
            elif type(item) is dict:
                # As in the official parser, anything but true makes it data like any other.
                if item.get("_placeholder") is True:
                    num = item.get("num")
                    if type(num) is not int or not 0 <= num < count or places[num] is not None:
                        raise ProtocolError("invalid placeholder")
                    places[num] = (container, key)
                else:
                    stack.append(item)
    found = [place for place in places if place is not None]
    if len(found) < count:
        raise ProtocolError("attachment without a placeholder")
    return found
