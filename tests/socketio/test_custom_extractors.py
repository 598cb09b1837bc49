"""Tests of extractors that users write: classes with `from_call`, objects and functions in `Annotated`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NewType, TypeVar

import gevent
import pytest
from typing_extensions import TypeAliasType

from geventsio import (
    AckSender,
    ConnectRefused,
    Data,
    DisconnectReason,
    Event,
    Extension,
    Extract,
    ExtractError,
    HandlerSignatureError,
    Socket,
    SocketIO,
    State,
    TryData,
)
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.taking import generic, taking


@dataclass
class Auth:
    name: str


class Directory:
    """A state: who may come in."""

    def __init__(self, *names: str) -> None:
        self.names = names


class User:
    """A class that says how it is made of a call."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def from_call(cls, auth: Data[Auth], directory: State[Directory]) -> User:
        if auth.name not in directory.names:
            raise ExtractError(f"{auth.name} is unknown")
        return cls(auth.name)


def current_user(socket: Socket) -> User:
    user = socket.extensions.get(User)
    if user is None:
        raise ConnectRefused("log in first", data={"code": 7})
    return user


CurrentUser = Annotated[User, Extract(current_user)]


class Header:
    """An extractor with a parameter of its own."""

    def __init__(self, name: str) -> None:
        self.key = f"HTTP_{name.upper()}"

    def from_call(self, socket: Socket) -> str | None:
        return socket.environ.get(self.key)


def in_event(name: Event, ack: AckSender, first: int, *rest: Any, more: TryData[int]) -> list[Any]:
    return [name, ack.expected, first, list(rest), more]


class OnlyConnect:
    """May stand in one kind of handler, though nothing of it says why."""

    allowed_in = ("connect",)

    @staticmethod
    def from_call() -> int:
        return 5


def test_a_class_that_says_how_it_is_made(serve: Serve) -> None:
    io = SocketIO(state=[Directory("ann")])
    got: list[Any] = []

    @io.ns("/").use
    def check(user: User, socket: Socket) -> None:
        socket.extensions.insert(user)

    @io.ns("/")
    def connect(user: User, auth: Auth) -> None:
        got.append((user.name, auth.name))

    @io.ns("/").on("who")
    def who(user: CurrentUser, known: Extension[User]) -> list[object]:
        return [user.name, user is known]

    site = serve(io)
    peer = site.connect(auth={"name": "ann"})
    assert peer.ask("who") == [["ann", True]]
    assert got == [("ann", "ann")]
    assert site.websocket().refused(auth={"name": "bob"}) == {"message": "parameter 'user': bob is unknown"}
    assert site.websocket().refused(auth={"name": 5}) == {
        "message": "parameter 'user.auth': Expected `str`, got `int` - at `$.name`"
    }
    assert got == [("ann", "ann")]


