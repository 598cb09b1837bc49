"""Acknowledgements: the client's answers to our emits, and our answers to its events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gevent.event import AsyncResult, Event

from geventsio.errors import AckClosedError, AckError, AckTimeoutError

if TYPE_CHECKING:
    from geventsio.engine.timeouts import Timeouts
    from geventsio.socket import Socket

__all__ = ["AckFuture", "AckSender", "AckStream", "PendingAck", "answer_value"]


def answer_value(args: Sequence[Any]) -> Any:
    """The value of an answer: None for no arguments, the argument if there is one, else a tuple."""
    if len(args) == 1:
        return args[0]
    return tuple(args) if args else None


class AckSender:
    """Answers the event that a handler is running for, once.

    Take it as a parameter of an event handler. If the client asked for no acknowledgement, `send` does
    nothing.
    """

    __slots__ = ("_ack_id", "_socket", "sent")

    def __init__(self, socket: Socket, ack_id: int | None) -> None:
        self._socket = socket
        self._ack_id = ack_id
        #: Whether the answer has been sent.
        self.sent = False

    @property
    def expected(self) -> bool:
        """Whether the client asked for an acknowledgement."""
        return self._ack_id is not None

    def send(self, *args: object) -> None:
        """Answer with these arguments.

        Raises:
            RuntimeError: the event has been answered already.
            SocketClosedError: the client is gone.
            SerializeError: an argument can't be encoded.
        """
        if self.sent:
            raise RuntimeError("this event has been answered already: an acknowledgement is sent once")
        if self._ack_id is not None:
            self._socket.send_ack(self._ack_id, args)
        self.sent = True


class PendingAck(Hashable, Protocol):
    """Waits for the answers of one or several sockets."""

    def resolve(self, socket: Socket, result: Any) -> None:
        """Take one socket's answer, or the AckError that it will not come. Must not switch greenlets."""

    def expire(self) -> None:
        """Learn that the time is up."""


class AckFuture:
    """One client's answer, which may not have arrived yet.

    The deadline counts from the emit. The future fails at once when the socket closes.
    """

    __slots__ = ("_ack_id", "_deadlines", "_result", "_socket")

    def __init__(self, socket: Socket, ack_id: int, deadlines: Timeouts[PendingAck]) -> None:
        self._socket = socket
        self._ack_id = ack_id
        self._deadlines = deadlines
        self._result: AsyncResult[Any] = AsyncResult()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the answer and return it. May switch greenlets; blocks only the calling one.

        Args:
            timeout: seconds to wait; None waits until the answer arrives or its deadline passes.

        Returns:
            None if the client sent no value, the value, or a tuple of values.

        Raises:
            AckTimeoutError: the client did not answer in time.
            AckClosedError: the socket was closed first.
        """
        # Not `get(timeout)`: its Timeout could not be told from one that the caller has around this call.
        self._result.wait(timeout)
        if not self._result.ready():
            raise AckTimeoutError(f"no answer within {timeout} seconds of waiting")
        return self._result.get(block=False)

    get = result

    def done(self) -> bool:
        """Whether the answer has arrived, or never will."""
        return bool(self._result.ready())

    def add_done_callback(self, callback: Callable[[AckFuture], object]) -> None:
        """Have `callback(future)` called in a greenlet of its own when it is done, at once if it is."""
        if self._result.ready():
            self._socket.start_callback(callback, self)
        else:
            self._result.rawlink(lambda _: self._socket.start_callback(callback, self))

    def resolve(self, socket: Socket, result: Any) -> None:
        """Take the answer; see `PendingAck`."""
        self._deadlines.cancel(self)
        if isinstance(result, AckError):
            self._result.set_exception(result)
        else:
            self._result.set(result)

    def expire(self) -> None:
        """Give up; see `PendingAck`."""
        self._socket.forget_ack(self._ack_id)
        self._result.set_exception(AckTimeoutError(f"no answer within {self._deadlines.seconds} seconds"))


class AckStream:
    """The answers of all recipients of a broadcast, in the order in which they arrive.

    Iterate over `(socket id, answer)`: the answer is a value as `AckFuture.result` returns it, or an
    `AckError` if none came. The iteration ends when every recipient has one. Each recipient's answer is
    given once, to one iterator.
    """

    __slots__ = ("_ack_id", "_arrived", "_deadlines", "_results", "_waiting")

    def __init__(self, ack_id: int) -> None:
        self._ack_id = ack_id
        self._deadlines: Timeouts[PendingAck] | None = None
        self._waiting: dict[Socket, None] = {}
        self._results: deque[tuple[str, Any]] = deque()
        self._arrived = Event()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield `(socket id, answer)` pairs. May switch greenlets."""
        while True:
            while self._results:
                yield self._results.popleft()
            if not self._waiting:
                return
            self._arrived.clear()
            self._arrived.wait()

    def result(self) -> Any:
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
        """How many answers have not been given out yet."""
        return len(self._waiting) + len(self._results)

    def close(self) -> None:
        """Wait for no more answers; those that arrive later are ignored."""
        self._stop()
        for socket in self._waiting:
            socket.forget_ack(self._ack_id)
        self._waiting.clear()
        self._arrived.set()

    def start(self, deadlines: Timeouts[PendingAck]) -> None:
        """Start the time that recipients have."""
        self._deadlines = deadlines
        deadlines.start(self)

    def expect(self, socket: Socket) -> None:
        """Count one more recipient."""
        self._waiting[socket] = None
        socket.await_ack(self._ack_id, self)

    def resolve(self, socket: Socket, result: Any) -> None:
        """Take one answer; see `PendingAck`."""
        if self._waiting.pop(socket, socket) is None:
            self._results.append((socket.id, result))
            if not self._waiting:
                self._stop()
            self._arrived.set()

    def expire(self) -> None:
        """Give up on the rest; see `PendingAck`."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for socket in waiting:
            socket.forget_ack(self._ack_id)
            self._results.append((socket.id, AckTimeoutError("no answer in time")))
        self._arrived.set()

    def _stop(self) -> None:
        if self._deadlines is not None:
            self._deadlines.cancel(self)


def closed_error() -> AckClosedError:
    """What the acknowledgements of a closed socket end with."""
    return AckClosedError("the socket was closed before the client answered")
