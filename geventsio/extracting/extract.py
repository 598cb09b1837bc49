"""Extractors: what an annotation can say about where a handler's parameter comes from.

    @chat.on("message")
    def message(socket: Socket, msg: Data[Message], db: State[Database], ack: AckSender) -> None: ...

For type checkers `Data[Message]` is `Message`: the annotations are `Annotated` types with a marker that is read once,
when the handler is registered. What can't work is a `HandlerSignatureError` then.

| annotation | what it is | allowed in |
|---|---|---|
| `Socket`, `SocketIO`, `ProtocolVersion`, `TransportType` | those of the call | all |
| `Data[T]` | the event's first argument, or all of them if T is a tuple type; the auth payload | all but disconnect |
| `TryData[T]` | the same, or the `ExtractError` that says why not; the handler is called anyway | all but disconnect |
| `Event` | the event's name | event |
| `AckSender` | answers the event | event |
| `DisconnectReason` | why the socket was disconnected | disconnect |
| `State[T]` | the value of this type in `SocketIO(state=[...])` | all |
| `Extension[T]`, `MaybeExtension[T]` | the value of this type in `socket.extensions`; `Maybe` gives None | all |
| `HttpExtension[T]`, `MaybeHttpExtension[T]` | the same of the HTTP request's (`http_extensions`) | all |
| anything else | the next argument of the event; the auth payload; the reason; validated to the type | all |

Listeners, event middlewares and error handlers have all of these but `Data`, `AckSender` and `DisconnectReason`.

When a parameter can't be taken, an event handler is skipped: that is logged, `on_error` is told, and the client's
acknowledgement is answered if the namespace says `answer_errors()`. A connect handler or a middleware refuses the
connection. A disconnect handler is skipped, and the socket is cleaned up all the same.

Extractors of your own have a `from_call`, whose parameters are taken like those of a handler, by any extractor:

    class User:
        @classmethod
        def from_call(cls, auth: Data[Auth], db: State[Database]) -> User: ...

    @io.ns("/")
    def connect(user: User) -> None: ...

or, where the class is not yours, as an object in `Annotated`, such as an `Extract` around a function:

    def load_user(auth: Data[Auth], db: State[Database]) -> User: ...

    CurrentUser = Annotated[User, Extract(load_user)]

Their plain parameters begin with the event's first argument again, and leave all arguments to the handler. They are
allowed where their parameters are, or only in the kinds of handlers that their attribute `allowed_in` names. They raise
`ExtractError`, or `ConnectRefused` in a middleware or a connect handler, to say that there is no value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from operator import attrgetter
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from geventsio.errors import ExtractError
from geventsio.extracting.convert import is_tuple_type
from geventsio.handling.call import Call, Take
from geventsio.handling.take import take_all, take_value

if TYPE_CHECKING:
    from geventsio.handling.handlers import HandlerKind
    from geventsio.handling.plan import Site

__all__ = [
    "Data",
    "Event",
    "Extension",
    "Extract",
    "HttpExtension",
    "Marker",
    "MaybeExtension",
    "MaybeHttpExtension",
    "State",
    "TryData",
    "find_marker",
]

T = TypeVar("T")

#: What `allowed_in` may name.
KINDS = frozenset({"connect", "disconnect", "error", "event", "listener", "middleware"})

# Types that are made of values: checkers take what stands in the brackets of the names themselves for types.
_ANNOTATED: Any = Annotated
_UNION: Any = Union


class Marker:
    """What stands in an `Annotated` type to say where the parameter is taken from."""

    def takes_argument(self, kind: HandlerKind) -> bool:
        """Whether the parameter is the first argument, and plain parameters go on behind it."""
        return False

    def make(self, wanted: Any, site: Site) -> Take:
        """Return what takes the parameter.

        Args:
            wanted: the type that is marked.
            site: the parameter and the kind of handler that it belongs to.

        Raises:
            TypeError: it can't be taken there.
        """
        raise NotImplementedError


class DataMarker(Marker):
    """Marks `Data[T]`."""

    def takes_argument(self, kind: HandlerKind) -> bool:
        """See `Marker.takes_argument`."""
        return True

    def make(self, wanted: Any, site: Site) -> Take:
        """See `Marker.make`."""
        if not site.kind.has_data:
            raise TypeError(f"{self} is not allowed here, there is no data")
        # The auth payload is one value, whatever its type.
        if site.kind.arguments is None and is_tuple_type(wanted):
            return site.share(("all", wanted), take_all(wanted, site.name))
        return site.share((0, wanted, id(site.default)), take_value(0, wanted, site.name, site.default))

    def __str__(self) -> str:
        return "Data"


class TryDataMarker(DataMarker):
    """Marks `TryData[T]`."""

    def make(self, wanted: Any, site: Site) -> Take:
        """See `Marker.make`."""
        take = super().make(_without(wanted, ExtractError), site)

        def try_take(call: Call) -> Any:
            try:
                return take(call)
            except ExtractError as error:
                return error.with_traceback(None)

        return try_take

    def __str__(self) -> str:
        return "TryData"


class EventMarker(Marker):
    """Marks `Event`."""

    def takes_argument(self, kind: HandlerKind) -> bool:
        """See `Marker.takes_argument`."""
        return kind.names_event

    def make(self, wanted: Any, site: Site) -> Take:
        """See `Marker.make`."""
        if not site.kind.has_event:
            raise TypeError("Event is not allowed here, there is no event")
        return attrgetter("event")


class StateMarker(Marker):
    """Marks `State[T]`."""

    def make(self, wanted: Any, site: Site) -> Take:
        """See `Marker.make`."""
        cls = _class_of(wanted, "State")
        state = site.kind.state
        if cls not in state:
            names = ", ".join(provided.__name__ for provided in state) or "nothing"
            raise TypeError(f"State[{cls.__name__}] is not provided: SocketIO(state=[...]) has {names}")
        value = state[cls]
        return lambda call: value


class ExtensionMarker(Marker):
    """Marks `Extension[T]` and, where it may be missing, `MaybeExtension[T]`."""

    label = "Extension"

    def __init__(self, may_be_missing: bool) -> None:
        self._may_be_missing = may_be_missing

    def make(self, wanted: Any, site: Site) -> Take:
        """See `Marker.make`."""
        find, name = self.find, site.name
        if self._may_be_missing:
            cls = _class_of(_without(wanted, NoneType), f"Maybe{self.label}")
            return lambda call: find(call, cls)
        cls = _class_of(wanted, self.label)
        reason = f"{self.label}[{cls.__name__}] is missing"

        def take(call: Call) -> Any:
            value = find(call, cls)
            if value is None:
                raise ExtractError(reason, name)
            return value

        return take

    @staticmethod
    def find(call: Call, cls: type) -> Any:
        """The value, or None."""
        return call.socket.extensions.get(cls)


class HttpExtensionMarker(ExtensionMarker):
    """Marks `HttpExtension[T]` and, where it may be missing, `MaybeHttpExtension[T]`."""

    label = "HttpExtension"

    @staticmethod
    def find(call: Call, cls: type) -> Any:
        """The value, or None."""
        extensions = call.socket.client.session.handshake.extensions
        return None if extensions is None else extensions.get(cls)


class CustomMarker(Marker):
    """Stands for a user's own extractor: an object or a class with `from_call`."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._name = getattr(source, "__name__", None) or repr(source)

    def make(self, wanted: Any, site: Site) -> Take:
        """See `Marker.make`."""
        source = self._source
        cls = get_origin(source) or source
        if isinstance(cls, type) and inspect.isfunction(inspect.getattr_static(cls, "from_call")):
            raise TypeError(f"{self._name}.from_call must be a classmethod, or Annotated have an object of the class")
        allowed_in = getattr(source, "allowed_in", None)
        if allowed_in is not None:
            names = _check_kinds(allowed_in)
            if site.kind.key not in names:
                raise TypeError(f"{self._name} is allowed in handlers of the kinds {', '.join(sorted(names))} only")
        return site.call(source.from_call)


