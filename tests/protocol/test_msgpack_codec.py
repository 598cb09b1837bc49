"""msgpack: what goes out, and what may come in."""

from __future__ import annotations

import json
import math
from datetime import datetime, time, timedelta, timezone
from typing import Any, cast

import msgpack
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geventsio.errors import ProtocolError, SerializeError
from geventsio.protocol.json_codec import MAX_DEPTH
from geventsio.protocol.json_codec import dumps as dumps_json
from geventsio.protocol.msgpack_codec import check_nesting, dumps, make_decoder
from geventsio.protocol.msgpack_codec import loads as loads_as
from tests.protocol.test_json_codec import (
    NESTED,
    PLAIN,
    TOKEN,
    Celsius,
    Colour,
    FailingModel,
    Message,
    Name,
    Point,
    Shape,
    Size,
    Struct,
    circular,
    nested,
    with_bytes,
)

CI = settings(deadline=None, max_examples=70)

ANYTHING: Any = make_decoder(cast("type[object]", Any))
UTC = timezone.utc


def loads(data: bytes) -> Any:
    """Decode whatever it is."""
    return loads_as(data, ANYTHING)


def read(data: bytes) -> Any:
    """What another reader makes of it."""
    return msgpack.unpackb(data, strict_map_key=True)


# What goes out


@pytest.mark.parametrize(("value", "text"), [pair for pair in PLAIN if "nan" not in repr(pair[0])])
def test_what_json_can_carry_arrives_as_the_same(value: object, text: str) -> None:
    assert read(dumps(value)) == json.loads(text)


def test_bytes_stay_in_their_places() -> None:
    assert read(dumps(NESTED)) == [
        b"0",
        {"b": b"1", "a": [[b"2"], {"z": {"y": b"3"}}]},
        [b"4", [b"5", [b"6"]]],
        {"text": "s", "data": b"7"},
        b"8",
    ]


@pytest.mark.parametrize(
    "value", [b"\x00\xff", bytearray(b"\x00\xff"), memoryview(b"\x00\xff"), memoryview(b"\x00 \xff")[::2]]
)
def test_bytes_likes(value: object) -> None:
    assert dumps(value) == b"\xc4\x02\x00\xff"


def test_subclasses_are_what_they_are_of() -> None:
    class Bytes(bytes):
        pass

    class Items(list[Any]):
        pass

    value = [Size.BIG, Shape.ROUND, Colour.RAW, Name("a"), Celsius(0.5), Bytes(b"x"), Items([True]), Point(1, 2)]
    assert read(dumps(value)) == [3, "round", b"\xff", "a", 0.5, b"x", [True], [1, 2]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.5, 1.0, -0.0])
def test_floats_stay_floats(value: float) -> None:
    data = dumps([value, Celsius(value)])
    assert len(data) == 19
    assert str(read(data)) == str([value, value])


def test_times_are_text_as_in_json() -> None:
    zone = timezone(timedelta(hours=2))
    values = [datetime(2020, 1, 2, 3, 4, 5, 6), datetime(2020, 1, 2, tzinfo=zone), time(1, 2), TOKEN]
    values += [datetime(2020, 1, 2).date(), time(1, 2, tzinfo=zone)]
    assert read(dumps(values)) == json.loads(dumps_json(values)[0])


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        ([2**64, -(2**63) - 1, True], [float(2**64), float(-(2**63) - 1), True]),
        ([2**64 - 1, -(2**63)], [2**64 - 1, -(2**63)]),
        ({2**70: "a"}, {str(2**70): "a"}),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ({"\udfff": ["\ud83d", 2**70, b"\xff", None]}, {"\ufffd": ["\ufffd", float(2**70), b"\xff", None]}),
    ],
)
def test_what_msgpack_has_no_form_for(value: object, arrives: object) -> None:
    found = read(dumps(value))
    assert found == arrives
    assert repr(found) == repr(arrives)


def test_integers_that_are_too_large_for_javascript() -> None:
    with pytest.raises(SerializeError, match="too large"):
        dumps([10**400])


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
def test_the_error_names_the_type(value: object, name: str) -> None:
    with pytest.raises(SerializeError, match=rf"\b{name}\b"):
        dumps([value])


@pytest.mark.parametrize("value", circular(), ids=["list", "dict", "mapping", "struct", "dataclass"])
def test_circular(value: object) -> None:
    with pytest.raises(SerializeError):
        dumps([value])


def test_too_deep() -> None:
    assert dumps(nested(254)) == b"\x91" * 253 + b"\x90"
    for depth in (255, 10_000):
        with pytest.raises(SerializeError, match="deep"):
            dumps(nested(depth))


