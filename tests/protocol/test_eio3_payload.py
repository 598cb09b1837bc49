"""Engine.IO v3 packets and polling payloads."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventsio.errors import ProtocolError
from geventsio.protocol.eio3_payload import (
    PayloadCodec3,
    decode_binary_message,
    decode_payload,
    decode_text_packet,
    take_payload,
)
from geventsio.protocol.eio_packet import Packet, PacketType
from geventsio.protocol.packet_group import PacketGroup

CI = settings(deadline=None, max_examples=70)

MESSAGE = PacketType.MESSAGE
BINARY = "application/octet-stream"
TEXT = "text/plain;charset=UTF-8"

HELLO = PacketGroup("4hello€".encode())
NUMBERS = PacketGroup(None, (b"\x01\x02\x03\x04",))
EVENT = PacketGroup(b"452-[]", (b"\x01", b""))

BASE64_GOLDEN = "7:4hello€10:b4AQIDBA==7:4hello€".encode()
BINARY_GOLDEN = bytes.fromhex("00 09 ff 34 68 65 6c 6c 6f e2 82 ac 01 05 ff 04 01 02 03 04")


def test_golden_vectors_are_taken() -> None:
    assert take_payload(deque([HELLO, NUMBERS, HELLO]), 1_000_000, base64=True) == BASE64_GOLDEN
    assert take_payload(deque([HELLO, NUMBERS]), 1_000_000, base64=False) == BINARY_GOLDEN
    assert take_payload(deque([HELLO, HELLO]), 1_000_000, base64=False) == "7:4hello€7:4hello€".encode()


def test_golden_vectors_are_decoded() -> None:
    hello, numbers = Packet(MESSAGE, "hello€"), Packet(MESSAGE, b"\x01\x02\x03\x04")
    assert list(decode_payload(BASE64_GOLDEN, TEXT)) == [hello, numbers, hello]
    assert list(decode_payload(BINARY_GOLDEN, BINARY)) == [hello, numbers]


@pytest.mark.parametrize(
    ("body", "content_type", "packets"),
    [
        (b"1:2", TEXT, [Packet(PacketType.PING, "")]),
        (b"1:2", "", [Packet(PacketType.PING, "")]),
        (b"6:2probe1:1", TEXT, [Packet(PacketType.PING, "probe"), Packet(PacketType.CLOSE, "")]),
        (b"0:", TEXT, []),
        (b"0:1:30:", TEXT, [Packet(PacketType.PONG, "")]),
        (b"2:b4", TEXT, [Packet(MESSAGE, b"")]),
        (b"6:b44OHi", TEXT, [Packet(MESSAGE, b"\xe0\xe1\xe2")]),
        (b"\x00\x01\xff2", BINARY, [Packet(PacketType.PING, "")]),
        (b"\x00\x01\xff2", " Application/Octet-Stream; x=y", [Packet(PacketType.PING, "")]),
        (b"\x00\x00\xff\x01\x01\xff\x04", BINARY, [Packet(MESSAGE, b"")]),
        (b"\x00\x06\xffb4AQID", BINARY, [Packet(MESSAGE, b"\x01\x02\x03")]),
        # Of socket.io-client 1, which takes the bytes of UTF-8 for characters, and encodes these once more.
        ("3:4Ã©".encode(), TEXT, [Packet(MESSAGE, "é")]),
        ("4:4â\x82¬".encode(), TEXT, [Packet(MESSAGE, "€")]),
        ("5:4ð\x9d\x95\x8a".encode(), TEXT, [Packet(MESSAGE, "𝕊")]),
        # Of socket.io-client 2, which does not.
        ("2:4é".encode(), TEXT, [Packet(MESSAGE, "é")]),
        ("4:4Ã©€".encode(), TEXT, [Packet(MESSAGE, "Ã©€")]),
        ("3:4éa".encode(), TEXT, [Packet(MESSAGE, "éa")]),
        # Nobody encodes twice in a binary payload.
        (b"\x00\x05\xff" + "4Ã©".encode(), BINARY, [Packet(MESSAGE, "Ã©")]),
    ],
)
def test_decode(body: bytes, content_type: str, packets: list[Packet]) -> None:
    assert list(decode_payload(body, content_type)) == packets


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", TEXT),
        (b"", BINARY),
        (b"1:7", TEXT),
        (b"3:abc", TEXT),
        (b"1:b", TEXT),
        (b"5:bAQID", TEXT),  # base64 of version 4
        (b"6:b2AQID", TEXT),
        (b"4:b4AQ", TEXT),
        (b"6:b4AQ==1:", TEXT),
        (b"1:4\x1e", TEXT),
        (BINARY_GOLDEN, TEXT),
        (BASE64_GOLDEN, BINARY),
        (b"\x01\x00\xff", BINARY),
        (b"\x01\x01\xff\x02", BINARY),
        (b"\x01\x01\xff4", BINARY),
        (b"\x00\x01\xff9", BINARY),
        (b"\x01\x05\xff\x04\x01\x02", BINARY),
    ],
)
def test_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(ProtocolError):
        list(decode_payload(body, content_type))


def test_decoding_is_lazy() -> None:
    packets = decode_payload(b"2:4a3:9")
    assert next(packets) == Packet(MESSAGE, "a")
    with pytest.raises(ProtocolError):
        next(packets)


@pytest.mark.parametrize("text", ["", "7", "b", "b4A", "b5AQID", "x"])
def test_a_text_that_is_no_packet(text: str) -> None:
    with pytest.raises(ProtocolError):
        decode_text_packet(text)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x03a", b"4a"])
def test_a_binary_message_without_its_type(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_binary_message(data)


@pytest.mark.parametrize(
    ("queue", "base64", "max_payload", "polls"),
    [
        ([HELLO, HELLO], True, 0, ["7:4hello€", "7:4hello€"]),
        ([HELLO, HELLO], False, 21, ["7:4hello€", "7:4hello€"]),
        ([HELLO, HELLO], False, 22, ["7:4hello€7:4hello€"]),
        ([HELLO, NUMBERS, HELLO], True, 23, ["7:4hello€", "10:b4AQIDBA==", "7:4hello€"]),
        ([HELLO, NUMBERS, HELLO], True, 24, ["7:4hello€10:b4AQIDBA==", "7:4hello€"]),
        ([EVENT], True, 0, ["6:452-[]6:b4AQ==2:b4"]),
    ],
)
def test_take_text(queue: list[PacketGroup], base64: bool, max_payload: int, polls: list[str]) -> None:
    waiting = deque(queue)
    taken = []
    while waiting:
        taken.append(take_payload(waiting, max_payload, base64).decode())
    assert taken == polls


def test_take_binary() -> None:
    # 12 bytes, 8 bytes, and again 12: in one framing each, whatever came first.
    framed = BINARY_GOLDEN[:12], BINARY_GOLDEN[12:]
    for max_payload, polls in [
        (0, ["7:4hello€".encode(), framed[1], "7:4hello€".encode()]),
        (19, ["7:4hello€".encode(), framed[1], "7:4hello€".encode()]),
        (20, [BINARY_GOLDEN, "7:4hello€".encode()]),
        (31, [BINARY_GOLDEN, "7:4hello€".encode()]),
        (32, [BINARY_GOLDEN + framed[0]]),
    ]:
        waiting = deque([HELLO, NUMBERS, HELLO])
        taken = []
        while waiting:
            taken.append(take_payload(waiting, max_payload, base64=False))
        assert taken == polls, max_payload
    event = bytes.fromhex("00 06 ff 34 35 32 2d 5b 5d 01 02 ff 04 01 01 01 ff 04")
    assert take_payload(deque([EVENT, HELLO]), 1_000_000, base64=False) == event + framed[0]


@CI
@given(
    # No two of these characters look as if they had been encoded twice.
    st.lists(st.tuples(st.text("a4:\n€é𝕊"), st.lists(st.binary(), max_size=3)), min_size=1),
    st.integers(0, 60),
    st.booleans(),
)
def test_what_is_taken_is_decoded(groups: list[tuple[str, list[bytes]]], max_payload: int, base64: bool) -> None:
    queue = deque(PacketGroup(b"4" + text.encode(), attachments) for text, attachments in groups)
    codec = PayloadCodec3(base64)
    received: list[str | bytes] = []
    while queue:
        body = codec.take(queue, max_payload)
        is_binary = body[0] < 2
        assert codec.content_type(body) == (BINARY if is_binary else "text/plain; charset=UTF-8")
        assert not (base64 and is_binary)
        received.extend(packet.data for packet in codec.decode(body, codec.content_type(body)))
    assert received == [part for text, attachments in groups for part in (text, *attachments)]


@CI
@given(st.one_of(st.binary(), st.text("0123456789:4b=AQé𝕊").map(str.encode)), st.sampled_from([TEXT, BINARY]))
def test_only_protocol_errors(body: bytes, content_type: str) -> None:
    try:
        packets = list(decode_payload(body, content_type))
    except ProtocolError:
        return
    assert all(isinstance(packet.type, PacketType) for packet in packets)


def test_control_packets() -> None:
    codec = PayloadCodec3(base64=False)
    assert [codec.encode(packet) for packet in (b"6", b"1", b"3probe")] == [b"1:6", b"1:1", b"6:3probe"]


@pytest.mark.parametrize(("empty", "content_type"), [(b"0:", TEXT), (b"\x00\x00\xff", BINARY)])
def test_packets_without_content_are_few(empty: bytes, content_type: str) -> None:
    assert list(decode_payload(empty * 100, content_type)) == []
    with pytest.raises(ProtocolError, match="too many empty packets"):
        list(decode_payload(empty * 101, content_type))
