"""Tests of call plans: what a handler's parameters are taken from, and the errors of those that can't work."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import pytest

from geventsio import (
    AckSender,
    Data,
    DisconnectReason,
    Extract,
    HandlerSignatureError,
    ProtocolVersion,
    Socket,
    SocketIO,
    SocketRef,
    TransportType,
)
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.peer import WebSocketPeer

if TYPE_CHECKING:
    from uuid import UUID

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Message:
    text: str


class Server:
    """A server with one client."""

    def __init__(self, serve: Serve) -> None:
        self.io = SocketIO()
        self.root = self.io.ns("/")
        self.root.on("sync", lambda: ())
        self.peer: WebSocketPeer = serve(self.io).websocket()
        self.socket = self.root.sockets[self.peer.connect()]

    def ask(self, handler: Callable[..., Any], *args: object) -> Any:
        """Register a handler, have the client send its event, and return what it returned."""
        self.root.on("event", handler)
        (answer,) = self.peer.ask("event", *args)
        return answer

    def send(self, *args: object) -> None:
        """Have the client send the event, and wait until it has been handled or skipped."""
        self.peer.emit("event", *args)
        assert self.peer.ask("sync") == []


@pytest.fixture
def server(serve: Serve) -> Server:
    """See `Server`."""
    return Server(serve)


# By type


def test_parameters_are_taken_by_their_types(server: Server) -> None:
    def handler(
        transport: TransportType,
        ack: AckSender,
        protocol: ProtocolVersion,
        first: int,
        socket: Socket,
        ref: SocketRef,
        second: str,
        io: SocketIO,
    ) -> list[object]:
        assert socket is ref is server.socket
        assert io is server.io
        assert ack.expected
        return [transport, protocol, first, second]

    assert server.ask(handler, 1, "2") == ["websocket", 5, 1, "2"]


def test_a_parameter_is_known_by_its_type_and_not_by_its_name(server: Server) -> None:
    def handler(socket: int, auth: str, self: Socket) -> list[object]:
        return [socket, auth, self.id]

    assert server.ask(handler, 1, "2") == [1, "2", server.socket.id]


def test_a_handler_without_parameters_ignores_the_arguments(server: Server) -> None:
    assert server.ask(lambda: "called", 1, 2, 3) == "called"


# By place


def test_parameters_without_annotation_take_the_arguments_untouched(server: Server) -> None:
    assert server.ask(lambda a, b: [b, a], {"x": [1]}, None) == [None, {"x": [1]}]


def test_more_arguments_than_parameters_are_ignored(server: Server) -> None:
    assert server.ask(lambda a: a, 1, 2, 3) == 1


def test_an_argument_that_is_missing_skips_the_handler(server: Server, log: Log) -> None:
    called: list[object] = []

    def handler(first: Any, second: Any) -> None:
        called.append((first, second))

    server.root.on("event", handler)
    server.send(1)
    assert called == []
    assert "parameter 'second': argument 1 is missing" in log.take_one().getMessage()
    server.send(1, None)
    assert called == [(1, None)]


def test_defaults_stand_in_for_arguments_that_are_missing(server: Server, log: Log) -> None:
    def handler(first: int, second: str = "default", third: Any = None) -> list[object]:
        return [first, second, third]

    assert server.ask(handler, 1) == [1, "default", None]
    assert server.ask(handler, 1, "2") == [1, "2", None]
    assert server.ask(handler, 1, "2", 3) == [1, "2", 3]
    server.send(1, None)
    assert "'second': Expected `str`, got `null`" in log.take_one().getMessage()


def test_star_args_take_the_rest(server: Server) -> None:
    assert server.ask(lambda *args: [*args], 1, [2]) == [1, [2]]
    assert server.ask(lambda *args: [*args]) == []
    assert server.ask(lambda first, *rest: [first, [*rest]], 1, 2, 3) == [1, [2, 3]]
    assert server.ask(lambda first, *rest: [first, [*rest]], 1) == [1, []]

    def mixed(first: int, socket: Socket, *rest: Any) -> list[object]:
        return [first, socket.ns, [*rest]]

    assert server.ask(mixed, 1, 2, 3) == [1, "/", [2, 3]]


def test_star_args_are_validated_to_their_annotation(server: Server, log: Log) -> None:
    def handler(*numbers: int) -> int:
        return sum(numbers)

    assert server.ask(handler, 1, 2, 3) == 6
    server.send(1, "2")
    message = log.take_one().getMessage()
    assert "'numbers'" in message and "Expected `int`, got `str`" in message


def test_data_and_the_parameters_behind_it(server: Server) -> None:
    def handler(message: Data[Message], socket: Socket, second: int, *rest: Any) -> list[object]:
        return [message.text, second, [*rest]]

    assert server.ask(handler, {"text": "a"}, 2, 3) == ["a", 2, [3]]


def test_keyword_only_parameters(server: Server) -> None:
    def handler(first: int, *, second: str, socket: Socket, third: int = 3) -> list[object]:
        return [first, second, socket.ns, third]

    assert server.ask(handler, 1, "2") == [1, "2", "/", 3]
    assert server.ask(handler, 1, "2", 4) == [1, "2", "/", 4]


def test_keyword_only_parameters_behind_star_args_have_their_defaults(server: Server) -> None:
    def handler(*args: Any, socket: Socket, flag: str = "default") -> list[object]:
        return [[*args], socket.ns, flag]

    assert server.ask(handler, 1, 2, 3) == [[1, 2, 3], "/", "default"]


def test_each_keyword_only_parameter_behind_star_args_has_its_own_default(server: Server) -> None:
    def handler(*args: Any, flag: str = "default", other: str = "another") -> list[object]:
        return [[*args], flag, other]

    assert server.ask(handler, 1, 2) == [[1, 2], "default", "another"]


def test_keyword_arguments_stay_empty(server: Server) -> None:
    assert server.ask(lambda first, **more: [first, more], 1, 2) == [1, {}]


def test_positional_only_parameters(server: Server) -> None:
    def handler(first: int, socket: Socket, /, second: int = 2) -> list[object]:
        return [first, socket.ns, second]

    assert server.ask(handler, 1) == [1, "/", 2]


# What can be a handler


class Handlers:
    """Methods of all kinds, and an object that can be called."""

    name = "handlers"

    def method(self, socket: Socket, text: str) -> list[str]:
        return [self.name, socket.ns, text]

    @classmethod
    def of_class(cls, socket: Socket, text: str) -> list[str]:
        return [cls.name, socket.ns, text]

    @staticmethod
    def static(socket: Socket, text: str) -> list[str]:
        return ["static", socket.ns, text]

    def __call__(self, socket: Socket, text: str) -> list[str]:
        return ["call", socket.ns, text]


def bound_first(name: str, socket: Socket, text: str) -> list[str]:
    return [name, socket.ns, text]


def bound_by_name(socket: Socket, text: str, *, name: str) -> list[str]:
    return [name, socket.ns, text]


def decorated(function: F) -> F:
    """A decorator as people write them."""

    @functools.wraps(function)
    def wrapper(*args: Any, **keywords: Any) -> Any:
        return function(*args, **keywords)

    return wrapper  # type: ignore[return-value]


@decorated
def wrapped(socket: Socket, text: str) -> list[str]:
    return ["wrapped", socket.ns, text]


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (Handlers().method, "handlers"),
        (Handlers.of_class, "handlers"),
        (Handlers.static, "static"),
        (Handlers(), "call"),
        (functools.partial(bound_first, "partial"), "partial"),
        (functools.partial(bound_by_name, name="partial"), "partial"),
        (functools.partial(functools.partial(bound_first, "inner")), "inner"),
        (functools.partial(Handlers().method), "handlers"),
        (wrapped, "wrapped"),
        (decorated(Handlers().method), "handlers"),
    ],
    ids=["method", "class method", "static method", "object", "partial", "partial by name", "partial of a partial"]
    + ["partial of a method", "decorated", "decorated method"],
)
def test_what_can_be_called_can_be_a_handler(server: Server, handler: Callable[..., Any], name: str) -> None:
    assert server.ask(handler, "text") == [name, "/", "text"]


def test_a_builtin_method_is_a_handler_if_it_has_a_signature(server: Server) -> None:
    seen: list[object] = []
    server.root.on("event", seen.append)
    server.send(1, 2)
    assert seen == [1]


def test_a_method_s_object_is_that_of_the_registration(server: Server) -> None:
    class Counter:
        def __init__(self, start: int) -> None:
            self.start = start

        def event(self, number: int) -> int:
            return self.start + number

    assert server.ask(Counter(10).event, 1) == 11
    assert server.ask(Counter(20).event, 1) == 21


@pytest.mark.parametrize("thing", [5, None, "handler", [print]], ids=repr)
def test_what_can_not_be_called_is_refused(thing: Any) -> None:
    root = SocketIO().ns("/")
    for register in (root, root.use, root.on_fallback, root.on_disconnect, root.on("event")):
        with pytest.raises(HandlerSignatureError, match="is not callable"):
            register(thing)


async def coroutine(text: str) -> None: ...


async def async_generator(text: str) -> AsyncIterator[int]:
    yield 1


def generator(text: str) -> Iterator[int]:
    yield 1


class Async:
    async def method(self, text: str) -> None: ...

    async def __call__(self, text: str) -> None: ...


@pytest.mark.parametrize(
    "handler",
    [coroutine, async_generator, generator, Async().method, Async(), functools.partial(coroutine, "x")]
    + [decorated(coroutine)],
    ids=["coroutine", "async generator", "generator", "method", "object", "partial", "decorated"],
)
def test_what_would_not_run_when_called_is_refused(handler: Callable[..., Any]) -> None:
    root = SocketIO().ns("/")
    for register in (root, root.use, root.on_fallback, root.on_disconnect, root.on("event")):
        with pytest.raises(HandlerSignatureError, match="async or a generator: handlers are plain functions"):
            register(handler)


def test_what_has_no_signature_is_refused() -> None:
    for thing in (dict, min):
        with pytest.raises(HandlerSignatureError, match="has no signature that can be read"):
            SocketIO().ns("/").on("event", thing)


# Annotations


def test_classes_that_are_local_to_a_function(server: Server) -> None:
    @dataclass
    class Local:
        number: int

    @server.root.on("event")
    def handler(local: Data[Local]) -> int:
        assert isinstance(local, Local)
        return local.number

    assert server.peer.ask("event", {"number": 3}) == [3]


def test_a_local_class_that_is_used_in_annotations_only(server: Server) -> None:
    @dataclass
    class Local:
        number: int

    @server.root.on("event")
    def handler(local: list[Local]) -> int:
        return sum(item.number for item in local)

    assert server.peer.ask("event", [{"number": 3}, {"number": 4}]) == [7]


def test_a_local_class_hides_a_global_one_of_the_same_name(server: Server) -> None:
    @dataclass
    class Message:
        number: int

    @server.root.on("event")
    def handler(message: Message) -> int:
        return message.number  # pyright: ignore[reportAttributeAccessIssue]

    assert server.peer.ask("event", {"number": 3}) == [3]


def test_a_local_name_that_does_not_exist_yet_is_an_error(server: Server) -> None:
    @dataclass
    class Early:
        number: int

    def handler(early: Early, late: Late) -> int:
        assert isinstance(late, Late)
        return early.number + late.number

    with pytest.raises(HandlerSignatureError, match="'late' .*'Late' can't be resolved"):
        server.root.on("event", handler)

    @dataclass
    class Late:
        number: int

    server.root.on("event", handler)
    assert server.peer.ask("event", {"number": 3}, {"number": 4}) == [7]


def test_a_name_of_who_registers_hides_nothing_of_the_handler_s_module(server: Server) -> None:
    Message = int  # noqa: F841
    server.root.on("event", take_message)
    assert server.peer.ask("event", {"text": "x"}) == ["x"]


def take_message(message: Message) -> str:
    return message.text


def make(Model: Any) -> Callable[..., Any]:
    """A handler that knows its class by a closure."""

    def handler(value: Model) -> Any:  # pyright: ignore[reportInvalidTypeForm]
        assert isinstance(value, Model)
        return value

    return handler


def test_functions_of_one_code_have_the_classes_of_their_closures(server: Server) -> None:
    first, second = make(int), make(str)
    assert server.ask(first, 1) == 1
    assert server.ask(second, "2") == "2"
    assert server.ask(first, 3) == 3


def test_functions_of_two_modules_have_the_classes_of_their_modules(server: Server) -> None:
    # Alike to the line and the letter; Python calls their code equal.
    source = "from __future__ import annotations\ndef handler(value: Model) -> object:\n    return value\n"
    first: dict[str, Any] = {"Model": int}
    second: dict[str, Any] = {"Model": str}
    exec(source, first)
    exec(source, second)
    assert server.ask(first["handler"], 1) == 1
    assert server.ask(second["handler"], "2") == "2"


def test_functions_of_one_code_may_differ_in_their_annotations(server: Server, log: Log) -> None:
    def plain() -> Callable[..., Any]:
        def handler(value):  # type: ignore[no-untyped-def]
            return value

        return handler

    whole, text = plain(), plain()
    whole.__annotations__ = {"value": int}
    text.__annotations__ = {"value": str}
    assert server.ask(whole, 1) == 1
    assert server.ask(text, "2") == "2"
    assert server.ask(plain(), [3]) == [3]
    server.root.on("event", whole)
    server.send("1")
    assert "Expected `int`, got `str`" in log.take_one().getMessage()


def test_annotations_may_change_between_registrations(server: Server) -> None:
    def handler(value: Any) -> Any:
        return value

    assert server.ask(handler, "1") == "1"
    handler.__annotations__["value"] = Annotated[Any, Extract(lambda: 2)]
    assert server.ask(handler, "1") == 2


def test_each_connection_s_handlers_have_their_own_defaults(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(socket: Socket, auth: dict[str, str]) -> None:
        seen: list[str] = []

        @socket.on("note")
        def note(value: str, seen: Any = seen, name: Any = auth["name"]) -> list[str]:
            seen.append(value)
            return [name, *seen]

    site = serve(io)
    first, second = site.connect(auth={"name": "first"}), site.connect(auth={"name": "second"})
    assert first.ask("note", "a") == [["first", "a"]]
    assert second.ask("note", "b") == [["second", "b"]]
    assert first.ask("note", "c") == [["first", "a", "c"]]


class Odd:
    """A value that can't be compared, like an array of numpy."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]