class Extract:
    """Marks a parameter that a function of yours takes: `Annotated[User, Extract(load_user)]`.

    Args:
        function: returns the value. Its parameters are taken like those of the handler, by extractors or as the
            arguments of the event. It runs each time that the handler is to be called, and may switch greenlets.
        allowed_in: the kinds of handlers that may have it, out of "connect", "middleware", "event", "listener",
            "error" and "disconnect"; None for all that have what its parameters need. "middleware" is about connect
            middlewares; those of events belong to "event".

    Raises:
        ValueError: there is no such kind.
    """

    def __init__(self, function: Callable[..., object], allowed_in: Collection[str] | None = None) -> None:
        self.from_call = function
        self.allowed_in = None if allowed_in is None else _check_kinds(allowed_in)

    def __repr__(self) -> str:
        return f"Extract({getattr(self.from_call, '__qualname__', self.from_call)})"


#: The event's first argument, or all of them if T is a tuple type; in connect handlers and middlewares the auth
#: payload. Validated to T.
Data = Annotated[T, DataMarker()]

#: What `Data[T]` gives, or the `ExtractError` that says why it can't; tell them apart with `isinstance`.
TryData = Annotated[T | ExtractError, TryDataMarker()]

#: The event's name.
Event = Annotated[str, EventMarker()]

