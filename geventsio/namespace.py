"""A namespace: its handlers, its middlewares, its sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from geventsio.ack_stream import AckRelay
from geventsio.adapter_calls import ask_sockets, with_adapter_errors
from geventsio.adapters.base import Adapter, Answer
from geventsio.adapters.values import BroadcastOptions, EventPacket
from geventsio.broadcasting import EVERYBODY, Broadcaster, Target
from geventsio.call import Call
from geventsio.choosing import Chooser
from geventsio.errors import NamespaceError
from geventsio.handlers import Handler
from geventsio.operators import BroadcastOperator
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import RESERVED_EVENTS
from geventsio.registrar import Registrar
from geventsio.registry import EventHandlers, check_event_name

if TYPE_CHECKING:
    from geventsio.class_namespace import ClassNamespace
    from geventsio.server import SocketIO
    from geventsio.socket import Socket

__all__ = ["Namespace", "normal_path"]

logger = logging.getLogger("geventsio")

F = TypeVar("F", bound=Callable[..., Any])


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
    return path if path.startswith("/") else "/" + path


class Namespace(Chooser[BroadcastOperator], Broadcaster, Registrar):
    """A namespace. As a decorator it takes the connect handler.

    `SocketIO.ns` makes it. What it sends goes to all its sockets; `to`, `within`, `except_` and `local` choose.

    Attributes:
        io: the server.
        path: with its leading slash.
        sockets: the sockets connected to this server, by id; do not change it.
        adapter: keeps the rooms.
        owner: the object whose methods are its handlers, if it is class-based.
        answers_errors: whether clients are told why their events were skipped; see `answer_errors`.
    """

    def __init__(self, io: SocketIO, path: str, adapter: Callable[..., Adapter]) -> None:
        self.io = io
        self.path = path
        self.parser = io.parser
        self.sockets: dict[str, Socket] = {}
        self.middlewares: list[Handler] = []
        self.adapter: Adapter = adapter(path, self.sockets)
        self.adapter.host = self
        self._connect_handler: Handler | None = None
        self.handlers = EventHandlers(io.kinds)
        self.owner: ClassNamespace | None = None
        self._last_ack_id = 0
        self.answers_errors = False

    def __repr__(self) -> str:
        return f"<Namespace {self.path} with {len(self.sockets)} sockets>"

    # Handlers

    def __call__(self, handler: F) -> F:
        """Register the connect handler; a decorator. It is called after the client has been told that it is connected.

        Raises:
            HandlerSignatureError: the handler's parameters can't be resolved.
            NamespaceError: there is one already.
        """
        if self._connect_handler is not None:
            raise NamespaceError(f"{self.path} has a connect handler already")
        self._connect_handler = Handler(handler, self.io.kinds.connect)
        return handler

    on_connect = __call__

    def use(self, middleware: F) -> F:
        """Add a connect middleware; also as a decorator. They run in the order in which they were added.

        A middleware takes what a connect handler may take, and may block. It raises `ConnectRefused` to refuse the
        connection. The socket can't be sent to yet; it can join rooms.
        """
        self.middlewares.append(Handler(middleware, self.io.kinds.middleware))
        return middleware

    def answer_errors(self, answer: bool = True) -> Namespace:
        """Tell clients why an event of theirs was skipped, if they wait for its acknowledgement.

        Without it, they wait in vain when a handler's parameters can't be taken from what they sent. The answer is one
        argument, `{"error": {"message": "...", "parameter": "msg", "path": "$.room"}}`; the path is null if it is not
        about data. It shows the names of parameters and fields to clients, hence it is off unless it is asked for.

        Returns:
            This namespace.
        """
        self.answers_errors = answer
        return self

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

    def open_adapter(self) -> None:
        """Have the adapter prepare itself, before the namespace is registered. May switch greenlets.

        Raises:
            AdapterError: it can't.
        """
        with_adapter_errors(self, self.adapter.init)

    def close_adapter(self) -> None:
        """Have the adapter release what it has taken; what goes wrong is logged. May switch greenlets."""
        try:
            self.adapter.close()
        except Exception:
            logger.exception("the adapter of %s could not be closed", self.path)

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

    def prepare_connect(self, call: Call) -> Callable[[], object] | None:
        """Take the connect handler's parameters and return what runs it; None if there is none.

        Raises:
            ExtractError: one of them can't be taken; the client is refused then.
        """
        handler = self._connect_handler
        if handler is None:
            return None
        args, keywords = handler.plan.extract(call)
        return partial(handler.function, *args, **keywords)

    def remove(self, socket: Socket) -> None:
        """Forget a socket whose disconnect handler has run."""
        self.adapter.leave_all(socket)
        if self.sockets.get(socket.id) is socket:
            del self.sockets[socket.id]

    def _event_handlers(self) -> EventHandlers:
        return self.handlers

    def _target(self) -> Target:
        return self, EVERYBODY, None

    def _choose(self, *step: Any) -> BroadcastOperator:
        return BroadcastOperator(self, None, *step)

    def _set(self, volatile: bool = False, timeout: float | None = None) -> BroadcastOperator:
        return BroadcastOperator(self, volatile=volatile, timeout=timeout)
