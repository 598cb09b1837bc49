"""What a Python value that JSON and msgpack don't know becomes when it is sent."""

from __future__ import annotations

import uuid
from collections import UserString
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum

import msgspec

from geventsio.errors import SerializeError

__all__ = ["to_plain", "type_name"]

# Left as they are by msgspec: bytes become attachments, and the JSON encoder writes times as it does everywhere else.
_KEPT_TYPES = (bytes, bytearray, memoryview, datetime, date, time, uuid.UUID)


def type_name(value: object) -> str:
    """Return the name of a value's type, for error messages."""
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def to_plain(value: object) -> object:
    """Return what is sent in place of `value`: something nearer to a builtin, which may hold such values again.

    Serves subclasses of builtins, Decimal, enums, sets, other mappings and sequences, msgspec Structs, attrs classes
    and pydantic models. What both encoders know, and bytes-likes, are the caller's business.

    Raises:
        SerializeError: values of this type can't be sent.
    """
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (Decimal, uuid.UUID, UserString)):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    # A datetime is a date; only their subclasses come here, and times with a zone.
    if isinstance(value, (date, time)):
        return value.isoformat()
    # Looked up on the class: an instance may answer to any name.
    model_dump = getattr(type(value), "model_dump", None)
    if model_dump is not None:
        return model_dump(value)
    if isinstance(value, msgspec.Struct) or hasattr(type(value), "__attrs_attrs__"):
        return msgspec.to_builtins(value, builtin_types=_KEPT_TYPES, enc_hook=to_plain)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (Set, Sequence)):
        return list(value)
    raise SerializeError(f"values of type {type_name(value)} can't be sent")
