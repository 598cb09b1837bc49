"""The contract of adapters: who is in which room, and how an emit reaches the members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from geventsio.adapters.values import BroadcastOptions, EventPacket, RemoteSocketData
from geventsio.errors import AckError
from geventsio.protocol.packet_group import PacketGroup

__all__ = ["AckCollector", "Adapter", "Answer", "Host", "LocalSocket"]

#: The arguments that a client answered with, or why it did not.
Answer = Sequence[Any] | AckError


class LocalSocket(Protocol):
    """What an adapter needs of a socket that is connected to this server. None of it switches greenlets."""

    @property
    def id(self) -> str:
        """The socket's public id."""
        ...

    @property
    def connected(self) -> bool:
        """Whether it can be sent to; false before it is accepted and once it is being closed."""
        ...

    def send_group(self, group: PacketGroup) -> bool:
        """Send a group of encoded packets; False if they can't be."""
        ...

    def send_volatile(self, kind: tuple[str, str], group: PacketGroup) -> bool:
        """Send encoded packets that may be lost to newer ones of their kind; False if the socket is closed.

        Args:
            kind: the namespace's path and the event's name.
            group: the packets.
        """
        ...

    def disconnect(self, close: bool = False) -> None:
        """Disconnect it from the namespace, or close its whole connection."""
        ...

    def describe(self) -> RemoteSocketData:
        """What others may know of it."""
        ...


class AckCollector(Protocol):
    """Takes the acknowledgements of a broadcast.

    It has ended when every socket that it expects has answered or failed, or the time is up.

    Attributes:
        timeout: the seconds that clients have, from the emit.
    """

    timeout: float

    def expect(self, socket: Any) -> None:
        """Expect an answer of one of this server's sockets, which is about to be sent to."""

    def refuse(self, socket: Any) -> None:
        """Learn that an expected socket could not be sent to."""

    def expect_servers(self, number: int, seconds: float) -> None:
        """Expect this many other servers to say how many of their sockets will answer.

        Args:
            number: of those servers.
            seconds: that they have beyond `timeout`, for answers need time to travel.
        """

    def expect_answers(self, number: int) -> None:
        """Learn of one of those servers the number of its sockets that will answer."""

    def answer(self, socket_id: str, answer: Answer) -> None:
        """Take the answer of another server's socket, by its id; late ones are ignored, and early ones are not."""

    def when_ended(self, callback: Callable[[], object]) -> None:
        """Have a callback called, once, when no answers are taken any more; at once if that is so."""


class Host(Protocol):
    """What a namespace does for its adapter when another server asks for it. None of it switches greenlets."""

    def make_packet(self, event: str, args: Sequence[object]) -> EventPacket:
        """Encode an event for this server's clients.

        Raises:
            SerializeError: an argument can't be encoded.
        """
        ...

    def relay_acks(
        self,
        event: str,
        args: Sequence[object],
        options: BroadcastOptions,
        timeout: float,
        answered: Callable[[str, Answer], object],
    ) -> int:
        """Emit an event to this server's sockets and hand on their acknowledgements.

        Args:
            event: its name.
            args: its arguments.
            options: which sockets.
            timeout: seconds that clients have.
            answered: called once for each of the sockets, with its id and its answer; must not switch greenlets.

        Returns:
            How many sockets that are. Some may have been answered for already: those that could not be sent to.
        """
        ...


class Adapter(ABC):
    """Keeps the rooms of one namespace and carries operations to the sockets that they are for.

    `SocketIO(adapter=...)` takes the class, or any callable with the same two arguments.

    Args:
        namespace: the namespace's path.
        sockets: the sockets connected to this server, by id; the namespace keeps it current.

    Attributes:
        host: what the namespace does for the adapter; set before `init`.

    What concerns other servers may switch greenlets and raise `AdapterError`; any other exception is turned into one
    for the user who called. What concerns only this server's sockets must do neither.
    """

    host: Host

    def __init__(self, namespace: str, sockets: Mapping[str, LocalSocket]) -> None:
        self.namespace = namespace
        self.sockets = sockets

    def init(self) -> None:  # noqa: B027 (many adapters have nothing to prepare)
        """Prepare, before the first socket connects. If it raises, the namespace is not registered."""

    def close(self) -> None:  # noqa: B027
        """Release what `init` took, when all sockets have left; it may be called again."""

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
        """This server's connected sockets that the options choose, each once."""

    # Sockets of all servers, unless the options say `local`

    @abstractmethod
    def broadcast(self, packet: EventPacket, options: BroadcastOptions) -> None:
        """Send a packet to the sockets that the options choose. What single sockets do not take is no error."""

    @abstractmethod
    def broadcast_with_ack(self, packet: EventPacket, options: BroadcastOptions, acks: AckCollector) -> None:
        """Send an event that asks for an acknowledgement.

        Args:
            packet: the event; its `group` has the id of the acknowledgement in it, which is this server's own.
            options: which sockets.
            acks: is told of each of this server's sockets before that is sent to, and of other servers' answers.
        """

    @abstractmethod
    def add_sockets(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        """Put the sockets that the options choose into rooms."""

    @abstractmethod
    def del_sockets(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        """Take the sockets that the options choose out of rooms."""

    @abstractmethod
    def disconnect_sockets(self, options: BroadcastOptions, close: bool) -> None:
        """Disconnect the sockets that the options choose from the namespace, or close their connections."""

    @abstractmethod
    def rooms(self, options: BroadcastOptions) -> frozenset[str]:
        """All rooms of the sockets that the options choose. Servers that do not answer in time are left out."""

    @abstractmethod
    def fetch_sockets(self, options: BroadcastOptions) -> list[RemoteSocketData]:
        """What is told of the sockets that the options choose, each once.

        Servers that do not answer in time are left out.
        """
