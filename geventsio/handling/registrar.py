"""How handlers are registered: the methods that namespaces and sockets share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar, overload

from geventsio.handling.handlers import Handler, ThreadHandler
from geventsio.handling.registry import (
    EventHandler,
    EventHandlers,
    OnceHandler,
    ThreadEventHandler,
    ThreadOnceHandler,
    check_event_name,
)

__all__ = ["NO_HANDLER", "Registrar"]

F = TypeVar("F", bound=Callable[..., Any])

#: Stands for the handler where a decorator is asked for: None is one that can't be called.
NO_HANDLER: Any = object()


class Registrar(ABC):
    """What handlers are registered with: a namespace for all its sockets, or one socket.

    An event's handler is the socket's own, else the namespace's, else the socket's fallback, else the namespace's.
    Handlers may be registered and removed at any time; what is running goes on.
    """

    __slots__ = ()

    @abstractmethod
    def _event_handlers(self) -> EventHandlers:
        """The handlers of this level."""

    @overload
    def on(self, event: str, *, concurrent: bool | None = None, threadpool: bool = False) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F, *, concurrent: bool | None = None, threadpool: bool = False) -> F: ...
    def on(
        self, event: str, handler: F | None = None, *, concurrent: bool | None = None, threadpool: bool = False
    ) -> F | Callable[[F], F]:
        """Handle an event; also as a decorator. Registering again replaces the handler.

        Args:
            event: its name.
            handler: what it takes is told by its parameters; what it returns answers the event.
            concurrent: whether the socket's next event is handled while this handler blocks. Handlers still
                begin in the order in which events arrive, and the disconnect handler after them; it does not
                wait for their ends. None for what the option `concurrent_handlers` says.
            threadpool: whether it runs in a native thread, for code that blocks without gevent or computes for long:
                meanwhile all clients are served, and the socket's next event waits for its end as ever. What is
                called around it (units of work, listeners, middlewares, extractors) runs there as well. All that a
                handler may do it may do there too. `threadpool_size` says how many there may be; more wait.

        Raises:
            HandlerSignatureError: the handler's parameters can't be resolved.
            ValueError: the event's name is reserved.
        """

        def register(function: F) -> F:
            handlers = self._event_handlers()
            kind = ThreadEventHandler if threadpool else EventHandler
            handlers.events[event] = kind(function, handlers.kinds, concurrent)
            return function

        check_event_name(event)
        return register if handler is None else register(handler)

    @overload
    def once(self, event: str, *, concurrent: bool | None = None, threadpool: bool = False) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F, *, concurrent: bool | None = None, threadpool: bool = False) -> F: ...
    def once(
        self, event: str, handler: F | None = None, *, concurrent: bool | None = None, threadpool: bool = False
    ) -> F | Callable[[F], F]:
        """Handle an event one time: as `on`, but the handler is removed before it is called.

        With a namespace that is one time for all its sockets together. An event whose arguments don't fit is
        skipped, and the handler stays.

        Raises:
            HandlerSignatureError, ValueError: as `on`.
        """

        def register(function: F) -> F:
            handlers = self._event_handlers()
            kind = ThreadOnceHandler if threadpool else OnceHandler
            handlers.events[event] = kind(function, handlers, event, concurrent)
            return function

        check_event_name(event)
        return register if handler is None else register(handler)

    def off(self, event: str, handler: Callable[..., Any] | None = None) -> bool:
        """Remove the handler of an event.

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

    @overload
    def on_fallback(self, *, threadpool: bool = False) -> Callable[[F], F]: ...
    @overload
    def on_fallback(self, handler: F, *, threadpool: bool = False) -> F: ...
    def on_fallback(self, handler: F = NO_HANDLER, *, threadpool: bool = False) -> F | Callable[[F], F]:
        """Handle the events that have no handler; also as a decorator. `threadpool` is as in `on`."""

        def register(function: F) -> F:
            handlers = self._event_handlers()
            handlers.fallback = (ThreadEventHandler if threadpool else EventHandler)(function, handlers.kinds)
            return function

        return register if handler is NO_HANDLER else register(handler)

    def on_any(self, listener: F) -> F:
        """Have a listener called for each event, with its name and arguments, whoever handles it; also as a decorator.

        Listeners are called before middlewares and handlers, a namespace's before a socket's, in the order in which
        they were added. They watch: what they return is dropped, and when one fails, that is logged and given to the
        error handler, and the event goes on.
        """
        handlers = self._event_handlers()
        handlers.wrap((*handlers.listeners, Handler(listener, handlers.kinds.listener)), handlers.middlewares)
        return listener

    def off_any(self, listener: Callable[..., Any] | None = None) -> bool:
        """Remove a listener, or all of them when it is None; return whether there was one."""
        handlers = self._event_handlers()
        kept = tuple(kept for kept in handlers.listeners if listener is not None and kept.function != listener)
        found = len(kept) < len(handlers.listeners)
        handlers.wrap(kept, handlers.middlewares)
        return found

    def use_event(self, middleware: F) -> F:
        """Add a middleware around the handlers of events; also as a decorator.

        It is called with the `EventCall` and with `next`, which calls the next middleware, or the handler in the end,
        and returns what that returned; what it returns itself answers the event. So `return next()` lets an event
        pass; who does not call it has refused, and may answer by returning something or by `call.ack`. The arguments in
        `call.args` may be changed: the handler's parameters are taken afterwards. An exception refuses as well, is
        logged and given to the error handler. More parameters are taken by their annotations, as those of handlers.

        Events pass the namespace's middlewares and then the socket's, in the order in which they were added. Those
        that have no handler pass them too; then `next` returns None.
        """
        handlers = self._event_handlers()
        added = Handler(middleware, handlers.kinds.event_middleware)
        handlers.wrap(handlers.listeners, (*handlers.middlewares, added))
        return middleware

    @overload
    def on_disconnect(self, *, threadpool: bool = False) -> Callable[[F], F]: ...
    @overload
    def on_disconnect(self, handler: F, *, threadpool: bool = False) -> F: ...
    def on_disconnect(self, handler: F = NO_HANDLER, *, threadpool: bool = False) -> F | Callable[[F], F]:
        """Have a handler called, once for each socket, when it is disconnected; also as a decorator.

        `threadpool` is as in `on`.
        """

        def register(function: F) -> F:
            handlers = self._event_handlers()
            handlers.disconnect = (ThreadHandler if threadpool else Handler)(function, handlers.kinds.disconnect)
            return function

        return register if handler is NO_HANDLER else register(handler)

    def on_error(self, handler: F) -> F:
        """Have a handler called with each exception that escapes; also as a decorator.

        They are those of handlers, of what is called before and around them, of callbacks of acknowledgements and of
        greenlets started by `io.spawn`, and the `ExtractError` of parameters that don't fit. All of them have been
        logged before. A socket that is closed while its handler runs is no error, nor is a greenlet that was killed.
        A socket's own error handler is called instead of its namespace's; what escapes from it is logged.
        """
        handlers = self._event_handlers()
        handlers.error = Handler(handler, handlers.kinds.error)
        return handler
