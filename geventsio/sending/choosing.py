"""The steps that choose sockets: what every chain of operators begins and goes on with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from geventsio.config import check_duration

if TYPE_CHECKING:
    from geventsio.sending.operators import BroadcastOperator

__all__ = ["Chooser", "room_names"]

Operator = TypeVar("Operator", covariant=True)


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


class Chooser(Generic[Operator]):
    """What a chain can begin at: a socket, a namespace, the server, or another chain.

    Each step returns a new operator, free to be kept. Several rooms mean their union, and nobody is chosen twice. A
    chain that began at a socket, the sender, leaves that socket out, unless it chose rooms by `within` alone.
    """

    __slots__ = ()

    def to(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Choose the members of these rooms (too), but for the sender."""
        return self._choose(room_names(rooms), (), True, False)

    def within(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Choose the members of these rooms (too), the sender among them if it is one."""
        return self._choose(room_names(rooms), (), False, False)

    def except_(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Leave the members of these rooms out; of all sockets but for the sender, if no rooms are chosen."""
        return self._choose((), room_names(rooms), False, False)

    def local(self) -> BroadcastOperator:
        """Choose only among the sockets of this server."""
        return self._choose((), (), False, True)

    def broadcast(self) -> BroadcastOperator:
        """Choose everybody, but for the sender."""
        return self._choose((), (), True, False)

    def timeout(self, seconds: float) -> Operator:
        """Wait this many seconds for acknowledgements, instead of `ack_timeout`."""
        check_duration("timeout", seconds)
        return self._set(False, seconds)

    def volatile(self) -> Operator:
        """Let clients that can't take more yet miss what is emitted: only the newest of each event waits for them.

        A client that keeps up misses nothing. What waited may arrive behind what was emitted later. No effect on
        `emit_with_ack`.
        """
        return self._set(True, None)

    def _choose(
        self, rooms: tuple[str, ...], except_: tuple[str, ...], excludes_sender: bool, local: bool, /
    ) -> BroadcastOperator:
        """Make the operator of a step: everything is added to what has been chosen."""
        raise NotImplementedError

    def _set(self, volatile: bool, timeout: float | None, /) -> Operator:
        """Make an operator of the same sockets that does something in another way."""
        raise NotImplementedError
