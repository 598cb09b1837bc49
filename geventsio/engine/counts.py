"""What an engine counts when somebody wants to know: sessions, refusals, bytes, and how late the loop is."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from geventsio.engine.outbox import RawSocket
from geventsio.engine.responses import RequestError
from geventsio.types import DisconnectReason, TransportType

if TYPE_CHECKING:
    from geventsio.engine.session import Session

__all__ = ["CountingSocket", "EngineCounts", "Histogram", "Traffic"]

#: Seconds from one look at the loop's lag to the next.
LAG_INTERVAL = 0.5

#: Upper bounds in seconds: below a millisecond nobody is late, and beyond 10 s clients have noticed.
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """How often values were in which range.

    Attributes:
        bounds: the upper bounds of the ranges, which they include; ascending.
        counts: how many values were in each range, and last how many were above all of them.
        sum: of all values.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Traffic:
    """Bytes of one transport: of websockets with their frames' headers, of polling the bodies.

    Attributes:
        received: from clients.
        sent: to clients, as far as the kernel or the HTTP server has taken them.
    """

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0


class EngineCounts:
    """Counts for one engine, from its beginning; nothing of it is ever less than before.

    Attributes:
        traffic: bytes, by transport.
        opened: sessions, by their first transport.
        closed: sessions, by the reason of their end.
        refused: requests, by the name of the error.
        lag: seconds by which the loop was late, looked at twice a second while somebody is connected.
    """

    def __init__(self) -> None:
        self.polling = Traffic()
        self.websocket = Traffic()
        self.traffic = {TransportType.POLLING: self.polling, TransportType.WEBSOCKET: self.websocket}
        self.opened: Counter[TransportType] = Counter()
        self.closed: Counter[DisconnectReason] = Counter()
        self.refused: Counter[str] = Counter()
        self.lag = Histogram(LAG_BUCKETS)
        self._looked = 0.0
        self._loop: Any = None
        self._timer: Any = None

    def open(self, session: Session) -> None:
        """Count a session that has been opened."""
        self.opened[session.transport] += 1
        loop = session.runtime.loop
        if self._timer is None or self._loop is not loop:
            sessions = session.server.sessions
            self._loop = loop
            self._looked = monotonic()
            self._timer = loop.timer(LAG_INTERVAL, LAG_INTERVAL, ref=False)
            self._timer.start(lambda: self._look(sessions))

    def end(self, reason: DisconnectReason) -> None:
        """Count a session that has ended."""
        self.closed[reason] += 1

    def refuse(self, error: RequestError) -> None:
        """Count a request that was refused."""
        self.refused[error.code.name.lower()] += 1

    def _look(self, sessions: dict[str, Session]) -> None:
        now = monotonic()
        self.lag.observe(max(0.0, now - self._looked - LAG_INTERVAL))
        self._looked = now
        if not sessions:
            self._timer.stop()
            self._timer.close()
            self._timer = None


class CountingSocket:
    """A client's socket whose bytes are counted.

    Args:
        sock: the socket.
        traffic: where to.
    """

    __slots__ = ("_recv", "_send", "_traffic", "close", "fileno", "shutdown")

    def __init__(self, sock: RawSocket, traffic: Traffic) -> None:
        self._recv = sock.recv
        self._send = sock.send
        self._traffic = traffic
        self.close = sock.close
        self.fileno = sock.fileno
        self.shutdown = sock.shutdown

    def recv(self, size: int, /) -> bytes:
        """Receive, and count."""
        data = self._recv(size)
        self._traffic.received += len(data)
        return data

    def send(self, data: bytes | memoryview, /) -> int:
        """Send, and count what was taken."""
        sent = self._send(data)
        self._traffic.sent += sent
        return sent
