"""Complaints about clients, not more often than somebody can read them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import monotonic

__all__ = ["SparseLog"]

#: Seconds until the same complaint may be repeated.
PERIOD = 60.0

#: Different complaints in that time: what clients send decides on them, and there is no end of clients.
MAX_KEYS = 64


class SparseLog:
    """Writes one warning a minute about each key; what more there is goes to DEBUG.

    Args:
        logger: where the warnings go.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._written: dict[str, float] = {}

    def warn(self, key: str, message: str, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """Write a warning, with these fields, unless the same has been said a short while ago."""
        self._logger.log(logging.WARNING if self._is_due(key) else logging.DEBUG, message, *args, extra=extra)

    def _is_due(self, key: str) -> bool:
        now = monotonic()
        written = self._written
        while written and now - next(iter(written.values())) > PERIOD:
            del written[next(iter(written))]
        if key in written or len(written) >= MAX_KEYS:
            return False
        written[key] = now
        return True
