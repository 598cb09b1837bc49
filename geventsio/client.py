"""One Engine.IO connection as Socket.IO sees it: the sockets of one client, by namespace."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

from geventsio.engine.log_fields import fields
from geventsio.engine.runtime import Assembler
from geventsio.engine.session import Session
from geventsio.engine.timeouts import Timeouts
from geventsio.errors import ProtocolError, SerializeError
from geventsio.protocol.sio_packet import Packet, PacketType
from geventsio.socket import Socket
from geventsio.types import DisconnectReason, ProtocolVersion

if TYPE_CHECKING:
    from geventsio.server import SocketIO

__all__ = ["Client"]

logger = logging.getLogger("geventsio")

#: A client may have this many times `max_pending_events` waiting while it owes us an acknowledgement.
HARD_LIMIT = 4

#: Namespaces that one connection may be in at a time. Sockets that it has left count as long as a handler of theirs
#: runs, or a client that comes and goes could start any number of them.
MAX_NAMESPACES = 256

_EVENT = PacketType.EVENT


class Client:
    """Decodes what one client sends and hands it to its sockets. All of it runs where packets are read."""

    protocol: ClassVar[ProtocolVersion] = ProtocolVersion.V5

    __slots__ = ("_decoder", "_io", "_is_assembling", "_left", "_unfinished", "session", "sockets")

    def __init__(self, io: SocketIO, session: Session) -> None:
        self._io = io
        self._decoder = io.parser.decoder()
        # Whether a packet has begun whose other messages have a deadline.
        self._is_assembling = False
        self.session = session
        self.sockets: dict[str, Socket] = {}
        # Sockets, there or gone, that their namespaces have not forgotten.
        self._unfinished = 0
        # Namespaces that the server has ended: events to them may be under way, and are no error.
        self._left: dict[str, None] | None = None

    def start(self) -> None:
        """Give the client its time to connect to a namespace."""
        self._io.connecting.start(self)

    def receive(self, data: str | bytes) -> None:
        """Take a message from the Engine.IO session.

        Raises:
            ProtocolError: the client may not send it; the session is to be closed.
        """
        packet = self._decoder.add_text(data) if isinstance(data, str) else self._decoder.add_binary(data)
        if packet is None:
            self._await_rest()
            return
        if self._is_assembling:
            self._is_assembling = False
            self._assembling.cancel(self)
        self._receive_packet(packet)

    def give_up(self) -> None:
        """Close a connection whose attachments have not come in time, unless it is us who does not read them."""
        if self.session.is_paused:
            self._assembling.start(self)
        else:
            logger.debug("closing a connection: attachments did not come in time")
            self.session.drop(DisconnectReason.PARSE_ERROR)

    def not_connected(self) -> None:
        """Close a connection that has not come into a namespace in time."""
        self.session.close(DisconnectReason.FORCED_SERVER_CLOSE)

    def closed(self, reason: DisconnectReason) -> None:
        """Learn that the Engine.IO session has ended."""
        self._io.connecting.cancel(self)
        self._assembling.cancel(self)
        self._decoder.reset()
        sockets = list(self.sockets.values())
        self.sockets.clear()
        for socket in sockets:
            socket.closed(reason)

    def disconnect(self) -> None:
        """Disconnect all sockets and end the connection."""
        for socket in list(self.sockets.values()):
            socket.disconnect()
        self.session.close(DisconnectReason.FORCED_SERVER_CLOSE)

    def accepted(self, socket: Socket) -> None:
        """Tell the client that it is connected to a namespace, in a segment of its own."""
        self._io.connecting.cancel(self)
        path = socket.namespace.path
        self.session.send_group(self._io.parser.encode_connect(path, self._greeting(socket)))
        self.session.hold_output()

    def refused(self, socket: Socket, message: str, data: object) -> None:
        """Tell the client that it is not."""
        path = socket.namespace.path
        self.left(socket, by_server=True)
        encode = self._io.parser.encode_connect_error
        try:
            error = encode(path, self._refusal(message, data))
        except SerializeError:
            logger.exception("the data of a refusal can't be sent", extra=fields(self.session.environ, namespace=path))
            error = encode(path, self._refusal(message, None))
        self.session.send_group(error)

    def left(self, socket: Socket, by_server: bool) -> None:
        """Forget a socket."""
        path = socket.namespace.path
        if self.sockets.get(path) is socket:
            del self.sockets[path]
            if by_server:
                if self._left is None:
                    self._left = {}
                elif len(self._left) >= MAX_NAMESPACES:  # of a dynamic namespace there are any number
                    del self._left[next(iter(self._left))]
                self._left[path] = None

    def finished(self) -> None:
        """Learn that nothing of a socket is left."""
        self._unfinished -= 1

    def _greeting(self, socket: Socket) -> object:
        """The payload of a CONNECT packet."""
        return {"sid": socket.id}

    def _refusal(self, message: str, data: object) -> object:
        """The payload of a CONNECT_ERROR packet."""
        return {"message": message} if data is None else {"message": message, "data": data}

    @property
    def _assembling(self) -> Timeouts[Assembler]:
        return self.session.server.runtime.assembling

    def _await_rest(self) -> None:
        """Give a packet's attachments their time; they are kept for clients only that are where it goes to."""
        if self._is_assembling:
            return
        path = self._decoder.pending_namespace
        if path is not None and path not in self.sockets and (self._left is None or path not in self._left):
            raise ProtocolError("packet for a namespace that the client is not in")
        self._is_assembling = True
        self._assembling.start(self)

    def _receive_packet(self, packet: Packet) -> None:
        socket = self.sockets.get(packet.namespace)
        kind = packet.type
        if socket is None:
            self._receive_outside(packet)
        elif kind is _EVENT:
            if socket.receive_event(packet) and socket.pending_events > self._io.options.max_pending_events:
                self._hold_back(socket)
        elif kind is PacketType.ACK:
            socket.receive_ack(packet)
        elif kind is PacketType.DISCONNECT:
            self.left(socket, by_server=False)
            socket.closed(DisconnectReason.CLIENT_NAMESPACE_DISCONNECT)
        else:
            raise ProtocolError("CONNECT to a namespace that the client is in")

    def _receive_outside(self, packet: Packet) -> None:
        """Take a packet for a namespace that the client is not in."""
        path = packet.namespace
        if packet.type is PacketType.CONNECT:
            self._connect(path, packet)
        elif self._left is None or path not in self._left:
            raise ProtocolError("packet for a namespace that the client is not in")

    def _connect(self, path: str, packet: Packet) -> None:
        if self._unfinished >= MAX_NAMESPACES:  # first, for to look for a dynamic namespace makes it
            raise ProtocolError("too many namespaces")
        namespace = self._io.namespaces.find(path)
        if namespace is None:
            if self._io.metrics is not None:
                self._io.metrics.refuse_unknown_namespace()
            error = self._io.parser.encode_connect_error(path, {"message": "Invalid namespace"})
            self.session.send_group(error)
            return
        if self._left is not None:
            self._left.pop(path, None)
        self._unfinished += 1
        socket = self.sockets[path] = self._io.socket_class(self, namespace)
        socket.connect({} if packet.data is None else packet.data)

    def _hold_back(self, socket: Socket) -> None:
        """Read nothing more from a client whose handlers can't keep up."""
        if socket.pending_events > HARD_LIMIT * self._io.options.max_pending_events:
            logger.warning(
                "closing a connection: too many events of one socket wait for their handlers",
                extra=fields(self.session.environ, namespace=socket.ns, socket_id=socket.id),
            )
            self.session.close(DisconnectReason.FORCED_SERVER_CLOSE)
        elif not any(other.owes_ack for other in self.sockets.values()):  # or the answer could not be read
            self.session.pause()
            socket.when_drained(self.session.resume)
