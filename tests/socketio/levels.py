"""What handlers are registered with: a namespace, or one of its sockets."""

from __future__ import annotations

__all__ = ["answers", "both_levels", "registered"]

from typing import Any

import pytest

from geventsio import Namespace, Socket, SocketIO
from tests.socketio.harness import Serve
from tests.socketio.peer import EVENT, Packet, WebSocketPeer

#: Runs a test with a namespace's handlers and with a socket's; takes the argument `level`.
both_levels = pytest.mark.parametrize("level", ["namespace", "socket"])


def registered(serve: Serve, level: str, **options: Any) -> tuple[Namespace | Socket, WebSocketPeer]:
    """What handlers are registered with at one level, and a client that they serve."""
    io = SocketIO(**options)
    root = io.ns("/")
    root.on("sync", lambda: "sync")
    peer = serve(io).websocket()
    socket = root.sockets[peer.connect()]
    return (root if level == "namespace" else socket), peer


def answers(peer: WebSocketPeer, event: str, *args: object) -> list[object]:
    """What answers an event; nothing, if nobody does."""
    peer.send_packet(Packet(EVENT, "/", [event, *args], 5))
    peer.send_packet(Packet(EVENT, "/", ["sync"], 6))
    packets = [peer.packet()]
    while packets[-1].data != ["sync"]:
        packets.append(peer.packet())
    return [item for packet in packets[:-1] for item in packet.data]
