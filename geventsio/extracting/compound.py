"""Types that msgspec refuses as a whole, converted part by part: above all unions such as `str | bytes`.

Slower than msgspec, and needed for those types only.
"""

from __future__ import annotations

import re
import sys
from collections import abc
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from geventsio.errors import ExtractError

__all__ = ["Convert", "Known", "make_compound"]

#: Turns a value into a type, or raises `ExtractError`.
Convert = Callable[[Any], Any]


class Known(dict[Any, Convert]):
    """The converters of the classes around a part, for types may contain themselves.

    Attributes:
        tried: what became of the values that unions are converting: what they were turned into, or the reason and the
            path why they can't be. Each member of a union asks its own parts, and without this a client's data, nested
            in unions to a depth of n, would be gone through 2**n times. The key is the union's number and the value's
            identity; the value is kept as long, so that no other has it.
        depth: how many unions are converting, one inside of the other.
        unions: how many there are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tried: dict[tuple[int, int], tuple[Any, Any, tuple[str, str | None] | None]] = {}
        self.depth = 0
        self.unions = 0


#: Makes the converter of a part.
Make = Callable[[Any, Known], Convert]

_SEQUENCES: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    abc.Collection: list,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Set: set,
    abc.MutableSet: set,
}
_LITERALS = frozenset({str, int, bool, bytes, NoneType})
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)

# Types that are made of values: checkers take what stands in the brackets of the names themselves for types.
_ANNOTATED: Any = Annotated
_DICT: Any = dict
_UNION: Any = Union

_EXPECTED = re.compile(r"Expected `(.*)`, got `(.*)`", re.DOTALL)

_WIRE_NAMES = {NoneType: "null", dict: "object", list: "array", tuple: "array"}


class Field(NamedTuple):
    """A field of a class: its name for the constructor, its key on the wire, and its type."""

    name: str
    key: str
    annotation: Any
    is_required: bool


def make_compound(annotation: Any, known: Known, make: Make, is_simple: Callable[[Any], bool]) -> Convert | None:
    """Make the converter of a type out of those of its parts; None if it has none that are known.

    Args:
        annotation: the type.
        known: the converters of the classes around it.
        make: makes the converters of its parts.
        is_simple: whether msgspec knows a type.

    Raises:
        TypeError: nothing from a client can be turned into one of the parts.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _make_annotated(args[0], annotation.__metadata__, known, make)
    if origin is Union or origin is UnionType:
        return _make_union([make(part, known) for part in _groups(args, is_simple)], known)
    if origin is Literal and _LITERALS.issuperset(map(type, args)):
        return _make_literal(args)
    if origin in _SEQUENCES:
        return _make_sequence(_SEQUENCES[origin], make(args[0], known))
    if origin is tuple:
        return _make_tuple(args, known, make)
    if origin in _MAPPINGS:
        return _make_mapping(make(_DICT[args[0], Any], known), make(args[1], known))
    inner = getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)
    if inner is not None:  # a NewType, or Python 3.12's `type` statement
        return make(inner, known)
    return _make_class(annotation, known, make) if isinstance(annotation, type) else None


def _make_annotated(annotation: Any, metadata: tuple[Any, ...], known: Known, make: Make) -> Convert:
    """Leave out what is said about a type, unless it is msgspec's own and would be lost."""
    if any(isinstance(item, msgspec.Meta) for item in metadata):
        if get_origin(annotation) is not Union and get_origin(annotation) is not UnionType:
            raise TypeError(f"msgspec.Meta is not possible for {annotation}")
        constrained = [part if part is NoneType else _annotate(part, metadata) for part in get_args(annotation)]
        return make(_UNION[tuple(constrained)], known)
    return make(annotation, known)


def _annotate(annotation: Any, metadata: tuple[Any, ...]) -> Any:
    items = (annotation, *metadata)
    return _ANNOTATED[items]


def _groups(members: Iterable[Any], is_simple: Callable[[Any], bool]) -> list[Any]:
    """Join the members of a union that msgspec takes together, in the order in which they are tried.

    What has a str comes last. The order in which the members are written down does not count for more: Python itself
    takes `Data[str | UUID]` for `Data[UUID | str]`, if it has seen that before.
    """
    groups: list[Any] = []
    for member in members:
        for index, group in enumerate(groups):
            if is_simple(_UNION[group, member]):
                groups[index] = _UNION[group, member]
                break
        else:
            groups.append(member)
    return sorted(groups, key=lambda group: group is str or str in get_args(group))


