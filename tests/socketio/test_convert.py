"""Tests of types that msgspec refuses as a whole, and of pydantic's, as handlers' parameters; and of typed answers."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from uuid import UUID

import msgspec
import pytest
from typing_extensions import NotRequired, Required

from geventsio import AckDecodeError, Data, ExtractError, HandlerSignatureError, SocketIO
from geventsio.extracting.convert import answer_converter
from tests.socketio.harness import Log, Serve
from tests.socketio.taking import Server, data, generic, label, taking
from tests.tools import require

ID = "12345678-1234-5678-1234-567812345678"


@dataclass
class Node:
    """A type that contains itself, and that msgspec does not know."""

    body: str | bytes
    children: list[Node] = field(default_factory=list)
    count: int = field(default=0, init=False)


@dataclass
class Point:
    x: int


@dataclass
class Named:
    name: str


class Pair(NamedTuple):
    body: str | bytes
    number: int = 3


Root = NewType("Root", Node)


@dataclass
class Short:
    body: str | bytes

    def __post_init__(self) -> None:
        if len(self.body) > 2:
            raise ValueError("too long")


@dataclass
class Shorts:
    items: list[Short]


class Struct(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    the_body: str | bytes
    number: int = 3


class Typed(TypedDict, total=False):
    body: Required[str | bytes]
    number: NotRequired[int]


class Unknown:
    """Nothing that data can be turned into."""


@dataclass
class Leftover:
    body: str | bytes
    unknown: Unknown | None = None
    other: Unknown = field(default_factory=Unknown)


@dataclass
class AllOf:
    """A rule, whose kind is told behind its parts."""

    rules: list[AllOf | AnyOf]
    kind: Literal["all"]


@dataclass
class AnyOf:
    """Another rule, of the same shape."""

    rules: list[AllOf | AnyOf]
    kind: Literal["any"]


@pytest.fixture
def server(serve: Serve) -> Server:
    """See `Server`."""
    return Server(serve)


@pytest.mark.parametrize(
    ("annotation", "sent", "value"),
    [
        (str | bytes, "x", "x"),
        (str | bytes, b"x", b"x"),
        (bytes | str | None, None, None),
        (bytearray | str, b"x", bytearray(b"x")),
        (int | str | bytes, 5, 5),
        (Literal["a"] | bytes, b"a", b"a"),
        (Literal["a"] | bytes, "a", "a"),
        (Literal["a", 1] | bytes, 1, 1),
        (Literal[b"x", b"y", 1], b"y", b"y"),
        (Literal[b"x", b"y", 1], 1, 1),
        (Literal["a", 1] | bytes, b"x", b"x"),
        (Annotated[str | bytes, msgspec.Meta(max_length=1)], b"x", b"x"),
        (Annotated[str | bytes, "about it"], b"x", b"x"),
        (Root, {"body": b"x"}, Node(b"x")),
        # What looks alike on the wire is tried in turn, str at last.
        (UUID | str, ID, UUID(ID)),
        (UUID | str, "x", "x"),
        (str | UUID, ID, UUID(ID)),
        (int | str | None | UUID, "x", "x"),
        (int | str | None | UUID, ID, UUID(ID)),
        (Decimal | str, "1.5", Decimal("1.5")),
        (Point | Named, {"x": 1}, Point(1)),
        (Point | Named, {"name": "a"}, Named("a")),
        (Point | Named | None, None, None),
        (list[str | bytes], ["x", b"y"], ["x", b"y"]),
        (Sequence[str | bytes], [b"y"], [b"y"]),
        (set[str | bytes], [b"x", b"x"], {b"x"}),
        (frozenset[str | bytes], ["x"], frozenset({"x"})),
        (tuple[str | bytes, ...], ["x", b"y"], ("x", b"y")),
        (tuple[str | bytes, int], [b"y", 1], (b"y", 1)),
        (dict[str, str | bytes], {"a": b"x"}, {"a": b"x"}),
        (Mapping[str, list[str | bytes]], {"a": [b"x"]}, {"a": [b"x"]}),
        (dict[UUID, str | bytes], {ID: "x"}, {UUID(ID): "x"}),
        (Node, {"body": b"x", "children": [{"body": "y"}]}, Node(b"x", [Node("y")])),
        (list[Node] | None, [{"body": "y", "unknown": 1}], [Node("y")]),
        (Pair, [b"x"], Pair(b"x")),
        (Pair, ["x", 5], Pair("x", 5)),
        (Struct, {"theBody": b"x"}, Struct(b"x")),
        (Typed, {"body": b"x", "number": 1}, {"body": b"x", "number": 1}),
        (Typed, {"body": "x"}, {"body": "x"}),
        # Objects of JavaScript have no keys but strings.
        (dict[int, str], {"5": "x"}, {5: "x"}),
        (dict[UUID, bytes], {ID: b"x"}, {UUID(ID): b"x"}),
    ],
    ids=label,
)
@pytest.mark.parametrize("in_data", [False, True], ids=["plain", "Data"])
def test_types_that_are_made_part_by_part(
    server: Server, annotation: Any, sent: Any, value: object, in_data: bool
) -> None:
    is_tuple = annotation is Pair or str(annotation).startswith("tuple[")
    arguments = sent if in_data and is_tuple else [sent]
    taken = server.take(data(annotation) if in_data else annotation, *arguments)
    assert taken == value
    assert type(taken) is type(value)


@pytest.mark.parametrize(
    ("annotation", "sent", "complaint"),
    [
        (str | bytes, 5, "Expected `bytes | str`, got `int`"),
        (str | bytes, None, "Expected `bytes | str`, got `null`"),
        (int | str | bytes, [], "Expected `bytes | int | str`, got `array`"),
        (bytes | str | None, {}, "Expected `bytes | null | str`, got `object`"),
        (Literal[b"x", 1], b"z", "Expected one of b'x', 1"),
        (Literal[b"x", 1], True, "Expected one of b'x', 1"),
        (Literal["a"] | bytes, "b", "Invalid enum value; or Expected `bytes`, got `str`"),
        (
            Annotated[str | bytes, msgspec.Meta(max_length=1)],
            "xx",
            "Expected `bytes`, got `str`; or Expected `str` of length <= 1",
        ),
        (Point | Named, {}, "Object missing required field `x`; or Object missing required field `name`"),
        (Point | Named, {"name": 5}, "Expected `str`, got `int` - at `$.name`"),
        (list[str | bytes], "x", "Expected `array`, got `str`"),
        (list[str | bytes], ["x", 5], "Expected `bytes | str`, got `int` - at `$[1]`"),
        (tuple[str | bytes, int], ["x"], "Expected `array` of length 2, got 1"),
        (tuple[str | bytes, int], ["x", "5"], "Expected `int`, got `str` - at `$[1]`"),
        (dict[str, str | bytes], {"a": 5}, "Expected `bytes | str`, got `int` - at `$[...]`"),
        (dict[UUID, str | bytes], {"a": "x"}, "Invalid UUID as a key"),
        (dict[int, int], {"a": 5}, "Expected `int`, got `str` as a key"),
        (Node, "x", "Expected `object`, got `str`"),
        (Node, {}, "Object missing required field `body`"),
        (
            Node,
            {"body": b"x", "children": [{"body": "x"}, {"body": None}]},
            "Expected `bytes | str`, got `null` - at `$.children[1].body`",
        ),
        (Pair, [], "Expected `array` of length 1 to 2, got 0"),
        (Pair, ["x", 1, 2], "Expected `array` of length 1 to 2, got 3"),
        (Pair, ["x", "y"], "Expected `int`, got `str` - at `$[1]`"),
        (Struct, {"theBody": "x", "number": None}, "Expected `int`, got `null` - at `$.number`"),
        (Struct, {"theBody": "x", "the_body": "x"}, "Object contains an unknown field"),
        (Typed, {"number": 1}, "Object missing required field `body`"),
        (Leftover, {"body": b"x", "unknown": {}}, "Expected `null`, got `object` - at `$.unknown`"),
        (Leftover, {"body": b"x", "other": None}, "this field can't be sent - at `$.other`"),
    ],
    ids=label,
)
def test_what_does_not_fit_is_told_with_its_path(
    server: Server, log: Log, annotation: Any, sent: object, complaint: str
) -> None:
    got: list[Any] = []
    server.send(taking(annotation, got), sent)
    assert got == []
    message = log.take_one().getMessage()
    assert message.startswith(f"skipped the event 'event' in /: parameter 'value': {complaint}")


def test_a_field_that_nothing_can_be_turned_into_may_be_left_out(server: Server) -> None:
    taken = server.take(Leftover, {"body": b"x"})
    assert (taken.body, taken.unknown) == (b"x", None)
    assert server.take(Leftover, {"body": b"x", "unknown": None}).unknown is None


def test_a_class_s_own_check_is_asked(server: Server, log: Log) -> None:
    assert server.take(Shorts, {"items": [{"body": b"xx"}]}) == Shorts([Short(b"xx")])
    server.send(taking(Shorts, []), {"items": [{"body": b"x"}, {"body": "xxx"}]})
    assert "parameter 'value': too long - at `$.items[1]`" in log.take_one().getMessage()


def test_attrs_classes(server: Server, log: Log) -> None:
    require(importlib.util.find_spec("attrs"), "attrs is not installed")
    import attrs

    @attrs.define
    class Note:
        body: str | bytes
        _number: int = 3
        hidden: int = attrs.field(default=7, init=False)

    assert server.take(Note, {"body": b"x", "_number": 4, "hidden": 1}) == Note(b"x", 4)
    server.send(taking(Note, []), {"body": 5})
    assert "Expected `bytes | str`, got `int` - at `$.body`" in log.take_one().getMessage()


@pytest.mark.parametrize("last", ["any", "none"])
def test_a_tree_of_classes_that_look_alike_is_gone_through_once(server: Server, log: Log, last: str) -> None:
    # Each of its 30 levels fits the first class but for its kind: to try both each time would take hours.
    rule: dict[str, Any] = {"rules": [], "kind": last}
    for _ in range(30):
        rule = {"rules": [rule], "kind": "any"}
    got: list[Any] = []
    server.send(taking(data(AllOf | AnyOf), got), rule)
    if last == "none":
        assert "$" + ".rules[0]" * 30 + ".kind" in log.take_one().getMessage()
        return
    (found,) = got
    for _ in range(30):
        assert type(found) is AnyOf
        (found,) = found.rules
    assert found == AnyOf([], "any")


def test_nesting_as_deep_as_a_client_may_send(server: Server) -> None:
    value: dict[str, Any] = {"body": "innermost"}
    for _ in range(98):  # each is an object in an array
        value = {"body": "outer", "children": [value]}
    node = server.take(Node, value)
    while node.children:
        (node,) = node.children
    assert node == Node("innermost")


@pytest.mark.parametrize(
    "annotation",
    [list[str | Unknown], Node | Unknown, dict[str, Unknown | bytes], tuple[str | bytes, Unknown], UUID | str | Unknown]
    + [Annotated[list[str | bytes], msgspec.Meta(max_length=1)]],
    ids=label,
)
def test_a_part_that_nothing_can_be_turned_into_is_an_error_at_registration(annotation: Any) -> None:
    with pytest.raises(
        HandlerSignatureError,
        match="parameter 'value' of the event handler .*handler: .*(Unknown is neither|Meta is not)",
    ):
        SocketIO().ns("/").on("event", taking(annotation, []))


class Tagged(msgspec.Struct, tag="tagged"):
    body: str | bytes


class Listed(msgspec.Struct, array_like=True):
    body: str | bytes


@pytest.mark.parametrize("cls", [Tagged, Listed])
def test_structs_of_special_form_are_left_to_msgspec(cls: type) -> None:
    with pytest.raises(HandlerSignatureError, match=f"{cls.__name__} is tagged or like an array"):
        SocketIO().ns("/").on("event", taking(cls, []))


def test_a_class_whose_fields_name_what_its_module_does_not_know_is_an_error_at_registration() -> None:
    @dataclass
    class Inner:
        x: int

    @dataclass
    class Outer:
        inner: Inner

    with pytest.raises(HandlerSignatureError, match="'value' .*'Inner' is not defined"):
        SocketIO().ns("/").on("event", taking(Outer, []))


# pydantic


def test_pydantic_models_anywhere(server: Server, log: Log) -> None:
    require(importlib.util.find_spec("pydantic"), "pydantic is not installed")
    import pydantic

    class Cat(pydantic.BaseModel):
        kind: Literal["cat"] = "cat"
        lives: int

    class Dog(pydantic.BaseModel):
        kind: Literal["dog"]
        blob: bytes = b""

    @pydantic.dataclasses.dataclass
    class Even:
        number: int

        @pydantic.field_validator("number")
        @classmethod
        def check(cls, number: int) -> int:
            if number % 2:
                raise ValueError("an odd number")
            return number

    Animal = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]

    for annotation, sent, value in (
        (list[Cat], [{"lives": 9}], [Cat(lives=9)]),
        (Cat | None, None, None),
        (dict[str, Cat], {"a": {"lives": 9}}, {"a": Cat(lives=9)}),
        (tuple[Cat, Dog], [{"lives": 9}, {"kind": "dog"}], (Cat(lives=9), Dog(kind="dog"))),
        (Cat | Dog, {"kind": "dog", "blob": b"\x00"}, Dog(kind="dog", blob=b"\x00")),
        (Animal, {"kind": "dog"}, Dog(kind="dog")),
        (list[Animal], [{"kind": "cat", "lives": 1}], [Cat(lives=1)]),
        (Cat | str, "a name", "a name"),
        (Cat | str, {"lives": 9}, Cat(lives=9)),
        (dict[int, Cat], {"5": {"lives": 9}}, {5: Cat(lives=9)}),
        (Even, {"number": 2}, Even(number=2)),
        (list[Even], [{"number": 2}], [Even(number=2)]),
    ):
        assert server.take(annotation, sent) == value

    for wrong, sent, complaint in (
        (list[Cat], [{"lives": 9}, {"lives": "x"}], "should be a valid integer.* - at `\\$\\[1\\]\\.lives`"),
        (Cat | str, {"lives": "x"}, "should be a valid integer.* - at `\\$\\.lives`"),
        (Cat, {"kind": "dog"}, "Input should be 'cat' \\(and 1 more\\) - at `\\$\\.kind`"),
        (Even, {"number": 3}, "an odd number - at `\\$\\.number`"),
        (list[Even] | bytes, [{"number": 3}], "an odd number - at `\\$\\[0\\]\\.number`"),
    ):
        server.send(taking(wrong, []), sent)
        message = log.take_one().getMessage()
        assert re.search(complaint, message), message
        assert "pydantic.dev" not in message

    server.send(taking(Animal, []), {"kind": "hunter2's"})
    assert "hunter2" not in log.take_one().getMessage()


def test_pydantic_models_inside_of_other_classes(server: Server, log: Log) -> None:
    require(importlib.util.find_spec("pydantic"), "pydantic is not installed")
    holder = importlib.import_module("tests.socketio.pydantic_holder")
    sent = {"animal": {"lives": 9}, "blob": b"\x00"}
    assert server.take(holder.Holder, sent) == holder.Holder(holder.Animal(lives=9), b"\x00")
    assert server.take(holder.Holder, {**sent, "other": {"lives": "3"}}).other == holder.Animal(lives=3)
    for wrong, path in (({**sent, "animal": {}}, "$.animal.lives"), ({**sent, "other": {"lives": "x"}}, "other.lives")):
        server.send(taking(holder.Holder, []), wrong)
        assert f"{path}`" in log.take_one().getMessage()


# Typed answers


@pytest.mark.parametrize(
    ("returns", "args", "value"),
    [
        (int, [5], 5),
        (int, [5, "ignored"], 5),
        (int | None, [], None),
        (Any, [], None),
        (Any, [[1]], [1]),
        (tuple[int, str], [5, "x"], (5, "x")),
        (tuple[()], [], ()),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Pair, [b"x"], Pair(b"x")),
        (list[int], [[1, 2]], [1, 2]),
        (Point, [{"x": 1}], Point(1)),
        (Annotated[tuple[int, int], "about it"], [1, 2], (1, 2)),
    ],
    ids=label,
)
def test_answers(returns: Any, args: list[Any], value: object) -> None:
    assert answer_converter(returns)(args) == value


@pytest.mark.parametrize(
    ("returns", "args", "complaint", "path"),
    [
        (int, ["5"], "Expected `int`, got `str`", "$"),
        (int, [], "Expected `int`, got `null`", "$"),
        (tuple[int, str], [5], "Expected `array` of length 2, got 1", "$"),
        (tuple[int, str], [5, "x", 6], "Expected `array` of length 2, got 3", "$"),
        (Point, [{"x": "y"}], "Expected `int`, got `str` - at `$.x`", "$.x"),
    ],
    ids=label,
)
def test_answers_that_do_not_fit(returns: Any, args: list[Any], complaint: str, path: str) -> None:
    with pytest.raises(AckDecodeError) as caught:
        answer_converter(returns)(args)
    assert str(caught.value) == f"the answer does not fit: {complaint}"
    assert isinstance(caught.value.__cause__, ExtractError)
    assert caught.value.__cause__.path == path


def test_an_answer_that_nothing_can_be_turned_into() -> None:
    with pytest.raises(TypeError, match="Unknown is neither"):
        answer_converter(Unknown)


def test_data_of_a_union_of_tuples_is_the_first_argument(server: Server) -> None:
    assert server.take(generic(Data, tuple[int, int] | None), [1, 2]) == (1, 2)
    assert server.take(generic(Data, tuple[int, int] | None), None) is None
