"""geventsio: the Socket.IO server for gevent and WSGI."""

from __future__ import annotations

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
from geventsio.extracting.extract import (
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
from geventsio.handling.middleware import EventCall, Next
from geventsio.handling.unit_of_work import UnitOfWork
from geventsio.namespaces.class_namespace import ClassNamespace, event, threadpool
from geventsio.namespaces.namespace import Namespace
from geventsio.namespaces.table import DynamicNamespace
from geventsio.sending.ack import AckFuture, AckSender
from geventsio.sending.ack_stream import AckStream
from geventsio.sending.operators import BroadcastOperator
from geventsio.sending.remote import RemoteSocket
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
    "threadpool",
]
