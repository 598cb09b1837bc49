"""Types that are pydantic's business: its models and dataclasses, and unions and containers of nothing else.

pydantic need not be installed: who names a model has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from geventsio.errors import ExtractError

__all__ = ["is_for_pydantic", "make_pydantic"]

_CONTAINERS = (list, set, frozenset)


def is_for_pydantic(annotation: Any) -> bool:
    """Whether pydantic is to do all of a type."""
    if "pydantic" not in sys.modules:
        return False
    origin = get_origin(annotation)
    if origin is Annotated:
        return is_for_pydantic(get_args(annotation)[0])
    if origin is Union or origin is UnionType:
        members = [member for member in get_args(annotation) if member is not NoneType]
        return all(map(is_for_pydantic, members))
    if origin in _CONTAINERS:
        return is_for_pydantic(get_args(annotation)[0])
    if origin is tuple:
        items = [item for item in get_args(annotation) if item is not Ellipsis]
        return bool(items) and all(map(is_for_pydantic, items))
    if origin is dict:
        key, value = get_args(annotation)
        return key is str and is_for_pydantic(value)
    return isinstance(annotation, type) and _is_model(annotation)


def _is_model(cls: type) -> bool:
    return hasattr(cls, "__pydantic_validator__") and (hasattr(cls, "model_validate") or is_dataclass(cls))


def make_pydantic(annotation: Any) -> Callable[[Any], Any]:
    """Make the converter of a type that `is_for_pydantic`."""
    from pydantic import TypeAdapter, ValidationError

    validate = getattr(annotation, "model_validate", None) or TypeAdapter(annotation).validate_python

    def convert(value: Any) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            raise _extract_error(error.errors(include_url=False, include_input=False, include_context=False)) from error
        except (ValueError, TypeError, RecursionError) as error:
            raise ExtractError(str(error), path="$") from error

    return convert


def _extract_error(errors: list[Any]) -> ExtractError:
    """Tell the first error; the others are in the cause, for there may be one for each item of a long list."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return ExtractError(str(errors[0]["msg"]) + more, path=_path(errors[0]["loc"]))


def _path(location: tuple[int | str, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
