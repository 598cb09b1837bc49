"""geventsio: the Socket.IO server for gevent and WSGI."""

from __future__ import annotations

from geventsio.ack import AckFuture, AckSender
from geventsio.ack_stream import AckStream
from geventsio.errors import (
    AckClosedError,
    AckDecodeError,
    AckError,
    AckTimeoutError,
    AdapterError,
    BufferFullError,
    ConnectRefused,
    ExtractError,
    GeventsioError,
    HandlerSignatureError,
    NamespaceError,
    ProtocolError,
    SendError,
    SerializeError,
    SocketClosedError,
)
from geventsio.extract import Data
from geventsio.namespace import Namespace
from geventsio.operators import BroadcastOperator
from geventsio.remote import RemoteSocket
from geventsio.server import SocketIO
from geventsio.socket import Socket, SocketRef
from geventsio.types import DisconnectReason, ProtocolVersion, TransportType

__all__ = [
    "AckClosedError",
    "AckDecodeError",
    "AckError",
    "AckFuture",
    "AckSender",
    "AckStream",
    "AckTimeoutError",
    "AdapterError",
    "BroadcastOperator",
    "BufferFullError",
    "ConnectRefused",
    "Data",
    "DisconnectReason",
    "ExtractError",
    "GeventsioError",
    "HandlerSignatureError",
    "Namespace",
    "NamespaceError",
    "ProtocolError",
    "ProtocolVersion",
    "RemoteSocket",
    "SendError",
    "SerializeError",
    "Socket",
    "SocketClosedError",
    "SocketIO",
    "SocketRef",
    "TransportType",
]
