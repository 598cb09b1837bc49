"""How fast clients may send: each alone, and those of one address together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from geventsio.config import EngineOptions
from geventsio.engine.clock import Clock, Timer
from geventsio.engine.limits import address_key
from geventsio.engine.log_fields import fields
from geventsio.engine.responses import ErrorCode, RequestError
from geventsio.engine.sparse_log import SparseLog
from geventsio.engine.timeouts import Timeouts

if TYPE_CHECKING:
    from geventsio.engine.session import Session

__all__ = ["AddressRate", "RateLimit", "Rates"]

logger = logging.getLogger("geventsio.engine")

#: Seconds that a client over its rate is not read, at least: timers for less would cost more than the messages.
MIN_PAUSE = 0.05

#: Seconds of its rate that a client may send at once, unless an option says otherwise.
BURST = 2

#: Part of a message: so that a burst is not one shorter for the last bit of a sum.
ROUNDING = 0.01

#: Addresses whose rate is known at a time. Who has more than these at his hands is not stopped by limits for each.
MAX_ADDRESSES = 50_000


class Rates:
    """The limits that the options ask for.

    Args:
        options: of the server.
        clock: returns the server's, which is there once a client comes.
    """

    def __init__(self, options: EngineOptions, clock: Callable[[], Clock]) -> None:
        self._session = self._address = None
        if options.rate_limit is not None:
            self._session = RateLimit(clock, *_bucket(options.rate_limit, options.rate_burst))
        if options.rate_limit_per_address is not None:
            self._address = AddressRate(clock, *_bucket(options.rate_limit_per_address, options.rate_burst_per_address))
        #: Whether there are any; else nothing of this need be called.
        self.are_limited = self._session is not None or self._address is not None

    def admit(self, environ: dict[str, Any]) -> None:
        """Count a handshake.

        Raises:
            RequestError: it is one too many.
        """
        if self._address is not None:
            self._address.admit(environ)

    def add(self, session: Session, environ: dict[str, Any]) -> None:
        """Count what a session sends from now on."""
        if self._address is not None:
            self._address.add(session, environ)

    def count(self, session: Session) -> None:
        """Count a message that has been received."""
        if session.is_open:
            if self._session is not None:
                self._session.count(session)
            if self._address is not None:
                self._address.count(session)

    def forget(self, session: Session) -> None:
        """Forget a session that has ended."""
        if self._session is not None:
            self._session.forget(session)
        if self._address is not None:
            self._address.forget(session)

    def release(self) -> None:
        """Forget what was counted by a clock that is gone; see `geventsio.engine.release`. There are no sessions."""
        if self._session is not None:
            self._session.release()
        if self._address is not None:
            self._address.release()


class RateLimit:
    """Lets each session send so many messages a second: one that sends faster is not read for a while.

    Nothing is lost: what a client has sent waits in its socket, or its POST takes longer.

    Args:
        clock: see `Rates`.
        rate: messages a second.
        burst: messages that may come at once.
    """

    def __init__(self, clock: Callable[[], Clock], rate: float, burst: int) -> None:
        self._clock = clock
        self._interval = 1 / rate
        self._tolerance = (burst + ROUNDING) * self._interval
        # When each session would be on time again if it sent nothing more (monotonic seconds): a token bucket
        # in one number, which needs no refilling.
        self._due: dict[Session, float] = {}
        self._paused: Timeouts[Session] | None = None

    def count(self, session: Session) -> None:
        """Count a message that an open session has received."""
        now = self._clock().now()
        due = self._due[session] = max(self._due.get(session, now), now) + self._interval
        if due - now > self._tolerance:
            session.pause(session.PAUSED_BY_RATE)
            if self._paused is None:
                pause = max(self._interval, MIN_PAUSE)
                self._paused = Timeouts(self._clock(), pause, self._resume, excuses_lag=False)
            self._paused.start(session)

    def forget(self, session: Session) -> None:
        """Forget a session that has ended."""
        self._due.pop(session, None)
        if self._paused is not None:
            self._paused.cancel(session)

    def release(self) -> None:
        """See `Rates`."""
        self._paused = None

    def _resume(self, session: Session) -> None:
        session.resume(session.PAUSED_BY_RATE)


class AddressRate:
    """Lets the clients of one address send so many messages a second together, and open so many sessions.

    A handshake that is too much is refused; a message is taken, and its session not read until the address may send
    the next one.

    Args:
        clock: see `Rates`.
        rate: messages and handshakes a second.
        burst: how many may come at once.
    """

    def __init__(self, clock: Callable[[], Clock], rate: float, burst: int) -> None:
        self._clock = clock
        self._rate = rate
        self._interval = 1 / rate
        self._tolerance = (burst + ROUNDING) * self._interval
        # As in `RateLimit`, by address; who has sent something last comes last.
        self._due: dict[str, float] = {}
        self._addresses: dict[Session, str] = {}
        self._paused: dict[Session, Timer] = {}
        self._log = SparseLog(logger)

    def __len__(self) -> int:
        """How many addresses it knows."""
        return len(self._due)

    def admit(self, environ: dict[str, Any]) -> None:
        """Count a handshake.

        Raises:
            RequestError: it is one too many.
        """
        address = address_key(environ)
        if not address:
            return
        now = self._clock().now()
        if max(self._due.get(address, now) - now, 0) + self._interval > self._tolerance:
            self._log.warn(
                address,
                "refused a client: %s is over rate_limit_per_address=%g",
                address,
                self._rate,
                extra=fields(environ),
            )
            raise RequestError(ErrorCode.TOO_MANY_REQUESTS)
        self._take(address, now)

    def add(self, session: Session, environ: dict[str, Any]) -> None:
        """Count what a session sends from now on."""
        if address := address_key(environ):
            self._addresses[session] = address

    def count(self, session: Session) -> None:
        """Count a message that an open session has received."""
        address = self._addresses.get(session)
        if address is None:
            return
        now = self._clock().now()
        over = self._take(address, now) - now - self._tolerance
        if over > 0:
            session.pause(session.PAUSED_BY_ADDRESS)
            self._cancel(session)
            # Each has a time of its own: there may be thousands of sessions, which get their turns one after another.
            timer = self._paused[session] = self._clock().timer(max(over, MIN_PAUSE))
            timer.start(partial(self._resume, session))

    def forget(self, session: Session) -> None:
        """Forget a session that has ended; its address is still known for a while."""
        self._addresses.pop(session, None)
        self._cancel(session)

    def release(self) -> None:
        """See `Rates`."""
        self._due.clear()

    def _take(self, address: str, now: float) -> float:
        """Take one from an address, and return when it would be on time again."""
        table = self._due
        due = max(table.pop(address, now), now) + self._interval
        table[address] = due
        # Two go for each that may come, so that those that are quiet again don't stay; and there is an end to all.
        for _ in range(2):
            oldest = next(iter(table))
            if table[oldest] > now and len(table) <= MAX_ADDRESSES:
                break
            del table[oldest]
        return due

    def _resume(self, session: Session) -> None:
        self._cancel(session)
        session.resume(session.PAUSED_BY_ADDRESS)

    def _cancel(self, session: Session) -> None:
        timer = self._paused.pop(session, None)
        if timer is not None:
            timer.stop()
            timer.close()


def _bucket(rate: float, burst: int | None) -> tuple[float, int]:
    return rate, max(1, int(BURST * rate)) if burst is None else burst
