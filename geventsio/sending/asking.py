"""Asking one client: an event, and the future of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from geventsio.engine.native import in_hub
from geventsio.errors import SocketClosedError
from geventsio.extracting.convert import answer_converter
from geventsio.sending.ack import AckFuture, Convert, answer_value

if TYPE_CHECKING:
    from geventsio.socket import Socket

__all__ = ["Asker", "ask_socket", "converter"]

T = TypeVar("T")


def converter(returns: Any) -> Convert:
    """Return what makes the value of an answer: of the type that was asked for, or of any.

    Raises:
        TypeError: nothing from a client can be turned into this type.
    """
    return answer_value if returns is Any else answer_converter(returns)


class Asker:
    """One client, on this server or on another, and what it can be asked."""

    __slots__ = ()

    @overload
    def emit_with_ack(self, event: str, *args: object) -> AckFuture[Any]: ...
    @overload
    def emit_with_ack(self, event: str, *args: object, returns: type[T]) -> AckFuture[T]: ...
    @overload
    def emit_with_ack(self, event: str, *args: object, returns: Any) -> AckFuture[Any]: ...
    def emit_with_ack(self, event: str, *args: object, returns: Any = Any) -> AckFuture[Any]:
        """Send an event and return the future of the client's answer.

        Args:
            event: its name.
            args: its arguments.
            returns: the type of the answer: of its first argument (None if there is none), or for a tuple type of all
                of them. The future raises `AckDecodeError` if the answer does not fit.

        Raises:
            RuntimeError: called in an OS thread other than the one that serves the clients.
            TypeError: nothing from a client can be turned into `returns`.
            SendError, ValueError: as `emit`.
        """
        return in_hub(self._ask, event, args, converter(returns))

    def _ask(self, event: str, args: Sequence[object], convert: Convert) -> AckFuture[Any]:
        raise NotImplementedError


def ask_socket(
    socket: Socket, timeout: float | None, event: str, args: Sequence[object], convert: Convert
) -> AckFuture[Any]:
    """Do what `Asker.emit_with_ack` does, with a timeout in seconds; None for `ack_timeout`."""
    io, namespace, session = socket.io, socket.namespace, socket.client.session
    io.check_thread()
    ack_id = namespace.next_ack_id()
    group = namespace.encode_event(event, args, ack_id)
    deadlines = io.ack_deadlines(timeout)
    future: AckFuture[Any] = AckFuture(socket, ack_id, deadlines, convert)
    if not socket.connected:
        raise SocketClosedError("the socket is not connected")
    # Waiting begins before sending: the answer can't come first.
    socket.await_ack(ack_id, future)
    deadlines.start(future)
    if not session.send_group(group):
        socket.forget_ack(ack_id)
        deadlines.cancel(future)
        session.raise_unsent()
    return future
