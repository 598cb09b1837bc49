"""Deadlines that all lie the same time ahead, kept with one timer for all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from geventsio.engine.clock import Clock, Timer

__all__ = ["Timeouts"]

T = TypeVar("T", bound=Hashable)

#: Seconds by which a timer may be late before we take it that the hub was blocked.
LAG_TOLERANCE = 0.1


class Timeouts(Generic[T]):
    """Items whose time is up `seconds` after they were added, in that order.

    Adding and removing cost one operation on a dict. When the hub was blocked, every deadline moves
    on, for clients had no chance to be heard.

    Args:
        clock: the server's.
        seconds: from `start` to the deadline.
        expired: called in the hub with each item whose time is up; must not switch greenlets.
        excuses_lag: see above.
    """

    __slots__ = (
        "_armed_for",
        "_clock",
        "_deadlines",
        "_excuses_lag",
        "_expired",
        "_firing",
        "_timer",
        "due",
        "seconds",
    )

    def __init__(self, clock: Clock, seconds: float, expired: Callable[[T], object], excuses_lag: bool = True) -> None:
        self._clock = clock
        self.seconds = seconds
        self._expired = expired
        self._excuses_lag = excuses_lag
        self._deadlines: dict[T, float] = {}
        self._timer: Timer | None = None
        self._armed_for = 0.0
        self._firing = False
        #: While `expired` runs, when its item was due (monotonic seconds).
        self.due = 0.0

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, item: T) -> bool:
        return item in self._deadlines

    def start(self, item: T, since: float | None = None) -> None:
        """Start an item's time, anew if it was running; `since` is its beginning (monotonic seconds)."""
        self._deadlines.pop(item, None)
        self._deadlines[item] = (self._clock.now() if since is None else since) + self.seconds
        if self._timer is None and not self._firing:
            self._arm()

    def cancel(self, item: T) -> None:
        """Forget an item; nothing happens if it is not there."""
        if self._deadlines.pop(item, None) is not None and not self._deadlines:
            self._disarm()

    def clear(self) -> None:
        """Forget all items."""
        self._deadlines.clear()
        self._disarm()

    def _arm(self) -> None:
        for deadline in self._deadlines.values():  # the first one is the earliest
            self._armed_for = deadline
            self._start_timer(max(0.0, deadline - self._clock.now()), self._fire if self._excuses_lag else self._expire)
            return

    def _start_timer(self, seconds: float, callback: Callable[[], object]) -> None:
        self._timer = self._clock.timer(seconds)
        self._timer.start(callback)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _fire(self) -> None:
        self._disarm()
        lag = self._clock.now() - self._armed_for
        if lag > LAG_TOLERANCE:
            # Once for the time in which nobody was heard, and once more for reading what they sent meanwhile.
            self._extend(2 * lag)
            self._arm()
        else:
            # The loop calls timers before the I/O that it has polled with them: an answer may be waiting there.
            self._start_timer(0, self._expire)

    def _extend(self, seconds: float) -> None:
        for item in self._deadlines:
            self._deadlines[item] += seconds

    def _expire(self) -> None:
        self._disarm()
        now = self._clock.now()
        self._firing = True
        try:
            while self._deadlines:
                item, deadline = next(iter(self._deadlines.items()))
                if deadline > now:
                    break
                del self._deadlines[item]
                self.due = deadline
                self._expired(item)
        finally:
            self._firing = False
            self._arm()
