"""Engine.IO polling payloads."""

from __future__ import annotations

import time
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventsio.errors import ProtocolError
from geventsio.protocol.eio_packet import Packet, PacketType
from geventsio.protocol.eio_payload import SEPARATOR, decode_payload, take_payload
from geventsio.protocol.packet_group import PacketGroup

CI = settings(deadline=None, max_examples=70)

MESSAGE = PacketType.MESSAGE
GOLDEN = "4hello€\x1ebAQIDBA==\x1e4hello€".encode()
HELLO = "4hello€".encode()


def groups() -> deque[PacketGroup]:
    """Return the queue of the golden vector: a text, a binary message and two texts."""
    return deque(
        [PacketGroup(HELLO), PacketGroup(None, (b"\x01\x02\x03\x04",)), PacketGroup(HELLO), PacketGroup(HELLO)]
    )


def test_decode() -> None:
    assert list(decode_payload(GOLDEN)) == [
        Packet(MESSAGE, "hello€"),
        Packet(MESSAGE, b"\x01\x02\x03\x04"),
        Packet(MESSAGE, "hello€"),
    ]


@pytest.mark.parametrize(
    ("body", "packets"),
    [
        (b"3", [Packet(PacketType.PONG, "")]),
        (b"40\x1e", [Packet(MESSAGE, "0")]),
        (b"1\x1e2\x1e3\x1e4\x1e5\x1e6", [Packet(PacketType(number), "") for number in range(1, 7)]),
        (b"2probe\x1e4a", [Packet(PacketType.PING, "probe"), Packet(MESSAGE, "a")]),
    ],
)
def test_decode_more(body: bytes, packets: list[Packet]) -> None:
    assert list(decode_payload(body)) == packets


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x1e",
        b"\x1e\x1e",
        b"\x1e4a",
        b"4a\x1e\x1e",
        b"4a\x1e\x1e4b",
        b"7",
        b"4a\x1e9",
        b"4\xff",
        b"4\xe2\x82",
        b"4\xed\xa0\x80",
        b"4a\x1ebAQ",
        b"abc",
        b"4a\x1e 4b",
    ],
)
def test_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(decode_payload(body))


def test_decode_takes_linear_work() -> None:
    start = time.process_time()
    assert sum(1 for _ in decode_payload(b"4hello you\x1e" * 200_000)) == 200_000
    # A guard only: quadratic work would take much longer.
    assert time.process_time() - start < 10


@CI
@given(st.lists(st.one_of(st.text(), st.binary()), min_size=1))
def test_round_trip(messages: list[str | bytes]) -> None:
    messages = [message.replace("\x1e", "") if isinstance(message, str) else message for message in messages]
    queue = deque(
        PacketGroup(b"4" + message.encode()) if isinstance(message, str) else PacketGroup(None, (message,))
        for message in messages
    )
    body = take_payload(queue, 1_000_000)
    assert not queue
    assert list(decode_payload(body)) == [Packet(MESSAGE, message) for message in messages]


@CI
@given(st.one_of(st.binary(), st.text("01234567b=AQ\x1eé").map(str.encode)))
def test_only_protocol_errors(body: bytes) -> None:
    try:
        packets = list(decode_payload(body))
    except ProtocolError:
        return
    assert len(packets) == body.count(SEPARATOR) + (not body.endswith(SEPARATOR))


@pytest.mark.parametrize(
    ("max_payload", "polls"),
    [
        (0, [HELLO, b"bAQIDBA==", HELLO, HELLO]),
        (10, [HELLO, b"bAQIDBA==", HELLO, HELLO]),
        (18, [HELLO, b"bAQIDBA==", HELLO, HELLO]),
        (19, [HELLO + b"\x1ebAQIDBA==", HELLO + b"\x1e" + HELLO]),
        (20, [HELLO + b"\x1ebAQIDBA==", HELLO + b"\x1e" + HELLO]),
        (28, [HELLO + b"\x1ebAQIDBA==", HELLO + b"\x1e" + HELLO]),
        (29, [GOLDEN, HELLO]),
        (39, [GOLDEN + b"\x1e" + HELLO]),
    ],
)
def test_take(max_payload: int, polls: list[bytes]) -> None:
    queue = groups()
    taken = []
    while queue:
        taken.append(take_payload(queue, max_payload))
    assert taken == polls


def test_golden_vector_from_the_second_message() -> None:
    queue = groups()
    assert take_payload(queue, 10) == HELLO
    assert take_payload(queue, 20) == b"bAQIDBA==\x1e" + HELLO
    assert take_payload(queue, 20) == HELLO
    assert not queue


def test_a_group_is_never_split() -> None:
    binary = PacketGroup(b"452-[]", (b"\x01\x02\x03", b"\x04\x05\x06"))
    queue = deque([PacketGroup(b"2"), binary, PacketGroup(b"6")])
    # Its text alone would fit.
    assert take_payload(queue, len(binary.payload)) == b"2"
    assert list(queue)[0] is binary
    assert take_payload(queue, len(binary.payload)) == b"452-[]\x1ebAQID\x1ebBAUG"
    assert take_payload(queue, 1) == b"6"


def test_an_oversize_group_goes_alone() -> None:
    queue = deque([PacketGroup(b"4" + b"x" * 100), PacketGroup(b"6")])
    assert take_payload(queue, 10) == b"4" + b"x" * 100
    assert len(queue) == 1


@CI
@given(
    st.lists(st.builds(PacketGroup, st.binary(min_size=1, max_size=30), st.lists(st.binary(max_size=9), max_size=3))),
    st.integers(0, 100),
)
def test_nothing_is_lost_and_the_limit_kept(queued: list[PacketGroup], max_payload: int) -> None:
    queue = deque(queued)
    parts = []
    while queue:
        waiting = list(queue)
        body = take_payload(queue, max_payload)
        taken = waiting[: len(waiting) - len(queue)]
        assert body == SEPARATOR.join(group.payload for group in taken)
        assert len(body) <= max_payload or len(taken) == 1
        # The next one would not have fitted.
        assert not queue or len(body) + 1 + len(queue[0].payload) > max_payload
        parts += taken
    assert parts == queued
