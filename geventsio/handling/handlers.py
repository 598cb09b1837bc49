"""Handlers: functions of the user's with their call plans, and the kinds of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import CodeType, FunctionType
from typing import Any, ClassVar

from geventsio.handling.call import Call, Take
from geventsio.handling.plan import Plan, make_plan

__all__ = ["Handler", "HandlerKind", "InThread", "ThreadHandler"]

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
        has_event: whether `Event` is allowed; None for where there is any number of arguments.
        names_event: whether the first argument is the event's name.

    Attributes:
        key: the name in short, as in `allowed_in` of extractors.
        state: what `State[T]` can be, by its type.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...] | None,
        injectable: Mapping[type[Any], str],
        refused: Mapping[type[Any], str],
        has_data: bool = True,
        validates: bool = True,
        has_event: bool | None = None,
        names_event: bool = False,
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.injectable = dict(injectable)
        self.refused = dict(refused)
        self.has_data = has_data
        self.key = name.partition(" ")[0]
        self.validates = validates
        self.has_event = arguments is None if has_event is None else has_event
        self.names_event = names_event
        self.state: Mapping[type[Any], Any] = {}
        self._plans: dict[CodeType, tuple[dict[str, Any], dict[str, Any], Plan]] = {}

    def plan(self, function: Callable[..., Any]) -> Plan:
        """Return the plan for a function.

        Raises:
            HandlerSignatureError: it can't be called with what this kind of handler has.
        """
        if not _has_reusable_signature(function):
            return make_plan(self, function)[0]
        # Functions made by one piece of code may still differ in their annotations; and code that is alike in two
        # modules is equal, though the names in it stand for other things.
        annotations, module = function.__annotations__, function.__globals__
        cached = self._plans.get(function.__code__)
        if cached is not None and cached[0] is module and cached[1] == annotations:
            return cached[2]
        plan, used_local_names = make_plan(self, function)
        if not used_local_names and len(self._plans) < MAX_CACHED_PLANS:
            self._plans[function.__code__] = (module, dict(annotations), plan)
        return plan

    def injected(self, annotation: Any) -> Take | None:
        """Return what takes a parameter of a class that is taken by itself; None if it is another type.

        Raises:
            TypeError: other kinds know the class, and this one can't have it.
        """
        if not isinstance(annotation, type):
            return None
        reason = self.refused.get(annotation)
        if reason is not None:
            raise TypeError(f"{annotation.__name__} is not allowed here, {reason}")
        path = self.injectable.get(annotation)
        return None if path is None else attrgetter(path)

    def describe_allowed(self) -> str:
        """Say what parameters may be, for errors."""
        names = sorted([cls.__name__ for cls in self.injectable] + ["Event"] * self.has_event)
        generic = ["Data", "TryData"] * self.has_data
        generic += ["State", "Extension", "MaybeExtension", "HttpExtension", "MaybeHttpExtension"]
        extractors = ", ".join(names + [f"{name}[...]" for name in generic])
        return f"Annotate it with one of {extractors}, an extractor of your own, or a type to validate to"


class Handler:
    """A function of the user's with its plan."""

    #: Whether its jobs run in a native thread.
    threadpool: ClassVar[bool] = False

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


class InThread(Handler):
    """Of classes of handlers: has the whole call made in a native thread, unless it is made in one."""

    threadpool: ClassVar[bool] = True

    __slots__ = ()

    def __call__(self, call: Call) -> Any:
        """See `Handler`."""
        return call.socket.io.native.run(super().__call__, call)


class ThreadHandler(InThread):
    """A handler that runs in a native thread."""

    __slots__ = ()


def _has_reusable_signature(function: Any) -> bool:
    """Whether the module, the code and the annotations of a function are all that its plan depends on.

    Defaults are values of one function, a bound method lacks its first parameter, and decorators may show
    another function's signature.
    """
    return (
        type(function) is FunctionType
        and function.__defaults__ is None
        and function.__kwdefaults__ is None
        and not function.__dict__
    )
