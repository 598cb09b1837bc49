"""geventsio: the Socket.IO server for gevent and WSGI."""

from __future__ import annotations

from geventsio.ack import AckFuture, AckSender
from geventsio.ack_stream import AckStream
from geventsio.class_namespace import ClassNamespace, event
from geventsio.context import copy_current_context
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
    InvalidCatchAllError,
    InvalidParamError,
    InvalidParamSegmentError,
    NamespaceError,
    PatternConflictError,
    PatternError,
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
from geventsio.middleware import EventCall, Next
from geventsio.namespace import Namespace
from geventsio.namespaces import DynamicNamespace
from geventsio.operators import BroadcastOperator
from geventsio.remote import RemoteSocket
from geventsio.server import SocketIO
from geventsio.socket import Socket, SocketRef
from geventsio.types import DisconnectReason, ProtocolVersion, TransportType
from geventsio.unit_of_work import UnitOfWork

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
    "ClassNamespace",
    "ConnectRefused",
    "Data",
    "DisconnectReason",
    "DynamicNamespace",
    "Event",
    "EventCall",
    "Extension",
    "Extensions",
    "Extract",
    "ExtractError",
    "GeventsioError",
    "HandlerSignatureError",
    "HttpExtension",
    "InvalidCatchAllError",
    "InvalidParamError",
    "InvalidParamSegmentError",
    "MaybeExtension",
    "MaybeHttpExtension",
    "Namespace",
    "NamespaceError",
    "Next",
    "PatternConflictError",
    "PatternError",
    "ProtocolError",
    "ProtocolVersion",
    "RemoteSocket",
    "SendError",
    "SerializeError",
    "Socket",
    "SocketClosedError",
    "SocketIO",
    "SocketRef",
    "State",
    "TransportType",
    "TryData",
    "UnitOfWork",
    "copy_current_context",
    "event",
    "http_extensions",
]
