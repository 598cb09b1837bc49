"""Tests of the bytes between servers: what is emitted arrives as it would have from the server itself."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventsio import AckClosedError, AckDecodeError, AckError, AckTimeoutError, AdapterError
from geventsio.adapters import BroadcastOptions, RemoteSocketData, wire
from geventsio.protocol.common_parser import CommonParser


@dataclass
class User:
    """A user."""

    name: str
    avatar: bytes


class Point(NamedTuple):
    """A point."""

    x: int
    y: float


class Color(Enum):
    """A color."""

    RED = "red"


class Item(msgspec.Struct):
    """An item."""

    price: Decimal


VALUES: list[Any] = [
    None,
    [1, -(2**63), 2**64 - 1, 0.5, True],
    "größe\U0001f600",
    User("Ann", b"\x00\xff"),
    [Point(1, 2.5), (1, (2,)), {3}],
    {"color": Color.RED, Color.RED: 1},
    {1: "int", 2.5: "float", None: "none", False: "bool"},
    Item(Decimal("1.50")),
    datetime(2026, 1, 2, 3, 4, 5, 6, timezone.utc),
    [date(2026, 1, 2), UUID(int=5)],
    OrderedDict(a=OrderedDict(b=bytearray(b"c"))),
    memoryview(b"view"),
    {"nested": [{"deep": [b"1", {"x": b"2"}]}]},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_clients_of_all_servers_get_the_same(value: Any) -> None:
    parser = CommonParser()
    here = parser.encode_event("/", "event", (value, "end"))
    event, *args = wire.loads(wire.dumps(["event", value, "end"]))
    there = parser.encode_event("/", event, args)
    assert here.text is not None and there.text is not None
    assert json.loads(here.text.partition(b"[")[2].join([b"[", b""])) == json.loads(
        there.text.partition(b"[")[2].join([b"[", b""])
    )
    assert list(here.attachments) == list(there.attachments)


@pytest.mark.parametrize(
    "value", [object(), [1, {"a": object()}], {"set": {object()}}], ids=["bare", "nested", "in a set"]
)
def test_what_can_not_be_sent(value: object) -> None:
    with pytest.raises(AdapterError, match="can't be sent to other servers"):
        wire.dumps(value)


@given(st.binary(max_size=50))
def test_broken_messages_raise_nothing_else(data: bytes) -> None:
    readers: list[Callable[[Any], object]] = [
        lambda value: wire.convert(value, BroadcastOptions),
        lambda value: wire.convert(value, RemoteSocketData),
        wire.answer_from_wire,
    ]
    try:
        value = wire.loads(data)
    except AdapterError:
        return
    for read in readers:
        try:
            read(value)
        except AdapterError:
            pass


def test_options_and_sockets() -> None:
    options = BroadcastOptions(("a", "b"), ("c",), "id", True, True)
    assert wire.convert(wire.loads(wire.dumps(options)), BroadcastOptions) == options
    assert wire.convert({}, BroadcastOptions) == BroadcastOptions()
    data = RemoteSocketData("id", frozenset({"a", "b"}), {"raw": b"1", "n": [None]}, {"headers": {"host": "h"}})
    assert wire.convert(wire.loads(wire.dumps(data)), RemoteSocketData) == data
    with pytest.raises(AdapterError, match="broken message"):
        wire.convert({"id": 5}, RemoteSocketData)


def test_data_that_can_not_be_sent_is_left_out() -> None:
    good = RemoteSocketData("id", frozenset(), {"a": 1, "b": [b"2"]}, {})
    assert wire.sendable(good) is good
    mixed = RemoteSocketData("id", frozenset({"r"}), {"a": 1, "lock": object(), "deep": [object()]}, {"url": "/"})
    assert wire.sendable(mixed) == RemoteSocketData("id", frozenset({"r"}), {"a": 1}, {"url": "/"})
    assert set(mixed.data) == {"a", "lock", "deep"}


@pytest.mark.parametrize("answer", [[], [None], [1, b"2", {"a": [b"3"]}], [[1]]], ids=repr)
def test_answers(answer: list[Any]) -> None:
    assert wire.answer_from_wire(wire.loads(wire.dumps(wire.answer_to_wire(answer)))) == answer


@pytest.mark.parametrize("kind", [AckTimeoutError, AckClosedError, AckDecodeError, AckError])
def test_errors_in_place_of_answers(kind: type[AckError]) -> None:
    error = wire.answer_from_wire(wire.loads(wire.dumps(wire.answer_to_wire(kind("why")))))
    assert type(error) is kind
    assert str(error) == "why"
    assert type(wire.answer_from_wire(["unheard of", "why"])) is AckError


@pytest.mark.parametrize("value", [None, [], ["ok"], ["ok", 5], [5, "x"], ["ok", [], 1]], ids=repr)
def test_broken_answers(value: Any) -> None:
    with pytest.raises(AdapterError):
        wire.answer_from_wire(value)
