"""What the annotations of a function mean where it stands."""

from __future__ import annotations

import builtins
import functools
import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from geventsio.errors import HandlerSignatureError

__all__ = ["Scope"]

PACKAGE = __name__.partition(".")[0]


class Scope:
    """Resolves annotations that are strings, as they are under `from __future__ import annotations`.

    Classes that are local to a function are found as long as that function registers the handler.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = _innermost(function)
        self._globals: dict[str, Any] = getattr(self._function, "__globals__", {})
        self._locals: dict[str, Any] | None = None
        #: Whether a name was found elsewhere than in the function's module.
        self.used_local_names = False

    @property
    def is_asynchronous(self) -> bool:
        """Whether calling the function would not run it."""
        return inspect.iscoroutinefunction(self._function) or (
            inspect.isgeneratorfunction(self._function) or inspect.isasyncgenfunction(self._function)
        )

    def resolve(self, annotation: Any, where: str) -> Any:
        """Return what an annotation stands for.

        Raises:
            HandlerSignatureError: it names something that does not exist when the handler is registered.
        """
        if not isinstance(annotation, str):
            return annotation
        try:
            code = compile(annotation, "<annotation>", "eval")
            if self._locals is None:
                self._locals = _local_names(self._function, self._globals)
            local_names = {name: self._locals[name] for name in code.co_names if name in self._locals}
            self.used_local_names = self.used_local_names or bool(local_names)
            return eval(code, self._globals, local_names)
        except Exception as error:
            raise HandlerSignatureError(
                f"{where}: the annotation {annotation!r} can't be resolved ({error}); "
                "import what it names at run time, not only for type checkers"
            ) from None


def _innermost(function: Any) -> Any:
    """The function that was written down, inside of partials, methods and decorators."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.isroutine(function) or isinstance(function, type) or not callable(function):
            return function
        else:
            function = type(function).__call__


def _local_names(function: Any, module_names: dict[str, Any]) -> dict[str, Any]:
    """Names that the function sees and that are not its module's: of its closure, and of who registers it."""
    frame = _registering_frame()
    names: dict[str, Any] = {}
    if frame is not None:
        names.update(frame.f_locals)
        if not _encloses(frame, function):
            names = {
                name: value for name, value in names.items() if name not in module_names and not hasattr(builtins, name)
            }
    names.update(_closure(function))
    return names


def _registering_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == PACKAGE:
        frame = frame.f_back
    return None if frame is None or frame.f_locals is frame.f_globals else frame


def _encloses(frame: FrameType, function: Any) -> bool:
    outer, _, _ = getattr(function, "__qualname__", "").rpartition(".<locals>.")
    return outer.rpartition(".")[2] == frame.f_code.co_name and frame.f_globals is function.__globals__


def _closure(function: Any) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    cells = getattr(function, "__closure__", None) or ()
    values = {}
    for name, cell in zip(names, cells, strict=False):
        try:
            values[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return values
