"""Servers that share their namespaces, with the peers that talk to them."""

from __future__ import annotations

__all__ = ["ADAPTERS", "Cluster", "MakeCluster"]

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from geventsio import RemoteSocket, Socket, SocketIO
from geventsio.adapters import Adapter, BroadcastOptions, EventPacket, LocalAdapter, LocalSocket
from geventsio.protocol.packet_group import PacketGroup
from tests.adapters.bus import Bus
from tests.socketio.harness import Serve, Site, wait_until
from tests.socketio.peer import WebSocketPeer

Factory = Callable[[str, Mapping[str, LocalSocket]], Adapter]

#: How many servers there are, by name; one has a LocalAdapter.
ADAPTERS: dict[str, int] = {"local": 1, "pair": 2, "triple": 3}


class Cluster:
    """Several servers, or one, with sockets A, B, C and D, one on each server in turn.

    Operations are asked of the first server, which has A.

    Args:
        serve: starts servers.
        size: how many; with one there is no bus.
        request_timeout: of the adapters; seconds.
        options: of each server.
    """

    def __init__(self, serve: Serve, size: int, request_timeout: float = 5, **options: Any) -> None:
        self.bus = Bus()
        make: Factory = LocalAdapter if size == 1 else self.bus.factory(request_timeout)
        self.ios = [SocketIO(adapter=make, **options) for _ in range(size)]
        for io in self.ios:
            io.ns("/").on("echo", lambda *args: args)
        self.sites: list[Site] = [serve(io) for io in self.ios]
        self.peers: dict[str, WebSocketPeer] = {}
        self.sockets: dict[str, Socket] = {}
        for index, name in enumerate("ABCD"):
            self.connect(name, index % size)

    def connect(self, name: str, node: int) -> Socket:
        """Connect one more socket to a server."""
        self.peers[name] = self.sites[node].websocket()
        self.sockets[name] = self.ios[node].of("/").sockets[self.peers[name].connect()]
        return self.sockets[name]

    @property
    def io(self) -> SocketIO:
        """The first server."""
        return self.ios[0]

    @property
    def a(self) -> Socket:
        """Socket A, of the first server."""
        return self.sockets["A"]

    @property
    def adapter(self) -> Adapter:
        """The first server's adapter."""
        return self.io.of("/").adapter

    @property
    def adapters(self) -> list[Adapter]:
        """All servers' adapters."""
        return [io.of("/").adapter for io in self.ios]

    def adapter_of(self, name: str) -> Adapter:
        """The adapter of the server that has a socket."""
        return self.sockets[name].namespace.adapter

    def is_first(self, name: str) -> bool:
        """Whether a socket is on the first server."""
        return self.sockets[name].io is self.io

    def here(self, names: str) -> str:
        """Those of these sockets that are on the first server."""
        return "".join(name for name in names if self.is_first(name))

    def ids(self, names: str) -> list[str]:
        """Sockets' ids."""
        return [self.sockets[name].id for name in names]

    def names(self, found: Iterable[object]) -> str:
        """The names of sockets (or of remote sockets, or ids), each as often as it is there."""
        ids = [thing if isinstance(thing, str) else thing.id for thing in found]  # type: ignore[attr-defined]
        assert all(any(socket.id == found_id for socket in self.sockets.values()) for found_id in ids)
        return "".join(
            sorted(name for name, socket in self.sockets.items() for found_id in ids if found_id == socket.id)
        )

    def settle(self) -> None:
        """Wait until all that was asked for has been done everywhere."""
        wait_until(lambda: self.bus.is_quiet)

    def receivers(self, event: str) -> str:
        """The names of those who got an event, once for each time; nothing else may have come."""
        self.settle()
        got = ""
        for name, peer in self.peers.items():
            messages = peer.rest()
            assert all(str(message) == f'2["{event}"]' for message in messages), messages
            got += name * len(messages)
        return got

    def chosen(self, options: BroadcastOptions) -> str:
        """Whom an operation is for: `broadcast`, `fetch_sockets` and `local_sockets` must agree."""
        packet = EventPacket("event", (), PacketGroup(b'42["event"]'))
        self.adapter.broadcast(packet, options)
        got = self.receivers("event")
        assert self.names(self.adapter.fetch_sockets(options)) == got
        assert self.names(self.adapter.local_sockets(options)) == self.here(got)
        return got

    def fetch(self, name: str) -> RemoteSocket:
        """A socket as the first server's `fetch_sockets` finds it."""
        (found,) = self.io.to(self.sockets[name].id).fetch_sockets()
        return found

    def rooms_of(self, name: str) -> frozenset[str]:
        """The rooms of a socket, as its own server knows them."""
        return self.sockets[name].rooms


class MakeCluster(Protocol):
    """Starts the servers of a cluster; the fixture of this name gives each test one size after the other."""

    def __call__(self, request_timeout: float = 5, **options: Any) -> Cluster:
        """Start them; see `Cluster`."""
        ...
