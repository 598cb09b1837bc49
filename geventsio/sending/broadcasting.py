"""What can be done with the sockets that were chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from geventsio.adapters.values import BroadcastOptions
from geventsio.engine.native import in_hub
from geventsio.sending.ack_stream import AckStream
from geventsio.sending.adapter_calls import ask_sockets, broadcast, call_adapter, query_adapter
from geventsio.sending.asking import converter
from geventsio.sending.choosing import room_names
from geventsio.sending.remote import RemoteSocket

if TYPE_CHECKING:
    from geventsio.namespaces.namespace import Namespace
    from geventsio.socket import Socket

__all__ = ["EVERYBODY", "Broadcaster", "Target"]

T = TypeVar("T")

#: A namespace, which of its sockets, and the seconds that acknowledgements may take (None for `ack_timeout`).
Target = tuple["Namespace", BroadcastOptions, float | None]

EVERYBODY = BroadcastOptions()


class Broadcaster:
    """Sockets that an operation is for: those of a chain, or all of a namespace.

    With an adapter that reaches other servers, their sockets are among them unless the chain says `local`, and any of
    these methods may switch greenlets; otherwise only waiting for acknowledgements does.
    """

    __slots__ = ()

    def emit(self, event: str, *args: object) -> None:
        """Send an event to the chosen sockets. It is encoded once. Legal in any OS thread.

        Sockets that are gone, or that do not read, are no error.

        Raises:
            SerializeError: an argument can't be encoded.
            ValueError: the event's name is reserved.
            AdapterError: the adapter could not pass it on.
        """
        namespace, options, _ = self._target()
        broadcast(namespace, event, args, options)

    @overload
    def emit_with_ack(self, event: str, *args: object) -> AckStream[Any]: ...
    @overload
    def emit_with_ack(self, event: str, *args: object, returns: type[T]) -> AckStream[T]: ...
    @overload
    def emit_with_ack(self, event: str, *args: object, returns: Any) -> AckStream[Any]: ...
    def emit_with_ack(self, event: str, *args: object, returns: Any = Any) -> AckStream[Any]:
        """Send an event and return the stream of its answers, whose time counts from now.

        Sockets that can't be sent to have an `AckClosedError` in it. `volatile` has no effect.

        Args:
            event: its name.
            args: its arguments.
            returns: the type of each answer: of its first argument (None if there is none), or for a tuple type of all
                of them. An answer that does not fit is an `AckDecodeError` in the stream.

        Raises:
            RuntimeError: called in an OS thread other than the one that serves the clients.
            TypeError: nothing from a client can be turned into `returns`.
            SerializeError, ValueError, AdapterError: as `emit`.
        """
        convert = converter(returns)
        namespace, options, timeout = self._target()
        stream: AckStream[Any] = AckStream(namespace.io, timeout, convert)
        in_hub(ask_sockets, namespace, event, args, options, stream)
        return stream

    def fetch_sockets(self) -> list[RemoteSocket]:
        """The chosen sockets of all servers.

        To do something with them, call it on the chain itself: `io.to("room").join("other")` asks nobody first.

        Raises:
            RuntimeError: called in an OS thread other than the one that serves the clients.
            AdapterError: the adapter could not ask the others.
        """
        namespace, options, _ = self._target()
        found = query_adapter(namespace, namespace.adapter.fetch_sockets, options)
        return [RemoteSocket(namespace, data) for data in found]

    def join(self, rooms: str | Iterable[str]) -> None:
        """Put the chosen sockets into rooms.

        Raises:
            ValueError: a room has the name of a socket's id.
            AdapterError: the adapter could not pass it on.
        """
        namespace, options, _ = self._target()
        names = room_names(rooms)
        namespace.check_rooms(names)
        call_adapter(namespace, namespace.adapter.add_sockets, options, names)

    def leave(self, rooms: str | Iterable[str]) -> None:
        """Take the chosen sockets out of rooms.

        Raises:
            AdapterError: the adapter could not pass it on.
        """
        namespace, options, _ = self._target()
        call_adapter(namespace, namespace.adapter.del_sockets, options, room_names(rooms))

    def rooms(self) -> frozenset[str]:
        """All rooms that the chosen sockets are in.

        Raises:
            RuntimeError: called in an OS thread other than the one that serves the clients.
            AdapterError: the adapter could not ask the others.
        """
        namespace, options, _ = self._target()
        return query_adapter(namespace, namespace.adapter.rooms, options)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the chosen sockets from the namespace; with `close`, their whole connections.

        Raises:
            AdapterError: the adapter could not pass it on.
        """
        namespace, options, _ = self._target()
        call_adapter(namespace, namespace.adapter.disconnect_sockets, options, close)

    def get_socket(self, socket_id: str) -> Socket | None:
        """The socket of this id, if it is connected to this server; whether it is chosen does not matter."""
        namespace, _, _ = self._target()
        return namespace.sockets.get(socket_id)

    def _target(self) -> Target:
        raise NotImplementedError
