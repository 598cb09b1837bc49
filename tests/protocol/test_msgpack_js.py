"""msgpack against the official parser: each reads what the other writes, and both write the same bytes."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geventsio.protocol.msgpack_codec import dumps
from geventsio.protocol.msgpack_parser import MsgpackParser
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import Packet, PacketType
from tests import tools

PROGRAM = Path(__file__).parent / "js" / "msgpack_peer.mjs"

CI = settings(deadline=None, max_examples=70, suppress_health_check=[HealthCheck.function_scoped_fixture])

CONNECT, DISCONNECT, EVENT, ACK = PacketType.CONNECT, PacketType.DISCONNECT, PacketType.EVENT, PacketType.ACK
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
PARSER = MsgpackParser()


class Peer:
    """The official parser in a process of its own."""

    def __init__(self) -> None:
        command = [tools.node(), PROGRAM, tools.js_package("socket.io-msgpack-parser")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, what: str, argument: Any) -> Any:
        """Return an answer; see the program."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({what: argument}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer.get("ok")

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """The official parser."""
    running = Peer()
    yield running
    running.close()


@pytest.fixture(scope="module")
def samples(peer: Peer) -> dict[str, bytes]:
    """What the official parser writes, by name."""
    return {name: bytes.fromhex(text) for name, text in peer.ask("samples", True).items()}


def tagged(value: Any) -> Any:
    """The value as the program takes and gives it."""
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$number": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, dict):
        return {key: tagged(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [tagged(item) for item in value]
    return value


# JavaScript sorts keys that look like numbers, its __proto__ is no key, and whole numbers are integers to it.
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(
    lambda key: not key.isdecimal() and not key.startswith("$") and key != "__proto__"
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.sampled_from(
        [sign * 2**bits + add for bits in (5, 7, 8, 15, 16, 31, 32) for add in (-1, 0, 1) for sign in (1, -1)]
    )
    | st.floats(allow_nan=False).filter(lambda number: not number.is_integer())
    | st.just(math.nan)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(["a" * 31, "a" * 32, "€" * 100, "🎉" * 70])
    | st.binary()
    | st.sampled_from([b"x" * 255, b"x" * 256]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)


@CI
@given(values)
def test_both_write_the_same_bytes(peer: Peer, value: Any) -> None:
    assert dumps(value).hex() == peer.ask("encode", tagged(value))


@CI
@given(values)
def test_it_reads_what_we_write(peer: Peer, value: Any) -> None:
    assert peer.ask("decode", {"$hex": dumps(value).hex()}) == tagged(value)


@pytest.mark.parametrize("size", [15, 16, 31, 32, 255, 256, 65_535, 65_536])
def test_lengths(peer: Peer, size: int) -> None:
    for value in ("x" * size, b"x" * size, [0] * size, {f"k{number}": 0 for number in range(min(size, 300))}):
        assert dumps(value).hex() == peer.ask("encode", tagged(value))


def test_values_that_only_python_has(peer: Peer) -> None:
    value = [
        2**70,
        -(2**70),
        1.0,
        (1, 2),
        {2: "a", None: "b", True: "c"},
        "\ud83d\ude00",
        "\ud800",
        bytearray(b"x"),
        {3},
    ]
    assert peer.ask("decode", {"$hex": dumps(value).hex()}) == [
        2**70,
        -(2**70),
        1,
        [1, 2],
        {"2": "a", "null": "b", "true": "c"},
        "😀",
        "\ufffd",
        {"$bytes": "78"},
        [3],
    ]


@pytest.mark.parametrize(
    ("group", "packet"),
    [
        (PARSER.encode_connect("/", {"sid": "x"}), {"type": 0, "nsp": "/", "data": {"sid": "x"}}),
        (PARSER.encode_connect("/admin™", {"sid": "x"}), {"type": 0, "nsp": "/admin™", "data": {"sid": "x"}}),
        (PARSER.encode_connect_error("/", {"message": "no"}), {"type": 4, "nsp": "/", "data": {"message": "no"}}),
        (PARSER.encode_disconnect("/"), {"type": 1, "nsp": "/"}),
        (PARSER.encode_event("/", "e", (1, "2")), {"type": 2, "nsp": "/", "data": ["e", 1, "2"]}),
        (PARSER.encode_event("/", "e", (), 0), {"type": 2, "nsp": "/", "data": ["e"], "id": 0}),
        (PARSER.encode_event("/", "e", (b"x",)), {"type": 2, "nsp": "/", "data": ["e", {"$bytes": "78"}]}),
        (PARSER.encode_ack("/a", 2**53 - 1, ()), {"type": 3, "nsp": "/a", "data": [], "id": 2**53 - 1}),
    ],
)
def test_packets_pass_its_checks(peer: Peer, group: PacketGroup, packet: dict[str, Any]) -> None:
    assert group.text is None
    (message,) = group.attachments
    assert peer.ask("packet", {"$hex": message.hex()}) == packet


def event(*data: Any) -> Packet:
    """An event of the samples."""
    return Packet(EVENT, "/", ["name", *data])


READ = {
    "connect": Packet(CONNECT, "/"),
    "connect_with_auth": Packet(CONNECT, "/admin", {"token": "123"}),
    "disconnect": Packet(DISCONNECT, "/"),
    "event": event(1, "2", {"3": [True]}),
    "question": Packet(EVENT, "/", ["name"], 7),
    "answer": Packet(ACK, "/", ["ok"], 7),
    "undefined": event(None, [None], {"x": None}),
    "numbers": event(0, 0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1),
    "negative_numbers": event(-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, 1 - 2**53),
    "floats": event(0.5, -1.25, 5e-324, 2**60, math.inf, -math.inf),
    "texts": event("", "x" * 31, "x" * 32, "€" * 100, "🎉" * 30_000),
    "half_a_pair": event("x" * 40 + "\ufffd"),
    "date": event(EPOCH, EPOCH + timedelta(milliseconds=1234567890123), EPOCH - timedelta(milliseconds=1)),
    "invalid_date": event(EPOCH),
    "buffers": event(b"", b"\x01", b"\x01" * 8, b"\x02" * 300, bytes(70_000)),
    "array_buffers": event(*(bytes([size & 255]) * size for size in (0, 1, 2, 4, 8, 16, 300, 70_000))),
    "typed_arrays": event(b"\x01", b"\0\0\0\0\0\0\xe0\x3f", b"\x01\0\x02\0\x03\0\x04\0"),
    "among_others": event(b"\xc7\x08\0\xc7\x01\0", bytes(8), "Ç\b\0", [EPOCH]),
    "nested": event([[[[{"a": {"b": [b"x"]}}]]]], {}),
    "to_json": event([1]),
    "long": event(list(range(70_000)), {f"k{number}": number for number in range(20)}),
}


@pytest.mark.parametrize("name", READ)
def test_we_read_what_it_writes(samples: dict[str, bytes], name: str) -> None:
    packet = PARSER.decoder().add_binary(samples[name])
    assert packet == READ[name]
    assert repr(packet) == repr(READ[name])


def test_we_read_what_is_not_a_number(samples: dict[str, bytes]) -> None:
    assert set(samples) == {*READ, "nan"}
    packet = PARSER.decoder().add_binary(samples["nan"])
    assert math.isnan(packet.data[1])
