"""Call plans: a handler's signature, read once, as the list of what its parameters are taken from."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, TypeVar

from geventsio.errors import HandlerSignatureError
from geventsio.extract import Call, Extractor, annotation_extractor, rest_extractor, value_extractor

__all__ = ["Handler", "HandlerKind"]

F = TypeVar("F", bound=Callable[..., Any])

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

#: Plans of handlers that are registered again and again, such as those inside of a connect handler.
MAX_CACHED_PLANS = 1024


class HandlerKind:
    """A kind of handler, and what its parameters may be.

    Args:
        name: for errors, such as "event handler".
        arguments: what its plain parameters are taken from, one each; None for any number of arguments.
        injectable: classes and the attribute of `Call` that each is taken from.
        refused: classes that other kinds know, with the reason why this one can't have them.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...] | None,
        injectable: Mapping[type[Any], str],
        refused: Mapping[type[Any], str],
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.injectable = dict(injectable)
        self.refused = dict(refused)
        self._plans: dict[CodeType, tuple[Any, Plan]] = {}

    def plan(self, function: Callable[..., Any]) -> Plan:
        """Return the plan for a function.

        Raises:
            HandlerSignatureError: it can't be called with what this kind of handler has.
        """
        if not callable(function):
            raise HandlerSignatureError(f"{function!r} is no function: it can't be an {self.name}")
        code = getattr(function, "__code__", None)
        if code is None:
            return _make_plan(self, function)[0]
        # Handlers made by one piece of code may still differ in their annotations and defaults.
        signature = (function.__annotations__, function.__defaults__, function.__kwdefaults__)
        cached = self._plans.get(code)
        if cached is not None and cached[0] == signature:
            return cached[1]
        plan, is_reusable = _make_plan(self, function)
        if is_reusable and len(self._plans) < MAX_CACHED_PLANS:
            self._plans[code] = (signature, plan)
        return plan


class Plan:
    """Takes a handler's parameters from a call."""

    __slots__ = ("keywords", "positional", "rest")

    def __init__(
        self, positional: tuple[Extractor, ...], rest: Extractor | None, keywords: dict[str, Extractor]
    ) -> None:
        self.positional = positional
        self.rest = rest
        self.keywords = keywords

    def extract(self, call: Call) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and the keyword arguments.

        Raises:
            ExtractError: one of them can't be taken from the call.
        """
        args = [extract(call) for extract in self.positional]
        if self.rest is not None:
            args.extend(self.rest(call))
        keywords = {name: extract(call) for name, extract in self.keywords.items()} if self.keywords else {}
        return args, keywords


class Handler:
    """A function of the user's with its plan."""

    __slots__ = ("function", "plan")

    def __init__(self, function: Callable[..., Any], kind: HandlerKind) -> None:
        self.function = function
        self.plan = kind.plan(function)

    def __call__(self, call: Call) -> Any:
        """Take the parameters from the call and run the function. May switch greenlets.

        Raises:
            ExtractError: a parameter can't be taken from the call; the function is not called then.
        """
        plan = self.plan
        if plan.rest is None and not plan.keywords:
            return self.function(*[extract(call) for extract in plan.positional])
        args, keywords = plan.extract(call)
        return self.function(*args, **keywords)


def _make_plan(kind: HandlerKind, function: Callable[..., Any]) -> tuple[Plan, bool]:
    """Return the plan, and whether it holds for every function of the same code."""
    namespace = _Names(function)
    positional: list[Extractor] = []
    keywords: dict[str, Extractor] = {}
    rest = None
    used = 0
    parameters = list(inspect.signature(function).parameters.values())
    reads_data = False
    for parameter in parameters:
        where = f"parameter {parameter.name!r} of the {kind.name} {_name(function)}"
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            rest = rest_extractor(used)
            continue
        annotation = namespace.resolve(parameter.annotation, where)
        extractor = _injected(kind, annotation, parameter.name, where)
        if extractor is None:
            extractor = _plain(kind, used, annotation, parameter, where)
            used += 1
        elif not reads_data and _reads_data(annotation):
            # Data[T] is the first argument; plain parameters go on behind it.
            reads_data = True
            used = max(used, 1)
        if parameter.kind in _POSITIONAL:
            positional.append(extractor)
        else:
            keywords[parameter.name] = extractor
    return Plan(tuple(positional), rest, keywords), not namespace.used_local_names


def _injected(kind: HandlerKind, annotation: Any, name: str, where: str) -> Extractor | None:
    reason = kind.refused.get(annotation) if isinstance(annotation, type) else None
    if reason is not None:
        raise HandlerSignatureError(f"{where}: {annotation.__name__} is not allowed here, {reason}")
    if _reads_data(annotation) and kind.arguments == ():
        raise HandlerSignatureError(f"{where}: Data is not allowed here, there is no data")
    try:
        return annotation_extractor(annotation, name, kind.injectable)
    except TypeError as error:
        raise HandlerSignatureError(f"{where}: {error}. {_allowed(kind)}") from None


def _plain(kind: HandlerKind, index: int, annotation: Any, parameter: inspect.Parameter, where: str) -> Extractor:
    has_default = parameter.default is not inspect.Parameter.empty
    if kind.arguments is not None and index >= len(kind.arguments) and not has_default:
        taken = " and ".join(kind.arguments) or "nothing"
        raise HandlerSignatureError(
            f"{where}: there is nothing to take it from, a {kind.name} has {taken}. {_allowed(kind)}"
        )
    try:
        return value_extractor(index, parameter.name, annotation, parameter.default)
    except TypeError as error:
        raise HandlerSignatureError(f"{where}: {error}. {_allowed(kind)}") from None


def _reads_data(annotation: Any) -> bool:
    return "Data" in {repr(marker) for marker in getattr(annotation, "__metadata__", ())}


def _allowed(kind: HandlerKind) -> str:
    names = ", ".join(sorted(cls.__name__ for cls in kind.injectable))
    return f"Annotate it with one of {names}, Data[...], or a type to validate to"


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))


class _Names:
    """Resolves annotations that are strings, in the scope of the function that they stand on."""

    def __init__(self, function: Callable[..., Any]) -> None:
        plain = inspect.unwrap(function)
        plain = getattr(plain, "__func__", plain)
        self._globals: dict[str, Any] = getattr(plain, "__globals__", {})
        self._closure = _closure(plain)
        self._frame = _users_frame()
        self.used_local_names = False

    def resolve(self, annotation: Any, where: str) -> Any:
        """Return what an annotation stands for.

        Raises:
            HandlerSignatureError: it names something that does not exist when the handler is registered.
        """
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, self._globals, dict(self._closure))
        except Exception:
            self.used_local_names = True
        try:
            local_names = {} if self._frame is None else self._frame.f_locals
            return eval(annotation, self._globals, {**local_names, **self._closure})
        except Exception as error:
            raise HandlerSignatureError(
                f"{where}: the annotation {annotation!r} can't be resolved ({error}); "
                "import what it names at run time, not only for type checkers"
            ) from None


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


def _users_frame() -> FrameType | None:
    """The frame outside of this package that registers the handler: local classes live there."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "geventsio":
        frame = frame.f_back
    return frame
