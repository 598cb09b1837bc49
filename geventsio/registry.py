"""How handlers are registered, and where they are kept: those of one socket, or of one namespace."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar, overload

from geventsio.ack import AckSender
from geventsio.extract import Call
from geventsio.handlers import Handler, HandlerKind
from geventsio.protocol.sio_packet import RESERVED_EVENTS
from geventsio.types import DisconnectReason

__all__ = ["EventHandlers", "HandlerKinds", "Registrar", "check_event_name"]

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


class EventHandlers:
    """The handlers of one level: one for each event, a fallback, and one for the disconnection."""

    __slots__ = ("disconnect", "events", "fallback", "kinds")

    def __init__(self, kinds: HandlerKinds) -> None:
        self.kinds = kinds
        self.events: dict[str, Handler] = {}
        self.fallback: Handler | None = None
        self.disconnect: Handler | None = None


class OnceHandler(Handler):
    """A handler that is removed before its first call."""

    __slots__ = ("_event", "_handlers")

    def __init__(self, function: Callable[..., Any], handlers: EventHandlers, event: str) -> None:
        super().__init__(function, handlers.kinds.event)
        self._handlers = handlers
        self._event = event

    def __call__(self, call: Call) -> Any:
        """Take the parameters from the call, and if nobody was faster, run the function. May switch greenlets.

        Raises:
            ExtractError: a parameter can't be taken from the call; the function stays registered then.
        """
        args, keywords = self.plan.extract(call)
        # Extracting may have switched greenlets.
        if self._handlers.events.get(self._event) is not self:
            return None
        del self._handlers.events[self._event]
        return self.function(*args, **keywords)


class Registrar(ABC):
    """What handlers are registered with: a namespace for all its sockets, or one socket.

    A socket's own handlers come before its namespace's.
    """

    __slots__ = ()

    @abstractmethod
    def _event_handlers(self) -> EventHandlers:
        """The handlers of this level."""

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: F | None = None) -> F | Callable[[F], F]:
        """Handle an event; also as a decorator. Registering again replaces the handler.

        Raises:
            HandlerSignatureError: the handler's parameters can't be resolved.
            ValueError: the event's name is reserved.
        """

        def register(function: F) -> F:
            handlers = self._event_handlers()
            handlers.events[event] = Handler(function, handlers.kinds.event)
            return function

        check_event_name(event)
        return register if handler is None else register(handler)

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: F | None = None) -> F | Callable[[F], F]:
        """Handle an event one time: as `on`, but the handler is removed before it is called.

        With a namespace that is one time for all its sockets together. An event whose arguments don't fit is
        skipped, and the handler stays.

        Raises:
            HandlerSignatureError, ValueError: as `on`.
        """

        def register(function: F) -> F:
            handlers = self._event_handlers()
            handlers.events[event] = OnceHandler(function, handlers, event)
            return function

        check_event_name(event)
        return register if handler is None else register(handler)

    def off(self, event: str, handler: Callable[..., Any] | None = None) -> bool:
        """Remove the handler of an event; calls that are running go on.

        Args:
            event: its name.
            handler: the handler that is to be removed, if it is the event's; None for any.

        Returns:
            Whether there was one.
        """
        events = self._event_handlers().events
        registered = events.get(event)
        if registered is None or (handler is not None and registered.function != handler):
            return False
        del events[event]
        return True

    def on_fallback(self, handler: F) -> F:
        """Handle the events that have no handler; also as a decorator."""
        handlers = self._event_handlers()
        handlers.fallback = Handler(handler, handlers.kinds.event)
        return handler

    def on_disconnect(self, handler: F) -> F:
        """Have a handler called, once for each socket, when it is disconnected; also as a decorator."""
        handlers = self._event_handlers()
        handlers.disconnect = Handler(handler, handlers.kinds.disconnect)
        return handler
