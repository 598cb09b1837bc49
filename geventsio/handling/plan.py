"""Call plans: a handler's signature, read once, as the list of what its parameters are taken from."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from geventsio.errors import ExtractError, HandlerSignatureError
from geventsio.extracting.extract import Marker, find_marker
from geventsio.handling.call import Call, Take
from geventsio.handling.scope import Scope
from geventsio.handling.take import keep, take_rest, take_value

if TYPE_CHECKING:
    from geventsio.handling.handlers import HandlerKind

__all__ = ["Plan", "Site", "make_plan"]

#: The index of an argument that no call has.
NOWHERE = 2**31


class Plan:
    """Takes a handler's parameters from a call.

    Attributes:
        is_simple: whether `positional` is all that there is to it.
    """

    __slots__ = ("_keeps", "is_simple", "keywords", "positional", "rest")

    def __init__(self, positional: tuple[Take, ...], rest: Take | None, keywords: dict[str, Take]) -> None:
        self.positional = positional
        self.rest = rest
        self.keywords = keywords
        self.is_simple = rest is None and not keywords
        self._keeps = False

    def keep(self) -> None:
        """Take once what several parameters want alike."""
        self._keeps = True
        self.is_simple = False

    def extract(self, call: Call) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and the keyword arguments.

        Raises:
            ExtractError: one of them can't be taken from the call.
        """
        if self._keeps:
            call.kept = {}
        args = [take(call) for take in self.positional]
        if self.rest is not None:
            args.extend(self.rest(call))
        keywords = {name: take(call) for name, take in self.keywords.items()} if self.keywords else {}
        return args, keywords


def make_plan(kind: HandlerKind, function: Callable[..., Any]) -> tuple[Plan, bool]:
    """Return a function's plan, and whether it depends on more than the module that the function stands in.

    Raises:
        HandlerSignatureError: it can't be called with what this kind of handler has.
    """
    maker = _Maker(kind, {})
    plan = maker.make(function, f"the {kind.name} {_name(function)}")
    if maker.repeated:
        # Few handlers take something twice; only theirs is worth keeping from the first time to the second.
        maker = _Maker(kind, maker.repeated)
        plan = maker.make(function, f"the {kind.name} {_name(function)}")
        plan.keep()
    return plan, maker.used_local_names


class Site:
    """A parameter for which an extractor is made.

    Attributes:
        kind: of the handler.
        name: the parameter's.
        default: the parameter's; `inspect.Parameter.empty` if it has none.
    """

    def __init__(self, maker: _Maker, name: str, default: Any, where: str) -> None:
        self.kind = maker.kind
        self.name = name
        self.default = default
        self._maker = maker
        self._where = where

    def share(self, key: tuple[object, ...], take: Take) -> Take:
        """Have a value taken once if several parameters want the same; the key tells what it is."""
        return self._maker.share(key, take)

    def call(self, function: Callable[..., Any]) -> Take:
        """Return what calls an extractor of the user's, with parameters that are taken like a handler's."""
        plan = self._maker.make(function, f"the extractor {_name(function)} for {self._where}")
        name = self.name

        def take(call: Call) -> Any:
            try:
                args, keywords = plan.extract(call)
                return function(*args, **keywords)
            except ExtractError as error:
                error.parameter = name if error.parameter is None else f"{name}.{error.parameter}"
                raise

        return take


class _Maker:
    """Makes the plan of one handler, and those of the extractors of the user's that it has.

    Args:
        kind: of the handler.
        shared: what several parameters take alike, with the key under which a call keeps it.
    """

    def __init__(self, kind: HandlerKind, shared: dict[Any, object]) -> None:
        self.kind = kind
        self.used_local_names = False
        self.repeated: dict[Any, object] = {}
        self._shared = shared
        self._seen: set[Any] = set()
        self._open: list[Any] = []

    def make(self, function: Callable[..., Any], owner: str) -> Plan:
        """Make the plan of a function; `owner` names it in errors."""
        if function in self._open:
            raise HandlerSignatureError(f"{owner} needs itself")
        self._open.append(function)
        scope = Scope(function)
        plan = self._make(_parameters(function, scope, owner), scope, owner)
        self.used_local_names = self.used_local_names or scope.used_local_names
        self._open.pop()
        return plan

    def share(self, key: tuple[object, ...], take: Take) -> Take:
        """See `Site.share`."""
        try:
            if key in self._seen:
                self.repeated[key] = object()
            self._seen.add(key)
        except TypeError:  # a type that can't be hashed is converted each time
            return take
        return keep(self._shared[key], take) if key in self._shared else take

    def _make(self, parameters: list[inspect.Parameter], scope: Scope, owner: str) -> Plan:
        used: int | None = 0  # arguments that earlier parameters take; None when none is left
        positional: list[Take] = []
        keywords: dict[str, Take] = {}
        rest = None
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                continue
            where = f"parameter {parameter.name!r} of {owner}"
            annotation = scope.resolve(parameter.annotation, where)
            try:
                marker, wanted = find_marker(annotation)
                if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                    rest, used = self._take_rest(used or 0, marker, wanted, parameter.name), None
                    continue
                take = self._take_marked(marker, wanted, Site(self, parameter.name, parameter.default, where))
                if take is None:
                    take = self._take_plain(used, wanted, parameter)
                    used = None if used is None else used + 1
                elif marker is not None and used is not None and marker.takes_argument(self.kind):
                    used = max(used, 1)
            except TypeError as error:
                if isinstance(error, HandlerSignatureError):  # of an extractor's own parameter
                    raise
                raise HandlerSignatureError(f"{where}: {error}. {self.kind.describe_allowed()}") from None
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                keywords[parameter.name] = take
            else:
                positional.append(take)
        return Plan(tuple(positional), rest, keywords)

    def _take_marked(self, marker: Marker | None, wanted: Any, site: Site) -> Take | None:
        if marker is not None:
            return marker.make(wanted, site)
        return self.kind.injected(wanted)

    def _take_plain(self, index: int | None, wanted: Any, parameter: inspect.Parameter) -> Take:
        kind, default = self.kind, parameter.default
        is_beyond = index is None or (kind.arguments is not None and index >= len(kind.arguments))
        if is_beyond and default is inspect.Parameter.empty:
            article = "an" if kind.name[0] in "aeiou" else "a"
            has = f"{article} {kind.name} has {' and '.join(kind.arguments or ())}"
            raise TypeError(f"no argument is left for it, {'*args takes them all' if index is None else has}")
        index = NOWHERE if index is None else index
        if not kind.validates:
            wanted = Any
        return self.share((index, wanted, id(default)), take_value(index, wanted, parameter.name, default))

    def _take_rest(self, start: int, marker: Marker | None, wanted: Any, name: str) -> Take:
        if marker is not None or self.kind.injected(wanted) is not None:
            raise TypeError("there is only one, and *args is for the event's arguments")
        return take_rest(start, wanted, name)


def _parameters(function: Callable[..., Any], scope: Scope, owner: str) -> list[inspect.Parameter]:
    if not callable(function):
        raise HandlerSignatureError(f"{owner} is not callable")
    if scope.is_asynchronous:
        raise HandlerSignatureError(
            f"{owner} is async or a generator: handlers are plain functions, "
            "which may block, for gevent switches greenlets by itself"
        )
    try:
        return list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        raise HandlerSignatureError(f"{owner} has no signature that can be read: wrap it in a function") from None


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
