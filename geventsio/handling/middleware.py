"""What happens around the handlers of events: listeners that see them pass, and middlewares that let them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from greenlet import GreenletExit

from geventsio.handling.call import Call
from geventsio.handling.handlers import Handler
from geventsio.handling.registry import EventHandlers, find_handler

__all__ = ["EventCall", "Next", "run_listeners", "run_middlewares"]

#: What a middleware is given: the socket, the event's name, its arguments and its acknowledgement.
EventCall = Call

#: Calls the rest of the middlewares and the handler, and returns what it returned.
Next = Callable[[], Any]


def run_listeners(
    call: Call, shared: EventHandlers, own: EventHandlers | None, failed: Callable[[Call, BaseException], None]
) -> None:
    """Show an event to the namespace's listeners and the socket's. May switch greenlets."""
    for listener in shared.listeners if own is None else shared.listeners + own.listeners:
        # Without the ack id: who only watches answers nothing, not even that it can't be called.
        seen = Call(call.socket, [call.event, *call.args], call.event)
        try:
            listener(seen)
        except GreenletExit:
            raise
        except BaseException as error:
            failed(seen, error)


def run_middlewares(call: Call, shared: EventHandlers, own: EventHandlers | None) -> Any:
    """Send an event through the namespace's middlewares and the socket's to its handler. May switch greenlets.

    Returns:
        What the outermost returns.
    """
    return _step(call, shared.middlewares if own is None else shared.middlewares + own.middlewares, 0)


def _step(call: Call, middlewares: tuple[Handler, ...], index: int) -> Any:
    if index < len(middlewares):
        following = partial(_step, call, middlewares, index + 1)
        return middlewares[index](Call(call.socket, [call, following], call.event, call.ack_id))
    # Looked for only now: what was called before may have registered it, or have taken long.
    socket = call.socket
    handler = find_handler(socket.namespace.handlers, socket.handlers, call.event)
    return None if handler is None else handler(call)
