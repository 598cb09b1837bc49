"""The time by which a server keeps its deadlines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Protocol

__all__ = ["Clock", "Timer"]


class Timer(Protocol):
    """Calls back once, in the hub."""

    def start(self, callback: Callable[[], object], /) -> object:
        """Begin to wait."""

    def stop(self) -> object:
        """Wait no more."""

    def close(self) -> object:
        """Give back what it uses; it can't be started again."""


class Clock:
    """What all deadlines of a server are kept with: heartbeats, acknowledgements, handshakes, rates.

    Both attributes may be replaced, which is how a test takes the time into its hands: see `geventsio.testing`. What
    measures how long code runs, and what waits for the kernel, asks the real clock and not this one.

    Attributes:
        now: monotonic seconds.
        timer: makes a timer of so many seconds, which keeps no program running.
    """

    __slots__ = ("now", "timer")

    def __init__(self, loop: Any) -> None:
        self.now: Callable[[], float] = monotonic
        self.timer: Callable[[float], Timer] = partial(loop.timer, ref=False)
