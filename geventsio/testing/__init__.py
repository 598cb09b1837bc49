"""Clients, a clock and a live server for the tests of applications; see docs/testing.md."""

from __future__ import annotations

from geventsio.testing.client import TestClient
from geventsio.testing.clock import FakeClock
from geventsio.testing.errors import ConnectError, NotReceived
from geventsio.testing.live import LiveServer
from geventsio.testing.socket import Answer, Event, TestSocket

__all__ = ["Answer", "ConnectError", "Event", "FakeClock", "LiveServer", "NotReceived", "TestClient", "TestSocket"]
