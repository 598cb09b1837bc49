"""msgpack as Socket.IO writes it: the values that JSON can carry, with bytes in their place, and a guarded decoder."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from typing import Any, TypeVar

import msgspec
import orjson

from geventsio.errors import ProtocolError, SerializeError
from geventsio.protocol.json_codec import MAX_DEPTH, MAX_ENCODE_DEPTH, check_depth, to_key
from geventsio.protocol.msgpack_buffers import rewrite_buffers
from geventsio.protocol.values import to_plain

__all__ = ["check_nesting", "dumps", "loads", "make_decoder"]

T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode

_PLAIN_TYPES = frozenset({str, int, float, bool, bytes, type(None)})

#: Written by orjson, as in JSON.
_TIMES = (datetime, date, time, uuid.UUID)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# Extension type 0 is the official parser's own: undefined in one byte, a Date in eight, and an ArrayBuffer.
_OFFICIAL = 0

# Bytes that begin a list or a map.
_NOT_CONTAINERS = bytes(head for head in range(256) if not (0x80 <= head <= 0x9F or 0xDC <= head <= 0xDF))


def dumps(value: object, packet: dict[str, object] | None = None) -> bytes:
    """Encode a value, or with `packet` a packet whose data it becomes.

    The same values can be sent as with JSON, and they arrive as the same; but bytes-likes stay where they are, NaN and
    the infinities are sent as they are.

    Raises:
        SerializeError: it holds a value of a type that can't be sent, or is circular or nested too deep.
    """
    try:
        # What handlers send is mostly plain: to look costs half of rebuilding it.
        is_plain = _is_plain(value, 1) if type(value) is list else _is_plain((value,), 0)
        if not is_plain:
            value = _flatten(value, 0)
        if packet is not None:
            packet["data"] = value
            value = packet
        try:
            return _encode(value)
        except (OverflowError, UnicodeEncodeError):
            return _encode(_approximate(value))
    except SerializeError:
        raise
    except RecursionError:
        raise SerializeError("nested too deep or circular") from None
    except Exception as error:  # from a model of the user's
        raise SerializeError(f"can't be encoded: {error!r}") from error


def _is_plain(values: Iterable[object], depth: int) -> bool:
    """Whether the encoder writes these values as `_flatten` would have them."""
    for value in values:
        kind = type(value)
        if kind in _PLAIN_TYPES:
            continue
        if depth >= MAX_ENCODE_DEPTH:
            return False
        if kind is dict:
            for key, item in value.items():  # type: ignore[attr-defined]
                if type(key) is not str:
                    return False
                if type(item) not in _PLAIN_TYPES and not _is_plain((item,), depth + 1):
                    return False
        elif kind is not list or not _is_plain(value, depth + 1):  # type: ignore[arg-type]
            return False
    return True


# One walk ahead of the encoder and no hook in it: the encoder calls hooks for values but not for keys, writes times
# in a way that the official parser can't read, and no user's code runs in the middle of it.
def _flatten(value: object, depth: int) -> object:
    """Return the value in terms of dicts with text for keys, lists, and what the encoder writes as JavaScript does."""
    kind = type(value)
    if kind in _PLAIN_TYPES:
        return value
    if depth >= MAX_ENCODE_DEPTH:
        raise SerializeError("nested too deep or circular")
    # Not isinstance: an enum or a dataclass may be a builtin as well.
    if kind is dict:
        return _flatten_items(value.items(), depth + 1)  # type: ignore[attr-defined]
    if kind is list or kind is tuple:
        return _flatten_list(value, depth + 1)  # type: ignore[arg-type]
    return _flatten_rare(value, depth + 1)


def _flatten_list(values: Iterable[object], depth: int) -> list[object]:
    return [value if type(value) in _PLAIN_TYPES else _flatten(value, depth) for value in values]


def _flatten_items(items: Iterable[tuple[object, object]], depth: int) -> dict[str, object]:
    return {
        key if type(key) is str else to_key(key): item if type(item) in _PLAIN_TYPES else _flatten(item, depth)
        for key, item in items
    }


def _flatten_rare(value: object, depth: int) -> object:
    if isinstance(value, Enum):
        return _flatten(value.value, depth)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        return str.__str__(value)  # a subclass may show itself differently
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, dict):
        return _flatten_items(value.items(), depth)
    if isinstance(value, (list, tuple)):
        return _flatten_list(value, depth)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if not field.name.startswith("_")]
        return _flatten_items([(name, getattr(value, name)) for name in names], depth)
    if isinstance(value, _TIMES):
        try:
            return orjson.loads(orjson.dumps(value))
        except TypeError:  # a subclass, or a time with a zone
            pass
    return _flatten(to_plain(value), depth)


def _approximate(value: Any) -> Any:
    """Return what JavaScript makes of integers over 64 bits and of lone surrogates, which msgpack can't carry."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if type(value) is int:
        return value if -(2**63) <= value < 2**64 else float(value)
    if isinstance(value, dict):
        return {_approximate(key): _approximate(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_approximate(item) for item in value]
    return value


def make_decoder(kind: type[T]) -> msgspec.msgpack.Decoder[T]:
    """Return what `loads` needs to read values of a type."""
    return msgspec.msgpack.Decoder(kind, ext_hook=_read_extension)


def loads(data: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """Decode a message from a client. Depth is `check_nesting`'s business.

    Dates of JavaScript and timestamps of msgpack become datetimes with a zone, undefined becomes None, typed arrays
    become bytes. Keys are what the client sent, which is text from JavaScript; lists as keys become tuples.

    Raises:
        ProtocolError: it is not msgpack, not of the decoder's type, or holds something that has no meaning here.
    """
    try:
        return decoder.decode(rewrite_buffers(data))
    # In older releases of msgspec its own errors are no ValueErrors, and keys without a hash are a TypeError.
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise ProtocolError(f"invalid msgpack: {error}") from error
    except RecursionError:
        raise ProtocolError("data nested too deep") from None


def check_nesting(data: bytes, value: object) -> None:
    """Check how deep the value that was decoded from a message is nested.

    Raises:
        ProtocolError: deeper than `MAX_DEPTH` of the JSON codec.
    """
    # What may begin a list or a map bounds the depth from above, and so does the length: most messages are done here.
    if len(data) > MAX_DEPTH and len(data.translate(None, _NOT_CONTAINERS)) > MAX_DEPTH:
        check_depth(value)


def _read_extension(code: int, view: memoryview) -> object:
    if code != _OFFICIAL:
        raise ProtocolError(f"unknown extension type {code}")
    data = bytes(view)  # in older releases of msgspec the length of the view is wrong
    if len(data) == 1:
        return None
    if len(data) != 8:
        return data
    try:
        return _EPOCH + timedelta(milliseconds=int.from_bytes(data, "big", signed=True))
    except OverflowError:
        raise ProtocolError("date out of range") from None
