"""Acknowledgements of many: who is expected to answer a broadcast, and the answers as they arrive."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic

from gevent.event import Event

from geventsio.engine.native import called_in_hub, in_hub
from geventsio.errors import AckClosedError, AckError, AckTimeoutError, SendError
from geventsio.sending.ack import Convert, PendingAck, T

if TYPE_CHECKING:
    from geventsio.adapters.base import Answer
    from geventsio.engine.timeouts import Timeouts
    from geventsio.server import SocketIO
    from geventsio.socket import Socket

__all__ = ["AckRelay", "AckStream", "Collector"]

logger = logging.getLogger("geventsio")


class Collector:
    """Counts those who are to answer: this server's sockets one by one, those of other servers by their number.

    See `geventsio.adapters.AckCollector`. Nothing here switches greenlets.

    Args:
        io: the server.
        timeout: seconds that clients have; None for `ack_timeout`.
    """

    __slots__ = (
        "_ack_id",
        "_deadlines",
        "_elsewhere",
        "_ended",
        "_grace",
        "_io",
        "_servers",
        "_stage",
        "_waiting",
        "timeout",
    )

    #: The adapter is still sending; all has been sent; the time was up while it was sending; nothing more is taken.
    _SENDING, _SENT, _LATE, _ENDED = range(4)

    def __init__(self, io: SocketIO, timeout: float | None) -> None:
        self._io = io
        self._ack_id = 0
        #: The seconds that clients have.
        self.timeout = io.options.ack_timeout if timeout is None else timeout
        self._deadlines: Timeouts[PendingAck] | None = None
        self._stage = self._SENDING
        self._waiting: dict[Socket, None] = {}
        self._servers = 0
        self._elsewhere = 0  # below 0 while answers are ahead of their number
        self._grace = 0.0
        self._ended: Callable[[], object] | None = None

    # What the namespace tells

    def begin(self, ack_id: int) -> None:
        """Learn that the adapter is about to send what asks for acknowledgements of this id."""
        self._ack_id = ack_id

    def sent(self) -> None:
        """Learn that the adapter has sent to all."""
        is_late = self._stage == self._LATE
        if self._stage != self._ENDED:
            self._stage = self._SENT
            if is_late:
                self.expire()
            else:
                self._look()

    # What applications use

    @called_in_hub
    def close(self) -> None:
        """Wait for no more answers; those that arrive later are ignored."""
        for socket in self._waiting:
            socket.forget_ack(self._ack_id)
        self._end(expired=False)

    # What adapters tell

    def expect(self, socket: Socket) -> None:
        """See `AckCollector`."""
        if self._deadlines is None:
            self._start_time()
        self._waiting[socket] = None
        socket.await_ack(self._ack_id, self)

    def refuse(self, socket: Socket) -> None:
        """See `AckCollector`."""
        socket.forget_ack(self._ack_id)
        error = AckClosedError("the socket can't be sent to")
        try:
            socket.client.session.raise_unsent()
        except SendError as cause:
            error.__cause__ = cause
        self.resolve(socket, error)

    def expect_servers(self, number: int, seconds: float) -> None:
        """See `AckCollector`."""
        if self._deadlines is None:
            self._start_time()
        self._servers += number
        self._grace = max(self._grace, seconds)

    def expect_answers(self, number: int) -> None:
        """See `AckCollector`."""
        if self._servers:
            self._servers -= 1
            self._elsewhere += number
            self._look()

    def answer(self, socket_id: str, answer: Answer) -> None:
        """See `AckCollector`."""
        if self._stage != self._ENDED:
            self._elsewhere -= 1
            self._take(socket_id, answer)
            self._look()

    def when_ended(self, callback: Callable[[], object]) -> None:
        """See `AckCollector`."""
        if self._stage == self._ENDED:
            callback()
        else:
            self._ended = callback

    # What sockets and the clock tell

    def resolve(self, socket: Socket, answer: Answer) -> None:
        """Take one answer; see `PendingAck`."""
        if self._waiting.pop(socket, socket) is None:
            self._take(socket.id, answer)
            self._look()

    @property
    def unanswered(self) -> int:
        """See `PendingAck`."""
        return len(self._waiting)

    def expire(self) -> None:
        """Give up on this server's sockets, and later on other servers; see `PendingAck`."""
        if self._stage == self._SENDING:
            self._stage = self._LATE
            return
        waiting = list(self._waiting)
        self._waiting.clear()
        for socket in waiting:
            socket.forget_ack(self._ack_id)
            self._take(socket.id, AckTimeoutError("no answer in time"))
        if self._grace and (self._servers or self._elsewhere):
            self._deadlines = self._io.ack_deadlines(self._grace)
            self._deadlines.start(self)
            self._grace = 0.0
        else:
            self._end(expired=True)

    def _start_time(self) -> None:
        # Only when there is somebody to wait for: a server that nobody has connected to takes no hub.
        self._deadlines = self._io.ack_deadlines(self.timeout)
        self._deadlines.start(self)

    def _look(self) -> None:
        if self._stage == self._SENT and not (self._waiting or self._servers or self._elsewhere):
            self._end(expired=False)

    def _end(self, expired: bool) -> None:
        if self._stage == self._ENDED:
            return
        self._stage = self._ENDED
        self._waiting.clear()
        self._servers = self._elsewhere = 0
        if self._deadlines is not None:
            self._deadlines.cancel(self)
        ended, self._ended = self._ended, None
        if ended is not None:
            _tell_adapter(ended)
        self._finish(expired)

    def _take(self, socket_id: str, answer: Answer) -> None:
        raise NotImplementedError

    def _finish(self, expired: bool) -> None:
        """Learn that no more answers are taken."""