def test_a_default_may_be_anything(server: Server) -> None:
    for _ in range(3):

        def handler(value: int, odd: Any = Odd()) -> list[object]:  # noqa: B008
            return [value, type(odd).__name__]

        assert server.ask(handler, 1) == [1, "Odd"]


def test_decorated_functions_keep_their_own_signatures(server: Server) -> None:
    @decorated
    def one(x):  # type: ignore[no-untyped-def]
        return ["one", x]

    @decorated
    def two(x, y):  # type: ignore[no-untyped-def]
        return ["two", x, y]

    @decorated
    def number_first(number: int, text: str) -> list[object]:
        return [number, text]

    @decorated
    def text_first(text: str, number: int) -> list[object]:
        return [number, text]

    assert server.ask(one, 1) == ["one", 1]
    assert server.ask(two, 1, 2) == ["two", 1, 2]
    assert server.ask(number_first, 1, "a") == [1, "a"]
    assert server.ask(text_first, "a", 1) == [1, "a"]


def test_a_method_and_its_function_keep_their_own_signatures(server: Server) -> None:
    class Pair:
        def both(self, text: str) -> list[str]:
            return [type(self).__name__, text]

    for _ in range(2):
        assert server.ask(Pair().both, "text") == ["Pair", "text"]
        assert server.ask(Pair.both, 1, "text") == ["int", "text"]


