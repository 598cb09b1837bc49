"""How many sessions there may be."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sized
from ipaddress import IPv6Address
from typing import Any

from geventsio.engine.log_fields import fields
from geventsio.engine.proxies import address_of
from geventsio.engine.responses import ErrorCode, RequestError
from geventsio.engine.sparse_log import SparseLog

__all__ = ["Capacity", "address_key"]

logger = logging.getLogger("geventsio.engine")

#: Part of `max_connections` from which on the log warns: there is still time to do something.
NEARLY_FULL = 0.9

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
                self._log.warn(
                    "full",
                    "refused a client: there are max_connections=%d sessions",
                    self._limit,
                    extra=fields(environ),
                )
                raise RequestError(ErrorCode.OVERLOADED)
            if count >= self._limit * NEARLY_FULL:
                self._log.warn("nearly", "%d sessions of max_connections=%d are taken", count, self._limit)
        if self._limit_per_address is not None:
            address = address_key(environ)
            if address and self._counts[address] >= self._limit_per_address:
                self._log.warn(
                    address,
                    "refused a client: there are max_connections_per_address=%d sessions of %s",
                    self._limit_per_address,
                    address,
                    extra=fields(environ),
                )
                raise RequestError(ErrorCode.TOO_MANY_CONNECTIONS)

    def add(self, sid: str, environ: dict[str, Any]) -> None:
        """Count a session that has been opened."""
        if self._limit_per_address is not None:
            address = self._addresses[sid] = address_key(environ)
            self._counts[address] += 1

    def remove(self, sid: str) -> None:
        """Count a session no more."""
        address = self._addresses.pop(sid, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]


def address_key(environ: dict[str, Any]) -> str:
    """What clients of one address are counted by; empty for one without an address, on a Unix socket."""
    address = address_of(environ.get("REMOTE_ADDR", ""))
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX))}/{IPV6_PREFIX}"
    return "" if address is None else str(address)
