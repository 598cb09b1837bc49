"""Acknowledgements: the client's answers to our emits, and our answers to its events."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol

from gevent.event import AsyncResult

from geventsio.engine.native import in_hub
from geventsio.errors import AckClosedError, AckError, AckTimeoutError

if TYPE_CHECKING:
    from geventsio.adapters.base import Answer
    from geventsio.engine.timeouts import Timeouts
    from geventsio.socket import Socket

__all__ = ["AckFuture", "AckSender", "Asked", "Convert", "PendingAck", "answer_value", "closed_error"]

if TYPE_CHECKING:
    # So that `AckFuture` alone means `AckFuture[Any]`; type checkers need no package for it.
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")

#: Makes the value of an answer of its arguments.
Convert = Callable[[Sequence[Any]], Any]


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

    def resolve(self, socket: Any, answer: Answer) -> None:
        """Take one socket's answer. Must not switch greenlets."""

    @property
    def unanswered(self) -> int:
        """How many sockets of this server have not answered."""
        ...

    def expire(self) -> None:
        """Learn that the time is up."""


class Asked(Protocol):
    """Who a future's answer is expected of."""

    def forget_ack(self, ack_id: int) -> None:
        """Expect an answer no more."""

    def start_callback(self, callback: Callable[..., object], *args: object) -> None:
        """Run a callback of the user's in a worker greenlet."""


class AckFuture(Generic[T]):
    """One client's answer, which may not have arrived yet.

    The deadline counts from the emit. The future fails at once when the socket closes.
    """

    __slots__ = ("_ack_id", "_convert", "_deadlines", "_result", "_socket", "_value")

    def __init__(self, socket: Asked, ack_id: int, deadlines: Timeouts[PendingAck], convert: Convert) -> None:
        self._socket = socket
        self._ack_id = ack_id
        self._deadlines = deadlines
        self._convert: Convert | None = convert
        self._result: AsyncResult[Any] = AsyncResult()
        self._value: Any = None

    def result(self, timeout: float | None = None) -> T:
        """Wait for the answer and return it. May switch greenlets; blocks only the calling one.

        Args:
            timeout: seconds to wait; None waits until the answer arrives or its deadline passes.

        Returns:
            What was asked for by `returns`; without it None if the client sent no value, the value, or a tuple of
            values.

        Raises:
            AckTimeoutError: the client did not answer in time.
            AckClosedError: the socket was closed first.
            AckDecodeError: the answer does not fit `returns`.
        """
        # Not `get(timeout)`: its Timeout could not be told from one that the caller has around this call.
        in_hub(self._result.wait, timeout)
        if not self._result.ready():
            raise AckTimeoutError(f"no answer within {timeout} seconds of waiting")
        if self._convert is not None:
            # Not when it arrives, in the hub: validators of the user's may block.
            answer: Any = self._result.get(block=False)
            self._value = self._convert(answer)
            self._convert = None
        return self._value  # type: ignore[no-any-return]

    get = result

    def done(self) -> bool:
        """Whether the answer has arrived, or never will."""
        return bool(self._result.ready())

    def add_done_callback(self, callback: Callable[[AckFuture[T]], object]) -> None:
        """Have `callback(future)` called in a greenlet of its own when it is done, at once if it is."""
        in_hub(self._add_done_callback, callback)

    def _add_done_callback(self, callback: Callable[[AckFuture[T]], object]) -> None:
        if self._result.ready():
            self._socket.start_callback(callback, self)
        else:
            self._result.rawlink(lambda _: self._socket.start_callback(callback, self))

    # What sockets and the clock tell

    def resolve(self, socket: object, answer: Answer) -> None:
        """Take the answer; see `PendingAck`."""
        self._deadlines.cancel(self)
        if isinstance(answer, AckError):
            self._result.set_exception(answer)
        else:
            self._result.set(answer)

    @property
    def unanswered(self) -> int:
        """See `PendingAck`."""
        return 1

    def expire(self) -> None:
        """Give up; see `PendingAck`."""
        self._socket.forget_ack(self._ack_id)
        self._result.set_exception(AckTimeoutError(f"no answer within {self._deadlines.seconds} seconds"))


def closed_error() -> AckClosedError:
    """What the acknowledgements of a closed socket end with."""
    return AckClosedError("the socket was closed before the client answered")