def test_deep_in_the_stack() -> None:
    def descend(left: int) -> None:
        if left:
            descend(left - 1)
        else:
            dumps(nested(240))

    with pytest.raises(SerializeError, match="deep"):
        descend(850)


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


def test_arguments_are_not_changed() -> None:
    inner: dict[Any, Any] = {1: [2**70, "\ud800"]}
    value = [inner, bytearray(b"x")]
    dumps(value)
    assert value == [{1: [2**70, "\ud800"]}, bytearray(b"x")]
    assert value[0] is inner


@CI
@given(with_bytes)
def test_it_is_what_json_sends(value: object) -> None:
    text, attachments = dumps_json(value)

    def place(found: dict[str, Any]) -> Any:
        return attachments[found["num"]] if found.get("_placeholder") is True else found

    def plain(found: Any) -> Any:
        """As JSON does: half pairs aside, it has no infinities."""
        if isinstance(found, dict):
            return {plain(key): plain(item) for key, item in found.items()}
        if isinstance(found, list):
            return [plain(item) for item in found]
        if isinstance(found, str):
            return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if isinstance(found, float) and not math.isfinite(found):
            return None
        return float(found) if type(found) is int and not -(2**63) <= found < 2**64 else found

    assert plain(read(dumps(value))) == plain(json.loads(text, object_hook=place))


# What comes in


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\xd4\x00\x00", None),
        (b"\xd4\x00\x05", None),
        (b"\xc7\x01\x00\x05", b"\x05"),
        (b"\xd7\x00" + bytes(8), datetime(1970, 1, 1, tzinfo=UTC)),
        (b"\xc7\x08\x00" + bytes(8), bytes(8)),
        (b"\xc7\x00\x00", b""),
        (b"\xc7\x03\x00abc", b"abc"),
        (b"\xd5\x00ab", b"ab"),
        (b"\xd6\x00abcd", b"abcd"),
        (b"\xd8\x00" + bytes(16), bytes(16)),
        (b"\xc8\x01\x00\x00" + bytes(256), bytes(256)),
        (b"\xc9\x00\x00\x00\x03\x00abc", b"abc"),
        (b"\xd6\xff\x00\x00\x00\x01", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (b"\xd7\xff" + (500_000_000 << 34 | 1).to_bytes(8, "big"), datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC)),
        (b"\xc7\x0c\xff" + bytes(4) + (-1).to_bytes(8, "big", signed=True), datetime(1969, 12, 31, 23, 59, 59, 0, UTC)),
        (b"\x82\x01\xa1a\xc0\xa1b", {1: "a", None: "b"}),
        (b"\x81\x92\x01\xa1x\xc3", {(1, "x"): True}),
        (b"\x82\xa1a\x01\xa1a\x02", {"a": 2}),
        (b"\xca\x3f\x00\x00\x00", 0.5),
    ],
)
def test_loads(data: bytes, value: object) -> None:
    loaded = loads(data)
    assert loaded == value
    assert repr(loaded) == repr(value)


