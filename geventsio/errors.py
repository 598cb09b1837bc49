"""Every exception that geventsio raises, in one tree.

GeventsioError
├── ProtocolError            bytes from the peer break a protocol
├── ConnectRefused           raised by users: refuse a namespace connection
├── SendError                an emit did not reach the outbox
│   ├── SocketClosedError    the socket is, or is being, closed
│   ├── BufferFullError      the client does not read: slow consumer
│   └── SerializeError       the data can't be encoded (also a TypeError)
├── AckError                 a client's acknowledgement did not arrive
│   ├── AckTimeoutError      not before its deadline (also a TimeoutError)
│   ├── AckClosedError       its socket closed first
│   └── AckDecodeError       the answer does not fit the expected type
├── ExtractError             a handler's parameter can't be taken from the event
├── HandlerSignatureError    a handler that can't work (also a TypeError)
├── NamespaceError           a namespace that is unknown, or is registered twice
│   └── PatternError         a pattern of namespaces that can't be registered (also a ValueError)
│       ├── PatternConflictError      an earlier pattern matches the same paths
│       ├── InvalidParamError         a parameter without a valid name, or a brace without its partner
│       ├── InvalidParamSegmentError  two parameters in one segment
│       └── InvalidCatchAllError      something follows a catch-all
└── AdapterError             an adapter failed
"""

from __future__ import annotations

__all__ = [
    "AckClosedError",
    "AckDecodeError",
    "AckError",
    "AckTimeoutError",
    "AdapterError",
    "BufferFullError",
    "ConnectRefused",
    "ExtractError",
    "GeventsioError",
    "HandlerSignatureError",
    "InvalidCatchAllError",
    "InvalidParamError",
    "InvalidParamSegmentError",
    "NamespaceError",
    "PatternConflictError",
    "PatternError",
    "ProtocolError",
    "SendError",
    "SerializeError",
    "SocketClosedError",
]


class GeventsioError(Exception):
    """Base of all exceptions of this package."""


class ProtocolError(GeventsioError):
    """The peer sent bytes that break a protocol.

    The only exception that a decoder in `geventsio.protocol` raises.

    Attributes:
        close_code: the RFC 6455 close code that answers it on a websocket.
    """

    def __init__(self, message: str, close_code: int = 1002) -> None:
        super().__init__(message)
        self.close_code = close_code


class ConnectRefused(GeventsioError):
    """Raise it in a middleware or a connect handler's extractor to refuse the connection.

    Args:
        message: becomes `err.message` of the client's `connect_error`.
        data: becomes its `err.data`; any JSON value, left out when None.
    """

    def __init__(self, message: str = "Connection refused", data: object = None) -> None:
        self.message = str(message)  # of an exception, or of a text that is translated when it is shown
        super().__init__(self.message)
        self.data = data


class SendError(GeventsioError):
    """A packet could not be handed to the client's outbox."""


class SocketClosedError(SendError):
    """The socket is closed, is being closed, or has not been connected yet."""


class BufferFullError(SendError):
    """More waits for this client than `max_buffer_size` or `max_buffer_bytes` allow."""


class SerializeError(SendError, TypeError):
    """The data can't be encoded; the message names the type that can't."""


class AckError(GeventsioError):
    """No usable acknowledgement from the client."""


class AckTimeoutError(AckError, TimeoutError):
    """The client did not answer before the deadline."""


class AckClosedError(AckError):
    """The socket was closed before the client answered."""


class AckDecodeError(AckError):
    """The client's answer does not fit the type that was asked for."""


class ExtractError(GeventsioError):
    """A handler's parameter could not be taken from the event or the connection.

    Extractors of your own may raise it, with a reason alone; the parameter is filled in.

    Attributes:
        reason: what is wrong, without its place.
        parameter: the handler's parameter; behind a dot, the parameter of its extractor. None if it is not known.
        path: where in the data, as in "$.users[1].name", with "$" for all of it; None if it is not about data.
        __cause__: what the type's own validation raised, if it did.
    """

    def __init__(self, reason: str, parameter: str | None = None, path: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.parameter = parameter
        self.path = path

    def __str__(self) -> str:
        name = "" if self.parameter is None else f"parameter {self.parameter!r}: "
        place = "" if self.path is None or self.path == "$" else f" - at `{self.path}`"
        return f"{name}{self.reason}{place}"


class HandlerSignatureError(GeventsioError, TypeError):
    """A handler's signature can't work; raised when it is registered."""


class NamespaceError(GeventsioError, LookupError):
    """A namespace is unknown, or is registered twice."""


class PatternError(NamespaceError, ValueError):
    """A pattern of namespaces can't be registered.

    Attributes:
        pattern: the pattern.
    """

    def __init__(self, message: str, pattern: str) -> None:
        super().__init__(message)
        self.pattern = pattern


class PatternConflictError(PatternError):
    """An earlier pattern matches the same paths.

    Attributes:
        other: the earlier one.
    """

    def __init__(self, pattern: str, other: str) -> None:
        super().__init__(f"Insertion failed due to conflict with previously registered route: {other}", pattern)
        self.other = other


class InvalidParamError(PatternError):
    """A parameter has no valid name or the name of another, or a brace has no partner."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"Parameters must be registered with a valid name: {pattern!r}", pattern)


class InvalidParamSegmentError(PatternError):
    """There are two parameters in one segment of a pattern."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"Only one parameter is allowed per path segment: {pattern!r}", pattern)


class InvalidCatchAllError(PatternError):
    """Something follows a catch-all parameter."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"Catch-all parameters are only allowed at the end of a route: {pattern!r}", pattern)


class AdapterError(GeventsioError):
    """An adapter could not carry out an operation."""
