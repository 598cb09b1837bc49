"""Sockets that may be connected to another server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from geventsio.adapters.values import BroadcastOptions, RemoteSocketData
from geventsio.config import check_duration
from geventsio.errors import AckClosedError, AckTimeoutError
from geventsio.handling.dispatch import run_callback
from geventsio.sending.ack import AckFuture, Convert
from geventsio.sending.ack_stream import Collector
from geventsio.sending.adapter_calls import ask_sockets, broadcast, call_adapter
from geventsio.sending.asking import Asker
from geventsio.sending.choosing import room_names

if TYPE_CHECKING:
    from geventsio.adapters.base import Answer
    from geventsio.handshake import HandshakeInfo
    from geventsio.namespaces.namespace import Namespace
    from geventsio.server import SocketIO

__all__ = ["RemoteSocket"]


class RemoteSocket(Asker):
    """A socket as `fetch_sockets` found it, on this server or on another.

    What is done with it goes through the adapter. If it is gone meanwhile, nothing happens; only acknowledgements
    fail then.

    Attributes:
        id: its public id.
        namespace: the namespace that it is in, as this server has it.
        rooms: the rooms that it was in.
        data: a copy of its `Socket.data`; to change it changes nothing there.
        handshake: as `Socket.handshake`.
    """

    __slots__ = ("_timeout", "data", "handshake", "id", "namespace", "rooms")

    #: It has no handlers of its own on this server; callbacks of its acknowledgements look for an error handler here.
    handlers: ClassVar[None] = None

    def __init__(self, namespace: Namespace, data: RemoteSocketData, timeout: float | None = None) -> None:
        self.namespace = namespace
        self._timeout = timeout
        self.id = data.id
        self.rooms = data.rooms
        self.data = data.data
        self.handshake: HandshakeInfo = data.handshake  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<RemoteSocket {self.id} in {self.ns}>"

    @property
    def io(self) -> SocketIO:
        """The server that it was asked for on."""
        return self.namespace.io

    @property
    def ns(self) -> str:
        """The path of its namespace."""
        return self.namespace.path

    def timeout(self, seconds: float) -> RemoteSocket:
        """Wait this many seconds for the acknowledgements of what is emitted next, instead of `ack_timeout`."""
        check_duration("timeout", seconds)
        data = RemoteSocketData(self.id, self.rooms, self.data, self.handshake)  # type: ignore[arg-type]
        return RemoteSocket(self.namespace, data, seconds)

    def emit(self, event: str, *args: object) -> None:
        """Send an event. Legal in any OS thread. May switch greenlets, if the adapter does.

        Raises:
            SerializeError: an argument can't be encoded.
            ValueError: the event's name is reserved.
            AdapterError: the adapter could not pass it on.
        """
        broadcast(self.namespace, event, args, self._options)

    def join(self, rooms: str | Iterable[str]) -> None:
        """Put it into one room or several.

        Raises:
            ValueError: a room has the name of another socket's id.
            AdapterError: the adapter could not pass it on.
        """
        names = room_names(rooms)
        self.namespace.check_rooms(names, self.id)
        call_adapter(self.namespace, self.namespace.adapter.add_sockets, self._options, names)

    def leave(self, rooms: str | Iterable[str]) -> None:
        """Take it out of one room or several.

        Raises:
            AdapterError: the adapter could not pass it on.
        """
        call_adapter(self.namespace, self.namespace.adapter.del_sockets, self._options, room_names(rooms))

    def disconnect(self, close: bool = False) -> None:
        """Disconnect it from the namespace, or with `close` end the client's whole connection.

        Raises:
            AdapterError: the adapter could not pass it on.
        """
        call_adapter(self.namespace, self.namespace.adapter.disconnect_sockets, self._options, close)

    # What acknowledgements use

    def forget_ack(self, ack_id: int) -> None:
        """Expect an answer no more; see `Asked`. Who expects it is the one who collects it."""

    def start_callback(self, callback: Callable[..., object], *args: object) -> None:
        """Run a callback of the user's in a worker greenlet."""
        self.namespace.io.engine.runtime.workers.start(None, run_callback, (self, callback, args))

    @property
    def _options(self) -> BroadcastOptions:
        return BroadcastOptions(rooms=(self.id,))

    def _ask(self, event: str, args: Sequence[object], convert: Convert) -> AckFuture[Any]:
        io = self.namespace.io
        io.check_thread()
        future: AckFuture[Any] = AckFuture(self, 0, io.ack_deadlines(self._timeout), convert)
        ask_sockets(self.namespace, event, args, self._options, _OneAnswer(self, future, self._timeout))
        return future


class _OneAnswer(Collector):
    """Collects the one answer that there may be, wherever the socket is."""

    __slots__ = ("_future", "_socket")

    def __init__(self, socket: RemoteSocket, future: AckFuture[Any], timeout: float | None) -> None:
        super().__init__(socket.namespace.io, timeout)
        self._socket = socket
        self._future = future

    def _take(self, socket_id: str, answer: Answer) -> None:
        if not self._future.done():
            self._future.resolve(self._socket, answer)
            self.close()

    def _finish(self, expired: bool) -> None:
        if not self._future.done():
            gone = AckClosedError("no server has this socket any more")
            self._future.resolve(self._socket, AckTimeoutError("no answer in time") if expired else gone)