def test_one_function_in_two_kinds_has_two_plans(serve: Serve) -> None:
    io = SocketIO()
    seen: list[tuple[object, object]] = []

    def handler(socket: Socket, value: Any) -> None:
        seen.append((socket.connected, value))

    io.ns("/", handler)
    io.ns("/").on("event", handler)
    io.ns("/").on_disconnect(handler)
    peer = serve(io).connect(auth={"a": 1})
    peer.emit("event", "argument")
    wait_until(lambda: len(seen) == 2)
    peer.say_goodbye()
    wait_until(lambda: len(seen) == 3)
    assert seen == [(True, {"a": 1}), (True, "argument"), (False, "transport close")]


# What can't work


def annotated(annotation: object) -> Callable[..., None]:
    """A handler whose one parameter has this annotation."""

    def handler(value: Any) -> None: ...

    handler.__annotations__ = {"value": annotation}
    return handler


def for_checkers_only(value: UUID) -> None: ...


def two(first: Any, second: Any) -> None: ...


def rest_then(*rest: Any, last: str) -> None: ...


def ack(ack: AckSender) -> None: ...


def maybe_ack(ack: AckSender | None) -> None: ...


def reason(reason: DisconnectReason) -> None: ...


def data(data: Data[str]) -> None: ...


def rest_of_unknown(*rest: Handlers) -> None: ...


