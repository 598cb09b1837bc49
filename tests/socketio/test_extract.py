"""Tests of what becomes of arguments: types, `Data`, what is missing, and what does not fit."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from uuid import UUID

import msgspec
import pytest

from geventsio import ConnectRefused, Data, DisconnectReason, HandlerSignatureError, Socket, SocketIO
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.taking import Server, data, label, taking
from tests.tools import require


class Color(Enum):
    RED = "red"


UserId = NewType("UserId", int)


@dataclass
class Inner:
    flags: list[bool]


@dataclass
class Message:
    """What handlers take as one argument."""

    room: str
    text: str
    inner: Inner = field(default_factory=lambda: Inner([]))
    blob: bytes = b""


@dataclass
class Node:
    """A type that contains itself."""

    name: str
    children: list[Node] = field(default_factory=list)
    parent: Node | None = None


class Typed(TypedDict):
    a: int
    b: bytes


class Point(NamedTuple):
    x: int
    y: int = 0


class Struct(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=2)]


@pytest.fixture
def server(serve: Serve) -> Server:
    """See `Server`."""
    return Server(serve)


# Types


@pytest.mark.parametrize(
    ("annotation", "sent", "value"),
    [
        (int, 5, 5),
        (str, "größe™", "größe™"),
        (float, 1, 1.0),
        (float, 1.5, 1.5),
        (bool, True, True),
        (None, None, None),
        (bytes, b"\x00\xff", b"\x00\xff"),
        (bytearray, b"\x00\xff", bytearray(b"\x00\xff")),
        (memoryview, b"\x00\xff", memoryview(b"\x00\xff")),
        (list, [1, "2"], [1, "2"]),
        (list[int], [1, 2], [1, 2]),
        (list[bytes], [b"1", b"2"], [b"1", b"2"]),
        (Sequence[int], [1], [1]),
        (set[int], [1, 1], {1}),
        (frozenset[str], ["a"], frozenset({"a"})),
        (tuple[int, str], [1, "2"], (1, "2")),
        (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
        (dict, {"a": 1}, {"a": 1}),
        (dict[str, bytes], {"a": b"1"}, {"a": b"1"}),
        (Mapping[str, int], {"a": 1}, {"a": 1}),
        (int | None, None, None),
        (int | str | None, "x", "x"),
        (int | list[int], [1], [1]),
        (int | bytes, b"x", b"x"),
        (Literal["a", 1], "a", "a"),
        (Color, "red", Color.RED),
        (UserId, 7, 7),
        (datetime, "2020-01-02T03:04:05Z", datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        (Decimal, "1.50", Decimal("1.50")),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (Annotated[int, msgspec.Meta(ge=1)], 1, 1),
        (Annotated[int, "about it"], 1, 1),
        (Any, {"a": [1, None]}, {"a": [1, None]}),
        (object, [1], [1]),
        (Message, {"room": "a", "text": "b"}, Message("a", "b")),
        (
            Message,
            {"room": "a", "text": "b", "inner": {"flags": [True]}, "blob": b"\x00", "unknown": 1},
            Message("a", "b", Inner([True]), b"\x00"),
        ),
        (list[Message], [{"room": "a", "text": "b"}], [Message("a", "b")]),
        (Message | None, {"room": "a", "text": "b"}, Message("a", "b")),
        (Node, {"name": "a", "children": [{"name": "b"}]}, Node("a", [Node("b")])),
        (Typed, {"a": 1, "b": b"2"}, {"a": 1, "b": b"2"}),
        (Point, [1, 2], Point(1, 2)),
        (Point, [1], Point(1)),
        (Struct, {"name": "ab"}, Struct("ab")),
    ],
    ids=label,
)
@pytest.mark.parametrize("in_data", [False, True], ids=["plain", "Data"])
def test_an_argument_becomes_what_the_annotation_says(
    server: Server, annotation: Any, sent: object, value: object, in_data: bool
) -> None:
    is_tuple = annotation is Point or str(annotation).startswith("tuple[")
    arguments = sent if in_data and is_tuple and isinstance(sent, list) else [sent]
    taken = server.take(data(annotation) if in_data else annotation, *arguments)
    assert taken == value
    assert type(taken) is type(value)


@pytest.mark.parametrize(
    ("annotation", "sent", "complaint"),
    [
        (int, "5", "Expected `int`, got `str`"),
        (int, True, "Expected `int`, got `bool`"),
        (int, 1.5, "Expected `int`, got `float`"),
        (int, None, "Expected `int`, got `null`"),
        (str, 5, "Expected `str`, got `int`"),
        (str, b"x", "Expected `str`, got `bytes`"),
        (bytes, "aGk=", "Expected `bytes`, got `str`"),
        (bool, 1, "Expected `bool`, got `int`"),
        (list[int], [1, "2"], r"Expected `int`, got `str` - at `\$\[1\]`"),
        (dict[str, int], {"a": "x"}, r"Expected `int`, got `str` - at `\$\[\.\.\.\]`"),
        (Message, {"room": "a"}, "missing required field `text`"),
        (Message, "text", "Expected `object`, got `str`"),
        (
            Message,
            {"room": "a", "text": "b", "inner": {"flags": [True, 0]}},
            r"Expected `bool`, got `int` - at `\$\.inner\.flags\[1\]`",
        ),
        (Typed, {"a": 1}, "missing required field `b`"),
        (Point, [1, "2"], r"Expected `int`, got `str` - at `\$\[1\]`"),
        (Struct, {"name": "a"}, r"length >= 2 - at `\$\.name`"),
        (Struct, {"name": "ab", "more": 1}, "contains unknown field$"),
        (Color, "blue", "Invalid enum value$"),
        (Literal["a"], "b", "Invalid enum value$"),
        (Annotated[int, msgspec.Meta(ge=1)], 0, "Expected `int` >= 1"),
        (int | None, "x", r"Expected `int \| null`, got `str`"),
    ],
    ids=label,
)
def test_an_argument_that_does_not_fit_is_told_with_its_path(
    server: Server, log: Log, annotation: Any, sent: object, complaint: str
) -> None:
    got: list[Any] = []
    server.send(taking(annotation, got), sent)
    assert got == []
    message = log.take_one().getMessage()
    assert re.search(complaint, message)
    assert "'event'" in message and "'value'" in message


def test_attrs_classes(server: Server, log: Log) -> None:
    require(importlib.util.find_spec("attrs"), "attrs is not installed")
    import attrs

    @attrs.define
    class Person:
        name: str
        age: int = 0

    assert server.take(Person, {"name": "x"}) == Person("x")
    assert server.take(Data[list[Person]], [{"name": "x", "age": 3}]) == [Person("x", 3)]
    server.send(taking(Person, []), {"name": 5})
    assert r"Expected `str`, got `int` - at `$.name`" in log.take_one().getMessage()


def test_pydantic_models(server: Server, log: Log) -> None:
    require(importlib.util.find_spec("pydantic"), "pydantic is not installed")
    import pydantic

    class Person(pydantic.BaseModel):
        name: str
        age: int = 0

    assert server.take(Person, {"name": "x"}) == Person(name="x")
    assert server.take(Data[Person], {"name": "x", "age": 3}) == Person(name="x", age=3)
    server.send(taking(Person, []), {"age": "three"})
    assert "'value'" in log.take_one().getMessage()


def test_an_error_of_a_class_s_own_check_is_told(server: Server, log: Log) -> None:
    @dataclass
    class Even:
        number: int

        def __post_init__(self) -> None:
            if self.number % 2:
                raise ValueError("an odd number")

    assert server.take(Even, {"number": 2}) == Even(2)
    server.send(taking(Even, []), {"number": 3})
    assert "an odd number" in log.take_one().getMessage()


# Data


def test_data_is_the_first_argument(server: Server) -> None:
    assert server.take(Data[int], 1, "ignored") == 1


@pytest.mark.parametrize("args", [(), (1,), (1, "2", 3), ("1", 2)], ids=repr)
def test_data_of_a_tuple_is_all_arguments_and_exactly_those(server: Server, log: Log, args: tuple[object, ...]) -> None:
    got: list[Any] = []
    handler = taking(data(tuple[int, str]), got)
    server.send(handler, *args)
    assert got == []
    message = log.take_one().getMessage()
    assert ("of length 2, got" in message) == (len(args) != 2)
    server.send(handler, 1, "2")
    assert got == [(1, "2")]


@pytest.mark.parametrize(
    ("annotation", "args", "value"),
    [
        (tuple, (1, "2", None), (1, "2", None)),
        (tuple, (), ()),
        (tuple[int, ...], (1, 2, 3), (1, 2, 3)),
        (tuple[Message, bytes], ({"room": "a", "text": "b"}, b"\x00"), (Message("a", "b"), b"\x00")),
        (Point, (1, 2), Point(1, 2)),
        (Point, (1,), Point(1)),
    ],
    ids=label,
)
def test_data_of_other_tuples(server: Server, annotation: Any, args: tuple[object, ...], value: object) -> None:
    taken = server.take(data(annotation), *args)
    assert taken == value
    assert type(taken) is type(value)


def test_data_of_a_list_is_a_list_that_is_the_first_argument(server: Server) -> None:
    assert server.take(Data[list[int]], [1, 2], 3) == [1, 2]


def test_data_that_is_missing_skips_the_handler(server: Server, log: Log) -> None:
    got: list[Any] = []
    server.send(taking(Data[int], got))
    assert got == []
    assert "parameter 'value': argument 0 is missing" in log.take_one().getMessage()


def test_data_twice_is_the_same_argument_twice(server: Server) -> None:
    got: list[Any] = []

    def handler(raw: Data[Any], message: Data[Message], more: int) -> None:
        got.append((raw, message, more))

    server.send(handler, {"room": "a", "text": "b", "blob": b"\x00"}, 7)
    assert got == [({"room": "a", "text": "b", "blob": b"\x00"}, Message("a", "b", blob=b"\x00"), 7)]


def test_arguments_of_one_event_are_not_shared_with_the_next(server: Server) -> None:
    got: list[Any] = []

    def handler(value: Any) -> None:
        got.append(list(value))
        value.append("changed")

    for _ in range(2):
        server.send(handler, [1])
    assert got == [[1], [1]]


# The auth payload


@dataclass
class Auth:
    token: str


@pytest.mark.parametrize("where", ["connect handler", "middleware"])
@pytest.mark.parametrize("in_data", [False, True], ids=["plain", "Data"])
def test_the_auth_payload_is_validated(serve: Serve, where: str, in_data: bool) -> None:
    io = SocketIO()
    got: list[Any] = []
    handler = taking(data(Auth) if in_data else Auth, got)
    if where == "middleware":
        io.ns("/").use(handler)
    else:
        io.ns("/", handler)
    site = serve(io)
    site.connect(auth={"token": "x"})
    wait_until(lambda: got)
    assert got == [Auth("x")]
    left: list[object] = []
    io.ns("/").on_disconnect(lambda: left.append(1))
    for auth, complaint in (
        ({"token": 5}, "parameter 'value': Expected `str`, got `int` - at `$.token`"),
        (None, "parameter 'value': Object missing required field `token`"),
    ):
        peer = site.websocket()
        assert peer.refused(auth=auth) == {"message": complaint}
        peer.close()
    assert got == [Auth("x")]
    assert len(io.sockets()) == 1
    wait_until(lambda: len(io.engine.sessions) == 1)
    assert left == []


def test_a_refusal_in_a_class_s_own_check_refuses(serve: Serve) -> None:
    @dataclass
    class Token:
        token: str

        def __post_init__(self) -> None:
            if self.token != "right":
                raise ConnectRefused("wrong token", data={"code": 7})

    io = SocketIO()

    @io.ns("/")
    def connect(auth: Data[Token]) -> None: ...

    peer = serve(io).websocket()
    assert peer.refused(auth={"token": "wrong"}) == {"message": "wrong token", "data": {"code": 7}}
    peer.connect(auth={"token": "right"})


def test_an_exception_in_a_class_s_own_check_tells_nothing(serve: Serve, log: Log) -> None:
    @dataclass
    class Token:
        token: str

        def __post_init__(self) -> None:
            raise KeyError("the secret of all secrets")

    io = SocketIO()

    @io.ns("/")
    def connect(auth: Data[Token]) -> None: ...

    assert serve(io).websocket().refused(auth={"token": "x"}) == {"message": "Internal server error"}
    record = log.take_one()
    assert record.exc_info is not None and record.exc_info[0] is KeyError


def test_rooms_joined_before_the_extraction_fails_are_left(serve: Serve) -> None:
    io = SocketIO()
    sockets: list[Socket] = []

    @io.ns("/").use
    def early(socket: Socket) -> None:
        socket.join("room")
        sockets.append(socket)

    @io.ns("/")
    def connect(auth: Data[Auth]) -> None: ...

    serve(io).websocket().refused()
    assert sockets[0].rooms == frozenset()
    assert io.rooms() == frozenset()


# The reason


@pytest.mark.parametrize("annotation", [DisconnectReason, str, Any, object])
def test_the_reason_is_taken_by_type_or_by_place(serve: Serve, annotation: Any) -> None:
    io = SocketIO()
    got: list[Any] = []
    io.ns("/").on_disconnect(taking(annotation, got))
    serve(io).connect().say_goodbye()
    wait_until(lambda: got)
    assert got == ["transport close"]
    assert str(got[0]) == f"{got[0]}" == "transport close"


# What nothing can be turned into


class Unknown:
    """Neither a dataclass nor anything else that has fields."""


@dataclass
class Holder:
    unknown: Unknown


def test_a_field_that_clients_may_leave_out_can_have_any_type(server: Server) -> None:
    @dataclass
    class Job:
        name: str
        state: Unknown | None = None

    assert server.take(Job, {"name": "x"}) == Job("x")


@pytest.mark.parametrize(
    "annotation",
    [Unknown, list[Unknown], dict[str, Unknown], tuple[Unknown, int], Unknown | None, Callable[[], int], complex]
    + [Message | Unknown, 5, Holder, list[Holder], Data[Unknown], Data[list[Unknown]], Data[Holder]],
    ids=label,
)
def test_a_type_that_nothing_can_be_turned_into_is_an_error_at_registration(annotation: Any) -> None:
    with pytest.raises(HandlerSignatureError, match="parameter 'value' of the event handler .*handler: "):
        SocketIO().ns("/").on("event", taking(annotation, []))
