"""Sessions of Engine.IO v3, the version of socket.io-client 1 and 2."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from geventsio.engine.heartbeat import ClientHeartbeat
from geventsio.engine.session import Session
from geventsio.engine.websocket import WebSocketConnection
from geventsio.errors import ProtocolError
from geventsio.protocol.eio3_payload import PayloadCodec3, decode_binary_message, decode_text_packet
from geventsio.protocol.eio_packet import PONG, Packet, PacketType
from geventsio.protocol.eio_payload import PayloadCodec
from geventsio.protocol.packet_group import PacketGroup
from geventsio.types import DisconnectReason

__all__ = ["Session3"]

_PONG = PacketGroup(PONG)
_BINARY_CODEC = PayloadCodec3(base64=False)
_BASE64_CODEC = PayloadCodec3(base64=True)


class Session3(Session):
    """An Engine.IO v3 session: the client pings, and binary messages have their type in front."""

    protocol: ClassVar[int] = 3

    __slots__ = ()

    @property
    def heartbeat(self) -> ClientHeartbeat:
        """See `Session`."""
        return self.server.client_heartbeat

    def start_websocket(self, connection: WebSocketConnection) -> None:
        """See `Session`."""
        super().start_websocket(connection)
        # Apart from the answer to the handshake: the official suite misses an open packet that it reads with that.
        self.hold_output()

    def send_group(self, group: PacketGroup) -> bool:
        """See `Session`."""
        return super().send_group(group.eio3)

    def send_volatile(self, kind: Hashable, group: PacketGroup) -> bool:
        """See `Session`."""
        return super().send_volatile(kind, group.eio3)

    def receive(self, message: str | bytes) -> None:
        """Take a message from the websocket."""
        try:
            if isinstance(message, bytes):
                message = decode_binary_message(message)
            elif message[:1] == "b":
                message = decode_text_packet(message).data
        except ProtocolError:
            self.drop(DisconnectReason.PARSE_ERROR)
        else:
            super().receive(message)

    def receive_packet(self, packet: Packet) -> None:
        """See `Session`."""
        if packet.type is PacketType.PING and self.is_open:
            self.heartbeat.pong(self)
            self.send_group(_PONG)
        else:
            super().receive_packet(packet)

    def _payload_codec(self, base64: bool) -> PayloadCodec:
        return _BASE64_CODEC if base64 else _BINARY_CODEC
