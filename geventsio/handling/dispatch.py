"""The jobs of a socket: connecting, handling events, disconnecting.

They run in worker greenlets, one at a time but for handlers that overlap.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit

from geventsio.context import enter
from geventsio.engine.log_fields import shortened
from geventsio.engine.native import answer, called_in_hub, in_hub
from geventsio.errors import ConnectRefused, ExtractError, SocketClosedError
from geventsio.handling.call import AckCall, Call, ConnectCall, DisconnectCall, ErrorCall
from geventsio.handling.handlers import Handler
from geventsio.handling.middleware import run_listeners, run_middlewares
from geventsio.handling.registry import find_handler
from geventsio.handling.unit_of_work import UnitOfWork, enter_units, run_in
from geventsio.protocol.sio_packet import Packet
from geventsio.sending.ack import AckSender
from geventsio.types import DisconnectReason

if TYPE_CHECKING:
    from geventsio.namespaces.namespace import Namespace
    from geventsio.socket import Socket

__all__ = [
    "describe_job",
    "report",
    "run_adapter",
    "run_callback",
    "run_connect",
    "run_disconnect",
    "run_event",
    "run_start",
]

logger = logging.getLogger("geventsio")

#: Where msgspec repeats what it was given (enums, tags of unions, names of fields), and pydantic (tags), up to the last
#: quotation mark.
_VALUE = re.compile(r"(Invalid (?:enum )?value|unknown field|Input tag) (?:'.*'|`.*`|-?\d+)", re.DOTALL)


def run_start(socket: Socket, auth: dict[str, Any]) -> None:
    """Prepare the socket's namespace, or wait while that is done for another, and then connect."""
    start = socket.namespace.start
    try:
        if start is not None:
            start()
    except BaseException as error:
        socket.refuse("Namespace unavailable", None, "error")
        if not isinstance(error, Exception):
            raise
    else:
        run_connect(socket, auth)


def run_connect(socket: Socket, auth: dict[str, Any]) -> None:
    """Let middlewares and the connect handler's parameters decide, tell the client, and run the connect handler."""
    call = ConnectCall(socket, [auth], "connect")
    enter(call)
    try:
        _do(call, _connect, socket.namespace.connects_in_thread)
    except BaseException as error:
        if socket.was_accepted:
            _connect_failed(call, error)
        else:
            _refuse(call, error)
    else:
        if not socket.was_accepted:  # a unit of work has kept the exception to itself
            socket.refuse("Internal server error", None, "error")


def _connect(call: Call) -> None:
    namespace = call.socket.namespace
    for middleware in namespace.middlewares:
        middleware(call)
    run = namespace.prepare_connect(call)
    in_hub(call.socket.accept)
    if run is not None:
        run()


def _refuse(call: Call, error: BaseException) -> None:
    socket = call.socket
    if isinstance(error, ConnectRefused):
        socket.refuse(error.message, error.data, "refused")
    elif isinstance(error, ExtractError):
        logger.info("refused a connection to %s: %s", socket.ns, _without_values(error), extra=_fields(call))
        socket.refuse(str(error), None, "parameters")
        _tell(call, error)
    else:
        is_awaited = socket.is_connecting
        socket.refuse("Internal server error", None, "error")
        report(call, error, client_left=not is_awaited)


def _connect_failed(call: Call, error: BaseException) -> None:
    if isinstance(error, ConnectRefused):
        # Too late for CONNECT_ERROR: the client has been told that it is connected.
        call.socket.disconnect()
    else:
        report(call, error)


def run_event(socket: Socket, packet: Packet) -> None:
    """Call the handler of an event, and answer with what it returns."""
    if not socket.was_accepted:
        return
    args: list[Any] = packet.data
    event = packet.data = args.pop(0)  # kept for `describe_job`, which may be asked when the handler has ended
    shared, own = socket.namespace.handlers, socket.handlers
    handler = find_handler(shared, own, event)
    is_wrapped = shared.is_wrapped or (own is not None and own.is_wrapped)
    if handler is None and not is_wrapped:
        return
    call = Call(socket, args, event, packet.id)
    enter(call)
    if shared.kinds.concurrent if handler is None else handler.concurrent:
        socket.overlap()
    units = shared.kinds.units
    try:
        if units or is_wrapped or handler is None:
            result = _do(call, _pass, handler is not None and handler.threadpool)
        else:
            result = handler(call)
        # Not before the units of work have ended well: the answer may say that something was stored.
        if result is not None and packet.id is not None:
            _answer(call.ack, result)
    except BaseException as error:
        fail(call, error)


def _pass(call: Call) -> Any:
    """Send an event past the listeners and through the middlewares to its handler."""
    shared, own = call.socket.namespace.handlers, call.socket.handlers
    run_listeners(call, shared, own, fail)
    return run_middlewares(call, shared, own)


def run_disconnect(socket: Socket, reason: DisconnectReason) -> None:
    """Call the disconnect handler, whose socket is still in its rooms, and forget the socket."""
    handler = _disconnect_handler(socket)
    call = DisconnectCall(socket, [reason], "disconnect")
    try:
        if handler is not None:
            enter(call)
            _do(call, handler, handler.threadpool)
    except BaseException as error:
        fail(call, error)
    finally:
        socket.namespace.remove(socket)
        socket.client.session.server.callbacks.done()


def run_callback(socket: Socket, callback: Callable[..., object], args: tuple[object, ...]) -> None:
    """Call a callback of an acknowledgement."""
    call = AckCall(socket, list(args), "ack")
    enter(call)
    try:
        _do(call, lambda _: callback(*args))
    except BaseException as error:
        report(call, error)


