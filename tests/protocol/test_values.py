"""What stands in for a value that the encoders don't know."""

from __future__ import annotations

import collections
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import pytest

from geventsio.errors import SerializeError
from geventsio.protocol.values import to_plain, type_name

TOKEN = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Point(NamedTuple):
    x: int
    y: Any


class Celsius(float):
    pass


class Stamp(datetime):
    pass


class Day(date):
    pass


class Token(uuid.UUID):
    pass


class Colour(Enum):
    RED = b"\xff\x00\x00"


class User(msgspec.Struct, rename="camel", omit_defaults=True):
    user_name: str
    avatar: bytes = b""
    tags: frozenset[str] = frozenset()
    seen: datetime | None = None
    extra: Any = None


@dataclass
class Model:
    """A model as pydantic makes them, as far as encoding is concerned."""

    value: Any

    def model_dump(self) -> dict[str, Any]:
        return {"value": self.value}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Point(1, b"y"), [1, b"y"]),
        (Celsius(21.5), 21.5),
        (Decimal("1.10"), "1.10"),
        (Decimal("NaN"), "NaN"),
        (Colour.RED, b"\xff\x00\x00"),
        (Stamp(2020, 1, 2, 3, 4, 5), "2020-01-02T03:04:05"),
        (Day(2020, 1, 2), "2020-01-02"),
        (time(1, 2, tzinfo=timezone.utc), "01:02:00+00:00"),
        (Token(int=TOKEN.int), str(TOKEN)),
        (collections.UserString("a"), "a"),
        ({1}, [1]),
        (frozenset({"a"}), ["a"]),
        ({"a": 1}.keys(), ["a"]),
        (collections.deque([1, b"2"]), [1, b"2"]),
        (range(3), [0, 1, 2]),
        (MappingProxyType({"a": b"1"}), {"a": b"1"}),
        (collections.ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
        (Model(b"1"), {"value": b"1"}),
        (User("ada"), {"userName": "ada"}),
        (User("ada", b"\x01", frozenset({"x"})), {"userName": "ada", "avatar": b"\x01", "tags": ["x"]}),
        (User("a", seen=datetime(2020, 1, 2)), {"userName": "a", "seen": datetime(2020, 1, 2)}),
        (User("a", extra=Model([b"1"])), {"userName": "a", "extra": {"value": [b"1"]}}),
        (User("a", extra=User("b", b"2")), {"userName": "a", "extra": {"userName": "b", "avatar": b"2"}}),
    ],
)
def test_plain(value: object, plain: object) -> None:
    result = to_plain(value)
    assert result == plain
    assert type(result) is type(plain)


@pytest.mark.parametrize("value", [object(), 1j, len, Model, User, Ellipsis, iter([])])
def test_refused(value: object) -> None:
    with pytest.raises(SerializeError, match=type(value).__name__):
        to_plain(value)


def test_refused_inside_of_a_struct() -> None:
    with pytest.raises(SerializeError, match="complex"):
        to_plain(User("a", extra=[1j]))


def test_type_names() -> None:
    assert type_name(1) == "int"
    assert type_name(Decimal(1)) == "decimal.Decimal"
    assert type_name(Model(1)).endswith("test_values.Model")


def test_attrs() -> None:
    attrs = pytest.importorskip("attrs")
    cls = attrs.make_class("Attrs", ["name", "data"])
    assert to_plain(cls("a", b"1")) == {"name": "a", "data": b"1"}


def test_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("PydanticModel", name=(str, ...), data=(bytes, ...))
    assert to_plain(model(name="a", data=b"\xff")) == {"name": "a", "data": b"\xff"}
