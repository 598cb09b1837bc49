"""Small vocabulary shared by all layers."""

from __future__ import annotations

from enum import Enum

__all__ = ["DisconnectReason", "ProtocolVersion", "TransportType"]


class _StrEnum(str, Enum):
    """`enum.StrEnum`, which Python 3.10 lacks."""

    def __str__(self) -> str:
        return str(self.value)


class TransportType(_StrEnum):
    """How an Engine.IO session's packets travel."""

    POLLING = "polling"
    WEBSOCKET = "websocket"


class ProtocolVersion(int, Enum):
    """Version of the Socket.IO protocol that a client speaks."""

    V4 = 4
    V5 = 5


class DisconnectReason(_StrEnum):
    """Why a connection ended; the strings are those of the official server."""

    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    PING_TIMEOUT = "ping timeout"
    PARSE_ERROR = "parse error"
    FORCED_CLOSE = "forced close"
    FORCED_SERVER_CLOSE = "forced server close"
    CLIENT_NAMESPACE_DISCONNECT = "client namespace disconnect"
    SERVER_NAMESPACE_DISCONNECT = "server namespace disconnect"
    SERVER_SHUTTING_DOWN = "server shutting down"
    SLOW_CONSUMER = "slow consumer"
    PAYLOAD_TOO_LARGE = "payload too large"
