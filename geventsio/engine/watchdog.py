"""Names what blocked the hub: while a handler computes or waits without gevent, no client is served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sized
from time import monotonic
from typing import Any

__all__ = ["DescribeJob", "Watchdog", "describe"]

logger = logging.getLogger("geventsio.engine")

#: Seconds for which one piece of code is not named again; how often it blocked meanwhile is said then.
SILENCE = 10.0

#: Pieces of code that are remembered for that.
MAX_NAMES = 256

Job = Callable[..., object]
DescribeJob = Callable[[Job, tuple[Any, ...]], str]


def describe(job: Job, args: tuple[Any, ...]) -> str:
    """The name of a job, for the log."""
    return getattr(job, "__qualname__", None) or repr(job)


class Watchdog:
    """Writes a warning when something kept the hub from turning for too long.

    Jobs are timed by the pool that starts them, from the hub's switch into the worker until it comes back. What else
    blocks (a handler that has waited before, an HTTP view) can only be noticed by a timer that comes late.

    Args:
        loop: the hub's loop.
        threshold: seconds.
        describe: names a job.
    """

    #: When a job was last named (monotonic seconds), by any server: one hub may serve several.
    _last_named = 0.0

    def __init__(self, loop: Any, threshold: float, describe: DescribeJob = describe) -> None:
        self.threshold = threshold
        self._loop = loop
        self._describe = describe
        self._named: dict[str, tuple[float, int]] = {}
        self._looked = 0.0
        self._clients: Sized = ()
        self._timer: Any = None
        #: Whether only jobs are named: a test shares the hub, and keeps it between its calls.
        self.ignores_others = False

    def watch(self, clients: Sized) -> None:
        """Use the timer as long as there are clients."""
        if self._timer is None:
            self._clients = clients
            self._looked = monotonic()
            self._timer = self._loop.timer(self.threshold, self.threshold, ref=False)
            self._timer.start(self._look)

    def blocked(self, job: Job, args: tuple[Any, ...], seconds: float) -> None:
        """Take it that a job did not come back for longer than the threshold."""
        Watchdog._last_named = monotonic()
        self._warn(self._describe(job, args), seconds)

    def _look(self) -> None:
        if not self._clients:
            self._timer.stop()
            self._timer.close()
            self._timer = None
            self._clients = ()  # for whoever keeps us: see `_describe_job` in the server
            return
        now = monotonic()
        late = now - self._looked - self.threshold
        was_named = Watchdog._last_named > self._looked
        self._looked = now
        if late > self.threshold and not was_named and not self.ignores_others:
            self._warn("something else than the beginning of a handler", late)

    def _warn(self, name: str, seconds: float) -> None:
        now = monotonic()
        until, unsaid = self._named.get(name, (0.0, 0))
        if now < until:
            self._named[name] = until, unsaid + 1
            return
        if len(self._named) >= MAX_NAMES:
            self._named.clear()
        self._named[name] = now + SILENCE, 0
        again = f", and {unsaid} times since it was last named" if unsaid else ""
        logger.warning("%s blocked the hub for %.1f s%s: no client was served meanwhile", name, seconds, again)
