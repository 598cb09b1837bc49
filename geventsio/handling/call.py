"""One call of a handler: what its parameters are taken from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from geventsio.errors import ExtractError, SendError
from geventsio.sending.ack import AckSender

if TYPE_CHECKING:
    from geventsio.socket import Socket

__all__ = ["AckCall", "BackgroundCall", "Call", "ConnectCall", "DisconnectCall", "ErrorCall", "Take"]


class Call:
    """One call of a handler.

    Attributes:
        socket: the socket it is for.
        args: the event's arguments, the auth payload, or the disconnect reason.
        event: the event's name; "connect", "disconnect", or "ack" for the callback of an acknowledgement.
        ack_id: of the event; None if the client asked for no acknowledgement.
        kept: what several parameters of its handler take alike; only there for handlers that do.
        kind: what the job is that it is made for: "connect", "event", "disconnect", "ack" for the callback of an
            acknowledgement; "error" for an error handler and "background" for a greenlet that `io.spawn` has started,
            with the `event` and `args` of the call that failed or started it.
    """

    kind: ClassVar[str] = "event"

    __slots__ = ("_ack", "ack_id", "args", "event", "kept", "socket")

    kept: dict[object, Any]

    def __init__(self, socket: Socket, args: list[Any], event: str, ack_id: int | None = None) -> None:
        self.socket = socket
        self.args = args
        self.event = event
        self.ack_id = ack_id
        self._ack: AckSender | None = None

    @property
    def ack(self) -> AckSender:
        """Answers the event; made when it is first asked for, for most events want no answer."""
        if self._ack is None:
            self._ack = AckSender(self.socket, self.ack_id)
        return self._ack

    def answer_error(self, error: BaseException) -> None:
        """Tell the client of the error that its event has failed with, if it waits for an answer and the namespace wants that."""
        if self.ack_id is None or not self.socket.namespace.handlers.answers_errors or self.ack.sent:
            return
        told: dict[str, object] = {"message": "Internal server error"}  # what others say is not for strangers
        if isinstance(error, ExtractError):
            told = {"message": str(error), "parameter": error.parameter, "path": error.path}
        with suppress(SendError):
            self.ack.send({"error": told})

    @property
    def reason(self) -> Any:
        """Why the socket was disconnected; only for disconnect handlers."""
        return self.args[0]


class ConnectCall(Call):
    """Of the connect middlewares and the connect handler."""

    kind = "connect"
    __slots__ = ()


class DisconnectCall(Call):
    """Of a disconnect handler."""

    kind = "disconnect"
    __slots__ = ()


class AckCall(Call):
    """Of the callback of an acknowledgement."""

    kind = "ack"
    __slots__ = ()


class ErrorCall(Call):
    """Of an error handler's unit of work."""

    kind = "error"
    __slots__ = ()


class BackgroundCall(Call):
    """Of the unit of work of a greenlet that a handler has started."""

    kind = "background"
    __slots__ = ()


#: Takes a parameter from a call, or raises `ExtractError`.
Take = Callable[[Call], Any]
