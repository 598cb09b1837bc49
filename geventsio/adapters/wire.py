"""The contract's values as bytes, for adapters that reach other servers: msgpack, as the official adapters use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from geventsio.adapters.base import Answer
from geventsio.adapters.values import RemoteSocketData
from geventsio.errors import (
    AckClosedError,
    AckDecodeError,
    AckError,
    AckTimeoutError,
    AdapterError,
    ProtocolError,
    SerializeError,
)
from geventsio.protocol import msgpack_codec

__all__ = ["answer_from_wire", "answer_to_wire", "convert", "dumps", "loads", "sendable"]

T = TypeVar("T")

#: The errors that may stand in place of an answer, by the names that they have on the wire.
ERRORS: Mapping[str, type[AckError]] = {
    "timeout": AckTimeoutError,
    "closed": AckClosedError,
    "decode": AckDecodeError,
    "error": AckError,
}

_DECODER: msgspec.msgpack.Decoder[Any] = msgpack_codec.make_decoder(object)


def dumps(message: object) -> bytes:
    """Encode a message: builtins, whatever may be emitted, and the values of the contract, which become dicts.

    Raises:
        AdapterError: it holds something that can't be sent.
    """
    try:
        return msgpack_codec.dumps(message)
    except SerializeError as error:
        raise AdapterError(f"can't be sent to other servers: {error}") from error


def loads(data: bytes) -> Any:
    """Decode data that `dumps` has made, or the official server's msgpack.

    Raises:
        AdapterError: it is broken.
    """
    try:
        return msgpack_codec.loads(data, _DECODER)
    except ProtocolError as error:
        raise AdapterError(f"a broken message of another server: {error}") from error


def convert(value: Any, kind: type[T]) -> T:
    """Make a value of the contract, of this kind, of the dict that it was on the wire.

    Raises:
        AdapterError: it does not fit.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise AdapterError(f"a broken message of another server: {error}") from error


def answer_to_wire(answer: Answer) -> list[Any]:
    """Turn an answer into builtins."""
    if not isinstance(answer, AckError):
        return ["ok", list(answer)]
    kind = next(name for name, error in ERRORS.items() if isinstance(answer, error))
    return [kind, str(answer)]


def answer_from_wire(value: Any) -> Answer:
    """Make an answer of the value that `answer_to_wire` has returned.

    Raises:
        AdapterError: it is broken.
    """
    kind, content = convert(value, tuple[str, Any])
    if kind == "ok":
        return convert(content, list[Any])
    return ERRORS.get(kind, AckError)(content)


def sendable(data: RemoteSocketData) -> RemoteSocketData:
    """Leave out of a socket's data what can't be sent: users keep there whatever they want."""
    kept = {key: value for key, value in data.data.items() if _can_be_sent(key, value)}
    return data if len(kept) == len(data.data) else msgspec.structs.replace(data, data=kept)


def _can_be_sent(key: object, value: object) -> bool:
    try:
        msgpack_codec.dumps({key: value})
    except SerializeError:
        return False
    return True
