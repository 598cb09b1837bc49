"""Which handler an event has: the handlers of one socket, or of one namespace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from geventsio.engine.native import in_hub
from geventsio.handling.call import Call
from geventsio.handling.handlers import Handler, HandlerKind, InThread
from geventsio.handling.unit_of_work import UnitOfWork
from geventsio.protocol.sio_packet import RESERVED_EVENTS
from geventsio.sending.ack import AckSender
from geventsio.types import DisconnectReason

__all__ = [
    "EventHandler",
    "EventHandlers",
    "HandlerKinds",
    "OnceHandler",
    "ThreadEventHandler",
    "ThreadOnceHandler",
    "check_event_name",
    "find_handler",
]


# What whoever comes from a library that calls handlers of connections by events is looking for.
_INSTEAD = {
    "connect": "; the decorator of connect handlers is the namespace itself",
    "disconnect": "; the decorator of disconnect handlers is on_disconnect",
}


def check_event_name(event: str) -> None:
    """Refuse names that can't be sent.

    Raises:
        TypeError: the name is not a str.
        ValueError: the name is reserved.
    """
    if not isinstance(event, str):
        raise TypeError(f"an event's name is a str, not {event!r}")
    if event in RESERVED_EVENTS:
        raise ValueError(f"{event!r} is a reserved event name{_INSTEAD.get(event, '')}")


class HandlerKinds:
    """The kinds of handlers; what they can be given is known once `SocketIO` and `Socket` are.

    Args:
        injectable: what handlers of every kind may take, by class, with the attribute of `Call` it is taken from.
        concurrent: whether events' handlers overlap when they block, unless they are registered otherwise.

    Attributes:
        units: what is entered around each job, the outermost first.
    """

    def __init__(self, injectable: dict[type[Any], str], concurrent: bool = False) -> None:
        self.concurrent = concurrent
        self.units: tuple[UnitOfWork, ...] = ()
        no_reason: dict[type[Any], str] = {DisconnectReason: "the socket is not being disconnected"}
        no_ack: dict[type[Any], str] = {AckSender: "there is no event to answer"}
        self.event = HandlerKind("event handler", None, {**injectable, AckSender: "ack"}, no_reason)
        self.connect = HandlerKind("connect handler", ("the auth payload",), injectable, {**no_reason, **no_ack})
        self.middleware = HandlerKind("middleware", ("the auth payload",), injectable, {**no_reason, **no_ack})
        self.disconnect = HandlerKind(
            "disconnect handler", ("the reason",), {**injectable, DisconnectReason: "reason"}, no_ack, has_data=False
        )
        only_watches: dict[type[Any], str] = {AckSender: "a listener only watches; an event's middleware may answer"}
        self.listener = HandlerKind(
            "listener", None, injectable, {**no_reason, **only_watches}, has_data=False, names_event=True
        )
        of_call: dict[type[Any], str] = {AckSender: "take the call's, `call.ack`"}
        self.event_middleware = HandlerKind(
            "event middleware",
            ("the call", "next"),
            injectable,
            {**no_reason, **of_call},
            has_data=False,
            validates=False,
            has_event=True,
        )
        self.error = HandlerKind(
            "error handler",
            ("the exception",),
            injectable,
            {**no_reason, **no_ack},
            has_data=False,
            validates=False,
            has_event=True,
        )

    def provide(self, state: Iterable[object]) -> None:
        """Let handlers of all kinds take these values as `State[T]`; before any is registered."""
        by_type = {type(value): value for value in state}
        for kind in vars(self).values():
            if isinstance(kind, HandlerKind):
                kind.state = by_type


class EventHandler(Handler):
    """A handler of events."""

    __slots__ = ("concurrent",)

    def __init__(self, function: Callable[..., Any], kinds: HandlerKinds, concurrent: bool | None = None) -> None:
        super().__init__(function, kinds.event)
        #: Whether the socket's next event is handled while this one's handler blocks.
        self.concurrent = kinds.concurrent if concurrent is None else concurrent


class EventHandlers:
    """The handlers of one level: one for each event, one for the others, and what is called around them.

    Attributes:
        answers_errors: whether clients are told why their events were skipped; only of namespaces.
        is_wrapped: whether there are listeners or middlewares.
    """

    __slots__ = (
        "answers_errors",
        "disconnect",
        "error",
        "events",
        "fallback",
        "is_wrapped",
        "kinds",
        "listeners",
        "middlewares",
    )

    def __init__(self, kinds: HandlerKinds) -> None:
        self.kinds = kinds
        self.events: dict[str, EventHandler] = {}
        self.fallback: EventHandler | None = None
        self.disconnect: Handler | None = None
        self.error: Handler | None = None
        # Tuples, for they may be changed while they are gone through.
        self.listeners: tuple[Handler, ...] = ()
        self.middlewares: tuple[Handler, ...] = ()
        self.is_wrapped = False
        self.answers_errors = False

    def wrap(self, listeners: tuple[Handler, ...], middlewares: tuple[Handler, ...]) -> None:
        """Have these called around handlers."""
        self.listeners = listeners
        self.middlewares = middlewares
        self.is_wrapped = bool(listeners or middlewares)


class OnceHandler(EventHandler):
    """A handler that is removed before its first call."""

    __slots__ = ("_event", "_handlers")

    def __init__(
        self, function: Callable[..., Any], handlers: EventHandlers, event: str, concurrent: bool | None
    ) -> None:
        super().__init__(function, handlers.kinds, concurrent)
        self._handlers = handlers
        self._event = event

    def __call__(self, call: Call) -> Any:
        """Take the parameters from the call, and if nobody was faster, run the function. May switch greenlets.

        Raises:
            ExtractError: a parameter can't be taken from the call; the function stays registered then.
        """
        args, keywords = self.plan.extract(call)
        # Extracting may have switched greenlets. In the hub, for two threads might be here at a time.
        if not in_hub(self._remove):
            return None
        return self.function(*args, **keywords)

    def _remove(self) -> bool:
        """Remove the handler; False if somebody else has."""
        if self._handlers.events.get(self._event) is not self:
            return False
        del self._handlers.events[self._event]
        return True


class ThreadEventHandler(InThread, EventHandler):
    """A handler of events that runs in a native thread."""

    __slots__ = ()


class ThreadOnceHandler(InThread, OnceHandler):
    """A handler that is removed before its first call, which is made in a native thread."""

    __slots__ = ()


def find_handler(shared: EventHandlers, own: EventHandlers | None, event: str) -> EventHandler | None:
    """The handler of an event: the socket's own, or its namespace's, or one of their fallbacks."""
    if own is None:
        return shared.events.get(event) or shared.fallback
    return own.events.get(event) or shared.events.get(event) or own.fallback or shared.fallback
