"""One call of a handler: what its parameters are taken from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from geventsio.errors import ExtractError, SendError
from geventsio.sending.ack import AckSender

if TYPE_CHECKING:
    from geventsio.socket import Socket

__all__ = ["AckCall", "BackgroundCall", "Call", "ConnectCall", "DisconnectCall", "ErrorCall", "Take"]


# Made for each event: 0.08 us as a Struct, 0.18 us as a class with __slots__.
class Call(msgspec.Struct, eq=False):
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

    socket: Socket
    args: list[Any]
    event: str
    ack_id: int | None = None
    kept: Any = None
    _ack: AckSender | None = None

    @property
    def ack(self) -> AckSender:
        """Answers the event; made when it is first asked for, for most events want no answer."""
        if self._ack is None:
            self._ack = AckSender(self.socket, self.ack_id)
        return self._ack

    def answer_error(self, error: BaseException) -> None:
        """Tell the client of the error of its event, if it waits for an answer and the namespace wants that."""
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

    kind: ClassVar[str] = "connect"


class DisconnectCall(Call):
    """Of a disconnect handler."""

    kind: ClassVar[str] = "disconnect"


class AckCall(Call):
    """Of the callback of an acknowledgement."""

    kind: ClassVar[str] = "ack"


class ErrorCall(Call):
    """Of an error handler's unit of work."""

    kind: ClassVar[str] = "error"


class BackgroundCall(Call):
    """Of the unit of work of a greenlet that a handler has started."""

    kind: ClassVar[str] = "background"


#: Takes a parameter from a call, or raises `ExtractError`.
Take = Callable[[Call], Any]
