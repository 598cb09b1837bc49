"""Which handler an event has: the handlers of one socket, or of one namespace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from geventsio.ack import AckSender
from geventsio.handlers import Handler, HandlerKind
from geventsio.protocol.sio_packet import RESERVED_EVENTS
from geventsio.types import DisconnectReason

__all__ = ["EventHandlers", "HandlerKinds", "check_event_name"]

F = TypeVar("F", bound=Callable[..., Any])


def check_event_name(event: str) -> None:
    """Refuse names that can't be sent.

    Raises:
        TypeError: the name is not a str.
        ValueError: the name is reserved.
    """
    if not isinstance(event, str):
        raise TypeError(f"an event's name is a str, not {event!r}")
    if event in RESERVED_EVENTS:
        raise ValueError(f"{event!r} is a reserved event name")


class HandlerKinds:
    """The four kinds of handlers; what they can be given is known once `SocketIO` and `Socket` are.

    Args:
        injectable: what handlers of every kind may take, by class, with the attribute of `Call` it is taken from.
    """

    def __init__(self, injectable: dict[type[Any], str]) -> None:
        no_reason: dict[type[Any], str] = {DisconnectReason: "the socket is not being disconnected"}
        no_ack: dict[type[Any], str] = {AckSender: "there is no event to answer"}
        self.event = HandlerKind("event handler", None, {**injectable, AckSender: "ack"}, no_reason)
        self.connect = HandlerKind("connect handler", ("the auth payload",), injectable, {**no_reason, **no_ack})
        self.middleware = HandlerKind("middleware", ("the auth payload",), injectable, {**no_reason, **no_ack})
        self.disconnect = HandlerKind(
            "disconnect handler", ("the reason",), {**injectable, DisconnectReason: "reason"}, no_ack, has_data=False
        )

    def provide(self, state: Iterable[object]) -> None:
        """Let handlers of all kinds take these values as `State[T]`; before any is registered."""
        by_type = {type(value): value for value in state}
        for kind in vars(self).values():
            kind.state = by_type


class EventHandlers:
    """Event handlers of one level: one for each event, a fallback, and one for the disconnection."""

    __slots__ = ("_kinds", "disconnect", "events", "fallback")

    def __init__(self, kinds: HandlerKinds) -> None:
        self._kinds = kinds
        self.events: dict[str, Handler] = {}
        self.fallback: Handler | None = None
        self.disconnect: Handler | None = None

    def on(self, event: str, handler: F | None) -> F | Callable[[F], F]:
        """Register an event's handler, in place of the one it had; a decorator if there is none."""
        check_event_name(event)
        if handler is None:
            return lambda function: self._register(event, function)
        return self._register(event, handler)

    def on_fallback(self, handler: F) -> F:
        """Register the handler of all events that have none."""
        self.fallback = Handler(handler, self._kinds.event)
        return handler

    def on_disconnect(self, handler: F) -> F:
        """Register the disconnect handler."""
        self.disconnect = Handler(handler, self._kinds.disconnect)
        return handler

    def _register(self, event: str, handler: F) -> F:
        self.events[event] = Handler(handler, self._kinds.event)
        return handler