class AckRelay(Collector):
    """Hands on the answers of this server's sockets to the server that asked for them.

    Args:
        io: the server.
        timeout: seconds that clients have.
        answered: called with each socket's id and answer.
    """

    __slots__ = ("_answered", "number")

    def __init__(self, io: SocketIO, timeout: float | None, answered: Callable[[str, Answer], object]) -> None:
        super().__init__(io, timeout)
        self._answered = answered
        #: How many sockets are expected to answer.
        self.number = 0

    def expect(self, socket: Socket) -> None:
        """See `Collector`."""
        self.number += 1
        super().expect(socket)

    def _take(self, socket_id: str, answer: Answer) -> None:
        _tell_adapter(self._answered, socket_id, answer)


class AckStream(Collector, Generic[T]):
    """The answers of all recipients of a broadcast, in the order in which they arrive.

    Iterate over `(socket id, answer)`: the answer is a value as `AckFuture.result` returns it, or an
    `AckError` if none came. The iteration ends when every recipient has one; of another server's sockets, which are
    known by their answers only, those are left out whose server was not heard of in time. Each recipient's answer is
    given once, to one iterator.
    """

    __slots__ = ("_arrived", "_convert", "_results")

    def __init__(self, io: SocketIO, timeout: float | None, convert: Convert) -> None:
        super().__init__(io, timeout)
        self._convert = convert
        self._results: deque[tuple[str, Answer]] = deque()
        self._arrived = Event()

    def __iter__(self) -> Iterator[tuple[str, T | AckError]]:
        """Yield `(socket id, answer)` pairs. May switch greenlets."""
        while (found := in_hub(self._next)) is not None:
            socket_id, answer = found
            yield socket_id, self._value(answer)

    def result(self) -> T:
        """Wait for the first answer and return it. May switch greenlets.

        Raises:
            AckError: it is an error.
            AckTimeoutError: nobody was sent to.
        """
        for _, answer in self:
            if isinstance(answer, AckError):
                raise answer
            return answer
        raise AckTimeoutError("the broadcast reached nobody")

    def __len__(self) -> int:
        """How many answers have not been given out yet; those of other servers count when they are known of."""
        return len(self._waiting) + max(0, self._elsewhere) + len(self._results)

    def _next(self) -> tuple[str, Answer] | None:
        """Wait for an answer and take it; None when there will be no more."""
        while not self._results:
            if self._stage == self._ENDED:
                return None
            self._arrived.clear()
            self._arrived.wait()
        return self._results.popleft()

    def _value(self, answer: Answer) -> Any:
        if isinstance(answer, AckError):
            return answer
        try:
            return self._convert(answer)
        except AckError as error:
            return error

    def _take(self, socket_id: str, answer: Answer) -> None:
        self._results.append((socket_id, answer))
        self._arrived.set()

    def _finish(self, expired: bool) -> None:
        self._arrived.set()


def _tell_adapter(callback: Callable[..., object], *args: object) -> None:
    """Call an adapter back, in the middle of what a client or the clock has caused: its errors are not theirs."""
    try:
        callback(*args)
    except Exception:
        logger.exception("an adapter failed when it was told of an acknowledgement")
