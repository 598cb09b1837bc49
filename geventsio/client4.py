"""One Engine.IO v3 connection as Socket.IO sees it: a client of protocol version 4, socket.io-client 1 or 2."""

from __future__ import annotations

from typing import ClassVar

from geventsio.client import Client
from geventsio.protocol.sio_packet import Packet, PacketType
from geventsio.socket import Socket
from geventsio.types import DisconnectReason, ProtocolVersion

__all__ = ["Client4"]


class Client4(Client):
    """A client that is connected to the namespace `/` without asking, and learns neither ids nor details of errors."""

    protocol: ClassVar[ProtocolVersion] = ProtocolVersion.V4

    __slots__ = ()

    def start(self) -> None:
        """Connect the client to `/`. It does not ask for that, so it has no time to do it in."""
        if self._io.namespaces.find("/") is None:
            self._io.report_no_main_namespace()
            self.session.close(DisconnectReason.FORCED_SERVER_CLOSE)
            return
        self._connect("/", Packet(PacketType.CONNECT, "/"))

    def _greeting(self, socket: Socket) -> object:
        return None

    def _refusal(self, message: str, data: object) -> object:
        # As the official server does it: the data, or else the message, where version 5 has an object of both.
        return message if data is None else data
