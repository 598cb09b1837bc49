"""Adapters: how rooms are kept and broadcasts carried, on one server or on several."""

from __future__ import annotations

from geventsio.adapters.base import AckCollector, Adapter, Answer, Host, LocalSocket
from geventsio.adapters.local import LocalAdapter
from geventsio.adapters.values import BroadcastOptions, EventPacket, RemoteSocketData

__all__ = [
    "AckCollector",
    "Adapter",
    "Answer",
    "BroadcastOptions",
    "EventPacket",
    "Host",
    "LocalAdapter",
    "LocalSocket",
    "RemoteSocketData",
]
