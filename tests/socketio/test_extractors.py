"""Tests of the extractors: each in each kind of handler, what it gives there, and what happens when it can't."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NewType

import msgspec
import pytest
from typing_extensions import TypeAliasType

from geventsio import (
    AckSender,
    ConnectRefused,
    Data,
    DisconnectReason,
    Event,
    EventCall,
    Extension,
    Extract,
    ExtractError,
    HandlerSignatureError,
    HttpExtension,
    MaybeExtension,
    MaybeHttpExtension,
    Next,
    ProtocolVersion,
    Socket,
    SocketIO,
    State,
    TransportType,
    TryData,
    http_extensions,
)
from tests.socketio.harness import Log, Serve, Site, wait_until
from tests.socketio.peer import DISCONNECT
from tests.socketio.taking import data, generic, label, taking

KINDS = ["connect", "middleware", "event", "disconnect"]

AUTH = {"token": "x"}


class Counter:
    """A state."""


class Special(Counter):
    """A state of another type, though it is a Counter too."""


@dataclass
class User:
    """An extension of a socket."""

    name: str


@dataclass
class Visitor:
    """An extension of an HTTP request."""

    name: str


class Missing:
    """Nobody provides it."""


@dataclass
class Auth:
    token: str


COUNTER = Counter()


def register(io: SocketIO, kind: str, handler: Callable[..., Any]) -> None:
    """Register a handler of a kind in the main namespace."""
    root = io.ns("/")
    registering: dict[str, Callable[[Any], object]] = {
        "connect": root,
        "middleware": root.use,
        "event": root.on("event"),
        "disconnect": root.on_disconnect,
    }
    registering[kind](handler)


def provided(serve: Serve) -> tuple[SocketIO, Site]:
    """A server where all that extractors look for is there."""
    io = SocketIO(state=[COUNTER, Special()])

    @io.ns("/").use
    def authenticate(socket: Socket) -> None:
        socket.extensions.insert(User("of the socket"))

    service = io.service()

    def outer(environ: dict[str, Any], start_response: Any) -> Any:
        http_extensions(environ).insert(Visitor("of the request"))
        return service(environ, start_response)

    return io, serve(io, outer)


def live(io: SocketIO, site: Site, got: list[Any]) -> Any:
    """Have a client come, send an event and go; return the one value that was taken."""
    peer = site.connect(auth=AUTH)
    peer.emit("event", "first", "second")
    peer.say_goodbye()
    wait_until(lambda: got and not io.sockets())
    (value,) = got
    return value


def is_same(expected: object) -> Callable[[Any], bool]:
    """Whether a value is this one."""
    return lambda value: bool(value == expected)


ANYWHERE: dict[str, tuple[Any, Callable[[Any], bool]]] = {
    "Socket": (Socket, lambda value: isinstance(value, Socket)),
    "SocketIO": (SocketIO, lambda value: isinstance(value, SocketIO)),
    "ProtocolVersion": (ProtocolVersion, lambda value: value is ProtocolVersion.V5),
    "TransportType": (TransportType, lambda value: value is TransportType.WEBSOCKET),
    "State": (State[Counter], lambda value: value is COUNTER),
    "Extension": (Extension[User], is_same(User("of the socket"))),
    "MaybeExtension": (generic(MaybeExtension, User), is_same(User("of the socket"))),
    "MaybeExtension of none": (generic(MaybeExtension, Missing), is_same(None)),
    "HttpExtension": (HttpExtension[Visitor], is_same(Visitor("of the request"))),
    "MaybeHttpExtension": (generic(MaybeHttpExtension, Visitor), is_same(Visitor("of the request"))),
    "MaybeHttpExtension of none": (generic(MaybeHttpExtension, Missing), is_same(None)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ANYWHERE)
def test_extractors_that_every_kind_of_handler_may_have(serve: Serve, kind: str, name: str) -> None:
    annotation, is_expected = ANYWHERE[name]
    io, site = provided(serve)
    got: list[Any] = []
    register(io, kind, taking(annotation, got))
    assert is_expected(live(io, site, got))


@pytest.mark.parametrize(
    ("kind", "annotation", "value"),
    [
        ("connect", Data[Auth], Auth("x")),
        ("connect", Data[dict[str, Any]], AUTH),
        ("connect", generic(TryData, Auth), Auth("x")),
        ("middleware", Data[Auth], Auth("x")),
        ("middleware", generic(TryData, Auth), Auth("x")),
        ("event", Data[str], "first"),
        ("event", generic(Data, tuple[str, str]), ("first", "second")),
        ("event", generic(TryData, str), "first"),
        ("event", generic(TryData, tuple[str, str]), ("first", "second")),
        ("event", generic(TryData, Any), "first"),
        ("event", Event, "event"),
        ("disconnect", DisconnectReason, DisconnectReason.TRANSPORT_CLOSE),
    ],
    ids=label,
)
def test_extractors_of_one_kind_of_handler(serve: Serve, kind: str, annotation: Any, value: object) -> None:
    io, site = provided(serve)
    got: list[Any] = []
    register(io, kind, taking(annotation, got))
    assert live(io, site, got) == value


def test_an_ack_sender_is_for_events(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("event")
    def event(ack: AckSender, name: Event) -> None:
        ack.send(ack.expected, name)

    assert serve(io).connect().ask("event") == [True, "event"]


REFUSED = [
    ("connect", Event, "Event is not allowed here, there is no event"),
    ("middleware", Event, "Event is not allowed here, there is no event"),
    ("disconnect", Event, "Event is not allowed here, there is no event"),
    ("connect", AckSender, "AckSender is not allowed here, there is no event to answer"),
    ("middleware", AckSender, "AckSender is not allowed here, there is no event to answer"),
    ("disconnect", AckSender, "AckSender is not allowed here, there is no event to answer"),
    ("connect", DisconnectReason, "DisconnectReason is not allowed here, the socket is not being disconnected"),
    ("middleware", DisconnectReason, "DisconnectReason is not allowed here, the socket is not being disconnected"),
    ("event", DisconnectReason, "DisconnectReason is not allowed here, the socket is not being disconnected"),
    ("disconnect", Data[str], "Data is not allowed here, there is no data"),
    ("disconnect", generic(TryData, str), "TryData is not allowed here, there is no data"),
]


@pytest.mark.parametrize(("kind", "annotation", "complaint"), REFUSED, ids=label)
def test_extractors_where_they_have_nothing_to_take(kind: str, annotation: Any, complaint: str) -> None:
    handler = taking(annotation, [])
    with pytest.raises(HandlerSignatureError) as caught:
        register(SocketIO(state=[COUNTER]), kind, handler)
    name = kind if kind == "middleware" else f"{kind} handler"
    message = str(caught.value)
    assert message.startswith(
        f"parameter 'value' of the {name} taking.<locals>.handler: {complaint}. Annotate it with "
    )
    allowed = message.rpartition(". Annotate it with one of ")[2]
    assert "Socket" in allowed and "State[...]" in allowed
    assert ("AckSender" in allowed) == ("Event" in allowed) == (kind == "event")
    assert ("DisconnectReason" in allowed) == (kind == "disconnect")
    assert ("TryData[...]" in allowed) == (kind != "disconnect")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("annotation", "complaint"),
    [
        (State[Missing], "State[Missing] is not provided: SocketIO(state=[...]) has Counter, Special"),
        (State[object], "State[object] is not provided: SocketIO(state=[...]) has Counter, Special"),
        (generic(State, Counter | Special), "State[...] must name one class, not "),
        (State, "State[...] must name one class, not ~T"),
        (generic(Extension, User | None), "Extension[...] must name one class, not "),
        (generic(MaybeExtension, User | Missing), "MaybeExtension[...] must name one class, not "),
        (generic(HttpExtension, "Visitor"), "HttpExtension[...] must name one class, not "),
        (generic(MaybeHttpExtension, int | str), "MaybeHttpExtension[...] must name one class, not "),
        (State[Counter] | None, "an extractor stands inside of another type, where it has no meaning"),
        (list[Extension[User]], "an extractor stands inside of another type, where it has no meaning"),
        (generic(State, Extension[User]), "there is more than one extractor in its annotation"),
    ],
    ids=label,
)
def test_extractors_that_can_not_work_anywhere(kind: str, annotation: Any, complaint: str) -> None:
    with pytest.raises(HandlerSignatureError, match=f"parameter 'value' .*: {re.escape(complaint)}"):
        register(SocketIO(state=[COUNTER, Special()]), kind, taking(annotation, []))


def test_an_event_that_may_be_missing_is_an_error_and_not_an_argument() -> None:
    with pytest.raises(HandlerSignatureError, match="an extractor stands inside of another type"):
        register(SocketIO(), "event", taking(Event | None, []))


def test_a_state_where_there_is_none() -> None:
    with pytest.raises(HandlerSignatureError, match=r"State\[Counter\] is not provided: .* has nothing\."):
        register(SocketIO(), "event", taking(State[Counter], []))


def test_a_type_that_nobody_can_know_at_run_time_names_the_parameter() -> None:
    with pytest.raises(HandlerSignatureError, match="parameter 'value' .*Data"):
        register(SocketIO(), "event", taking(generic(Data, "Nowhere"), []))


# The model's table of what happens on failure


@pytest.mark.parametrize("kind", ["connect", "middleware"])
@pytest.mark.parametrize(
    ("annotation", "complaint"),
    [
        (Data[Auth], "Expected `str`, got `int` - at `$.token`"),
        (generic(Data, tuple[int, str]), "Expected `array`, got `object`"),
        (Extension[Missing], "Extension[Missing] is missing"),
        (HttpExtension[Missing], "HttpExtension[Missing] is missing"),
    ],
    ids=label,
)
def test_a_connection_is_refused_with_the_reason(serve: Serve, kind: str, annotation: Any, complaint: str) -> None:
    io, site = provided(serve)
    got: list[Any] = []
    register(io, kind, taking(annotation, got))
    io.ns("/").on_disconnect(lambda: got.append("disconnected"))
    peer = site.websocket()
    assert peer.refused(auth={"token": 5}) == {"message": f"parameter 'value': {complaint}"}
    assert (got, io.sockets(), io.rooms()) == ([], [], frozenset())


@pytest.mark.parametrize(
    ("annotation", "args", "complaint"),
    [
        (Data[int], ["x"], "Expected `int`, got `str`"),
        (Data[int], [], "argument 0 is missing"),
        (generic(Data, tuple[int, int]), [1], "Expected `array` of length 2, got 1"),
        (generic(Data, tuple[int, int]), [1, 2, 3], "Expected `array` of length 2, got 3"),
        (list[int], [[1, "2"]], "Expected `int`, got `str` - at `$[1]`"),
        (Data[Annotated[int, msgspec.Meta(ge=1)]], [0], "Expected `int` >= 1"),
        (Extension[Missing], [], "Extension[Missing] is missing"),
        (HttpExtension[Missing], [], "HttpExtension[Missing] is missing"),
    ],
    ids=label,
)
def test_an_event_is_skipped_and_the_next_one_is_not(
    serve: Serve, log: Log, annotation: Any, args: list[Any], complaint: str
) -> None:
    io, site = provided(serve)
    got: list[Any] = []
    register(io, "event", taking(annotation, got))
    io.ns("/").on("next", lambda: "still here")
    peer = site.connect()
    peer.emit("event", *args)
    assert peer.ask("next") == ["still here"]
    assert got == []
    record = log.take_one()
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert record.getMessage() == f"skipped the event 'event' in /: parameter 'value': {complaint}"
    assert (vars(record)["event"], vars(record)["namespace"]) == ("event", "/")


@pytest.mark.parametrize("annotation", [Extension[Missing], HttpExtension[Missing], int], ids=label)
def test_a_disconnect_handler_that_is_skipped_leaves_nothing_behind(serve: Serve, log: Log, annotation: Any) -> None:
    io, site = provided(serve)
    got: list[Any] = []
    register(io, "disconnect", taking(annotation, got))
    peer = site.connect()
    socket = io.sockets()[0]
    socket.join("room")
    peer.say_goodbye()
    assert log.take_one().getMessage().startswith("skipped the event 'disconnect' in /: parameter 'value': ")
    wait_until(lambda: not io.of("/").sockets)
    assert (got, socket.rooms, io.rooms()) == ([], frozenset(), frozenset())


@pytest.mark.parametrize("kind", ["connect", "middleware", "event"])
@pytest.mark.parametrize("sent", [{"token": 5}, {}])
def test_try_data_gives_the_error_and_skips_nothing(serve: Serve, kind: str, sent: object) -> None:
    io = SocketIO()
    got: list[Any] = []
    register(io, kind, taking(generic(TryData, Auth), got))
    peer = serve(io).connect(auth=sent)
    peer.emit("event", sent)
    error = wait_until(lambda: got)[0]
    assert isinstance(error, ExtractError)
    assert (error.parameter, error.path) == ("value", "$.token" if sent else "$")
    assert isinstance(error.__cause__, msgspec.ValidationError)


def test_try_data_of_too_many_arguments(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("event")
    def event(pair: TryData[tuple[int, int]]) -> str:
        return pair.reason if isinstance(pair, ExtractError) else str(sum(pair))

    peer = serve(io).connect()
    assert peer.ask("event", 1, 2) == ["3"]
    assert peer.ask("event", 1, 2, 3) == ["Expected `array` of length 2, got 3"]
    assert peer.ask("event") == ["Expected `array` of length 2, got 0"]


def test_missing_auth_is_an_empty_object(serve: Serve) -> None:
    io = SocketIO()
    got: list[Any] = []
    register(io, "connect", taking(generic(Data, Any), got))
    site = serve(io)
    site.connect()
    assert wait_until(lambda: got) == [{}]


def test_events_of_any_handler_know_their_names(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on_fallback
    def fallback(name: Event, *args: Any) -> list[Any]:
        return [name, *args]

    assert serve(io).connect().ask('an "event"\n', 1) == [['an "event"\n', 1]]


def test_a_default_is_for_data_that_is_missing(serve: Serve, log: Log) -> None:
    io = SocketIO()

    @io.ns("/").on("event")
    def event(number: Data[int] = 7) -> int:
        return number

    peer = serve(io).connect()
    assert peer.ask("event") == [7]
    assert peer.ask("event", 8) == [8]
    peer.emit("event", None)
    assert peer.ask("event", 9) == [9]
    assert "Expected `int`, got `null`" in log.take_one().getMessage()


# Nothing twice


conversions: list[str] = []


@dataclass
class Counted:
    """Counts how often it is made."""

    name: str

    def __post_init__(self) -> None:
        conversions.append(self.name)


def test_what_two_parameters_want_alike_is_converted_once(serve: Serve, log: Log) -> None:
    io = SocketIO()
    got: list[Any] = []

    @io.ns("/").on("event")
    def event(one: Data[Counted], two: TryData[Counted], raw: Data[Any], *, three: Data[Counted]) -> int:
        assert isinstance(two, Counted)
        got.append(one is two is three)
        return len(raw)

    peer = serve(io).connect()
    conversions.clear()
    assert peer.ask("event", {"name": "first"}) == [1]
    assert peer.ask("event", {"name": "second"}) == [1]
    assert (conversions, got) == (["first", "second"], [True, True])
    peer.emit("event", {})
    peer.emit("event", {"name": "third"})
    wait_until(lambda: len(got) == 3)
    assert "parameter 'one': Object missing required field `name`" in log.take_one().getMessage()


def test_all_arguments_are_converted_once(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("event")
    def event(one: Data[tuple[Counted, int]], two: Data[tuple[Counted, int]], first: Data[Counted]) -> bool:
        return one is two and one[0] == first

    peer = serve(io).connect()
    conversions.clear()
    assert peer.ask("event", {"name": "a"}, 1) == [True]
    assert conversions == ["a", "a"]  # as a part of all, and as the first


@pytest.mark.parametrize("wrap", [NewType, TypeAliasType])
def test_a_tuple_by_another_name_is_all_arguments(serve: Serve, wrap: Callable[..., Any]) -> None:
    io = SocketIO()
    got: list[Any] = []
    io.ns("/").on("event", taking(generic(Data, wrap("Pair", tuple[int, str])), got))
    serve(io).connect().emit("event", 1, "a")
    assert wait_until(lambda: got) == [(1, "a")]


def test_each_handler_converts_for_itself(serve: Serve) -> None:
    io = SocketIO()
    users: list[Any] = []

    @io.ns("/").use
    def middleware(auth: Data[Counted]) -> None:
        auth.name = "changed"

    register(io, "connect", taking(Data[Counted], users))
    serve(io).connect(auth={"name": "sent"})
    assert wait_until(lambda: users) == [Counted("sent")]


def test_types_that_can_not_be_hashed(serve: Serve) -> None:
    io = SocketIO()
    got: list[Any] = []

    def event(one: Any, two: Any) -> None:
        got.append((one, two))

    unhashable: Any = data(Annotated[int, ["not", "hashable"]])
    event.__annotations__ = {"one": unhashable, "two": unhashable}
    io.ns("/").on("event", event)
    serve(io).connect().emit("event", 5)
    assert wait_until(lambda: got) == [(5, 5)]


def test_an_event_without_a_handler_is_not_converted(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/").on("event", taking(Data[Counted], []))
    io.ns("/").on("sync", lambda: ())
    peer = serve(io).connect()
    conversions.clear()
    peer.emit("other", {"name": "a"})
    assert peer.ask("sync") == []
    assert conversions == []


# Answers to skipped events


def test_clients_are_told_why_their_events_are_skipped_only_if_the_namespace_says_so(serve: Serve, log: Log) -> None:
    io = SocketIO()
    for path in ("/silent", "/telling"):
        io.ns(path).on("event", taking(Auth, []))
        io.ns(path).on("missing", taking(Extension[Missing], []))
        io.ns(path).on("sync", lambda: ())
    io.ns("/telling").answer_errors()
    peer = serve(io).connect("/silent")
    peer.connect("/telling")
    peer.emit("event", {"token": 5}, namespace="/telling")
    assert peer.ask("event", {"token": 5}, namespace="/telling") == [
        {
            "error": {
                "message": "parameter 'value': Expected `str`, got `int` - at `$.token`",
                "parameter": "value",
                "path": "$.token",
            }
        }
    ]
    assert peer.ask("missing", namespace="/telling") == [
        {
            "error": {
                "message": "parameter 'value': Extension[Missing] is missing",
                "parameter": "value",
                "path": None,
            }
        }
    ]
    peer.send('2/silent,7["event",{"token":5}]')
    assert peer.ask("sync", namespace="/silent") == []
    io.ns("/telling").answer_errors(False)
    peer.send('2/telling,7["event",{"token":5}]')
    assert peer.ask("sync", namespace="/telling") == []
    assert len(log.take()) == 5


def test_a_client_that_is_gone_is_told_nothing(serve: Serve, log: Log) -> None:
    io = SocketIO()
    io.ns("/").answer_errors()

    def leave(socket: Socket) -> int:
        socket.disconnect()
        raise ExtractError("nothing here")

    io.ns("/").on("event", taking(Annotated[int, Extract(leave)], []))
    peer = serve(io).connect()
    peer.send('20["event"]')
    assert peer.packet().type == DISCONNECT
    assert log.take_one().getMessage() == "skipped the event 'event' in /: parameter 'value': nothing here"


def test_refusals_of_a_class_s_own_check(serve: Serve) -> None:
    io = SocketIO()
    register(io, "connect", taking(generic(TryData, Refusing), []))
    assert serve(io).websocket().refused(auth={"token": "x"}) == {"message": "not you", "data": 1}


@dataclass
class Refusing:
    token: str

    def __post_init__(self) -> None:
        raise ConnectRefused("not you", data=1)


# Around handlers


def test_listeners_middlewares_and_error_handlers_have_extractors_too(serve: Serve, log: Log) -> None:
    io = SocketIO(state=[COUNTER])
    seen: list[tuple[Any, ...]] = []
    root = io.ns("/")

    @root.on_any
    def listener(name: Event, socket: Socket, counter: State[Counter]) -> None:
        seen.append(("listener", name, socket.connected, counter is COUNTER))

    @root.use_event
    def middleware(call: EventCall, following: Next, name: Event, counter: State[Counter], socket: Socket) -> Any:
        seen.append(("middleware", name, call.event, counter is COUNTER))
        socket.extensions.insert(User("of the middleware"))
        return following()

    @root.on_error
    def failed(error: Exception, name: Event, user: Extension[User]) -> None:
        seen.append(("error handler", name, str(error), user.name))

    @root.on("event")
    def event(user: Extension[User], number: int) -> None: ...

    peer = serve(io).connect()
    peer.emit("event")
    wait_until(lambda: len(seen) == 3)
    log.take_one()
    assert seen == [
        ("listener", "event", True, True),
        ("middleware", "event", "event", True),
        ("error handler", "event", "parameter 'number': argument 0 is missing", "of the middleware"),
    ]


@pytest.mark.parametrize("where", ["listener", "event middleware", "error handler"])
@pytest.mark.parametrize("annotation", [Data[int], AckSender, DisconnectReason], ids=label)
def test_extractors_that_have_nothing_to_take_around_handlers(where: str, annotation: Any) -> None:
    root = SocketIO().ns("/")
    registering: dict[str, Any] = {
        "listener": root.on_any,
        "event middleware": root.use_event,
        "error handler": root.on_error,
    }
    with pytest.raises(HandlerSignatureError, match=f"parameter 'value' of the {where} .* is not allowed here, "):
        registering[where](taking(annotation, []))


def test_a_listener_that_can_not_be_called_answers_nothing_in_the_handler_s_place(serve: Serve, log: Log) -> None:
    io = SocketIO()
    io.ns("/").answer_errors()
    io.ns("/").on_any(taking(int, []))
    io.ns("/").on("event", lambda: "the handler's answer")
    assert serve(io).connect().ask("event") == ["the handler's answer"]
    assert log.take_one().getMessage() == "skipped the event 'event' in /: parameter 'value': Expected `int`, got `str`"


@pytest.mark.parametrize(
    ("kind", "event"),
    [("connect", "connect"), ("middleware", "connect"), ("event", "event"), ("disconnect", "disconnect")],
)
def test_the_error_handler_is_told_what_did_not_fit_and_where(serve: Serve, log: Log, kind: str, event: str) -> None:
    io = SocketIO()
    errors: list[tuple[str, Exception]] = []

    @io.ns("/").on_error
    def failed(error: Exception, name: Event) -> None:
        errors.append((name, error))

    register(io, kind, taking(list[int] if kind == "event" else Extension[Missing], []))
    peer = serve(io).websocket()
    if event == "connect":
        peer.refused()
    else:
        peer.connect()
        peer.emit("event", [1, "2"])
        peer.say_goodbye()
        assert "parameter 'value': " in log.take_one().getMessage()
    ((name, error),) = wait_until(lambda: errors)
    assert name == event
    assert isinstance(error, ExtractError)
    if kind == "event":
        assert (error.parameter, error.path, error.reason) == ("value", "$[1]", "Expected `int`, got `str`")
        assert isinstance(error.__cause__, msgspec.ValidationError)
    else:
        assert (error.parameter, error.path, error.reason) == ("value", None, "Extension[Missing] is missing")
