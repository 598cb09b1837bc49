"""The messages that are delivered, the same on both sides, and what is left of them: their number and a hash."""

from __future__ import annotations

__all__ = ["NEWS", "Digest", "messages"]

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

#: Characters of a row.
ROW_SIZE = 1_000

#: What is broadcast: with attachments of all sizes in all places, and without, below what is compressed and above it.
NEWS: list[list[Any]] = [
    ["news", "text"],
    ["news", b""],
    ["news", b"\x00\xff", "text between", {"deep": [b"second", {"er": b"t" * 3_000}]}],
    ["news", "x" * 5_000, b"y" * 5_000],
    ["news", [bytes([number]) * number for number in range(10)]],
    ["news", "last"],
]


class Digest:
    """What has arrived: it must have come in order, and is hashed."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._count = 0

    def add(self, number: int, data: str | bytes) -> None:
        """Add the next message; fail if it is another one."""
        assert number == self._count, f"message {number} in the place of message {self._count}"
        self._count += 1
        self._hash.update(data.encode() if isinstance(data, str) else data)

    def take(self) -> list[Any]:
        """Return the number of messages and their hash, and begin anew."""
        taken = [self._count, self._hash.hexdigest()]
        self.__init__()  # type: ignore[misc]
        return taken


def messages(rows: int, sizes: Sequence[int]) -> Iterator[tuple[str, int, str | bytes]]:
    """Yield so many rows of text, and then a binary message of each size: event, running number and data."""
    rng = random.Random(rows)
    letters = rng.randbytes(ROW_SIZE // 2).hex()
    for number in range(rows):
        start = number % ROW_SIZE
        yield "row", number, letters[start:] + letters[:start]
    for number, size in enumerate(sizes, rows):
        yield "large", number, rng.randbytes(size)
