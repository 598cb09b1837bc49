"""Call plans: a handler's signature, read once, as the list of what its parameters are taken from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType
from typing import Any

from geventsio.errors import HandlerSignatureError
from geventsio.extract import Call, Extractor, annotation_extractor, is_data, rest_extractor, value_extractor
from geventsio.scope import Scope

__all__ = ["Handler", "HandlerKind"]

#: The index of an argument that no call has.
NOWHERE = 2**31

#: Plans of handlers that are registered again and again, such as those inside of a connect handler.
MAX_CACHED_PLANS = 1024


class HandlerKind:
    """A kind of handler, and what its parameters may be.

    Args:
        name: for errors, such as "event handler".
        arguments: what its plain parameters are taken from, one each; None for any number of arguments.
        injectable: classes and the attribute of `Call` that each is taken from.
        refused: classes that other kinds know, with the reason why this one can't have them.
        has_data: whether `Data[T]` is allowed.
        validates: whether plain parameters are validated to their annotations.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...] | None,
        injectable: Mapping[type[Any], str],
        refused: Mapping[type[Any], str],
        has_data: bool = True,
        validates: bool = True,
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.injectable = dict(injectable)
        self.refused = dict(refused)
        self.has_data = has_data
        self.validates = validates
        self._plans: dict[CodeType, tuple[dict[str, Any], Plan]] = {}

    def plan(self, function: Callable[..., Any]) -> Plan:
        """Return the plan for a function.

        Raises:
            HandlerSignatureError: it can't be called with what this kind of handler has.
        """
        if not _has_reusable_signature(function):
            return _make_plan(self, function)[0]
        # Functions made by one piece of code may still differ in their annotations.
        annotations = function.__annotations__
        cached = self._plans.get(function.__code__)
        if cached is not None and cached[0] == annotations:
            return cached[1]
        plan, used_local_names = _make_plan(self, function)
        if not used_local_names and len(self._plans) < MAX_CACHED_PLANS:
            self._plans[function.__code__] = (annotations, plan)
        return plan


class Plan:
    """Takes a handler's parameters from a call."""

    __slots__ = ("is_simple", "keywords", "positional", "rest")

    def __init__(
        self, positional: tuple[Extractor, ...], rest: Extractor | None, keywords: dict[str, Extractor]
    ) -> None:
        self.positional = positional
        self.rest = rest
        self.keywords = keywords
        self.is_simple = rest is None and not keywords

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
        if plan.is_simple:
            return self.function(*[extract(call) for extract in plan.positional])
        args, keywords = plan.extract(call)
        return self.function(*args, **keywords)


def _has_reusable_signature(function: Any) -> bool:
    """Whether the code and the annotations of a function are all that its plan depends on.

    Defaults are values of one function, a bound method lacks its first parameter, and decorators may show
    another function's signature.
    """
    return (
        type(function) is FunctionType
        and function.__defaults__ is None
        and function.__kwdefaults__ is None
        and not function.__dict__
    )


def _make_plan(kind: HandlerKind, function: Callable[..., Any]) -> tuple[Plan, bool]:
    """Return the plan, and whether it depends on more than the module that the function stands in."""
    scope = Scope(function)
    used: int | None = 0  # arguments that earlier parameters take; None when none is left
    positional: list[Extractor] = []
    keywords: dict[str, Extractor] = {}
    rest = None
    for parameter in _parameters(kind, function, scope):
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        where = f"parameter {parameter.name!r} of the {kind.name} {_name(function)}"
        annotation = scope.resolve(parameter.annotation, where)
        extractor = _injected(kind, annotation, parameter.name, where)
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            rest, used = _rest(kind, used or 0, annotation, extractor, where), None
            continue
        if extractor is None:
            extractor = _plain(kind, used, annotation, parameter, where)
            used = None if used is None else used + 1
        elif is_data(annotation) and used is not None:
            # Data[T] is the first argument; plain parameters go on behind it.
            used = max(used, 1)
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            keywords[parameter.name] = extractor
        else:
            positional.append(extractor)
    return Plan(tuple(positional), rest, keywords), scope.used_local_names


def _parameters(kind: HandlerKind, function: Callable[..., Any], scope: Scope) -> list[inspect.Parameter]:
    if not callable(function):
        raise HandlerSignatureError(f"{function!r} is not callable: it can't be a {kind.name}")
    if scope.is_asynchronous:
        raise HandlerSignatureError(
            f"the {kind.name} {_name(function)} is async or a generator: handlers are plain functions, "
            "which may block, for gevent switches greenlets by itself"
        )
    try:
        return list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        raise HandlerSignatureError(
            f"the {kind.name} {_name(function)} has no signature that can be read: wrap it in a function"
        ) from None


def _injected(kind: HandlerKind, annotation: Any, name: str, where: str) -> Extractor | None:
    reason = kind.refused.get(annotation) if isinstance(annotation, type) else None
    if reason is not None:
        raise HandlerSignatureError(f"{where}: {annotation.__name__} is not allowed here, {reason}")
    if not kind.has_data and is_data(annotation):
        raise HandlerSignatureError(f"{where}: Data is not allowed here, there is no data")
    try:
        return annotation_extractor(annotation, name, kind.injectable)
    except TypeError as error:
        raise HandlerSignatureError(f"{where}: {error}. {_allowed(kind)}") from None


def _plain(
    kind: HandlerKind, index: int | None, annotation: Any, parameter: inspect.Parameter, where: str
) -> Extractor:
    is_beyond = index is None or (kind.arguments is not None and index >= len(kind.arguments))
    if is_beyond and parameter.default is inspect.Parameter.empty:
        taken = "*args takes them all" if index is None else f"a {kind.name} has {' and '.join(kind.arguments or ())}"
        raise HandlerSignatureError(f"{where}: no argument is left for it, {taken}. {_allowed(kind)}")
    if not kind.validates:
        annotation = inspect.Parameter.empty
    try:
        return value_extractor(NOWHERE if index is None else index, parameter.name, annotation, parameter.default)
    except TypeError as error:
        raise HandlerSignatureError(f"{where}: {error}. {_allowed(kind)}") from None


def _rest(kind: HandlerKind, start: int, annotation: Any, injected: Extractor | None, where: str) -> Extractor:
    if injected is not None:
        raise HandlerSignatureError(f"{where}: there is only one, and *args is for the event's arguments")
    try:
        return rest_extractor(start, where, annotation)
    except TypeError as error:
        raise HandlerSignatureError(f"{where}: {error}. {_allowed(kind)}") from None


def _allowed(kind: HandlerKind) -> str:
    names = ", ".join(sorted(cls.__name__ for cls in kind.injectable))
    data = "Data[...], " if kind.has_data else ""
    return f"Annotate it with one of {names}, {data}or a type to validate to"


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