def test_small_buffers_are_found_among_other_values() -> None:
    ambiguous = b"\xc7\x08\x00" + bytes(8)
    values: list[tuple[bytes, Any]] = [
        (ambiguous, bytes(8)),
        (b"\xc7\x01\x00\xc7", b"\xc7"),
        (b"\xd7\x00" + bytes(8), datetime(1970, 1, 1, tzinfo=UTC)),
        (b"\x91\x81" + ambiguous + ambiguous, [{bytes(8): bytes(8)}]),
    ]
    for plain in (0, -1, 200, 70_000, 2**40, -100, -70_000, -(2**40), 0.5, None, True, "x", "x" * 40, b"x" * 300):
        values.append((dumps(plain), plain))
    # The same bytes where they are no value of their own.
    for pattern in (ambiguous, b"\xc7\x01\x00"):
        for size in (3, 300, 70_000):
            values.append((dumps(pattern * (size // 3)), pattern * (size // 3)))
        values.append((b"\xc7%c\x00%b" % (len(pattern), pattern), pattern))
        values.append((b"\xd8\x00" + pattern.ljust(16), pattern.ljust(16)))
    values.append(
        (b"\xcb" + b"\xc7\x08\x00" * 2 + b"\xc7\x08", msgpack.unpackb(b"\xcb" + b"\xc7\x08\x00" * 2 + b"\xc7\x08"))
    )
    for rotated in range(len(values)):
        order = values[rotated:] + values[:rotated]
        data = b"\xdc" + len(order).to_bytes(2, "big") + b"".join(part for part, _ in order)
        assert loads(data) == [value for _, value in order]


INVALID: list[bytes] = [
    b"",
    b"\xc1",
    b"\x01\x02",
    b"\xa2a",
    b"\xd9\x05abc",
    b"\xda\xff\xff",
    b"\xdb\xff\xff\xff\xffabc",
    b"\xc4\x05abc",
    b"\xc6\xff\xff\xff\xffabc",
    b"\xcd\x01",
    b"\xcb\x00",
    b"\x92\x01",
    b"\xdc\xff\xff\x01",
    b"\xdd\xff\xff\xff\xff\x01",
    b"\xde\xff\xff\x01\x01",
    b"\xdf\xff\xff\xff\xff\x01\x01",
    b"\x81\xa1a",
    b"\xa2\xff\xfe",
    b"\xa3\xed\xa0\x80",
    # extensions
    b"\xd4\x01\x00",
    b"\xd4\x80\x00",
    b"\xd4\xff\x00",
    b"\xc7\x02\x00a",
    b"\xc7\x08\x00abc",
    b"\xc7\x08\x00",
    b"\xc7\x08",
    b"\xc7",
    b"\xc8\x01",
    b"\xc8\xff\xff\x00abc",
    b"\xc9\xff\xff\xff\xff\x00abc",
    b"\xc7\x0c\xff" + b"\xff" * 12,
    b"\xd7\x00\x7f" + bytes(7),
    b"\xd7\x00\x80" + bytes(7),
    # keys
    b"\x81\x80\x01",
    b"\x81\x91\x80\x01",
]


@pytest.mark.parametrize("data", INVALID, ids=bytes.hex)
def test_invalid(data: bytes) -> None:
    for source in (data, b"\x91" + data, b"\x92\xc7\x08\x00" + bytes(8) + data):
        with pytest.raises(ProtocolError):
            loads(source)


def test_an_unknown_extension_is_told() -> None:
    with pytest.raises(ProtocolError, match="unknown extension type 5"):
        loads(b"\xd4\x05\x00")


def test_sizes_are_believed_only_as_far_as_there_is_data() -> None:
    # Lists within lists, each of which claims more than all the data could hold.
    for claim in (
        b"\xdc\xff\xff",
        b"\xdd\x00\x0f\x00\x00",
        b"\xdd\xff\xff\xff\xff",
        b"\xde\xff\xff",
        b"\xdf\xff\xff\xff\xff\x01",
    ):
        with pytest.raises(ProtocolError):
            loads(claim * 100 + bytes(1000))


def decode_checked(data: bytes) -> Any:
    """Decode and check as the parser does."""
    value = loads(data)
    check_nesting(data, value)
    return value


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a", b"\xdc\x00\x01", b"\xdd\x00\x00\x00\x01", b"\x81\x01"])
def test_depth(opening: bytes) -> None:
    for end in (b"\x01", b"\x90"):
        fits = MAX_DEPTH - (end == b"\x90")
        decode_checked(opening * fits + end)
        for depth in (fits + 1, 1000, 100_000):
            with pytest.raises(ProtocolError, match="deep"):
                decode_checked(opening * depth + end)


def test_depth_of_keys() -> None:
    decode_checked(b"\x81" + b"\x91" * (MAX_DEPTH - 1) + b"\x01\x01")
    with pytest.raises(ProtocolError, match="deep"):
        decode_checked(b"\x81" + b"\x91" * MAX_DEPTH + b"\x01\x01")


def test_wide_is_not_deep() -> None:
    flat = [{"a": [number]} for number in range(1000)]
    assert decode_checked(dumps(flat)) == flat
    assert decode_checked(dumps(b"\x91" * 1000)) == b"\x91" * 1000


@CI
@given(with_bytes)
def test_round_trip(value: object) -> None:
    data = dumps(value)
    assert repr(loads(data)) == repr(read(data))


heads = [bytes([head]) for head in (*range(0x7E, 0xA3), *range(0xBF, 0xE1), 0xFF)]
fragments = st.lists(st.sampled_from([*heads, b"\x00", b"\x01", b"\x00\x00", b"abcd", bytes(8), b"\xa1a"]), max_size=40)


@settings(CI, max_examples=300)
@given(st.one_of(st.binary(), fragments.map(b"".join), fragments.map(lambda parts: b"\xdc\x00\x20" + b"".join(parts))))
@example(b"\xc7\x08\x00")
def test_only_protocol_errors(data: bytes) -> None:
    try:
        value = decode_checked(data)
    except ProtocolError:
        return
    # Whoever reads it otherwise finds it valid as well.
    msgspec.msgpack.decode(data, ext_hook=lambda code, content: (code, bytes(content)))
    repr(value)
