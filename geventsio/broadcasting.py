"""What can be done with the sockets that were chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from geventsio.ack import AckStream
from geventsio.adapters.base import BroadcastOptions
from geventsio.choosing import room_names

if TYPE_CHECKING:
    from geventsio.namespace import Namespace

__all__ = ["EVERYBODY", "Broadcaster", "Target"]

#: A namespace, which of its sockets, and the seconds that acknowledgements may take (None for `ack_timeout`).
Target = tuple["Namespace", BroadcastOptions, float | None]

EVERYBODY = BroadcastOptions()


class Broadcaster:
    """Sockets that an operation is for: those of a chain, or all of a namespace."""

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
        group = namespace.encode_event(event, args)
        namespace.io.call(namespace.adapter.broadcast, group, options)

    def emit_with_ack(self, event: str, *args: object) -> AckStream:
        """Send an event and return the stream of its answers, whose time counts from now.

        Raises:
            RuntimeError: called in an OS thread other than the one that serves the clients.
            SerializeError, ValueError, AdapterError: as `emit`.
        """
        namespace, options, timeout = self._target()
        namespace.io.check_thread()
        ack_id = namespace.next_ack_id()
        group = namespace.encode_event(event, args, ack_id)
        stream = AckStream(ack_id)
        namespace.adapter.broadcast_with_ack(group, options, stream.expect)  # type: ignore[arg-type]
        if len(stream):
            stream.start(namespace.io.ack_deadlines(timeout))
        return stream

    def join(self, rooms: str | Iterable[str]) -> None:
        """Put the chosen sockets into rooms.

        Raises:
            ValueError: a room has the name of a socket's id.
        """
        namespace, options, _ = self._target()
        names = room_names(rooms)
        namespace.check_rooms(names)
        namespace.io.call(namespace.adapter.add_sockets, options, names)

    def leave(self, rooms: str | Iterable[str]) -> None:
        """Take the chosen sockets out of rooms."""
        namespace, options, _ = self._target()
        namespace.io.call(namespace.adapter.del_sockets, options, room_names(rooms))

    def rooms(self) -> frozenset[str]:
        """All rooms that the chosen sockets are in."""
        namespace, options, _ = self._target()
        return namespace.adapter.rooms(options)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the chosen sockets from the namespace; with `close`, their whole connections."""
        namespace, options, _ = self._target()
        namespace.io.call(namespace.adapter.disconnect_sockets, options, close)

    def _target(self) -> Target:
        raise NotImplementedError
