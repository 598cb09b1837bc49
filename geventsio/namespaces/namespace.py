"""A namespace: its handlers, its middlewares, its sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from msgspec.structs import replace

from geventsio.adapters.base import Adapter, Answer
from geventsio.adapters.values import BroadcastOptions, EventPacket
from geventsio.errors import NamespaceError
from geventsio.handling.call import Call
from geventsio.handling.handlers import Handler, ThreadHandler
from geventsio.handling.registrar import NO_HANDLER, Registrar
from geventsio.handling.registry import EventHandlers, check_event_name
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import MAX_NAMESPACE as MAX_PATH
from geventsio.protocol.sio_packet import RESERVED_EVENTS
from geventsio.sending.ack_stream import AckRelay
from geventsio.sending.adapter_calls import ask_sockets, with_adapter_errors
from geventsio.sending.broadcasting import EVERYBODY, Broadcaster, Target
from geventsio.sending.choosing import Chooser
from geventsio.sending.operators import BroadcastOperator

if TYPE_CHECKING:
    from geventsio.namespaces.class_namespace import ClassNamespace
    from geventsio.namespaces.table import DynamicNamespace, Start
    from geventsio.server import SocketIO
    from geventsio.socket import Socket

__all__ = ["MAX_PATH", "Namespace", "NamespaceHandlers", "normal_path"]

logger = logging.getLogger("geventsio")

F = TypeVar("F", bound=Callable[..., Any])
H = TypeVar("H", bound="NamespaceHandlers")


def normal_path(path: str) -> str:
    """Return a namespace's path with its leading slash.

    Raises:
        TypeError: the path is not a str.
        ValueError: no client could connect to it.
    """
    if not isinstance(path, str):
        raise TypeError(f"a namespace's path is a str, not {path!r}")
    if "," in path or "?" in path:
        raise ValueError(f"a namespace's path can't have a comma or a question mark: {path!r}")
    path = path if path.startswith("/") else "/" + path
    if len(path.encode()) > MAX_PATH:
        raise ValueError(f"a namespace's path can't be longer than {MAX_PATH} bytes: {path!r}")
    return path


class NamespaceHandlers(Registrar):
    """What handlers are registered with: those of one namespace, or of all that match a pattern.

    Attributes:
        io: the server.
        path: the namespace's, or the pattern.
        owner: the object whose methods are the handlers, if they are class-based.
    """

    def __init__(self, io: SocketIO, path: str, template: NamespaceHandlers | None = None) -> None:
        self.io = io
        self.path = path
        # At most one; in a list so that it can be shared.
        self._connect_handlers: list[Handler] = [] if template is None else template._connect_handlers
        self.middlewares: list[Handler] = [] if template is None else template.middlewares
        self.handlers: EventHandlers = EventHandlers(io.kinds) if template is None else template.handlers
        self.owner: ClassNamespace | None = None if template is None else template.owner

    @overload
    def __call__(self, *, threadpool: bool = False) -> Callable[[F], F]: ...
    @overload
    def __call__(self, handler: F, *, threadpool: bool = False) -> F: ...
    def __call__(self, handler: F = NO_HANDLER, *, threadpool: bool = False) -> F | Callable[[F], F]:
        """Register the connect handler; a decorator. It is called after the client has been told that it is connected.

        Args:
            handler: takes what its parameters say; what it returns is dropped.
            threadpool: as in `on`; the connect middlewares run in the thread then, too.

        Raises:
            HandlerSignatureError: the handler's parameters can't be resolved.
            NamespaceError: there is one already.
        """

        def register(function: F) -> F:
            if self._connect_handlers:
                raise NamespaceError(f"{self.path} has a connect handler already")
            self._connect_handlers.append((ThreadHandler if threadpool else Handler)(function, self.io.kinds.connect))
            return function

        return register if handler is NO_HANDLER else register(handler)

    on_connect = __call__

    def use(self, middleware: F) -> F:
        """Add a connect middleware; also as a decorator. They run in the order in which they were added.

        A middleware takes what a connect handler may take, and may block. It raises `ConnectRefused` to refuse the
        connection. The socket can't be sent to yet; it can join rooms.
        """
        self.middlewares.append(Handler(middleware, self.io.kinds.middleware))
        return middleware

    def answer_errors(self: H, answer: bool = True) -> H:
        """Tell clients that an event of theirs was skipped or has failed, if they wait for its acknowledgement.

        Without it, they wait in vain. The answer is one argument: `{"error": {"message": "...", "parameter": "msg",
        "path": "$.room"}}` when a handler's parameters can't be taken from what they sent, with null for the path if
        it is not about data, and `{"error": {"message": "Internal server error"}}` when a handler or a middleware has
        raised. It shows the names of parameters and fields to clients, hence it is off unless it is asked for.

        Returns:
            This namespace, or these dynamic ones.
        """
        self.handlers.answers_errors = answer
        return self

    def _event_handlers(self) -> EventHandlers:
        return self.handlers


class Namespace(Chooser[BroadcastOperator], Broadcaster, NamespaceHandlers):
    """A namespace. As a decorator it takes the connect handler.

    `SocketIO.ns` makes it. What it sends goes to all its sockets; `to`, `within`, `except_` and `local` choose.

    Attributes:
        io: the server.
        path: with its leading slash.
        params: what the parameters of a dynamic namespace's pattern stand for in this path.
        template: the dynamic namespace that it is one of; None if it has been registered by itself.
        sockets: the sockets connected to this server, by id; do not change it.
        adapter: keeps the rooms.
        owner: the object whose methods are its handlers, if it is class-based.
    """

    def __init__(
        self,
        io: SocketIO,
        path: str,
        adapter: Callable[..., Adapter],
        template: DynamicNamespace | None = None,
        params: dict[str, str] | None = None,
    ) -> None:
        super().__init__(io, path, template)
        self.params = {} if params is None else params
        self.template = template
        self.parser = io.parser
        self.sockets: dict[str, Socket] = {}
        self.adapter: Adapter  # made when the namespace starts, for that may fail
        self._make_adapter = adapter
        #: Who prepares it; None when that has been done.
        self.start: Start | None = None
        #: Whether its adapter is prepared, and has not been closed.
        self.is_open = False
        #: Whether it has left the table of namespaces: nobody gets in any more.
        self.is_deleted = False
        self._visitors = 0
        self._last_ack_id = 0

    def __repr__(self) -> str:
        return f"<Namespace {self.path} with {len(self.sockets)} sockets>"

    def get_socket(self, socket_id: str) -> Socket | None:
        """The socket of this id, if it is connected to this server."""
        return self.sockets.get(socket_id)

    # What sockets and operators use

    def encode_event(self, event: str, args: Sequence[object], ack_id: int | None = None) -> PacketGroup:
        """Encode an event, once for all who get it."""
        if event in RESERVED_EVENTS or type(event) is not str:
            check_event_name(event)
        return self.parser.encode_event(self.path, event, args, ack_id)

    def next_ack_id(self) -> int:
        """A new acknowledgement id; one counter serves all sockets, so that a broadcast needs only one."""
        self._last_ack_id += 1
        return self._last_ack_id

    def check_rooms(self, rooms: tuple[str, ...], own_id: str | None = None) -> None:
        """Refuse to let anybody into a room that is another socket's own.

        Raises:
            ValueError: a room has the name of a socket's id.
        """
        for room in rooms:
            if room in self.sockets and room != own_id:
                raise ValueError("a room can't have the name of another socket's id")

    def make_packet(self, event: str, args: Sequence[object]) -> EventPacket:
        """See `geventsio.adapters.Host`."""
        return EventPacket(event, args, self.encode_event(event, args))

    def relay_acks(
        self,
        event: str,
        args: Sequence[object],
        options: BroadcastOptions,
        timeout: float,
        answered: Callable[[str, Answer], object],
    ) -> int:
        """See `geventsio.adapters.Host`."""
        relay = AckRelay(self.io, timeout, answered)
        ask_sockets(self, event, args, replace(options, local=True), relay)
        return relay.number

    @property
    def connects_in_thread(self) -> bool:
        """Whether the connect handler, and the middlewares before it, run in a native thread."""
        return bool(self._connect_handlers) and self._connect_handlers[0].threadpool

    def prepare_connect(self, call: Call) -> Callable[[], object] | None:
        """Take the connect handler's parameters and return what runs it; None if there is none.

        Raises:
            ExtractError: one of them can't be taken; the client is refused then.
        """
        if not self._connect_handlers:
            return None
        handler = self._connect_handlers[0]
        args, keywords = handler.plan.extract(call)
        return partial(handler.function, *args, **keywords)

    def count_refusal(self, reason: str) -> None:
        """Learn that a client was not let in; see `geventsio.metrics`."""

    def count_error(self, call: Call, kind: str) -> None:
        """Learn that a job has failed; see `geventsio.metrics`."""

    def open_adapter(self) -> None:
        """Make the adapter and have it prepare itself. May switch greenlets.

        Raises:
            AdapterError: it can't.
        """
        with_adapter_errors(self, self._open_adapter)
        self.start = None
        self.is_open = True

    def close_adapter(self) -> None:
        """Have the adapter release what it has taken; what goes wrong is logged. May switch greenlets."""
        try:
            self.adapter.close()
        except Exception:
            logger.exception("the adapter of %s could not be closed", self.path, extra={"namespace": self.path})

    @property
    def is_empty(self) -> bool:
        """Whether no socket is here, be it that its middlewares, or its disconnect handler, are running."""
        return self._visitors == 0

    def enter(self) -> None:
        """Count a socket that wants to connect; `remove` counts it out."""
        self._visitors += 1

    def remove(self, socket: Socket) -> None:
        """Forget a socket that was refused, or whose disconnect handler has run."""
        try:
            if self.is_open:
                self.adapter.leave_all(socket)
        except Exception:
            extra = {"namespace": self.path, "socket_id": socket.id}
            logger.exception("the adapter of %s could not remove a socket", self.path, extra=extra)
        if self.sockets.get(socket.id) is socket:
            del self.sockets[socket.id]
        socket.client.finished()
        self._visitors -= 1
        if not self._visitors:
            self.io.namespaces.emptied(self)

    def _open_adapter(self) -> None:
        self.adapter = self._make_adapter(self.path, self.sockets)
        self.adapter.host = self
        self.adapter.init()

    def _target(self) -> Target:
        return self, EVERYBODY, None

    def _choose(self, *step: Any) -> BroadcastOperator:
        return BroadcastOperator(self, None, *step)

    def _set(self, volatile: bool = False, timeout: float | None = None) -> BroadcastOperator:
        return BroadcastOperator(self, volatile=volatile, timeout=timeout)
