"""Greenlets that handlers start: they know the handler's socket, and their exceptions are not lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ParamSpec

from gevent import Greenlet, GreenletExit

from geventsio.context import current_call
from geventsio.handling.call import BackgroundCall
from geventsio.handling.dispatch import report
from geventsio.handling.unit_of_work import run_in

if TYPE_CHECKING:
    from geventsio.server import SocketIO

__all__ = ["spawn"]

P = ParamSpec("P")

logger = logging.getLogger("geventsio")


def spawn(
    io: SocketIO, seconds: float, function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
) -> Greenlet[..., Any]:
    """Start a greenlet after some seconds, in a copy of the caller's context.

    Raises:
        RuntimeError: called in an OS thread other than the one that serves the clients.
    """
    io.check_thread("greenlets can only be started")
    greenlet: Greenlet[..., Any] = Greenlet(_run, function, args, kwargs)
    greenlet.gr_context = copy_context()
    if seconds:
        greenlet.start_later(seconds)
    else:
        greenlet.start()
    return greenlet


def _run(function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    call = current_call.get(None)
    units = () if call is None else call.socket.namespace.handlers.kinds.units
    try:
        if units and call is not None:
            job = BackgroundCall(call.socket, call.args, call.event, call.ack_id)
            return run_in(units, job, lambda _: function(*args, **kwargs))
        return function(*args, **kwargs)
    except (GreenletExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if call is not None:
            report(call, error)
        else:
            logger.error("exception in a background greenlet", exc_info=error)
        return None