def rest_of_sockets(*rest: Socket) -> None: ...


def rest_of_data(*rest: Data[int]) -> None: ...


@pytest.mark.parametrize(
    ("kind", "handler", "complaint"),
    [
        (
            "event handler",
            annotated("Missing"),
            r"'value' .*'Missing' can't be resolved \(name 'Missing' is not defined",
        ),
        ("event handler", annotated("list[Missing]"), r"'value' .*'list\[Missing\]' can't be resolved"),
        ("event handler", annotated("1 +"), "'value' .*'1 \\+' can't be resolved"),
        ("event handler", annotated("1 / 0"), "'value' .*'1 / 0' can't be resolved"),
        ("event handler", for_checkers_only, "'value' .*'UUID' can't be resolved.*not only for type checkers"),
        ("event handler", annotated(5), "'value'"),
        ("event handler", annotated(Handlers), "'value' .*Handlers is neither an extractor nor a type"),
        ("event handler", reason, "'reason' .*DisconnectReason is not allowed here, the socket is not being"),
        ("event handler", maybe_ack, "'ack' .*AckSender is neither"),
        ("event handler", rest_then, r"'last' .*no argument is left for it, \*args takes them all"),
        ("event handler", rest_of_unknown, "'rest' .*Handlers is neither an extractor nor a type"),
        ("event handler", rest_of_sockets, "'rest' "),
        ("event handler", rest_of_data, "'rest' "),
        ("connect handler", two, "'second' .*no argument is left for it, a connect handler has the auth payload"),
        ("connect handler", ack, "'ack' .*AckSender is not allowed here, there is no event to answer"),
        ("connect handler", reason, "'reason' .*DisconnectReason is not allowed here"),
        ("middleware", two, "'second' .*no argument is left for it, a middleware has the auth payload"),
        ("middleware", ack, "'ack' .*AckSender is not allowed here"),
        ("middleware", reason, "'reason' .*DisconnectReason is not allowed here"),
        ("disconnect handler", two, "'second' .*no argument is left for it, a disconnect handler has the reason"),
        ("disconnect handler", ack, "'ack' .*AckSender is not allowed here, there is no event to answer"),
        ("disconnect handler", data, "'data' .*Data is not allowed here, there is no data"),
    ],
)
def test_a_handler_that_can_not_work_is_an_error_that_names_the_parameter(
    kind: str, handler: Callable[..., Any], complaint: str
) -> None:
    root = SocketIO().ns("/")
    kinds: dict[str, Callable[[Any], object]] = {
        "event handler": root.on("event"),
        "connect handler": root,
        "middleware": root.use,
        "disconnect handler": root.on_disconnect,
    }
    with pytest.raises(HandlerSignatureError, match=f"^parameter {complaint}") as caught:
        kinds[kind](handler)
    assert f"of the {kind} {handler.__qualname__}: " in str(caught.value)


