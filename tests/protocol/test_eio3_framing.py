"""The two framings of Engine.IO v3 polling payloads."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventsio.errors import ProtocolError
from geventsio.protocol.eio3_framing import frame_binary, frame_text, split_binary, split_text

CI = settings(deadline=None, max_examples=70)

#: What JavaScript strings hold, without lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("packet", "framed"),
    [
        ("4hello€", "7:4hello€"),
        ("b4AQIDBA==", "10:b4AQIDBA=="),
        ("4𝕊", "3:4𝕊"),
        ("4é", "2:4é"),
        ("", "0:"),
        ("40", "2:40"),
        ('42["auth",{}]', '13:42["auth",{}]'),
        ("3", "1:3"),
        ("4" + "x" * 99, "100:4" + "x" * 99),
    ],
)
def test_text(packet: str, framed: str) -> None:
    assert frame_text(packet.encode()) == framed.encode()
    assert list(split_text(framed.encode())) == [packet]


@pytest.mark.parametrize(
    ("content", "is_string", "framed"),
    [
        ("4hello€".encode(), True, "00 09 ff 34 68 65 6c 6c 6f e2 82 ac"),
        (b"\x04\x01\x02\x03\x04", False, "01 05 ff 04 01 02 03 04"),
        (b"", True, "00 00 ff"),
        (b"x" * 120, True, "00 01 02 00 ff" + " 78" * 120),
    ],
)
def test_binary(content: bytes, is_string: bool, framed: str) -> None:
    body = bytes.fromhex(framed)
    assert frame_binary(content, is_string) == body
    assert list(split_binary(body)) == [content.decode() if is_string else content]


def test_several_packets() -> None:
    assert list(split_text("4:4foo3:4€f11:4faaaaaaaaa".encode())) == ["4foo", "4€f", "4faaaaaaaaa"]
    golden = bytes.fromhex("00 09 ff 34 68 65 6c 6c 6f e2 82 ac 01 05 ff 04 01 02 03 04")
    assert list(split_binary(golden)) == ["4hello€", b"\x04\x01\x02\x03\x04"]
    assert list(split_text(b"")) == list(split_binary(b"")) == []


@pytest.mark.parametrize(
    "body",
    [
        "2:4𝕊".encode(),  # cuts a surrogate pair
        "1:𝕊".encode(),
        b"10:4ab",
        b"abc",
        b"4",
        b":4",
        b":",
        b"-1:4",
        b"+1:4",
        b" 1:4",
        b"1 :4",
        b"1.0:4",
        b"0x1:4",
        b"1e0:4",
        "²:4a".encode(),
        "١:4".encode(),
        b"1234567890:4",
        b"9" * 400 + b":4",
        b"1:4x",
        b"4:4foo3",
        b"2:4\xff",
        b"2:4\xe2\x82",
        b"4:4\xed\xa0\x80",
    ],
)
def test_broken_text(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(split_text(body))


@pytest.mark.parametrize(
    "body",
    [
        "01 05 ff 04 01 02",  # truncated
        "01 05 ff",
        "01 05",
        "01",
        "00",
        "ff",
        "01 ff",
        "01 ff 04",
        "02 01 ff 04",
        "34 01 ff 34",
        "01 31 ff 04",  # a digit of ASCII
        "01 0a ff 04 04 04 04 04 04 04 04 04 04",
        "01 fe ff 04",
        "01 01 02 03 04 05 06 07 08 09 00 ff 04",
        "01" + "00" * 400 + "ff",
        "00 01 ff ff",
        "00 02 ff 34 e2",
        "00 04 ff 34 ed a0 80",
        "00 01 ff 34 01 05 ff 04",
    ],
)
def test_broken_binary(body: str) -> None:
    with pytest.raises(ProtocolError):
        list(split_binary(bytes.fromhex(body)))


@CI
@given(st.lists(TEXTS))
def test_text_comes_back(packets: list[str]) -> None:
    assert list(split_text(b"".join(frame_text(packet.encode()) for packet in packets))) == packets


@CI
@given(st.lists(st.one_of(TEXTS, st.binary())))
def test_binary_comes_back(packets: list[str | bytes]) -> None:
    body = b"".join(
        frame_binary(packet.encode(), True) if isinstance(packet, str) else frame_binary(packet, False)
        for packet in packets
    )
    assert list(split_binary(body)) == packets


@CI
@given(st.lists(TEXTS, min_size=1))
def test_every_split_of_text_ends(packets: list[str]) -> None:
    ends = [0]
    body = b""
    for packet in packets:
        body += frame_text(packet.encode())
        ends.append(len(body))
    for end in range(len(body) + 1):
        if end in ends:
            assert list(split_text(body[:end])) == packets[: ends.index(end)]
        else:
            with pytest.raises(ProtocolError):
                list(split_text(body[:end]))


@CI
@given(st.lists(st.one_of(TEXTS, st.binary()), min_size=1))
def test_every_split_of_binary_ends(packets: list[str | bytes]) -> None:
    ends = [0]
    body = b""
    for packet in packets:
        body += frame_binary(packet.encode() if isinstance(packet, str) else packet, isinstance(packet, str))
        ends.append(len(body))
    for end in range(len(body) + 1):
        if end in ends:
            assert list(split_binary(body[:end])) == packets[: ends.index(end)]
        else:
            with pytest.raises(ProtocolError):
                list(split_binary(body[:end]))


@CI
@given(
    st.one_of(st.binary(), st.text("0123456789:4b=AQé𝕊").map(str.encode), st.text("0\x00\x01\x02\xff").map(str.encode))
)
def test_only_protocol_errors(body: bytes) -> None:
    for split in (split_text, split_binary):
        try:
            packets = list(split(body))
        except ProtocolError:
            continue
        assert len(packets) <= len(body)


@pytest.mark.parametrize("body", [b"10:4hello you" * 200_000, ("3:4𝕊" + "2:4é").encode() * 100_000])
def test_splitting_takes_linear_work(body: bytes) -> None:
    start = time.process_time()
    assert sum(1 for _ in split_text(body)) == 200_000
    # A guard only: quadratic work would take much longer.
    assert time.process_time() - start < 10
