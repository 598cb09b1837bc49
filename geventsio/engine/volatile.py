"""Messages that may be lost: of each kind, the newest waits for a client that can't take more yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from geventsio.protocol.packet_group import PacketGroup

__all__ = ["VolatileStore"]

#: Kinds of messages that wait for one client; for more, the one that has waited longest is dropped.
MAX_KINDS = 128


class VolatileStore:
    """The newest message of each kind, in the order in which they were sent.

    Args:
        max_size: bytes of all; a single larger message is kept.
    """

    __slots__ = ("_groups", "_max_size", "_size")

    def __init__(self, max_size: int) -> None:
        self._groups: dict[Hashable, PacketGroup] = {}
        self._max_size = max_size
        self._size = 0

    def __len__(self) -> int:
        return len(self._groups)

    def put(self, kind: Hashable, group: PacketGroup) -> None:
        """Keep a message in place of the earlier one of its kind."""
        groups = self._groups
        replaced = groups.pop(kind, None)
        if replaced is not None:
            self._size -= replaced.size
        groups[kind] = group
        self._size += group.size
        while len(groups) > MAX_KINDS or (self._size > self._max_size and len(groups) > 1):
            self.pop()

    def pop(self) -> tuple[Hashable, PacketGroup]:
        """Take out the message that was sent first, and return it with its kind; there must be one."""
        kind = next(iter(self._groups))
        group = self._groups.pop(kind)
        self._size -= group.size
        return kind, group

    def drop(self, is_over: Callable[[Hashable], bool]) -> None:
        """Drop the messages of some kinds."""
        for kind in [kind for kind in self._groups if is_over(kind)]:
            self._size -= self._groups.pop(kind).size

    def lend(self, queue: deque[PacketGroup]) -> None:
        """Put what is kept at the end of a queue, from whose other end something is about to be sent."""
        queue.extend(self._groups.values())

    def take_back(self, queue: deque[PacketGroup]) -> int:
        """Take back what was lent and not sent, so that newer ones may replace it; return how many that are."""
        left = min(len(self._groups), len(queue))
        while len(self._groups) > left:
            self.pop()
        for _ in range(left):
            queue.pop()
        return left
