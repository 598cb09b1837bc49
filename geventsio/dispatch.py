"""The jobs of a socket: connecting, handling events, disconnecting. One runs at a time, in a worker greenlet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit

from geventsio.ack import AckSender
from geventsio.errors import ConnectRefused, ExtractError, SocketClosedError
from geventsio.extract import Call
from geventsio.protocol.sio_packet import Packet
from geventsio.types import DisconnectReason

if TYPE_CHECKING:
    from geventsio.socket import Socket

__all__ = ["describe_job", "run_callback", "run_connect", "run_disconnect", "run_event"]

logger = logging.getLogger("geventsio")


def run_connect(socket: Socket, auth: dict[str, Any]) -> None:
    """Let middlewares and the connect handler's parameters decide, tell the client, and run the connect handler."""
    namespace = socket.namespace
    call = Call(socket, [auth])
    try:
        for middleware in namespace.middlewares:
            middleware(call)
        run = namespace.prepare_connect(call)
    except ConnectRefused as refusal:
        socket.refuse(refusal.message, refusal.data)
    except ExtractError as error:
        logger.info("refused a connection to %s: %s", namespace.path, error)
        socket.refuse(str(error), None)
    except BaseException as error:
        is_awaited = socket.is_connecting
        socket.refuse("Internal server error", None)
        _report(socket, "connect", error, client_left=not is_awaited)
    else:
        if socket.accept() and run is not None:
            _run_connect_handler(socket, run)


def _run_connect_handler(socket: Socket, run: Callable[[], object]) -> None:
    try:
        run()
    except ConnectRefused:
        # Too late for CONNECT_ERROR: the client has been told that it is connected.
        socket.disconnect()
    except BaseException as error:
        _report(socket, "connect", error)


def run_event(socket: Socket, packet: Packet) -> None:
    """Call the handler of an event, and answer with what it returns."""
    if not socket.was_accepted:
        return
    args: list[Any] = packet.data
    event = packet.data = args.pop(0)  # kept for `describe_job`, which may be asked when the handler has ended
    handler = socket.find_handler(event)
    if handler is None:
        return
    call = Call(socket, args, event, packet.id)
    try:
        result = handler(call)
        if result is not None and packet.id is not None:
            _answer(call.ack, result)
    except ExtractError as error:
        logger.warning("skipped the event %r in %s: %s", event, socket.ns, error, extra=_fields(socket, event))
    except BaseException as error:
        _report(socket, event, error)


def run_disconnect(socket: Socket, reason: DisconnectReason) -> None:
    """Call the disconnect handler, whose socket is still in its rooms, and forget the socket."""
    handler = socket.find_disconnect_handler()
    try:
        if handler is not None:
            handler(Call(socket, [reason]))
    except BaseException as error:
        _report(socket, "disconnect", error)
    finally:
        socket.namespace.remove(socket)
        socket.client.session.server.callbacks.done()


def run_callback(socket: Socket, callback: Callable[..., object], args: tuple[object, ...]) -> None:
    """Call a callback of an acknowledgement."""
    try:
        callback(*args)
    except BaseException as error:
        _report(socket, "ack", error)


def describe_job(job: Callable[..., object], args: tuple[Any, ...]) -> str:
    """Name a job for who reads in the log that it blocked everybody else."""
    if job is run_callback:
        return f"the acknowledgement's callback {_name(args[1])}"
    socket: Socket = args[0]
    if job is run_event:
        event = args[1].data
        handler = socket.find_handler(event)
        return f"the handler {_name(handler and handler.function)} of {event!r} in {socket.ns}"
    if job is run_disconnect:
        handler = socket.find_disconnect_handler()
        return f"the disconnect handler {_name(handler and handler.function)} in {socket.ns}"
    return f"the connect handler or a middleware in {socket.ns}"


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", function))


def _answer(ack: AckSender, result: object) -> None:
    if ack.sent:
        raise RuntimeError("a handler that has answered with AckSender.send must return None")
    ack.send(*(result if isinstance(result, tuple) else (result,)))


def _report(socket: Socket, event: str, error: BaseException, client_left: bool = True) -> None:
    """Log what escaped from a handler, once. It reaches neither the client nor other handlers.

    A socket that is closed while its handler runs is no error. Before the client is connected it is one.
    """
    if isinstance(error, GreenletExit) or (client_left and isinstance(error, SocketClosedError)):
        return
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error
    logger.error("exception in the handler of %r in %s", event, socket.ns, exc_info=error, extra=_fields(socket, event))
    for hook in socket.io.error_hooks:
        hook(error)


def _fields(socket: Socket, event: str) -> dict[str, str]:
    return {"socket_id": socket.id, "event": event, "namespace": socket.ns}
