"""Taking parameters out of an event's arguments, and what several parameters take alike only once."""

from __future__ import annotations

from inspect import Parameter
from typing import Any

from geventsio.errors import ExtractError
from geventsio.extracting.convert import value_converter
from geventsio.handling.call import Call, Take

__all__ = ["keep", "take_all", "take_rest", "take_value"]

REQUIRED = Parameter.empty


def take_value(index: int, annotation: Any, name: str, default: Any) -> Take:
    """Return what takes the argument at `index`, validated to a type; `default` is for calls that lack it."""
    convert = value_converter(annotation)
    if convert is None and default is REQUIRED:
        return _take_as_it_is(index, name)

    def take(call: Call) -> Any:
        args = call.args
        if index >= len(args):
            if default is REQUIRED:
                raise _missing(index, name)
            return default
        if convert is None:
            return args[index]
        try:
            return convert(args[index])
        except ExtractError as error:
            error.parameter = name
            raise

    return take


def _take_as_it_is(index: int, name: str) -> Take:
    def take(call: Call) -> Any:
        try:
            return call.args[index]
        except IndexError:
            raise _missing(index, name) from None

    return take


def _missing(index: int, name: str) -> ExtractError:
    return ExtractError(f"argument {index} is missing", name, "$")


def take_all(annotation: Any, name: str) -> Take:
    """Return what takes all arguments, validated to a tuple type."""
    convert = value_converter(annotation)
    assert convert is not None  # a tuple type is never Any

    def take(call: Call) -> Any:
        try:
            return convert(call.args)
        except ExtractError as error:
            error.parameter = name
            raise

    return take


def take_rest(start: int, annotation: Any, name: str) -> Take:
    """Return what takes all arguments from `start` on, each validated to a type."""
    convert = value_converter(annotation)
    if convert is None:
        return lambda call: call.args[start:]

    def take(call: Call) -> Any:
        try:
            return [convert(value) for value in call.args[start:]]
        except ExtractError as error:
            error.parameter = name
            raise

    return take


def keep(key: object, take: Take) -> Take:
    """Return what takes a value once for each call, however many parameters want it.

    Args:
        key: tells what is taken; the same for all that share it.
        take: takes it.
    """

    def take_once(call: Call) -> Any:
        kept = call.kept
        if key not in kept:
            kept[key] = take(call)
        return kept[key]

    return take_once
