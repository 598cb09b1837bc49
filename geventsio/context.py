"""What the running code is for: the current socket, event, namespace and server, from anywhere below a handler."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from geventsio.handling.call import Call
    from geventsio.namespaces.namespace import Namespace
    from geventsio.server import SocketIO
    from geventsio.socket import Socket

__all__ = ["OUTSIDE", "Current", "copy_current_context", "current", "current_call", "enter"]

P = ParamSpec("P")
R = TypeVar("R")

#: What code is told that asks for these things where there are none.
OUTSIDE = (
    "this code does not run for a socket: it was not called by a handler. A greenlet that a handler starts knows the "
    "handler's socket if it is started with io.spawn, or runs a function wrapped by copy_current_context; other code "
    "must be given what it needs as arguments"
)

#: One call of a handler; each job has a context of its own, so nothing is ever reset.
current_call: ContextVar[Call] = ContextVar("geventsio.current_call")

#: Makes a call the current one, for the rest of the running job.
enter = current_call.set


class Current:
    """What the running code is for, wherever a handler has called it.

    It is set in connect, event and disconnect handlers, in middlewares, listeners and error handlers, in callbacks of
    acknowledgements, and in greenlets that these start with `io.spawn`. Elsewhere it is false, and its attributes
    raise RuntimeError.
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return current_call.get(None) is not None

    @property
    def socket(self) -> Socket:
        """The socket."""
        return _call().socket

    @property
    def event(self) -> str:
        """The event's name; else "connect", "disconnect", or "ack" for the callback of an acknowledgement."""
        return _call().event

    @property
    def args(self) -> list[Any]:
        """The event's arguments, the auth payload, the disconnect reason, or what the callback was given."""
        return _call().args

    @property
    def ack_id(self) -> int | None:
        """The id of the acknowledgement that the client has asked for; None if it wants none."""
        return _call().ack_id

    @property
    def namespace(self) -> Namespace:
        """The socket's namespace."""
        return self.socket.namespace

    @property
    def io(self) -> SocketIO:
        """The server."""
        return self.socket.io

    @property
    def environ(self) -> dict[str, Any]:
        """The WSGI environ of the request that opened the connection, a new dict each time."""
        return self.socket.environ


current = Current()


def copy_current_context(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that it runs, in any greenlet, for what the running handler is for; a decorator.

    It sees all context variables as they are now, and changes to them are its own.

    Raises:
        RuntimeError: called where there is nothing to carry along.
    """
    _call()
    context = copy_context()

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context can be entered by one greenlet at a time.
        return context.copy().run(function, *args, **kwargs)

    return run


def _call() -> Call:
    try:
        return current_call.get()
    except LookupError:
        raise RuntimeError(OUTSIDE) from None
