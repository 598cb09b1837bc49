"""Adapters: how rooms are kept and broadcasts carried, on one server or on several."""

from __future__ import annotations

from geventsio.adapters.base import Adapter, BroadcastOptions, LocalSocket
from geventsio.adapters.local import LocalAdapter

__all__ = ["Adapter", "BroadcastOptions", "LocalAdapter", "LocalSocket"]
