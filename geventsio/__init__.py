"""geventsio: the Socket.IO server for gevent and WSGI."""

from __future__ import annotations

from geventsio.ack import AckFuture, AckSender, AckStream
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
from geventsio.extensions import Extensions, http_extensions
from geventsio.extract import (
    Data,
    Event,
    Extension,
    Extract,
    HttpExtension,
    MaybeExtension,
    MaybeHttpExtension,
    State,
    TryData,
)
from geventsio.namespace import Namespace
from geventsio.operators import BroadcastOperator
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
    "Event",
    "Extension",
    "Extensions",
    "Extract",
    "ExtractError",
    "GeventsioError",
    "HandlerSignatureError",
    "HttpExtension",
    "MaybeExtension",
    "MaybeHttpExtension",
    "Namespace",
    "NamespaceError",
    "ProtocolError",
    "ProtocolVersion",
    "SendError",
    "SerializeError",
    "Socket",
    "SocketClosedError",
    "SocketIO",
    "SocketRef",
    "State",
    "TransportType",
    "TryData",
    "http_extensions",
]