def _make_union(members: list[Convert], known: Known) -> Convert:
    known.unions += 1
    number = known.unions

    def convert(value: Any) -> Any:
        if type(value) is not dict and type(value) is not list:
            return _try_in_turn(members, value)
        tried, key = known.tried, (number, id(value))
        outcome = tried.get(key)
        if outcome is None:
            known.depth += 1
            try:
                outcome = tried[key] = value, _try_in_turn(members, value), None
            except ExtractError as error:
                outcome = tried[key] = value, error.__cause__, (error.reason, error.path)
            finally:
                known.depth -= 1
                if not known.depth:
                    tried.clear()
        _, result, refusal = outcome
        if refusal is not None:
            # A new one each time: its path grows on the way out.
            raise ExtractError(refusal[0], path=refusal[1]) from result
        return result

    return convert


def _try_in_turn(members: list[Convert], value: Any) -> Any:
    errors = []
    for member in members:
        try:
            return member(value)
        except ExtractError as error:
            errors.append(error)
    raise _union_error(errors)


def _union_error(errors: list[ExtractError]) -> ExtractError:
    """The error of the member that came farthest, or of all of them."""
    deepest = max(errors, key=lambda error: len(error.path or ""))
    if deepest.path != "$":
        return deepest
    matches = [_EXPECTED.fullmatch(error.reason) for error in errors]
    names = [match[1] for match in matches if match is not None]
    if len(names) == len(errors):
        return _expected(" | ".join(names), matches[0][2] if matches[0] else "")
    error = ExtractError("; or ".join(error.reason for error in errors), path="$")
    error.__cause__ = deepest.__cause__
    return error


def _make_literal(values: tuple[Any, ...]) -> Convert:
    """Make the converter of a Literal that msgspec can't describe: of bytes, or until 0.20 of str and int."""
    names = ", ".join(map(repr, values))

    def convert(value: Any) -> Any:
        if not any(type(value) is type(known) and value == known for known in values):
            raise ExtractError(f"Expected one of {names}", path="$")
        return value

    return convert


def _make_sequence(build: Callable[[list[Any]], Any], item: Convert) -> Convert:
    def convert(value: Any) -> Any:
        items: list[Any] = []
        try:
            for part in _check_array(value):
                items.append(item(part))
        except ExtractError as error:
            _put_inside(error, f"[{len(items)}]")
            raise
        return build(items)

    return convert


def _make_tuple(args: tuple[Any, ...], known: Known, make: Make) -> Convert:
    if len(args) == 2 and args[1] is Ellipsis:
        return _make_sequence(tuple, make(args[0], known))
    return _make_array(tuple, [make(part, known) for part in args], len(args))


def _make_array(build: Callable[[list[Any]], Any], converters: list[Convert], required: int) -> Convert:
    """Make the converter of arrays that have a type for each place."""
    length = f"of length {required}" if required == len(converters) else f"of length {required} to {len(converters)}"

    def convert(value: Any) -> Any:
        array = _check_array(value)
        if not required <= len(array) <= len(converters):
            raise ExtractError(f"Expected `array` {length}, got {len(array)}", path="$")
        items: list[Any] = []
        try:
            for item, part in zip(converters, array, strict=False):
                items.append(item(part))
        except ExtractError as error:
            _put_inside(error, f"[{len(items)}]")
            raise
        return build(items)

    return convert


def _make_mapping(whole: Convert, item: Convert) -> Convert:
    def convert(value: Any) -> Any:
        mapping = whole(value)
        try:
            return {key: item(part) for key, part in mapping.items()}
        except ExtractError as error:
            _put_inside(error, "[...]")  # keys are a client's own choice, so paths don't tell them
            raise

    return convert


def _make_class(cls: type, known: Known, make: Make) -> Convert | None:
    if cls in known:
        return lambda value: known[cls](value)
    described = _describe(cls)
    if described is None:
        return None
    known[cls] = _refuse  # replaced below, before any value comes
    converters = [_make_field(field, known, make) for field in described]
    if issubclass(cls, tuple):
        required = sum(field.is_required for field in described)
        known[cls] = _make_array(lambda items: cls(*items), converters, required)
    else:
        known[cls] = _make_object(cls, described, converters)
    return known[cls]


