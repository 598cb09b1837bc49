"""A clock that stands still until the test moves it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from math import isfinite
from time import monotonic
from typing import Any

from geventsio.engine.clock import Clock

__all__ = ["FakeClock"]

#: Seconds by which sums of the same seconds may differ, and as digits.
PRECISION = 1e-6
DIGITS = 6


class FakeClock:
    """The time by which the server keeps its deadlines, moved by `advance` alone.

    It rules heartbeats, `ack_timeout` and `timeout(...)`, `connect_timeout`, `upgrade_timeout`, `close_timeout` and
    the rate limits. What handlers wait for by themselves (`gevent.sleep`, `future.result(timeout=...)`, a database)
    takes the time that it takes.

    Args:
        loop: the hub's loop.
        clock: the server's, which is taken over until `give_back`.
        settle: lets the server come to rest.
        moved: called when the clock has been moved; may raise.
    """

    def __init__(
        self, loop: Any, clock: Clock, settle: Callable[[], object], moved: Callable[[], object] = lambda: None
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._settle = settle
        self._moved = moved
        self._now = clock.now()
        self._began = self._now
        self._numbers = count()
        self._waiting: dict[_Timer, tuple[float, int]] = {}
        self._real = clock.now, clock.timer
        clock.now, clock.timer = self._read, self._timer

    def __repr__(self) -> str:
        return f"<FakeClock at {self.elapsed:g} s>"

    @property
    def elapsed(self) -> float:
        """Seconds by which the clock has been moved."""
        return round(self._now - self._began, DIGITS)

    def advance(self, seconds: float) -> None:
        """Move the clock on; what falls due on the way happens in its order and at its time. Switches greenlets.

        After each deadline the server comes to rest before the next one, so clients answer the pings on the way.

        Args:
            seconds: how far.

        Raises:
            ValueError: it is negative or infinite.
            Exception: a handler's, unless all test clients leave those to the log.
        """
        if not (isfinite(seconds) and seconds >= 0):
            raise ValueError(f"a clock is moved on by some seconds, not by {seconds!r}")
        end = self._now + seconds
        self._settle()
        while self._waiting:
            timer, (due, _) = min(self._waiting.items(), key=lambda item: item[1])
            if due > end + PRECISION:
                break
            self._now = max(self._now, due)
            timer.fire_soon()
            self._settle()
        self._now = max(self._now, end)
        self._settle()
        self._moved()

    def give_back(self) -> None:
        """Let the server's time run on from here by itself."""
        now, timer = self._real
        offset = self._now - monotonic()
        self._clock.now = now if offset == 0 else lambda: monotonic() + offset
        self._clock.timer = timer
        for waiting, (due, _) in list(self._waiting.items()):
            waiting.run_on(timer(max(0.0, due - self._now)))

    def _read(self) -> float:
        return self._now

    def _timer(self, seconds: float) -> _Timer:
        return _Timer(self, seconds)

    def wait(self, timer: _Timer, seconds: float) -> None:
        """Take a timer that has been started, to fire after these seconds."""
        self._waiting[timer] = self._now + seconds, next(self._numbers)
        if seconds <= 0:
            timer.fire_soon()

    def forget(self, timer: _Timer) -> None:
        """Forget a timer that was stopped, or is about to call back."""
        self._waiting.pop(timer, None)

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Have a callback called in the hub."""
        self._loop.run_callback(callback)


class _Timer:
    """A timer of a `FakeClock`; see `geventsio.engine.clock.Timer`."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._callback: Callable[[], object] | None = None
        self._real: Any = None

    def start(self, callback: Callable[[], object], /) -> None:
        self._callback = callback
        self._clock.wait(self, self._seconds)

    def stop(self) -> None:
        self._callback = None
        self._clock.forget(self)
        if self._real is not None:
            self._real.stop()
            self._real.close()
            self._real = None

    close = stop

    def fire_soon(self) -> None:
        """Call back in the hub, unless it is stopped before."""
        self._clock.forget(self)
        self._clock.call_soon(self._fire)

    def run_on(self, real: Any) -> None:
        """Go on with a timer of the loop."""
        self._clock.forget(self)
        self._real = real
        real.start(self._fire)

    def _fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()
