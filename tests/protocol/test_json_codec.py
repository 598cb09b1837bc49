"""JSON: what goes out, with attachments lifted out of it, and what may come in."""

from __future__ import annotations

import collections
import json
import math
import sys
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geventsio.errors import ProtocolError, SerializeError
from geventsio.protocol.json_codec import MAX_DEPTH, dumps, loads

CI = settings(deadline=None, max_examples=70)

TOKEN = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Point(NamedTuple):
    x: Any
    y: Any


class Celsius(float):
    pass


class Name(str):
    def __str__(self) -> str:
        return "not what is sent"


class Size(IntEnum):
    BIG = 3


class Shape(str, Enum):
    ROUND = "round"


class Colour(Enum):
    RED = "red"
    RAW = b"\xff"


@dataclass
class Message:
    text: str
    data: Any = None
    _cache: list[int] = field(default_factory=list)


class Struct(msgspec.Struct):
    text: str
    data: Any = None


def placeholder(num: int) -> str:
    return f'{{"_placeholder":true,"num":{num}}}'


PLAIN: list[tuple[object, str]] = [
    (["event", "hello"], '["event","hello"]'),
    (["event", {"data": "value™"}], '["event",{"data":"value™"}]'),
    ([None, True, False, 1, -1, 1.5, ""], '[null,true,false,1,-1,1.5,""]'),
    ([], "[]"),
    ((1, (2,)), "[1,[2]]"),
    (Point(1, Point(2, 3)), "[1,[2,3]]"),
    ([Decimal("1.10")], '["1.10"]'),
    ([{1}, frozenset({2})], "[[1],[2]]"),
    ([Celsius(1.5)], "[1.5]"),
    ([Name("a"), {Name("k"): Name("v")}], '["a",{"k":"v"}]'),
    ([Size.BIG, Colour.RED, Shape.ROUND], '[3,"red","round"]'),
    ([float("nan"), math.inf, -math.inf, Celsius("nan")], "[null,null,null,null]"),
    (datetime(2020, 1, 2, 3, 4, 5), '"2020-01-02T03:04:05"'),
    (TOKEN, f'"{TOKEN}"'),
    (Message("a"), '{"text":"a","data":null}'),
    (Struct("a"), '{"text":"a","data":null}'),
    (collections.OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
    ({1: "a", 2.5: "b", False: "c", None: "d"}, '{"1":"a","2.5":"b","false":"c","null":"d"}'),
    ({Size.BIG: 1, Colour.RED: 2, Shape.ROUND: 3, TOKEN: 4}, f'{{"3":1,"red":2,"round":3,"{TOKEN}":4}}'),
    ('\u2028 \x00 " \\ \x7f é \U0001f600', '"\u2028 \\u0000 \\" \\\\ \x7f é \U0001f600"'),
    (2**64 - 1, "18446744073709551615"),
    (-(2**63), "-9223372036854775808"),
]

# What orjson refuses and JavaScript reads.
SLOW: list[tuple[object, str]] = [
    (2**64, "18446744073709551616"),
    ([-(2**63) - 1], "[-9223372036854775809]"),
    ({2**70: 2**70}, '{"1180591620717411303424":1180591620717411303424}'),
    ("\ud800", '"\\ud800"'),
    ("\udfff é \U0001f600", '"\\udfff é \U0001f600"'),
    ({"\ud83d": ["\ude00"]}, '{"\\ud83d":["\\ude00"]}'),
]


@pytest.mark.parametrize(("value", "text"), PLAIN + SLOW)
def test_dumps(value: object, text: str) -> None:
    assert dumps(value) == (text.encode(), [])


@pytest.mark.parametrize(("value", "text"), PLAIN)
def test_the_slow_way_writes_the_same(value: object, text: str) -> None:
    assert dumps(["\ud800", value]) == (f'["\\ud800",{text}]'.encode(), [])


def test_keys_that_become_the_same() -> None:
    # For a reader the last one counts; what stood at the others is sent, but nothing refers to it.
    for companion in ("a", "\ud800"):
        data, attachments = dumps([companion, {1: b"0", "1": b"1"}])
        assert json.loads(data)[1] == {"1": {"_placeholder": True, "num": 1}}
        assert attachments == [b"0", b"1"]


@pytest.mark.parametrize("value", [b"\x00\xff", bytearray(b"\x00\xff"), memoryview(b"\x00\xff"), Colour.RAW])
def test_bytes_become_attachments(value: object) -> None:
    expected: Any = b"\xff" if value is Colour.RAW else b"\x00\xff"
    text, attachments = dumps(["a", value])
    assert (text, attachments) == (f'["a",{placeholder(0)}]'.encode(), [expected])
    assert type(attachments[0]) is bytes


def test_mutable_bytes_are_copied() -> None:
    source = bytearray(b"abc")
    attachments = dumps([source, memoryview(source)])[1]
    source[:] = b"xyz"
    assert attachments == [b"abc", b"abc"]


def test_immutable_bytes_are_not_copied() -> None:
    source = b"x" * 1000
    assert dumps([source])[1][0] is source


def test_a_strided_view() -> None:
    assert dumps(memoryview(b"abcdef")[::2])[1] == [b"ace"]


NESTED: Any = [
    b"0",
    {"b": b"1", "a": [[b"2"], {"z": {"y": b"3"}}]},
    (b"4", Point(b"5", {b"6"})),
    Struct("s", b"7"),
    b"8",
]
NESTED_TEXT = (
    f'[{placeholder(0)},{{"b":{placeholder(1)},"a":[[{placeholder(2)}],{{"z":{{"y":{placeholder(3)}}}}}]}},'
    f'[{placeholder(4)},[{placeholder(5)},[{placeholder(6)}]]],{{"text":"s","data":{placeholder(7)}}},{placeholder(8)}]'
)


def test_attachments_are_numbered_depth_first() -> None:
    assert dumps(NESTED) == (NESTED_TEXT.encode(), [b"%d" % number for number in range(9)])


def test_second_pass_numbers_from_zero() -> None:
    text, attachments = dumps([b"0", {1: b"1"}, b"2"])
    assert text.decode() == f'[{placeholder(0)},{{"1":{placeholder(1)}}},{placeholder(2)}]'
    assert attachments == [b"0", b"1", b"2"]


def test_slow_pass_numbers_from_zero() -> None:
    text, attachments = dumps([NESTED, "\ud800", Message("m", b"9"), {2: b"10"}])
    assert text.decode() == (
        f'[{NESTED_TEXT},"\\ud800",{{"text":"m","data":{placeholder(9)}}},{{"2":{placeholder(10)}}}]'
    )
    assert attachments == [b"%d" % number for number in range(11)]


def test_each_call_has_its_own_attachments() -> None:
    first, second = dumps([b"1"])[1], dumps([b"2"])[1]
    assert (first, second) == ([b"1"], [b"2"])


@pytest.mark.parametrize("companion", [0, b"1", "\ud800", 2**70])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (object(), "object"),
        ({"a": [1j]}, "complex"),
        (len, "builtin_function_or_method"),
        (Message, "type"),
        ({b"key": 1}, "bytes"),
        ({(1, 2): 1}, "tuple"),
        (Struct("a", {"b": object()}), "object"),
        (Message("a", object()), "object"),
    ],
)
def test_the_error_names_the_type(value: object, name: str, companion: object) -> None:
    with pytest.raises(SerializeError, match=rf"\b{name}\b"):
        dumps([companion, value])


