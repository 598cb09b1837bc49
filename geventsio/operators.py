"""Chains that choose sockets, and what can be done with the chosen ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geventsio.ack import AckFuture
from geventsio.adapters.base import BroadcastOptions
from geventsio.broadcasting import Broadcaster, Target
from geventsio.choosing import Chooser

if TYPE_CHECKING:
    from geventsio.namespace import Namespace
    from geventsio.socket import Socket

__all__ = ["BroadcastOperator", "SocketOperator"]


class BroadcastOperator(Chooser["BroadcastOperator"], Broadcaster):
    """A choice of the sockets of a namespace. Immutable: each step of a chain is a new one, free to be kept."""

    __slots__ = ("_except", "_excludes_sender", "_local", "_namespace", "_rooms", "_sender", "_timeout")

    def __init__(
        self,
        namespace: Namespace,
        sender: str | None = None,
        rooms: tuple[str, ...] = (),
        except_: tuple[str, ...] = (),
        excludes_sender: bool = False,
        local: bool = False,
        timeout: float | None = None,
    ) -> None:
        self._namespace = namespace
        self._sender = sender
        self._rooms = rooms
        self._except = except_
        self._excludes_sender = excludes_sender
        self._local = local
        self._timeout = timeout

    @property
    def path(self) -> str:
        """The namespace's path."""
        return self._namespace.path

    @property
    def options(self) -> BroadcastOptions:
        """The choice as adapters understand it."""
        excludes_sender = self._excludes_sender or not self._rooms
        return BroadcastOptions(self._rooms, self._except, self._sender if excludes_sender else None, self._local)

    def sockets(self) -> list[Socket]:
        """The chosen sockets of this server."""
        return self._namespace.adapter.local_sockets(self.options)  # type: ignore[return-value]

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
            self._timeout,
        )

    def _set(self, timeout: float | None = None) -> BroadcastOperator:
        return BroadcastOperator(
            self._namespace,
            self._sender,
            self._rooms,
            self._except,
            self._excludes_sender,
            self._local,
            self._timeout if timeout is None else timeout,
        )


class SocketOperator(Chooser["SocketOperator"]):
    """One socket, with a timeout for its acknowledgements. Choosing rooms makes it a `BroadcastOperator`."""

    __slots__ = ("_socket", "_timeout")

    def __init__(self, socket: Socket, timeout: float | None) -> None:
        self._socket = socket
        self._timeout = timeout

    def emit(self, event: str, *args: object) -> None:
        """See `Socket.emit`."""
        self._socket.emit(event, *args)

    def emit_with_ack(self, event: str, *args: object) -> AckFuture:
        """See `Socket.emit_with_ack`; waits as long as the timeout says."""
        return self._socket.emit_with_timeout(self._timeout, event, args)

    def _choose(
        self, rooms: tuple[str, ...], except_: tuple[str, ...], excludes_sender: bool, local: bool, /
    ) -> BroadcastOperator:
        socket = self._socket
        return BroadcastOperator(socket.namespace, socket.id, rooms, except_, excludes_sender, local, self._timeout)

    def _set(self, timeout: float | None = None) -> SocketOperator:
        return SocketOperator(self._socket, self._timeout if timeout is None else timeout)