def run_adapter(namespace: Namespace, operation: Callable[..., object], args: tuple[object, ...]) -> None:
    """Have the adapter carry out what another thread asked for."""
    try:
        operation(*args)
    except Exception:
        logger.exception("the adapter of %s failed", namespace.path, extra={"namespace": namespace.path})


def _do(call: Call, job: Callable[[Call], Any], in_thread: bool = False) -> Any:
    """Do a job in its units of work, in a thread if its handler wants that: what they leave there is found there."""
    units = call.socket.namespace.handlers.kinds.units
    if in_thread:
        return call.socket.io.native.run(run_in, units, call, job)
    return run_in(units, call, job) if units else job(call)


def describe_job(job: Callable[..., object], args: tuple[Any, ...]) -> str:
    """Name a job for who reads in the log that it blocked everybody else."""
    if job is run_callback:
        return f"the acknowledgement's callback {_name(args[1])}"
    if job is run_adapter:
        return f"the adapter's {_name(args[1])} in {args[0].path}"
    if job is answer:
        return "what a handler in a native thread asked for"
    socket: Socket = args[0]
    if len(args) > 1 and isinstance(args[1], Packet):
        data, shared, own = args[1].data, socket.namespace.handlers, socket.handlers
        event = data if type(data) is str else data[0]  # of one that was passed over, all is still there
        handler = find_handler(shared, own, event)
        is_wrapped = shared.is_wrapped or (own and own.is_wrapped) or shared.kinds.units
        around = ", or what is called around it," if is_wrapped else ""
        # One that serves once may be gone already.
        name = "a handler" if handler is None else f"the handler {_name(handler.function)}"
        return f"{name} of {shortened(event)!r} in {socket.ns}{around}"
    if job is run_disconnect:
        last = _disconnect_handler(socket)
        return f"the disconnect handler {_name(last and last.function)} in {socket.ns}"
    return f"the connect handler or a middleware in {socket.ns}"


def report(call: Call, error: BaseException, client_left: bool = True) -> None:
    """Log what escaped from a handler, once, and tell the error handler. It reaches neither the client nor others.

    A socket that is closed while its handler runs is no error. Before the client is connected it is one.
    """
    if isinstance(error, GreenletExit) or (client_left and isinstance(error, SocketClosedError)):
        return
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error
    socket: Socket = call.socket
    socket.namespace.count_error(call, "exception")
    logger.error(
        "exception in the handler of %r in %s", shortened(call.event), socket.ns, exc_info=error, extra=_fields(call)
    )
    if not _tell(call, error):
        _run_hooks(socket, error)


@called_in_hub  # listeners fail in the thread that their event's handler wants
def fail(call: Call, error: BaseException) -> None:
    """Take what a handler ended with: do what `report` does, or skip its event for parameters that don't fit."""
    call.answer_error(error)
    if isinstance(error, ExtractError):
        call.socket.namespace.count_error(call, "parameters")
        event, why = shortened(call.event), _without_values(error)
        logger.warning("skipped the event %r in %s: %s", event, call.socket.ns, why, extra=_fields(call))
        _tell(call, error)
    else:
        report(call, error)


def _tell(call: Call, error: BaseException) -> bool:
    """Call the error handler; False if there is none."""
    socket: Socket = call.socket
    own = socket.handlers
    handler = (own and own.error) or socket.namespace.handlers.error
    if handler is None:
        return False
    units = socket.namespace.handlers.kinds.units
    try:
        with ExitStack() as stack:
            if units:
                _enter_again(units, call, stack)
            handler(Call(socket, [error], call.event))
    except (GreenletExit, SocketClosedError):
        pass
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as failure:
        if isinstance(error, ExtractError):
            _forget_context(failure, error)
        logger.error("exception in the error handler of %s", socket.ns, exc_info=failure, extra=_fields(call))
        _run_hooks(socket, failure)
    return True


def _forget_context(failure: BaseException, error: BaseException) -> None:
    """Take an exception out of the traceback of one that came while it was handled: its text repeats the client's."""
    link: BaseException | None = failure
    while link is not None and link.__context__ is not error:
        link = link.__context__
    if link is not None:
        link.__context__ = None


def _run_hooks(socket: Socket, error: BaseException) -> None:
    for hook in socket.io.error_hooks:
        hook(error)


def _enter_again(units: tuple[UnitOfWork, ...], call: Call, stack: ExitStack) -> None:
    """Give an error handler units of work of its own, for those of the job have ended with the exception."""
    try:
        enter_units(units, ErrorCall(call.socket, call.args, call.event, call.ack_id), stack)
    except Exception as failure:  # maybe the one that the error handler is to be told of
        # Not its text: whose transaction fails may be told by a driver what was to be stored.
        name = type(failure).__name__
        what = "the error handler of %s runs without its unit of work: %s"
        logger.warning(what, call.socket.ns, name, extra=_fields(call))


def _disconnect_handler(socket: Socket) -> Handler | None:
    own = socket.handlers
    return (own and own.disconnect) or socket.namespace.handlers.disconnect


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", function))


def _answer(ack: AckSender, result: object) -> None:
    if ack.sent:
        raise RuntimeError("a handler that has answered with AckSender.send must return None")
    ack.send(*(result if isinstance(result, tuple) else (result,)))


def _fields(call: Call) -> dict[str, object]:
    socket: Socket = call.socket
    return {
        # Of remote sockets, too, which have no environ.
        "remote_addr": socket.handshake.get("address", ""),
        "socket_id": socket.id,
        "event": shortened(call.event),
        "namespace": socket.ns,
    }


def _without_values(error: ExtractError) -> str:
    """What was wrong with an argument, and where, but not what it was: that is the client's, and not for the log."""
    return str(ExtractError(_VALUE.sub(r"\1", error.reason), error.parameter, error.path))