def circular() -> list[object]:
    """Return values that hold themselves."""
    items: list[object] = []
    items.append(items)
    mapping: dict[str, object] = {}
    mapping["a"] = {"b": mapping}
    other = collections.UserDict[str, object]()
    other["a"] = other
    struct = Struct("a")
    struct.data = [struct]
    message = Message("a")
    message.data = message
    return [items, mapping, other, struct, message]


@pytest.mark.parametrize("value", circular(), ids=["list", "dict", "mapping", "struct", "dataclass"])
@pytest.mark.parametrize("companion", [0, "\ud800"])
def test_circular(value: object, companion: object) -> None:
    with pytest.raises(SerializeError):
        dumps([companion, value])


def nested(depth: int) -> Any:
    """Return lists in lists."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize("leaf", [0, "\ud800"])
def test_too_deep(leaf: object) -> None:
    assert dumps([leaf, nested(253)])[0].count(b"[") == 254
    with pytest.raises(SerializeError, match="deep"):
        dumps([leaf, nested(254)])
    with pytest.raises(SerializeError, match="deep"):
        dumps([leaf, nested(10_000)])


def test_deep_in_the_stack() -> None:
    def descend(left: int) -> None:
        if left:
            descend(left - 1)
        else:
            dumps(["\ud800", nested(240)])

    with pytest.raises(SerializeError, match="deep"):
        # Comprehensions are no frames of their own from Python 3.12 on.
        descend(sys.getrecursionlimit() - 250)


class FailingModel:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def model_dump(self) -> object:
        raise self.error


def test_a_model_that_fails() -> None:
    error = ValueError("broken")
    with pytest.raises(SerializeError, match="broken") as caught:
        dumps([FailingModel(error)])
    assert caught.value.__cause__ is error


def test_a_timeout_in_a_model_is_no_serialize_error() -> None:
    class Timeout(BaseException):
        """Like that of gevent."""

    with pytest.raises(Timeout):
        dumps([FailingModel(Timeout())])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["event",{"a":1}]', ["event", {"a": 1}]),
        ('{"a":[null,true,1.5]}', {"a": [None, True, 1.5]}),
        (" [1] ", [1]),
        ('"é\\u20ac\\ud83d\\ude00"', "é€\U0001f600"),
        ("123456789012345678901234567890", 123456789012345678901234567890.0),
        ('"\\ud800"', "\ud800"),
        ('["\\uDFFF",{"\\ud83d":"\\ude00 é"}]', ["\udfff", {"\ud83d": "\ude00 é"}]),
        ('["\\ud800",123456789012345678901234567890,1.5,1]', ["\ud800", 123456789012345678901234567890.0, 1.5, 1]),
    ],
)
def test_loads(text: str, value: object) -> None:
    for source in (text, text.encode()):
        loaded = loads(source)
        assert loaded == value
        assert repr(loaded) == repr(value)


INVALID = [
    "",
    " ",
    "[",
    "]",
    "[1,]",
    "{'a':1}",
    '{"a":1}x',
    "[1][2]",
    "nul",
    "NaN",
    "[Infinity]",
    "[-Infinity]",
    "01",
    "1e999",
    "+1",
    ".5",
    '"\x01"',
    '"\\x"',
    "\ufeff[]",
    "9" * 5000,
    "٣",
]


@pytest.mark.parametrize("text", INVALID)
def test_invalid(text: str) -> None:
    with pytest.raises(ProtocolError):
        loads(text)
    # The same where the lone surrogate hands it to the other decoder.
    with pytest.raises(ProtocolError):
        loads(f'["\\ud800",{text}')
    if text.strip():
        with pytest.raises(ProtocolError):
            loads(f'["\\ud800",{text}]')


def test_a_surrogate_that_is_no_escape() -> None:
    # Such a str never came from UTF-8.
    with pytest.raises(ProtocolError):
        loads('"\ud800"')


@pytest.mark.parametrize("data", [b"\xff", b'"\xed\xa0\x80"', b'["\\ud800","\xff"]', '["\\ud800"]'.encode("utf-16")])
def test_bytes_that_are_not_utf_8(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        loads(data)


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[0,"[",{"k":', "}]"), ('["\\ud800",', "]")]
)
def test_depth(opening: str, closing: str) -> None:
    levels = opening.replace('"["', "").count("[") + opening.count("{")
    fits = MAX_DEPTH // levels
    for as_text in (True, False):
        for pad in ("", " " * 1000):
            text = opening * fits + "1" + closing * fits + pad
            loads(text if as_text else text.encode())
            text = "[" + text + "]"
            with pytest.raises(ProtocolError, match="deep"):
                loads(text if as_text else text.encode())


def test_depth_without_a_leaf() -> None:
    assert loads("[" * 200 + "]" * 200) == nested(200)
    with pytest.raises(ProtocolError, match="deep"):
        loads("[" * 201 + "]" * 201)


@pytest.mark.parametrize("depth", [1000, 1024, 1025, 100_000])
@pytest.mark.parametrize("leaf", ["", '"\\ud800"'])
def test_far_too_deep(depth: int, leaf: str) -> None:
    with pytest.raises(ProtocolError):
        loads("[" * depth + leaf + "]" * depth)
    with pytest.raises(ProtocolError):
        loads("[" * depth + leaf)


def test_brackets_alone_are_not_depth() -> None:
    flat = json.dumps([{"a": [number, "[[{{"]} for number in range(1000)])
    assert loads(flat) == json.loads(flat)
    text = '["' + "[" * 1000 + '"]'
    assert loads(text) == ["[" * 1000]


any_text = st.text(st.characters())
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        any_text,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(any_text, inner, max_size=4)),
    max_leaves=20,
)


@CI
@given(json_values)
@example("\ud800\udc00")
def test_round_trip(value: object) -> None:
    data, attachments = dumps(value)
    assert attachments == []
    # Two halves of a pair are one character once they are read.
    assert loads(data) == json.loads(json.dumps(value))


with_bytes = st.recursive(
    st.one_of(
        st.none(), st.integers(), st.floats(), any_text, st.binary(max_size=4), st.binary(max_size=4).map(bytearray)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(any_text, st.integers(), st.booleans()), inner, max_size=4),
        st.tuples(inner, inner),
        st.builds(Point, inner, inner),
        st.builds(Message, st.text(max_size=3), inner),
    ),
    max_leaves=20,
)


@CI
@given(with_bytes)
def test_both_ways_write_the_same(value: object) -> None:
    data, attachments = dumps(value)
    slow_data, slow_attachments = dumps([value, "\ud800"])
    assert json.loads(slow_data)[0] == json.loads(data)
    assert slow_attachments == attachments
    numbers: list[int] = []

    def collect(found: dict[str, Any]) -> object:
        if found.get("_placeholder") is True:
            numbers.append(found["num"])
        return found

    json.loads(data, object_hook=collect)
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(len(attachments)))


fragments = st.lists(
    st.sampled_from(
        [
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            '"',
            '"a"',
            "1",
            "-",
            "e",
            ".",
            "\\u",
            "\\ud800",
            '"\\udfff"',
            "\\",
            "null",
            "NaN",
        ]
    )
).map("".join)


@CI
@given(st.one_of(any_text, st.binary(), fragments, fragments.map(lambda text: '["\\ud800",' + text + "]")))
def test_only_protocol_errors(text: str | bytes) -> None:
    try:
        value = loads(text)
    except ProtocolError:
        return
    assert loads(dumps(value)[0]) == value