def _make_field(field: Field, known: Known, make: Make) -> Convert:
    try:
        return make(field.annotation, known)
    except TypeError:
        if field.is_required:
            raise
        # It can be left out, or be null if it may.
        return make(NoneType, known) if NoneType in get_args(field.annotation) else _refuse


def _refuse(value: Any) -> Any:
    raise ExtractError("this field can't be sent", path="$")


def _make_object(cls: type, described: list[Field], converters: list[Convert]) -> Convert:
    forbidden = getattr(getattr(cls, "__struct_config__", None), "forbid_unknown_fields", False)
    keys = {field.key for field in described}
    parts = list(zip(described, converters, strict=True))

    def convert(value: Any) -> Any:
        if type(value) is not dict:
            raise _expected("object", _wire_name(value))
        if forbidden and not keys.issuperset(value):
            raise ExtractError("Object contains an unknown field", path="$")
        values = {}
        for (name, key, _, is_required), converter in parts:
            if key in value:
                try:
                    values[name] = converter(value[key])
                except ExtractError as error:
                    _put_inside(error, f".{key}")
                    raise
                except RecursionError:
                    raise ExtractError("nested too deep", path="$") from None
            elif is_required:
                raise ExtractError(f"Object missing required field `{key}`", path="$")
        try:
            return cls(**values)
        except (ValueError, TypeError) as error:
            raise ExtractError(str(error), path="$") from error

    return convert


def _put_inside(error: ExtractError, place: str) -> None:
    """Have an error's path begin one level further up."""
    error.path = f"${place}{(error.path or '$')[1:]}"


def _check_array(value: Any) -> Any:
    """Refuse what is no array; a call's arguments are one, whatever holds them."""
    if type(value) is not list and type(value) is not tuple:
        raise _expected("array", _wire_name(value))
    return value


def _expected(expected: str, got: str) -> ExtractError:
    return ExtractError(f"Expected `{expected}`, got `{got}`", path="$")


def _wire_name(value: Any) -> str:
    return _WIRE_NAMES.get(type(value), type(value).__name__)


def _describe(cls: Any) -> list[Field] | None:
    """The fields of a class; None if it has none that are known."""
    if isinstance(cls, type) and issubclass(cls, msgspec.Struct):
        return _describe_struct(cls)
    if is_dataclass(cls):
        hints = get_type_hints(cls, include_extras=True)
        return [
            Field(field.name, field.name, hints[field.name], field.default is field.default_factory is MISSING)
            for field in fields(cls)
            if field.init
        ]
    if hasattr(cls, "__attrs_attrs__"):
        hints = get_type_hints(cls, include_extras=True)
        nothing = sys.modules["attr"].NOTHING
        return [
            Field(item.alias, item.name, hints.get(item.name, Any), item.default is nothing)
            for item in cls.__attrs_attrs__
            if item.init
        ]
    if _is_named_tuple(cls):
        hints = get_type_hints(cls, include_extras=True)
        named: Any = cls
        return [Field(name, name, hints.get(name, Any), name not in named._field_defaults) for name in named._fields]
    if hasattr(cls, "__required_keys__"):
        hints = get_type_hints(cls, include_extras=True)
        return [Field(name, name, *_typed_dict_item(cls, name, hint)) for name, hint in hints.items()]
    return None


def _is_named_tuple(cls: Any) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_field_defaults")


def _describe_struct(cls: type[msgspec.Struct]) -> list[Field]:
    config = cls.__struct_config__
    if config.array_like or config.tag is not None:
        raise TypeError(f"{cls.__name__} is tagged or like an array, and has fields that msgspec does not know")
    return [Field(item.name, item.encode_name, item.type, item.required) for item in msgspec.structs.fields(cls)]


def _typed_dict_item(cls: Any, name: str, hint: Any) -> tuple[Any, bool]:
    is_required = name in cls.__required_keys__
    # Under `from __future__ import annotations` Python sees these only when the hints are evaluated.
    while getattr(get_origin(hint), "_name", "") in ("Required", "NotRequired", "ReadOnly"):
        if get_origin(hint)._name != "ReadOnly":
            is_required = get_origin(hint)._name == "Required"
        hint = get_args(hint)[0]
    return hint, is_required
