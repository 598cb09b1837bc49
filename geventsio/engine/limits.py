"""How many sessions there may be, and how fast each may send."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sized
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

from geventsio.engine.clock import Clock
from geventsio.engine.proxies import address_of
from geventsio.engine.responses import ErrorCode, RequestError
from geventsio.engine.sparse_log import SparseLog
from geventsio.engine.timeouts import Timeouts

if TYPE_CHECKING:
    from geventsio.engine.session import Session

__all__ = ["Capacity", "RateLimit"]

logger = logging.getLogger("geventsio.engine")

#: Part of `max_connections` from which on the log warns: there is still time to do something.
NEARLY_FULL = 0.9

#: Seconds that a client over its rate is not read, at least: timers for less would cost more than the messages.
MIN_PAUSE = 0.05

#: IPv6 clients are given whole networks of this prefix, and may take a new address for each connection.
IPV6_PREFIX = 64


class Capacity:
    """Counts sessions, in all and by their clients' addresses.

    Args:
        sessions: all sessions of the server.
        limit: how many there may be; None for any number.
        limit_per_address: how many of one address; None for any number.
    """

    def __init__(self, sessions: Sized, limit: int | None, limit_per_address: int | None) -> None:
        self._sessions = sessions
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._addresses: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._log = SparseLog(logger)

    def check(self, environ: dict[str, Any]) -> None:
        """Check that there is room for one more session.

        Raises:
            RequestError: there is none.
        """
        if self._limit is not None:
            count = len(self._sessions)
            if count >= self._limit:
                self._log.warn("full", "refused a client: there are max_connections=%d sessions", self._limit)
                raise RequestError(ErrorCode.OVERLOADED)
            if count >= self._limit * NEARLY_FULL:
                self._log.warn("nearly", "%d sessions of max_connections=%d are taken", count, self._limit)
        if self._limit_per_address is not None:
            address = _client(environ)
            if address and self._counts[address] >= self._limit_per_address:
                self._log.warn(
                    address,
                    "refused a client: there are max_connections_per_address=%d sessions of %s",
                    self._limit_per_address,
                    address,
                )
                raise RequestError(ErrorCode.TOO_MANY_CONNECTIONS)

    def add(self, sid: str, environ: dict[str, Any]) -> None:
        """Count a session that has been opened."""
        if self._limit_per_address is not None:
            address = self._addresses[sid] = _client(environ)
            self._counts[address] += 1

    def remove(self, sid: str) -> None:
        """Count a session no more."""
        address = self._addresses.pop(sid, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]


class RateLimit:
    """Lets each session send so many messages a second: one that sends faster is not read for a while.

    Nothing is lost: what a client has sent waits in its socket, or its POST takes longer.

    Args:
        clock: the server's.
        rate: messages a second.
        burst: messages that may come at once.
    """

    def __init__(self, clock: Clock, rate: float, burst: int) -> None:
        self._clock = clock
        self._interval = 1 / rate
        self._tolerance = burst * self._interval
        # When each session would be on time again if it sent nothing more (monotonic seconds): a token bucket
        # in one number, which needs no refilling.
        self._due: dict[Session, float] = {}
        self._paused: Timeouts[Session] = Timeouts(
            clock, max(self._interval, MIN_PAUSE), self._resume, excuses_lag=False
        )

    def count(self, session: Session) -> None:
        """Count a message that has been received."""
        if not session.is_open:
            return
        now = self._clock.now()
        due = self._due[session] = max(self._due.get(session, now), now) + self._interval
        if due - now > self._tolerance:
            session.pause(session.PAUSED_BY_RATE)
            self._paused.start(session)

    def forget(self, session: Session) -> None:
        """Forget a session that has ended."""
        self._due.pop(session, None)
        self._paused.cancel(session)

    def _resume(self, session: Session) -> None:
        session.resume(session.PAUSED_BY_RATE)


def _client(environ: dict[str, Any]) -> str:
    """What connections are counted by; empty for a client without an address, on a Unix socket."""
    address = address_of(environ.get("REMOTE_ADDR", ""))
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX))}/{IPV6_PREFIX}"
    return "" if address is None else str(address)