def test_an_error_tells_what_is_allowed() -> None:
    with pytest.raises(HandlerSignatureError) as caught:
        SocketIO().ns("/").on("event", annotated(Handlers))
    allowed = (
        "AckSender, Event, ProtocolVersion, Socket, SocketIO, TransportType, Data[...], TryData[...], State[...], "
    )
    allowed += "Extension[...], MaybeExtension[...], HttpExtension[...], MaybeHttpExtension[...], "
    allowed += "an extractor of your own, or a type to validate to"
    assert str(caught.value).endswith(f"Annotate it with one of {allowed}")


def test_an_error_leaves_the_former_handler_in_its_place(server: Server) -> None:
    server.root.on("event", lambda: "former")
    with pytest.raises(HandlerSignatureError):
        server.root.on("event", annotated("Missing"))
    assert server.peer.ask("event") == ["former"]


def test_a_socket_s_own_handlers_are_checked_alike(server: Server) -> None:
    for register in (server.socket.on("event"), server.socket.on_fallback, server.socket.on_disconnect):
        with pytest.raises(HandlerSignatureError, match="'value'"):
            register(annotated("Missing"))


def test_optional_parameters_beyond_what_there_is_have_their_defaults(serve: Serve) -> None:
    io = SocketIO()
    seen: list[object] = []

    def handler(value: Any, more: int = 5, *rest: Any) -> None:
        seen.append((more, rest))

    io.ns("/", handler)
    io.ns("/").on_disconnect(handler)
    serve(io).connect().say_goodbye()
    wait_until(lambda: len(seen) == 2)
    assert seen == [(5, ())] * 2
