"""Chains that choose sockets, and what can be done with the chosen ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from geventsio.adapters.values import BroadcastOptions
from geventsio.engine.native import in_hub
from geventsio.errors import SocketClosedError
from geventsio.sending.ack import AckFuture, Convert
from geventsio.sending.asking import Asker, ask_socket
from geventsio.sending.broadcasting import Broadcaster, Target
from geventsio.sending.choosing import Chooser

if TYPE_CHECKING:
    from geventsio.namespaces.namespace import Namespace
    from geventsio.socket import Socket

__all__ = ["BroadcastOperator", "SocketOperator"]


class BroadcastOperator(Chooser["BroadcastOperator"], Broadcaster):
    """A choice of the sockets of a namespace. Immutable: each step of a chain is a new one, free to be kept."""

    __slots__ = ("_except", "_excludes_sender", "_local", "_namespace", "_rooms", "_sender", "_timeout", "_volatile")

    def __init__(
        self,
        namespace: Namespace,
        sender: str | None = None,
        rooms: tuple[str, ...] = (),
        except_: tuple[str, ...] = (),
        excludes_sender: bool = False,
        local: bool = False,
        volatile: bool = False,
        timeout: float | None = None,
    ) -> None:
        self._namespace = namespace
        self._sender = sender
        self._rooms = rooms
        self._except = except_
        self._excludes_sender = excludes_sender
        self._local = local
        self._volatile = volatile
        self._timeout = timeout

    @property
    def path(self) -> str:
        """The namespace's path."""
        return self._namespace.path

    @property
    def options(self) -> BroadcastOptions:
        """The choice as adapters understand it."""
        except_id = self._sender if self._excludes_sender or not self._rooms else None
        return BroadcastOptions(self._rooms, self._except, except_id, self._local, self._volatile)

    def sockets(self) -> list[Socket]:
        """The chosen sockets of this server."""
        found: list[Any] = in_hub(self._namespace.adapter.local_sockets, self.options)
        return found

    def _target(self) -> Target:
        return self._namespace, self.options, self._timeout

    def _choose(
        self, rooms: tuple[str, ...], except_: tuple[str, ...], excludes_sender: bool, local: bool, /
    ) -> BroadcastOperator:
        return BroadcastOperator(
            self._namespace,
            self._sender,
            self._rooms + rooms,
            self._except + except_,
            self._excludes_sender or excludes_sender,
            self._local or local,
            self._volatile,
            self._timeout,
        )

    def _set(self, volatile: bool = False, timeout: float | None = None) -> BroadcastOperator:
        return BroadcastOperator(
            self._namespace,
            self._sender,
            self._rooms,
            self._except,
            self._excludes_sender,
            self._local,
            self._volatile or volatile,
            self._timeout if timeout is None else timeout,
        )


class SocketOperator(Chooser["SocketOperator"], Asker):
    """One socket, with a way of sending to it. Choosing rooms makes it a `BroadcastOperator`."""

    __slots__ = ("_socket", "_timeout", "_volatile")

    def __init__(self, socket: Socket, volatile: bool = False, timeout: float | None = None) -> None:
        self._socket = socket
        self._volatile = volatile
        self._timeout = timeout

    def emit(self, event: str, *args: object) -> None:
        """See `Socket.emit`; a volatile event is no reason for a BufferFullError."""
        socket = self._socket
        if not self._volatile:
            socket.emit(event, *args)
            return
        group = socket.namespace.encode_event(event, args)
        if not socket.connected:
            raise SocketClosedError("the socket is not connected")
        socket.io.call(socket.send_volatile, (socket.ns, event), group)

    def join(self, rooms: str | Iterable[str]) -> None:
        """See `Socket.join`."""
        self._socket.join(rooms)

    def leave(self, rooms: str | Iterable[str]) -> None:
        """See `Socket.leave`."""
        self._socket.leave(rooms)

    def _choose(self, *step: Any) -> BroadcastOperator:
        chosen = BroadcastOperator(self._socket.namespace, self._socket.id, *step)
        return chosen._set(self._volatile, self._timeout)

    def _set(self, volatile: bool = False, timeout: float | None = None) -> SocketOperator:
        return SocketOperator(self._socket, self._volatile or volatile, self._timeout if timeout is None else timeout)

    def _ask(self, event: str, args: Sequence[object], convert: Convert) -> AckFuture[Any]:
        return ask_socket(self._socket, self._timeout, event, args, convert)
