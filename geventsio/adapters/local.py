"""The adapter of a server that stands alone: rooms in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from geventsio.adapters.base import AckCollector, Adapter, LocalSocket
from geventsio.adapters.values import BroadcastOptions, EventPacket, RemoteSocketData

__all__ = ["LocalAdapter"]


class LocalAdapter(Adapter):
    """Keeps rooms in two maps: members by room, and rooms by socket.

    None of its methods switches greenlets, so each is one step for all others, and no lock is needed.
    """

    def __init__(self, namespace: str, sockets: Mapping[str, LocalSocket]) -> None:
        super().__init__(namespace, sockets)
        # Dicts without values instead of sets: they keep the order of joining, and are as fast.
        self._members: dict[str, dict[LocalSocket, None]] = {}
        self._rooms: dict[LocalSocket, dict[str, None]] = {}

    def join(self, socket: LocalSocket, rooms: Iterable[str]) -> None:
        """See `Adapter`."""
        for room in rooms:
            if room == socket.id:  # everybody is in the room of its own id, and it is not stored
                continue
            self._members.setdefault(room, {})[socket] = None
            self._rooms.setdefault(socket, {})[room] = None

    def leave(self, socket: LocalSocket, rooms: Iterable[str]) -> None:
        """See `Adapter`."""
        own = self._rooms.get(socket)
        if own is None:
            return
        for room in rooms:
            if room in own:
                del own[room]
                self._remove_member(room, socket)
        if not own:
            del self._rooms[socket]

    def leave_all(self, socket: LocalSocket) -> None:
        """See `Adapter`."""
        for room in self._rooms.pop(socket, ()):
            self._remove_member(room, socket)

    def socket_rooms(self, socket: LocalSocket) -> frozenset[str]:
        """See `Adapter`."""
        return frozenset(self._rooms.get(socket, ()))

    def local_sockets(self, options: BroadcastOptions) -> list[LocalSocket]:
        """See `Adapter`."""
        excluded = self._excluded(options)
        return [socket for socket in self._candidates(options) if socket.connected and socket not in excluded]

    def broadcast(self, packet: EventPacket, options: BroadcastOptions) -> None:
        """See `Adapter`. Costs the recipients, not the room's history or the number of all sockets."""
        group = packet.group
        excluded = self._excluded(options)
        if options.volatile:
            kind = (self.namespace, packet.event)
            for socket in self._candidates(options):
                if socket not in excluded:
                    socket.send_volatile(kind, group)
        elif excluded:
            for socket in self._candidates(options):
                if socket not in excluded:
                    socket.send_group(group)
        else:
            for socket in self._candidates(options):
                socket.send_group(group)

    def broadcast_with_ack(self, packet: EventPacket, options: BroadcastOptions, acks: AckCollector) -> None:
        """See `Adapter`."""
        for socket in self.local_sockets(options):
            acks.expect(socket)
            if not socket.send_group(packet.group):
                acks.refuse(socket)

    def add_sockets(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        """See `Adapter`."""
        for socket in self.local_sockets(options):
            self.join(socket, rooms)

    def del_sockets(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        """See `Adapter`."""
        for socket in self.local_sockets(options):
            self.leave(socket, rooms)

    def disconnect_sockets(self, options: BroadcastOptions, close: bool) -> None:
        """See `Adapter`."""
        for socket in self.local_sockets(options):
            socket.disconnect(close)

    def rooms(self, options: BroadcastOptions) -> frozenset[str]:
        """See `Adapter`."""
        return frozenset(room for socket in self.local_sockets(options) for room in self._rooms.get(socket, ()))

    def fetch_sockets(self, options: BroadcastOptions) -> list[RemoteSocketData]:
        """See `Adapter`."""
        return [socket.describe() for socket in self.local_sockets(options)]

    def _candidates(self, options: BroadcastOptions) -> Iterable[LocalSocket]:
        """Return those whom an operation is for, before exclusions; each once, and some may be closing."""
        if not options.rooms:
            return self.sockets.values()
        if len(options.rooms) == 1:
            return self._room(options.rooms[0])
        return dict.fromkeys(socket for room in options.rooms for socket in self._room(room))

    def _room(self, room: str) -> Iterable[LocalSocket]:
        members = self._members.get(room)
        if members is not None:
            return members
        socket = self.sockets.get(room)
        return () if socket is None else (socket,)

    def _excluded(self, options: BroadcastOptions) -> set[LocalSocket]:
        excluded = {socket for room in options.except_rooms for socket in self._room(room)}
        if options.except_id is not None:
            sender = self.sockets.get(options.except_id)
            if sender is not None:
                excluded.add(sender)
        return excluded

    def _remove_member(self, room: str, socket: LocalSocket) -> None:
        members = self._members[room]
        del members[socket]
        if not members:
            del self._members[room]