#: The value of exactly this type among those that `SocketIO(state=[...])` was given.
State = Annotated[T, StateMarker()]

#: The value of exactly this type in `socket.extensions`.
Extension = Annotated[T, ExtensionMarker(may_be_missing=False)]

#: The same, or None.
MaybeExtension = Annotated[T | None, ExtensionMarker(may_be_missing=True)]

#: The value of exactly this type in the extensions of the HTTP request that opened the connection.
HttpExtension = Annotated[T, HttpExtensionMarker(may_be_missing=False)]

#: The same, or None.
MaybeHttpExtension = Annotated[T | None, HttpExtensionMarker(may_be_missing=True)]


def find_marker(annotation: Any) -> tuple[Marker | None, Any]:
    """Return the marker of an annotation and the type that it marks; no marker stands for a plain parameter.

    Raises:
        TypeError: there are several, or one stands inside of another type.
    """
    marker: Marker | None = None
    annotation = _aliased(annotation)
    if get_origin(annotation) is not Annotated:
        if _is_extractor(annotation):
            marker = CustomMarker(annotation)
    else:
        annotation, *metadata = get_args(annotation)
        markers = [_as_marker(item) for item in metadata]
        found = [item for item in markers if item is not None]
        if len(found) > 1:
            raise TypeError("there is more than one extractor in its annotation")
        if found:
            marker = found[0]
            metadata = metadata[: markers.index(marker)]  # what stands behind it is not about the type
        items = (annotation, *metadata)
        annotation = _ANNOTATED[items] if metadata else annotation
    parts = get_args(annotation)
    # What data are to be turned into is said by `Data`, even if it is an extractor as well.
    if any(map(_has_marker, parts)) or (marker is None and any(map(_has_extractor, parts))):
        raise TypeError("an extractor stands inside of another type, where it has no meaning")
    return marker, annotation


def _aliased(annotation: Any) -> Any:
    """What an alias made by Python 3.12's `type` statement, or a NewType, stands for."""
    try:
        while not isinstance(annotation, type):
            inner = getattr(annotation, "__value__", None) or getattr(annotation, "__supertype__", None)
            if inner is None:
                break
            annotation = inner
    except NameError as error:
        raise TypeError(f"{error}, and an alias must name what is known where it stands") from None
    return annotation


def _as_marker(item: Any) -> Marker | None:
    if isinstance(item, Marker):
        return item
    return CustomMarker(item) if hasattr(item, "from_call") else None


def _has_marker(annotation: Any) -> bool:
    metadata = getattr(annotation, "__metadata__", ())
    return any(_as_marker(item) is not None for item in metadata) or any(map(_has_marker, get_args(annotation)))


def _is_extractor(annotation: Any) -> bool:
    cls = get_origin(annotation) or annotation
    return isinstance(cls, type) and hasattr(cls, "from_call")


def _has_extractor(annotation: Any) -> bool:
    return _is_extractor(annotation) or any(map(_has_extractor, get_args(annotation)))


def _without(annotation: Any, member: type) -> Any:
    """Take a member out of a union."""
    return _UNION[tuple(item for item in get_args(annotation) if item is not member)]


def _class_of(wanted: Any, name: str) -> type:
    """The class by which a value is found; of a generic one, what stands before the brackets."""
    cls = get_origin(wanted) or wanted
    if not isinstance(cls, type) or cls is UnionType:
        raise TypeError(f"{name}[...] must name one class, not {wanted}")
    return cls


def _check_kinds(names: Collection[str]) -> frozenset[str]:
    if isinstance(names, str) or not KINDS.issuperset(names):
        raise ValueError(f"allowed_in must name kinds out of {', '.join(sorted(KINDS))}, not {names!r}")
    return frozenset(names)
