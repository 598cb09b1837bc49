"""One client in one namespace."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from geventsio.adapters.values import RemoteSocketData
from geventsio.engine.native import in_hub
from geventsio.engine.workers import JobQueue
from geventsio.errors import ConnectRefused, SocketClosedError
from geventsio.extensions import Extensions
from geventsio.handling.dispatch import run_callback, run_connect, run_disconnect, run_event, run_start
from geventsio.handling.registrar import Registrar
from geventsio.handling.registry import EventHandlers
from geventsio.handshake import HandshakeInfo, describe_request, pack_auth
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import Packet
from geventsio.sending.ack import AckFuture, Convert, PendingAck, closed_error
from geventsio.sending.asking import Asker, ask_socket
from geventsio.sending.choosing import Chooser, room_names
from geventsio.sending.operators import BroadcastOperator, SocketOperator
from geventsio.types import DisconnectReason, ProtocolVersion, TransportType

if TYPE_CHECKING:
    from geventsio.client import Client
    from geventsio.namespaces.namespace import Namespace
    from geventsio.server import SocketIO

__all__ = ["Socket", "SocketRef"]

#: Bytes of randomness in a public socket id: 20 characters.
ID_BYTES = 15


class State(Enum):
    """The life of a socket."""

    CONNECTING = 0  # middlewares and the connect handler's parameters decide
    CONNECTED = 1
    CLOSED = 2  # its disconnect handler may still have to run
    REFUSED = 3  # closed before it was connected


_CONNECTED = State.CONNECTED


class Socket(Chooser[SocketOperator], Asker, Registrar):
    """One client's connection to one namespace.

    Attributes:
        id: public and random; also the name of a room that only this socket is in.
        namespace: the namespace it is connected to.
        client: the Engine.IO connection it shares with the client's other namespaces.
        handlers: its own handlers; None until there is one.
    """

    __slots__ = ("_acks", "_auth", "_data", "_extensions", "_jobs", "_state", "client", "handlers", "id", "namespace")

    def __init__(self, client: Client, namespace: Namespace) -> None:
        self.id = secrets.token_urlsafe(ID_BYTES)
        self.client = client
        self.namespace = namespace
        self._state = State.CONNECTING
        self._jobs = JobQueue(client.session.server.runtime.workers)
        # Made when they are first used: most sockets need none of them.
        self._acks: dict[int, PendingAck] | None = None
        self._auth: Any = None
        self._data: dict[str, Any] | None = None
        self._extensions: Extensions | None = None
        self.handlers: EventHandlers | None = None

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self.namespace.path} {self._state.name.lower()}>"

    # What it is

    @property
    def connected(self) -> bool:
        """Whether it can be sent to: true from the CONNECT packet until closing begins."""
        return self._state is State.CONNECTED

    @property
    def data(self) -> dict[str, Any]:
        """Anything that you want to keep with this socket; `fetch_sockets` shows it, to other servers as well."""
        if self._data is None:
            self._data = {}
        return self._data

    @property
    def extensions(self) -> Extensions:
        """Values by their types, which handlers take as `Extension[T]`."""
        if self._extensions is None:
            extensions = Extensions()
            if self._extensions is None:  # or a thread was faster
                self._extensions = extensions
        return self._extensions

    @property
    def io(self) -> SocketIO:
        """The server."""
        return self.namespace.io

    @property
    def ns(self) -> str:
        """The path of its namespace."""
        return self.namespace.path

    @property
    def params(self) -> dict[str, str]:
        """The values of the pattern's parameters, in a dynamic namespace; a new dict each time."""
        return dict(self.namespace.params)

    @property
    def environ(self) -> dict[str, Any]:
        """The environ of the request that opened the connection: strings and `http_extensions`; new each time."""
        return self.client.session.environ

    @property
    def handshake(self) -> HandshakeInfo:
        """What opened the connection: headers, query, address and so on, and the auth payload; a new dict each time."""
        record = self.client.session.handshake
        return describe_request(record.environ, record.opened, self._auth)

    @property
    def transport(self) -> TransportType:
        """The transport in use; it changes when an upgrade ends."""
        return self.client.session.transport

    @property
    def protocol(self) -> ProtocolVersion:
        """The version of the Socket.IO protocol that the client speaks."""
        return self.client.protocol

    @property
    def rooms(self) -> frozenset[str]:
        """The rooms it has joined. In a disconnect handler they are still there."""
        return in_hub(self.namespace.adapter.socket_rooms, self)

    # Sending

    def emit(self, event: str, *args: object) -> None:
        """Send an event. Each argument is one argument; bytes-likes anywhere inside are sent as binary.

        Never blocks. What is emitted arrives in that order. Legal in any OS thread.

        Raises:
            SocketClosedError: the socket is not connected.
            BufferFullError: the client does not read; it is being closed as a slow consumer.
            SerializeError: an argument can't be encoded.
            ValueError: the event's name is reserved.
        """
        self._send(self.namespace.encode_event(event, args))

    # Rooms

    def join(self, rooms: str | Iterable[str]) -> None:
        """Join one room or several. Once the socket is closed, nothing happens.

        Raises:
            ValueError: a room has the name of another socket's id.
        """
        names = room_names(rooms)
        self.namespace.check_rooms(names, self.id)
        self.io.call(self._join, names)

    def leave(self, rooms: str | Iterable[str]) -> None:
        """Leave one room or several."""
        self.io.call(self.namespace.adapter.leave, self, room_names(rooms))

    def leave_all(self) -> None:
        """Leave all rooms."""
        self.io.call(self.namespace.adapter.leave_all, self)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect from the namespace, or with `close` end the client's whole connection.

        What waits to be sent is sent first. The disconnect handler runs after the events that the client
        had sent before. A middleware that disconnects its socket has refused it. Legal in any OS thread; nothing
        happens when it is disconnected already.
        """
        if close:
            self.io.call(self.client.disconnect)
        else:
            self.io.call(self._disconnect)

    # What the client's connection and the namespace use

    def send_group(self, group: PacketGroup) -> bool:
        """Send encoded packets; False if they can't be. Never switches greenlets."""
        return self._state is _CONNECTED and self.client.session.send_group(group)

    def send_volatile(self, kind: tuple[str, str], group: PacketGroup) -> bool:
        """Send encoded packets that may be lost to newer ones of their kind; False if it is closed."""
        return self._state is _CONNECTED and self.client.session.send_volatile(kind, group)

    def describe(self) -> RemoteSocketData:
        """What `fetch_sockets` tells of it."""
        return RemoteSocketData(self.id, self.rooms, dict(self._data or ()), dict(self.handshake))

    def send_ack(self, ack_id: int, args: Sequence[object]) -> None:
        """Answer one of the client's events."""
        self._send(self.namespace.parser.encode_ack(self.namespace.path, ack_id, args))

    def await_ack(self, ack_id: int, pending: PendingAck) -> None:
        """Expect the client's answer to an emit."""
        if self._acks is None:
            self._acks = {}
        self._acks[ack_id] = pending
        self.client.session.resume()  # or, held back for its many events, the client could not be heard

    def forget_ack(self, ack_id: int) -> None:
        """Expect an answer no more."""
        if self._acks is not None:
            self._acks.pop(ack_id, None)
            if not self._acks:
                self._acks = None

    @property
    def owes_ack(self) -> bool:
        """Whether an answer of the client is awaited."""
        return self._acks is not None

    @property
    def pending_events(self) -> int:
        """How many events wait for their handlers."""
        return len(self._jobs)

    def when_drained(self, callback: Callable[[], object]) -> None:
        """Have a callback called, once, when no events wait any more."""
        self._jobs.drained = callback

    def overlap(self) -> None:
        """Handle the events that wait beside the one whose handler is about to be called."""
        self._jobs.overlap(self.io.options.max_pending_events)

    def start_callback(self, callback: Callable[..., object], *args: object) -> None:
        """Run a callback of the user's in a worker greenlet."""
        self.client.session.server.runtime.workers.start(None, run_callback, (self, callback, args))

    @property
    def is_connecting(self) -> bool:
        """Whether the client waits to be told if it is let in."""
        return self._state is State.CONNECTING

    @property
    def was_accepted(self) -> bool:
        """Whether the client has been told that it is connected; still true while it is being disconnected."""
        return self._state is _CONNECTED or self._state is State.CLOSED

    def accept(self) -> None:
        """Become connected and tell the client.

        Raises:
            SocketClosedError: the client is gone.
            ConnectRefused: the namespace is.
        """
        # Middlewares may have switched greenlets since the client asked.
        if self._state is not State.CONNECTING:
            raise SocketClosedError("the client has left before it was connected")
        if self.namespace.is_deleted:
            raise ConnectRefused("Invalid namespace")
        self._state = State.CONNECTED
        self.namespace.sockets[self.id] = self
        self.client.accepted(self)

    def refuse(self, message: str, data: object, reason: str) -> None:
        """Tell the client, if it is still there, that it is not let in; nothing of this socket remains.

        Args:
            message: becomes `err.message` at the client.
            data: becomes `err.data`.
            reason: what it is counted as.
        """
        try:
            if self._state is State.CONNECTING:
                self._state = State.REFUSED
                self.namespace.count_refusal(reason)
                self.client.refused(self, message, data)
        finally:  # a parser of the user's may fail
            self.namespace.remove(self)

    def connect(self, auth: dict[str, Any]) -> None:
        """Let the namespace decide on this socket; its events wait until it has."""
        self._auth = pack_auth(auth)
        self.namespace.enter()
        self._jobs.submit(run_connect if self.namespace.start is None else run_start, self, auth)

    def receive_event(self, packet: Packet) -> bool:
        """Handle an event when the earlier ones have been handled; return whether it waits for them."""
        return self._jobs.submit(run_event, self, packet)

    def receive_ack(self, packet: Packet) -> None:
        """Take the client's answer. It passes the events that wait; one that nobody awaits is ignored."""
        pending = None if self._acks is None or packet.id is None else self._acks.get(packet.id)
        if pending is not None and packet.id is not None:
            self.forget_ack(packet.id)
            pending.resolve(self, packet.data)

    def closed(self, reason: DisconnectReason) -> None:
        """Begin to close, whatever the cause; nothing happens the second time."""
        state = self._state
        if state is State.CLOSED or state is State.REFUSED:
            return
        self._state = State.CLOSED if state is _CONNECTED else State.REFUSED
        acks, self._acks = self._acks, None
        for pending in (acks or {}).values():
            pending.resolve(self, closed_error())
        if state is _CONNECTED:
            self.client.session.forget_volatile(self._is_volatile_of)
            self.client.session.server.callbacks.add()
            self._jobs.submit(run_disconnect, self, reason)
            self._jobs.lift()  # handlers may go on until the disconnect handler ends them

    def _choose(self, *step: Any) -> BroadcastOperator:
        return BroadcastOperator(self.namespace, self.id, *step)

    def _set(self, volatile: bool = False, timeout: float | None = None) -> SocketOperator:
        return SocketOperator(self, volatile, timeout)

    def _ask(self, event: str, args: Sequence[object], convert: Convert) -> AckFuture[Any]:
        return ask_socket(self, None, event, args, convert)

    def _join(self, names: tuple[str, ...]) -> None:
        if self._state is State.CONNECTING or self._state is _CONNECTED:
            self.namespace.adapter.join(self, names)

    def _disconnect(self) -> None:
        if self._state is State.CONNECTING:  # the client waits for an answer; the middleware that runs ends for itself
            self._state = State.REFUSED
            self.namespace.count_refusal("refused")
            self.client.refused(self, ConnectRefused().message, None)
            return
        if self._state is State.CONNECTED:
            self.client.session.send_group(self.namespace.parser.encode_disconnect(self.ns))
        self.client.left(self, by_server=True)
        self.closed(DisconnectReason.SERVER_NAMESPACE_DISCONNECT)

    def _is_volatile_of(self, kind: Any) -> bool:
        """Whether this is the kind of something that was sent to this socket, or to the one before it."""
        return bool(kind[0] == self.namespace.path)

    def _send(self, group: PacketGroup) -> None:
        if self._state is not _CONNECTED:
            raise SocketClosedError("the socket is not connected")
        session = self.client.session
        if session.runtime.is_foreign_thread():
            session.runtime.call(self.send_group, group)
        elif not session.send_group(group):
            session.raise_unsent()

    def _event_handlers(self) -> EventHandlers:
        if self.handlers is None:
            handlers = EventHandlers(self.io.kinds)
            if self.handlers is None:  # or a thread was faster
                self.handlers = handlers
        return self.handlers


#: The name that the model of this API has for it.
SocketRef = Socket
