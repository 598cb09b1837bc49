"""What clients send, turned into types: builtins that a parser has made become what an annotation says.

msgspec does it for all that it knows, in C. What it refuses is done part by part (`geventsio.extracting.compound`),
and pydantic's own models by pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from inspect import Parameter
from typing import Annotated, Any, get_args, get_origin

import msgspec

from geventsio.errors import AckDecodeError, ExtractError
from geventsio.extracting.compound import Convert, Known, make_compound
from geventsio.extracting.pydantic_types import is_for_pydantic, make_pydantic

__all__ = ["answer_converter", "arguments_converter", "is_tuple_type", "value_converter"]

#: Bytes arrive as attachments, so they are values of their own here and not base64.
BINARY_TYPES = (bytes, bytearray, memoryview)

#: Types whose values are taken as they are; the parsers make no subclasses of them.
EXACT_TYPES = frozenset({str, int, float, bool})

#: What comes of values that don't fit, from msgspec (whose error is no ValueError in all versions) and from classes.
UNFIT = (msgspec.ValidationError, ValueError, TypeError, RecursionError)

#: Converters that are kept: handlers that each connection registers, and answers, ask for the same ones again.
MAX_CACHED = 512

_BINARY_INFO = ("BytesType", "ByteArrayType", "MemoryViewType")  # by name: not all versions know memoryviews

_WHERE = re.compile(r"(?P<reason>.*) - at (?P<key>`key` in )?`(?P<path>\$.*)`", re.DOTALL)


def arguments_converter(annotation: Any) -> Callable[[Sequence[Any]], Any]:
    """Return what makes a type of an event's arguments: of all of them for a tuple type, else of the first.

    The number of arguments must be the tuple type's own; otherwise those behind the first are ignored. A list type is
    about a list that is the first argument. The result raises `ExtractError`, which knows no parameter yet.

    Raises:
        TypeError: nothing from a client can be turned into this type.
    """
    convert = value_converter(annotation)
    if convert is not None and is_tuple_type(annotation):
        return convert

    def convert_first(args: Sequence[Any]) -> Any:
        if not args:
            raise ExtractError("the first argument is missing", path="$")
        return args[0] if convert is None else convert(args[0])

    return convert_first


def answer_converter(returns: Any) -> Callable[[Sequence[Any]], Any]:
    """Return what makes a type of an answer's arguments, as `arguments_converter` does; no argument counts as None.

    The result raises `AckDecodeError`, whose cause is the `ExtractError` that names the path.

    Raises:
        TypeError: nothing from a client can be turned into this type.
    """
    convert = value_converter(returns)
    takes_all = is_tuple_type(returns)

    def convert_answer(args: Sequence[Any]) -> Any:
        value = args if takes_all else args[0] if args else None
        try:
            return value if convert is None else convert(value)
        except ExtractError as error:
            raise AckDecodeError(f"the answer does not fit: {error}") from error

    return convert_answer


def is_tuple_type(annotation: Any) -> bool:
    """Whether a type is about all arguments: a tuple or a NamedTuple, by whatever name."""
    while not isinstance(annotation, type):
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
            continue
        inner = getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)
        if inner is None:
            break
        annotation = inner  # of a NewType, or of Python 3.12's `type` statement
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, tuple)


def value_converter(annotation: Any) -> Convert | None:
    """Return what turns a value into a type; None if everything fits.

    Members of a union that look alike on the wire are tried in turn, and str comes last: a `str | UUID` is a UUID if it
    can be. Of several classes, the first whose fields fit is taken.

    Raises:
        TypeError: nothing from a client can be turned into this type.
    """
    if annotation in (Parameter.empty, Any, object):
        return None
    try:
        # Unions are equal whatever the order of their members, which may decide; their texts are not.
        return _cached(annotation, None if isinstance(annotation, type) else repr(annotation))
    except TypeError:
        # An annotation that can't be hashed is one as well; any other cause is found again.
        return _make(annotation)


def _make(annotation: Any) -> Convert:
    try:
        return _make_part(annotation, Known())
    except NameError as error:
        raise TypeError(f"{error}, and classes must name what is known where their module is") from None


@lru_cache(MAX_CACHED)
def _cached(annotation: Any, text: str | None) -> Convert:
    return _make(annotation)


def _make_part(annotation: Any, known: Known) -> Convert:
    """Make the converter of a type or of a part of one; `known` has those of the classes around it."""
    if annotation in (Any, object):
        return lambda value: value
    if is_for_pydantic(annotation):
        return make_pydantic(annotation)
    reason = _unfitness(annotation)
    if reason is None:
        return _make_simple(annotation)
    convert = make_compound(annotation, known, _make_part, lambda part: _unfitness(part) is None)
    if convert is None:
        raise TypeError(reason)
    return convert


def _make_simple(annotation: Any) -> Convert:
    """Make the converter of a type that msgspec knows."""
    if any(map(_needs_options, _parts(annotation))):
        return _make_with_options(annotation)

    def convert(value: Any) -> Any:
        try:
            return msgspec.convert(value, annotation)
        except UNFIT as error:
            raise _extract_error(error) from error

    if isinstance(annotation, type) and annotation in EXACT_TYPES:
        return lambda value: value if type(value) is annotation else convert(value)
    return convert


def _make_with_options(annotation: Any) -> Convert:
    """Make the converter of a type with bytes or with keys inside; apart, for any option costs 0.4 us."""

    def convert(value: Any) -> Any:
        try:
            # Objects of JavaScript have no keys but strings.
            return msgspec.convert(value, annotation, builtin_types=BINARY_TYPES, str_keys=True)
        except UNFIT as error:
            raise _extract_error(error) from error

    return convert


def _needs_options(info: Any) -> bool:
    """Whether a part of a type is made of something else than msgspec would think."""
    key = getattr(info, "key_type", None)
    is_keyed_otherwise = key is not None and not isinstance(key, (msgspec.inspect.StrType, msgspec.inspect.AnyType))
    return is_keyed_otherwise or type(info).__name__ in _BINARY_INFO


def _extract_error(error: Exception) -> ExtractError:
    match = _WHERE.fullmatch(str(error))
    if match is None:
        return ExtractError(str(error), path="$")
    return ExtractError(match["reason"] + (" as a key" if match["key"] else ""), path=match["path"])


def _unfitness(annotation: Any) -> str | None:
    """Why msgspec can't do all of a type; None if it can."""
    if is_for_pydantic(annotation):
        return "pydantic does it"
    try:
        unfit = next(filter(_is_unfit, _parts(annotation)), None)
    except TypeError as error:
        return str(error)
    if unfit is None:
        return None
    return f"{unfit.cls.__name__} is neither an extractor nor a type that data can be validated to"


def _is_unfit(info: Any) -> bool:
    cls = getattr(info, "cls", None)
    return isinstance(info, msgspec.inspect.CustomType) or (cls is not None and is_for_pydantic(cls))


def _parts(annotation: Any) -> Iterator[Any]:
    """What msgspec knows about a type and all types inside of it.

    Fields that may be left out can have a class that msgspec can't make from data: it is passed over.
    """
    waiting = [(msgspec.inspect.type_info(annotation), True)]
    seen: set[tuple[int, bool]] = set()
    while waiting:
        info, is_required = waiting.pop()
        if (id(info), is_required) in seen:  # types may contain themselves
            continue
        seen.add((id(info), is_required))
        if is_required or not isinstance(info, msgspec.inspect.CustomType) or is_for_pydantic(info.cls):
            yield info
        inner = [getattr(info, name, None) for name in ("item_type", "key_type", "value_type")]
        inner += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
        waiting += [(part, is_required) for part in inner if part is not None]
        waiting += [(field.type, is_required and field.required) for field in getattr(info, "fields", ())]
