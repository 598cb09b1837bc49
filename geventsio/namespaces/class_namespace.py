"""Class-based namespaces: the handlers of one namespace as the methods of one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from geventsio.context import current
from geventsio.errors import NamespaceError
from geventsio.handling.registry import check_event_name
from geventsio.namespaces.namespace import Namespace, NamespaceHandlers

if TYPE_CHECKING:
    from geventsio.server import SocketIO

__all__ = ["ClassNamespace", "event", "threadpool"]

F = TypeVar("F", bound=Callable[..., Any])

#: The attribute by which `event` marks a function.
_EVENTS = "_geventsio_events"

#: The attribute by which `threadpool` does.
_THREADPOOL = "_geventsio_threadpool"


class _Event(NamedTuple):
    name: str
    concurrent: bool | None


def event(name: str, *, concurrent: bool | None = None) -> Callable[[F], F]:
    """Have a method of a `ClassNamespace` handle the event of this name, whatever the method is called; a decorator.

    It may be given several times. A method that overrides a decorated one handles the same events, unless it is
    decorated itself.

    Args:
        name: may have spaces and dashes, which names of methods can't.
        concurrent: see `Registrar.on`.

    Raises:
        ValueError: the event's name is reserved.
    """
    check_event_name(name)

    def mark(function: F) -> F:
        setattr(function, _EVENTS, [*getattr(function, _EVENTS, ()), _Event(name, concurrent)])
        return function

    return mark


def threadpool(method: F) -> F:
    """Have a method of a `ClassNamespace` run in a native thread, whatever it handles; a decorator.

    For methods that handle events, and for `on_connect`, `on_disconnect` and `on_fallback`: see `Registrar.on`. A
    method that overrides a decorated one runs in a thread only if it is decorated itself.
    """
    setattr(method, _THREADPOOL, True)
    return method


class ClassNamespace:
    """Base of classes whose methods are the handlers of one namespace.

    The method `on_message` handles the event `message`, and what `event` decorates handles the events named there.
    `on_connect`, `on_disconnect`, `on_error`, `on_fallback` and `on_any` are what the methods of these names of
    `Namespace` register. Their parameters are those of handlers everywhere. `SocketIO.register` registers an instance,
    which serves all sockets: what belongs to one of them is kept in `Socket.data`.

        class Chat(ClassNamespace):
            def on_connect(self, socket: Socket) -> None:
                socket.join("lobby")

            @event("new message")
            def speak(self, socket: Socket, text: str) -> None:
                socket.to("lobby").emit("new message", text)

        io.register(Chat("/chat"))

    Args:
        path: the namespace's.

    Attributes:
        path: the namespace's; a class may set it instead of passing it on.
    """

    path: str = "/"
    _attached: NamespaceHandlers | None = None

    def __init__(self, path: str | None = None) -> None:
        if path is not None:
            self.path = path

    @property
    def namespace(self) -> Namespace:
        """The namespace, with its operators; of a dynamic one, the one that the running handler is for.

        Raises:
            NamespaceError: the instance has not been registered.
            RuntimeError: it serves a dynamic namespace, and no handler is running.
        """
        attached = self._registered()
        return attached if isinstance(attached, Namespace) else current.namespace

    @property
    def io(self) -> SocketIO:
        """The server.

        Raises:
            NamespaceError: the instance has not been registered.
        """
        return self._registered().io

    def attach(self, handlers: NamespaceHandlers) -> None:
        """Register all methods with a namespace or a dynamic one, whatever `path` says; or none if one can't be.

        `SocketIO.register` does it with the namespace of the path. With dynamic ones it is
        `Chat().attach(io.dyn_ns("/chat/{room}"))`.

        Raises:
            HandlerSignatureError: a method's parameters can't be resolved.
            NamespaceError: this instance, or another one for the same path, is registered already; or there is a
                connect handler, and the class has one too.
            TypeError: a method can't run in a native thread that shall; see `threadpool`.
            ValueError: an event's name is reserved.
        """
        if self._attached is not None or handlers.owner is not None:
            raise NamespaceError(f"{handlers.path} or {self!r} is registered already: each path has an instance")
        events = list(_events_of(self))
        others = list(_others_of(self))
        kinds = handlers.io.kinds
        for item, method in events:
            check_event_name(item.name)
            kinds.event.plan(method)
        for name, method in others:
            getattr(kinds, _OTHERS[name]).plan(method)
            if name not in _MAY_BE_THREADS and _in_thread(method):
                raise TypeError(f"{name} can't run in a native thread of its own: it runs where its event is handled")
        # First the one that may be taken.
        for name, method in others:
            getattr(handlers, name)(method, **({"threadpool": True} if _in_thread(method) else {}))
        for item, method in events:
            handlers.on(item.name, method, concurrent=item.concurrent, threadpool=_in_thread(method))
        self._attached = handlers
        handlers.owner = self

    def _registered(self) -> NamespaceHandlers:
        if self._attached is None:
            raise NamespaceError(f"{self!r} is not registered: register it with io.register(...)")
        return self._attached


#: Methods that handle no event of their own, and the kinds of handlers that they are. The connect handler is the
#: first, for there may be one already.
_OTHERS = {
    "on_connect": "connect",
    "on_disconnect": "disconnect",
    "on_error": "error",
    "on_fallback": "event",
    "on_any": "listener",
}


#: Those of them that may run in a native thread.
_MAY_BE_THREADS = frozenset({"on_connect", "on_disconnect", "on_fallback"})


def _in_thread(method: Callable[..., Any]) -> bool:
    return bool(getattr(method, _THREADPOOL, False))


def _events_of(instance: ClassNamespace) -> Iterator[tuple[_Event, Callable[..., Any]]]:
    """The events that an object's methods handle."""
    cls = type(instance)
    for name in dir(cls):
        marked = _marks(cls, name)
        if not marked and name.startswith("on_") and name not in _OTHERS:
            marked = [_Event(name.removeprefix("on_"), None)]
        # None stands for an inherited method that shall handle nothing.
        method = getattr(instance, name) if marked else None
        if method is not None:
            yield from ((item, method) for item in marked)


def _others_of(instance: ClassNamespace) -> Iterator[tuple[str, Callable[..., Any]]]:
    """What else an object's methods are."""
    for name in _OTHERS:
        method = getattr(instance, name, None)
        if method is not None and not _marks(type(instance), name):
            yield name, method


def _marks(cls: type, name: str) -> list[_Event]:
    """The events that a method is decorated with, or else the one that it overrides."""
    for base in cls.__mro__:
        marks: list[_Event] = getattr(vars(base).get(name), _EVENTS, [])
        if marks:
            return marks
    return []
