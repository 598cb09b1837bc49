"""Chains that choose sockets, and what can be done with the chosen ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from geventsio.ack import AckFuture, AckStream
from geventsio.adapters.base import BroadcastOptions
from geventsio.config import check_duration

if TYPE_CHECKING:
    from geventsio.namespace import Namespace
    from geventsio.socket import Socket

__all__ = ["BroadcastOperator", "SocketOperator", "room_names"]


def room_names(rooms: str | Iterable[str]) -> tuple[str, ...]:
    """One room or several as a tuple.

    Raises:
        TypeError: a room's name is not a str.
    """
    names = (rooms,) if isinstance(rooms, str) else tuple(rooms)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a room's name is a str, not {name!r}")
    return names


class BroadcastOperator:
    """A choice of the sockets of a namespace. Immutable: each step of a chain is a new one, free to be kept.

    Several rooms mean their union, and nobody is chosen twice. A chain that began at a socket leaves that
    socket out, unless it chose rooms by `within` alone.
    """

    __slots__ = ("_except", "_excludes_sender", "_local", "_namespace", "_rooms", "_sender", "_timeout")

    def __init__(
        self,
        namespace: Namespace,
        sender: str | None = None,
        rooms: tuple[str, ...] = (),
        except_: tuple[str, ...] = (),
        excludes_sender: bool = False,
        local: bool = False,
        timeout: float | None = None,
    ) -> None:
        self._namespace = namespace
        self._sender = sender
        self._rooms = rooms
        self._except = except_
        self._excludes_sender = excludes_sender
        self._local = local
        self._timeout = timeout

    @property
    def path(self) -> str:
        """The namespace's path."""
        return self._namespace.path

    # Choosing

    def to(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Choose the members of these rooms too, but for the sender."""
        return self._with(rooms=self._rooms + room_names(rooms), excludes_sender=True)

    def within(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Choose the members of these rooms too, the sender among them."""
        return self._with(rooms=self._rooms + room_names(rooms))

    def except_(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Leave the members of these rooms out."""
        return self._with(except_=self._except + room_names(rooms))

    def local(self) -> BroadcastOperator:
        """Choose only among the sockets of this server."""
        return self._with(local=True)

    def broadcast(self) -> BroadcastOperator:
        """Choose everybody, but for the sender."""
        return self._with(excludes_sender=True)

    def timeout(self, seconds: float) -> BroadcastOperator:
        """Wait this many seconds for acknowledgements, instead of `ack_timeout`."""
        check_duration("timeout", seconds)
        return self._with(timeout=seconds)

    # Acting

    def emit(self, event: str, *args: object) -> None:
        """Send an event to the chosen sockets. It is encoded once. Legal in any OS thread.

        Sockets that are gone, or that do not read, are no error.

        Raises:
            SerializeError: an argument can't be encoded.
            ValueError: the event's name is reserved.
            AdapterError: the adapter could not pass it on.
        """
        namespace = self._namespace
        group = namespace.encode_event(event, args)
        namespace.io.call(namespace.adapter.broadcast, group, self.options)

    def emit_with_ack(self, event: str, *args: object) -> AckStream:
        """Send an event and return the stream of its answers, whose time counts from now.

        Raises:
            RuntimeError: called in an OS thread other than the one that serves the clients.
            SerializeError, ValueError, AdapterError: as `emit`.
        """
        namespace = self._namespace
        namespace.io.check_thread()
        ack_id = namespace.next_ack_id()
        group = namespace.encode_event(event, args, ack_id)
        stream = AckStream(ack_id)
        namespace.adapter.broadcast_with_ack(group, self.options, stream.expect)  # type: ignore[arg-type]
        if len(stream):
            stream.start(namespace.io.ack_deadlines(self._timeout))
        return stream

    def sockets(self) -> list[Socket]:
        """The chosen sockets of this server."""
        return self._namespace.adapter.local_sockets(self.options)  # type: ignore[return-value]

    def join(self, rooms: str | Iterable[str]) -> None:
        """Put the chosen sockets into rooms."""
        namespace = self._namespace
        names = room_names(rooms)
        namespace.check_rooms(names)
        namespace.io.call(namespace.adapter.add_sockets, self.options, names)

    def leave(self, rooms: str | Iterable[str]) -> None:
        """Take the chosen sockets out of rooms."""
        namespace = self._namespace
        namespace.io.call(namespace.adapter.del_sockets, self.options, room_names(rooms))

    def rooms(self) -> frozenset[str]:
        """All rooms that the chosen sockets are in."""
        return self._namespace.adapter.rooms(self.options)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the chosen sockets from the namespace; with `close`, their whole connections."""
        namespace = self._namespace
        namespace.io.call(namespace.adapter.disconnect_sockets, self.options, close)

    @property
    def options(self) -> BroadcastOptions:
        """The choice as adapters understand it."""
        excludes_sender = self._excludes_sender or not self._rooms
        return BroadcastOptions(self._rooms, self._except, self._sender if excludes_sender else None, self._local)

    def _with(self, **changes: Any) -> BroadcastOperator:
        fields: dict[str, Any] = {
            "namespace": self._namespace,
            "sender": self._sender,
            "rooms": self._rooms,
            "except_": self._except,
            "excludes_sender": self._excludes_sender,
            "local": self._local,
            "timeout": self._timeout,
        }
        return BroadcastOperator(**{**fields, **changes})


class SocketOperator:
    """One socket, with a timeout for its acknowledgements. Choosing rooms makes it a `BroadcastOperator`."""

    __slots__ = ("_socket", "_timeout")

    def __init__(self, socket: Socket, timeout: float | None) -> None:
        self._socket = socket
        self._timeout = timeout

    def emit(self, event: str, *args: object) -> None:
        """See `Socket.emit`."""
        self._socket.emit(event, *args)

    def emit_with_ack(self, event: str, *args: object) -> AckFuture:
        """See `Socket.emit_with_ack`; waits as long as the timeout says."""
        return self._socket.emit_with_timeout(self._timeout, event, args)

    def to(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """See `BroadcastOperator.to`."""
        return self._broadcast().to(rooms)

    def within(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """See `BroadcastOperator.within`."""
        return self._broadcast().within(rooms)

    def except_(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """See `BroadcastOperator.except_`."""
        return self._broadcast().except_(rooms)

    def local(self) -> BroadcastOperator:
        """See `BroadcastOperator.local`."""
        return self._broadcast().local()

    def broadcast(self) -> BroadcastOperator:
        """See `BroadcastOperator.broadcast`."""
        return self._broadcast().broadcast()

    def timeout(self, seconds: float) -> SocketOperator:
        """Wait this many seconds for acknowledgements, instead of `ack_timeout`."""
        check_duration("timeout", seconds)
        return SocketOperator(self._socket, seconds)

    def _broadcast(self) -> BroadcastOperator:
        operator = BroadcastOperator(self._socket.namespace, self._socket.id)
        return operator if self._timeout is None else operator.timeout(self._timeout)