def test_a_refusal_carries_its_data(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(user: CurrentUser) -> None: ...

    assert serve(io).websocket().refused() == {"message": "log in first", "data": {"code": 7}}


@pytest.mark.parametrize("kind", ["connect", "middleware", "event", "disconnect"])
def test_an_object_that_takes_what_all_kinds_have(serve: Serve, kind: str) -> None:
    io = SocketIO()
    root = io.ns("/")
    got: list[Any] = []
    registering: dict[str, Any] = {
        "connect": root,
        "middleware": root.use,
        "event": root.on("event"),
        "disconnect": root.on_disconnect,
    }
    registering[kind](taking(Annotated[str | None, Header("host")], got))
    site = serve(io)
    peer = site.connect()
    peer.emit("event")
    peer.say_goodbye()
    assert wait_until(lambda: got) == [f"127.0.0.1:{site.address[1]}"]


def test_plain_parameters_begin_with_the_first_argument_again(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").on("event")
    def event(taken: Annotated[list[Any], Extract(in_event)], first: int, second: str) -> list[Any]:
        return [*taken, first, second]

    assert serve(io).connect().ask("event", 1, "2") == [["event", True, 1, ["2"], 1, 1, "2"]]


def test_errors_of_the_extractor_s_own_parameters_skip_the_event(serve: Serve, log: Log) -> None:
    io = SocketIO()
    got: list[Any] = []
    io.ns("/").on("event", taking(Annotated[list[Any], Extract(in_event)], got))
    io.ns("/").on("sync", lambda: ())
    peer = serve(io).connect()
    peer.emit("event", "x")
    assert peer.ask("sync") == []
    assert got == []
    message = log.take_one().getMessage()
    assert message == "skipped the event 'event' in /: parameter 'value.first': Expected `int`, got `str`"


def test_an_exception_in_an_extractor_is_the_handler_s(serve: Serve, log: Log) -> None:
    def failing() -> int:
        raise KeyError("the secret of all secrets")

    io = SocketIO()
    annotation = Annotated[int, Extract(failing)]
    io.ns("/").on("event", taking(annotation, []))
    io.ns("/failing", taking(annotation, []))
    peer = serve(io).connect()
    peer.emit("event")
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[0] is KeyError
    assert peer.refused("/failing") == {"message": "Internal server error"}
    log.take_one()


def test_an_extractor_may_block(serve: Serve) -> None:
    def slowly(socket: Socket) -> int:
        gevent.sleep(0.001)
        return len(socket.id)

    io = SocketIO()

    @io.ns("/").on("event")
    def event(length: Annotated[int, Extract(slowly)]) -> int:
        return length

    assert serve(io).connect().ask("event") == [20]


def test_extractors_call_each_other_and_share_what_they_take(serve: Serve) -> None:
    made: list[str] = []

    @dataclass
    class Counted:
        name: str

        def __post_init__(self) -> None:
            made.append(self.name)

    counted: Any = generic(Data, Counted)

    def inner(value: Any) -> Any:
        return value

    inner.__annotations__ = {"value": counted}

    def outer(value: Any, taken: Any) -> Any:
        return value is taken

    outer.__annotations__ = {"value": counted, "taken": Annotated[Any, Extract(inner)]}

    def event(first: Any, second: Any) -> list[Any]:
        return [first, second.name]

    event.__annotations__ = {"first": Annotated[bool, Extract(outer)], "second": counted}
    io = SocketIO()
    io.ns("/").on("event", event)
    peer = serve(io).connect()
    assert peer.ask("event", {"name": "a"}) == [[True, "a"]]
    assert peer.ask("event", {"name": "b"}) == [[True, "b"]]
    assert made == ["a", "b"]


def test_what_is_taken_alike_keeps_its_own_default(serve: Serve) -> None:
    def room(room: str = "lobby") -> str:
        return room

    def event(first: Annotated[str, Extract(room)], room: str = "nowhere") -> list[str]:
        return [first, room]

    event.__annotations__["first"] = Annotated[str, Extract(room)]
    io = SocketIO()
    io.ns("/").on("event", event)
    peer = serve(io).connect()
    assert peer.ask("event") == [["lobby", "nowhere"]]
    assert peer.ask("event", "a") == [["a", "a"]]


def test_an_alias_of_an_extractor_is_one(serve: Serve) -> None:
    io = SocketIO(state=[Directory("a")])
    got: list[Any] = []
    # The `type` statement of Python 3.12.
    io.ns("/").on("event", taking(TypeAliasType("Directories", State[Directory]), got))
    io.ns("/").on("other", taking(TypeAliasType("Sockets", Socket), got))
    io.ns("/").on("plain", taking(TypeAliasType("Number", int), got))
    peer = serve(io).connect()
    peer.emit("event", {"names": ["b"]})
    peer.emit("other")
    peer.emit("plain", 3)
    wait_until(lambda: len(got) == 3)
    assert (got[0].names, got[1:]) == (("a",), [*io.sockets(), 3])


# What can't work


T = TypeVar("T")


@dataclass
class Loaded(Generic[T]):
    """A generic extractor, with a field that a client could send as well."""

    value: T | None

    @classmethod
    def from_call(cls, socket: Socket) -> Loaded[T]:
        return cls(None)


@pytest.mark.parametrize("annotation", [Loaded[int], NewType("Own", Loaded), Loaded])  # type: ignore[valid-newtype]
def test_an_extractor_by_another_name_is_never_data(serve: Serve, annotation: Any) -> None:
    io = SocketIO()
    got: list[Any] = []
    io.ns("/").on("event", taking(annotation, got))
    serve(io).connect().emit("event", {"value": 1})
    assert wait_until(lambda: got) == [Loaded(None)]


@dataclass
class Privileged:
    """An extractor whose fields a client could send as well."""

    is_admin: bool

    @classmethod
    def from_call(cls) -> Privileged:
        return cls(False)


def needs_reason(reason: DisconnectReason) -> str:
    return str(reason)


def needs_nothing_known(value: object, more: Socket, unknown: Directory) -> int:
    return 1


def generator() -> Iterator[int]:
    yield 1


async def coroutine() -> int:
    return 1


def of_itself(value: Any) -> Any: ...


of_itself.__annotations__["value"] = Annotated[int, Extract(of_itself)]


class Instance:
    """Has to be made before it can take anything."""

    def from_call(self) -> int:
        return 5


@pytest.mark.parametrize(
    ("kind", "annotation", "complaint"),
    [
        (
            "connect",
            Annotated[list[Any], Extract(in_event)],
            "parameter 'name' of the extractor in_event for parameter 'value' of the connect handler .*: Event is not",
        ),
        (
            "event",
            Annotated[str, Extract(needs_reason)],
            "parameter 'reason' of the extractor needs_reason for .* DisconnectReason is not allowed here",
        ),
        (
            "disconnect",
            User,
            "parameter 'auth' of the extractor User.from_call for parameter 'value' .* Data is not allowed here",
        ),
        (
            "event",
            User,
            r"parameter 'directory' of the extractor User.from_call for .*State\[Directory\] is not provided",
        ),
        (
            "event",
            Annotated[int, Extract(needs_nothing_known)],
            "parameter 'unknown' of the extractor needs_nothing_known .* Directory is neither",
        ),
        ("event", Annotated[int, Extract(generator)], "the extractor generator for .* is async or a generator"),
        ("event", Annotated[int, Extract(coroutine)], "the extractor coroutine for .* is async or a generator"),
        ("event", Annotated[int, Extract(min)], "the extractor min for .* has no signature that can be read"),
        ("event", Annotated[int, Extract(of_itself)], "the extractor of_itself for .* needs itself"),
        ("event", Annotated[int, Instance], "Instance.from_call must be a classmethod, or Annotated have an object"),
        ("event", Instance, "Instance.from_call must be a classmethod, or Annotated have an object of the class"),
        ("event", OnlyConnect, "OnlyConnect is allowed in handlers of the kinds connect only"),
        ("disconnect", Annotated[int, OnlyConnect], "OnlyConnect is allowed in handlers of the kinds connect only"),
        (
            "event",
            Annotated[int, Extract(current_user, allowed_in={"middleware", "connect"})],
            r"Extract\(current_user\) is allowed in handlers of the kinds connect, middleware only",
        ),
        ("event", Annotated[int, Extract(current_user), Header("host")], "more than one extractor in its annotation"),
        ("event", list[Annotated[int, Header("host")]], "an extractor stands inside of another type"),
        ("event", User | None, "an extractor stands inside of another type"),
        ("event", Privileged | None, "an extractor stands inside of another type"),
        ("event", list[Privileged], "an extractor stands inside of another type"),
    ],
)
def test_an_extractor_that_can_not_work_is_an_error_at_registration(kind: str, annotation: Any, complaint: str) -> None:
    root = SocketIO().ns("/")
    registering: dict[str, Any] = {"connect": root, "event": root.on("event"), "disconnect": root.on_disconnect}
    with pytest.raises(HandlerSignatureError, match=complaint):
        registering[kind](taking(annotation, []))


def test_extractors_where_they_say_that_they_are_allowed(serve: Serve) -> None:
    io = SocketIO()
    got: list[Any] = []
    io.ns("/", taking(OnlyConnect, got))
    io.ns("/").use(taking(Annotated[int, Extract(lambda: 6, allowed_in=["middleware"])], got))
    serve(io).connect()
    wait_until(lambda: got == [6, 5])


@pytest.mark.parametrize("names", [["message"], "event", ["connect", "Event"]])
def test_there_is_no_such_kind(names: Any) -> None:
    with pytest.raises(ValueError, match="^allowed_in must name kinds out of connect, disconnect, "):
        Extract(current_user, allowed_in=names)

    class Wrong:
        allowed_in = names

        @staticmethod
        def from_call() -> int:
            return 1

    with pytest.raises(ValueError, match="^allowed_in must name kinds"):
        SocketIO().ns("/").on("event", taking(Wrong, []))


def test_an_error_of_one_handler_leaves_others_alone(serve: Serve) -> None:
    io = SocketIO()
    with pytest.raises(HandlerSignatureError, match="needs itself"):
        io.ns("/").on("event", taking(Annotated[int, Extract(of_itself)], []))
    got: list[Any] = []
    io.ns("/").on("event", taking(Annotated[int, Extract(lambda: 7)], got))
    serve(io).connect().emit("event")
    assert wait_until(lambda: got) == [7]


def test_handlers_of_each_connection_have_extractors_of_their_own(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/")
    def connect(socket: Socket, auth: Auth) -> None:
        def own() -> str:
            return auth.name

        Own = Annotated[str, Extract(own)]

        @socket.on("who")
        def who(name: Own) -> str:  # pyright: ignore[reportInvalidTypeForm]
            return name

    site = serve(io)
    first, second = site.connect(auth={"name": "ann"}), site.connect(auth={"name": "bob"})
    assert (first.ask("who"), second.ask("who"), first.ask("who")) == (["ann"], ["bob"], ["ann"])
