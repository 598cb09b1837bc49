"""The contract of adapters: who is in which room, and how an emit reaches the members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from geventsio.protocol.packet_group import PacketGroup

__all__ = ["Adapter", "BroadcastOptions", "LocalSocket"]


@dataclass(frozen=True, slots=True)
class BroadcastOptions:
    """Which sockets an operation is for. Holds nothing local, so that it can cross a wire.

    Attributes:
        rooms: the union of these rooms' members; all sockets of the namespace when there are none.
            A socket's id counts as a room that only it is in.
        except_rooms: members of these rooms are left out.
        except_id: the id of one socket that is left out, mostly the sender.
        local: only sockets of this server.
    """

    rooms: tuple[str, ...] = ()
    except_rooms: tuple[str, ...] = ()
    except_id: str | None = None
    local: bool = False


class LocalSocket(Protocol):
    """What an adapter needs of a socket that is connected to this server."""

    @property
    def id(self) -> str:
        """The socket's public id."""
        ...

    @property
    def connected(self) -> bool:
        """Whether it can be sent to; false before it is accepted and once it is being closed."""
        ...

    def send_group(self, group: PacketGroup) -> bool:
        """Send encoded packets; False if they can't be. Never switches greenlets."""
        ...

    def disconnect(self, close: bool = False) -> None:
        """Disconnect it from the namespace, or close its whole connection. Never switches greenlets."""
        ...


class Adapter(ABC):
    """Keeps the rooms of one namespace and carries operations to the sockets that they are for.

    Args:
        namespace: the namespace's path.
        sockets: the sockets connected to this server, by id; the namespace keeps it current.

    Every method may raise `AdapterError`.
    """

    def __init__(self, namespace: str, sockets: Mapping[str, LocalSocket]) -> None:
        self.namespace = namespace
        self.sockets = sockets

    def init(self) -> None:  # noqa: B027 (many adapters have nothing to prepare)
        """Prepare, before the first socket connects. May switch greenlets."""

    def close(self) -> None:  # noqa: B027
        """Release what `init` took. May switch greenlets."""

    def server_count(self) -> int:
        """How many servers share this namespace, this one included."""
        return 1

    # This server's sockets

    @abstractmethod
    def join(self, socket: LocalSocket, rooms: Iterable[str]) -> None:
        """Put one of this server's sockets into rooms."""

    @abstractmethod
    def leave(self, socket: LocalSocket, rooms: Iterable[str]) -> None:
        """Take one of this server's sockets out of rooms."""

    @abstractmethod
    def leave_all(self, socket: LocalSocket) -> None:
        """Take one of this server's sockets out of all rooms."""

    @abstractmethod
    def socket_rooms(self, socket: LocalSocket) -> frozenset[str]:
        """The rooms of one of this server's sockets."""

    @abstractmethod
    def local_sockets(self, options: BroadcastOptions) -> list[LocalSocket]:
        """This server's connected sockets that an operation is for, each once."""

    # Sockets of all servers

    @abstractmethod
    def broadcast(self, group: PacketGroup, options: BroadcastOptions) -> None:
        """Send packets to sockets. What single sockets do not take is no error."""

    @abstractmethod
    def broadcast_with_ack(
        self, group: PacketGroup, options: BroadcastOptions, expect: Callable[[LocalSocket], object]
    ) -> None:
        """Send packets that ask for an acknowledgement.

        Args:
            group: the packets, with the id of the acknowledgement in them.
            options: which sockets.
            expect: called with each of this server's sockets before it is sent to.
        """

    @abstractmethod
    def add_sockets(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        """Put sockets into rooms."""

    @abstractmethod
    def del_sockets(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        """Take sockets out of rooms."""

    @abstractmethod
    def disconnect_sockets(self, options: BroadcastOptions, close: bool) -> None:
        """Disconnect sockets from the namespace, or close their connections."""

    @abstractmethod
    def rooms(self, options: BroadcastOptions) -> frozenset[str]:
        """All rooms that the sockets are in."""
