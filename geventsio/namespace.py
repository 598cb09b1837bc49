"""A namespace: its handlers, its middlewares, its sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from geventsio.adapters.base import Adapter
from geventsio.broadcasting import EVERYBODY, Broadcaster, Target
from geventsio.choosing import Chooser
from geventsio.errors import NamespaceError
from geventsio.extract import Call
from geventsio.handlers import Handler
from geventsio.operators import BroadcastOperator
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import RESERVED_EVENTS
from geventsio.registry import EventHandlers, Registrar, check_event_name

if TYPE_CHECKING:
    from geventsio.server import SocketIO
    from geventsio.socket import Socket

__all__ = ["Namespace", "normal_path"]

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
    """

    def __init__(self, io: SocketIO, path: str, adapter: Callable[..., Adapter]) -> None:
        self.io = io
        self.path = path
        self.parser = io.parser
        self.sockets: dict[str, Socket] = {}
        self.middlewares: list[Handler] = []
        self.adapter: Adapter = adapter(path, self.sockets)
        self._connect_handler: Handler | None = None
        self._handlers = EventHandlers(io.kinds)
        self._last_ack_id = 0

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

    def find_handler(self, own: EventHandlers | None, event: str) -> Handler | None:
        """The socket's own handler of an event, or the namespace's, or one of their fallbacks."""
        shared = self._handlers
        if own is None:
            return shared.events.get(event) or shared.fallback
        return own.events.get(event) or shared.events.get(event) or own.fallback or shared.fallback

    def find_disconnect_handler(self, own: EventHandlers | None) -> Handler | None:
        """The socket's own disconnect handler, or the namespace's."""
        return (own and own.disconnect) or self._handlers.disconnect

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
        return self._handlers

    def _target(self) -> Target:
        return self, EVERYBODY, None

    def _choose(self, *step: Any) -> BroadcastOperator:
        return BroadcastOperator(self, None, *step)

    def _set(self, timeout: float | None = None) -> BroadcastOperator:
        return BroadcastOperator(self, timeout=timeout)
