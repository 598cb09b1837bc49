"""Where handlers' parameters come from: annotations, resolved once into functions that take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from geventsio.ack import AckSender
from geventsio.errors import ExtractError

__all__ = [
    "BINARY_TYPES",
    "Call",
    "Data",
    "Extractor",
    "annotation_extractor",
    "data_extractor",
    "is_data",
    "rest_extractor",
    "value_extractor",
]

T = TypeVar("T")

#: Bytes arrive as attachments, so they are values of their own here and not base64.
BINARY_TYPES = (bytes, bytearray, memoryview)


class DataMarker:
    """Marks `Data[T]` in an annotation."""


#: `Data[T]`: the event's first argument, or all of them if T is a tuple type; in connect handlers and middlewares
#: the auth payload. Validated to T. Type checkers see T itself.
Data = Annotated[T, DataMarker()]


class Call:
    """One call of a handler: what its parameters can be taken from.

    Attributes:
        socket: the socket it is for.
        args: the event's arguments, the auth payload, or the disconnect reason.
        event: the event's name; "connect", "disconnect", or "ack" for the callback of an acknowledgement.
        ack_id: of the event; None if the client asked for no acknowledgement.
    """

    __slots__ = ("_ack", "ack_id", "args", "event", "socket")

    def __init__(self, socket: Any, args: list[Any], event: str, ack_id: int | None = None) -> None:
        self.socket = socket
        self.args = args
        self.event = event
        self.ack_id = ack_id
        self._ack: AckSender | None = None

    @property
    def ack(self) -> AckSender:
        """Answers the event; made when it is first asked for, for most events want no answer."""
        if self._ack is None:
            self._ack = AckSender(self.socket, self.ack_id)
        return self._ack

    @property
    def reason(self) -> Any:
        """Why the socket was disconnected; only for disconnect handlers."""
        return self.args[0]


Extractor = Callable[[Call], Any]


def value_extractor(index: int, name: str, annotation: Any, default: Any) -> Extractor:
    """Make the extractor of a plain parameter: the argument at `index`, validated to its annotation."""
    convert = _converter(annotation)

    def extract(call: Call) -> Any:
        if index >= len(call.args):
            if default is inspect.Parameter.empty:
                raise ExtractError(f"argument {index} for parameter {name!r} is missing")
            return default
        value = call.args[index]
        return value if convert is None else _convert(convert, value, name)

    return extract


def rest_extractor(start: int, name: str, annotation: Any) -> Extractor:
    """Make the extractor of `*args`: all arguments from `start` on, each validated to the annotation."""
    convert = _converter(annotation)
    if convert is None:
        return lambda call: call.args[start:]
    return lambda call: [_convert(convert, value, name) for value in call.args[start:]]


def data_extractor(name: str, annotation: Any) -> Extractor:
    """Make the extractor of a `Data[T]` parameter."""
    if not _is_tuple_type(annotation):
        return value_extractor(0, name, annotation, inspect.Parameter.empty)
    convert = _converter(annotation)
    assert convert is not None  # a tuple type is never Any
    return lambda call: _convert(convert, call.args, name)


def _is_tuple_type(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, tuple)


def _converter(annotation: Any) -> Callable[[Any], Any] | None:
    """Return what validates a value to a type; None if everything fits.

    Raises:
        TypeError: nothing from a client can be turned into this type.
    """
    if annotation in (inspect.Parameter.empty, Any, object):
        return None
    validate = getattr(annotation, "model_validate", None)
    if validate is not None:  # a pydantic model
        return validate  # type: ignore[no-any-return]
    unsupported = _unsupported(msgspec.inspect.type_info(annotation), set())
    if unsupported is not None:
        raise TypeError(f"{unsupported.__name__} is neither an extractor nor a type that data can be validated to")
    return lambda value: msgspec.convert(value, annotation, builtin_types=BINARY_TYPES)


def _unsupported(info: Any, seen: set[int]) -> type | None:
    """Find a class inside of a type that msgspec can't make from data; optional fields may have any."""
    if isinstance(info, msgspec.inspect.CustomType):
        return info.cls
    if id(info) in seen:  # types may contain themselves
        return None
    seen.add(id(info))
    inner = [getattr(info, name, None) for name in ("item_type", "key_type", "value_type")]
    inner += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    inner += [field.type for field in getattr(info, "fields", ()) if field.required]
    for item in inner:
        found = None if item is None else _unsupported(item, seen)
        if found is not None:
            return found
    return None


def _convert(convert: Callable[[Any], Any], value: Any, name: str) -> Any:
    try:
        return convert(value)
    except (ValueError, TypeError) as error:  # msgspec.ValidationError and pydantic's are ValueErrors
        raise ExtractError(f"parameter {name!r}: {error}") from None


def is_data(annotation: Any) -> bool:
    """Whether an annotation is `Data[T]`."""
    return any(isinstance(marker, DataMarker) for marker in getattr(annotation, "__metadata__", ()))


def annotation_extractor(annotation: Any, name: str, injectable: dict[type, str]) -> Extractor | None:
    """Return the extractor that an annotation names; None if the parameter is a plain one.

    Args:
        annotation: resolved.
        name: the parameter's, for errors.
        injectable: classes that are taken from an attribute of the call (a dotted path), in this kind of handler.
    """
    if get_origin(annotation) is Annotated:
        return data_extractor(name, get_args(annotation)[0]) if is_data(annotation) else None
    path = injectable.get(annotation) if isinstance(annotation, type) else None
    return None if path is None else attrgetter(path)
