"""permessage-deflate: what is negotiated, and what compressed messages hold."""

from __future__ import annotations

import random
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventsio.errors import ProtocolError
from geventsio.protocol.deflate import Inflater, deflate, max_deflated_size, negotiate
from geventsio.protocol.websocket import FrameParser
from tests.protocol.client_frames import client_frame, parse

ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

# RFC 7692 section 7.2.3: "Hello" in the ways that the examples show.
ONE_BLOCK = bytes.fromhex("f248cdc9c90700")
STORED = bytes.fromhex("000500faff48656c6c6f00")
FINAL_BLOCK = bytes.fromhex("f348cdc9c9070000")
EMPTY_BLOCK = bytes.fromhex("000000ffff")
TWO_BLOCKS = bytes.fromhex("f24805000000ffffcac9c90700")


@pytest.mark.parametrize(
    ("header", "window_bits"),
    [
        ("permessage-deflate", 15),
        ("permessage-deflate; client_max_window_bits", 15),
        ("permessage-deflate; client_max_window_bits=8", 15),
        ("permessage-deflate; client_max_window_bits=15", 15),
        ('permessage-deflate; client_max_window_bits="10"', 15),
        ("permessage-deflate;server_no_context_takeover;client_no_context_takeover", 15),
        ("permessage-deflate ;\tclient_max_window_bits = 9 ; server_no_context_takeover", 15),
        ("x-webkit-deflate-frame, permessage-deflate", 15),
        ("foo; bar=1; bar=2; baz, permessage-deflate", 15),
        (",, permessage-deflate ,", 15),
        # Of several offers, the first that can be met.
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", 15),
        ("permessage-deflate; unknown, permessage-deflate; client_max_window_bits", 15),
        ("permessage-deflate; client_max_window_bits=99, permessage-deflate", 15),
    ],
)
def test_accepted_offers(header: str, window_bits: int) -> None:
    assert negotiate(header) == (ANSWER, window_bits)


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize(
    "header", ["permessage-deflate; server_max_window_bits={}", 'permessage-deflate; server_max_window_bits="{}"']
)
def test_the_window_that_a_client_asks_for(header: str, bits: int) -> None:
    assert negotiate(header.format(bits)) == (f"{ANSWER}; server_max_window_bits={bits}", bits)


def test_the_first_of_two_offers_wins() -> None:
    agreement = negotiate("permessage-deflate; server_max_window_bits=10, permessage-deflate")
    assert agreement == (f"{ANSWER}; server_max_window_bits=10", 10)


@pytest.mark.parametrize(
    "parameters",
    [
        "unknown",
        "unknown=1",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits; client_max_window_bits=10",
        "server_max_window_bits",
        *(
            f"{side}_max_window_bits={bits}"
            for side in ("server", "client")
            for bits in ("7", "16", "010", "+9", "-9", "1e1", "x", "0")
        ),
        "server_max_window_bits=8",
        "SERVER_NO_CONTEXT_TAKEOVER",
    ],
)
def test_declined_offers(parameters: str) -> None:
    assert negotiate(f"permessage-deflate; {parameters}") is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        ",",
        "deflate-stream",
        "permessage-deflates",
        "permessage-deflate;",
        "permessage-deflate; ",
        "permessage-deflate; =1",
        "permessage-deflate; client_max_window_bits=",
        'permessage-deflate; client_max_window_bits=""',
        'permessage-deflate; client_max_window_bits="',
        'permessage-deflate; client_max_window_bits="10',
        "permessage-deflate; client_max_window_bits=1 0",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate, ;",
        "permessage-deflate, foo; bar=",
        'foo; bar="1, permessage-deflate, 2"',
        "permessage-deflate\u00e9",
        "permessage-deflate\x00",
    ],
)
def test_headers_that_offer_nothing(header: str) -> None:
    assert negotiate(header) is None


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["permessage-deflate", "client_max_window_bits", ",", ";", "=", '"', " ", "9", "x"])).map(
        "".join
    )
)
def test_any_header_gets_an_answer(header: str) -> None:
    agreement = negotiate(header)
    assert agreement is None or agreement.header.startswith(ANSWER)


def inflate(data: bytes, limit: int = 1000) -> bytes:
    return Inflater(limit).inflate(data, True)


@pytest.mark.parametrize("data", [ONE_BLOCK, STORED, FINAL_BLOCK, TWO_BLOCKS])
def test_examples_of_rfc_7692_section_7_2_3(data: bytes) -> None:
    assert inflate(data) == b"Hello"


def test_an_empty_message() -> None:
    assert inflate(b"\x00") == b""


def test_a_stream_that_ended_may_be_followed_by_another() -> None:
    assert inflate(FINAL_BLOCK[:-1] + FINAL_BLOCK) == b"HelloHello"


def test_a_final_block_without_the_empty_one_behind_it() -> None:
    compressor = zlib.compressobj(wbits=-15)
    assert inflate(compressor.compress(b"Hello") + compressor.flush(zlib.Z_FINISH)) == b"Hello"


@pytest.mark.parametrize("cut", range(len(ONE_BLOCK) + 1))
def test_data_may_come_in_any_pieces(cut: int) -> None:
    inflater = Inflater(5)
    pieces = [
        inflater.inflate(ONE_BLOCK[:cut], False),
        inflater.inflate(ONE_BLOCK[cut:], False),
        inflater.inflate(b"", True),
    ]
    assert b"".join(pieces) == b"Hello"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff",
        b"\x06",  # reserved block type
        b"\x00\x05\x00\xfa\xfeHello\x00",  # length and its complement differ
        b"\x62\x01\x03\x00",  # a distance before the beginning
        STORED[:-3],
        *(ONE_BLOCK[:length] for length in range(1, len(ONE_BLOCK))),
        FINAL_BLOCK + b"\xff\xff",
        b"\x03\x00" * 1000,
    ],
)
def test_invalid_or_incomplete_data(data: bytes) -> None:
    with pytest.raises(ProtocolError) as error:
        inflate(data)
    assert error.value.close_code == 1007


@pytest.mark.parametrize("size", [0, 1, 5, 1023, 1024, 70_000])
def test_the_limit_counts_what_is_inflated(size: int) -> None:
    data = deflate(b"x" * size)
    assert inflate(data, size) == b"x" * size
    if size:
        with pytest.raises(ProtocolError) as error:
            inflate(data, size - 1)
        assert error.value.close_code == 1009


@settings(deadline=None)
@given(st.binary(max_size=3000), st.integers(9, 15))
def test_round_trip(payload: bytes, window_bits: int) -> None:
    data = deflate(payload, window_bits)
    assert inflate(data, len(payload)) == payload
    # As a client with that window does it.
    assert zlib.decompressobj(-window_bits).decompress(data + b"\x00\x00\xff\xff") == payload


@pytest.mark.parametrize("window_bits", range(9, 16))
def test_a_large_message_stays_in_the_window(window_bits: int) -> None:
    payload = random.Random(1).randbytes(3000) * 40
    data = deflate(payload, window_bits)
    assert zlib.decompressobj(-window_bits).decompress(data + b"\x00\x00\xff\xff") == payload


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_room_for_data_that_grow_when_compressed(size: int, level: int) -> None:
    payload = random.Random(2).randbytes(size)
    compressor = zlib.compressobj(level, wbits=-9, memLevel=1)
    data = (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert size < len(data) <= max_deflated_size(size)
    assert parse([client_frame(2, data, rsv=4)], FrameParser(size, per_message_deflate=True)) == [payload]


def bomb(size: int) -> bytes:
    """Zeros, a thousandth of their size."""
    compressor = zlib.compressobj(9, wbits=-15)
    data = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(size >> 20))
    return (data + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize("fragments", [1, 10])
def test_a_bomb_costs_no_memory(fragments: int) -> None:
    limit = 100_000
    data = bomb(64 << 20)
    assert len(data) < limit
    size = -(-len(data) // fragments)
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    frames = [
        client_frame(0 if number else 2, part, rsv=0 if number else 4, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]
    parser = FrameParser(limit, per_message_deflate=True)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError) as error:
            parse(frames, parser)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.value.close_code == 1009
    # The frame itself, what was inflated, and zlib's window.
    assert peak < 6 * limit
    parser.receive_data(frames[0])
    assert parser.next_event() is None


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([client_frame(0, ONE_BLOCK, rsv=4)], 1002),
        ([client_frame(1, ONE_BLOCK[:3], rsv=4, fin=False), client_frame(0, ONE_BLOCK[3:], rsv=4)], 1002),
        ([client_frame(1, b"x", fin=False), client_frame(0, b"x", rsv=4)], 1002),
        ([client_frame(9, b"", rsv=4)], 1002),
        ([client_frame(10, b"", rsv=4)], 1002),
        ([client_frame(8, b"", rsv=4)], 1002),
        ([client_frame(1, ONE_BLOCK, rsv=2)], 1002),
        ([client_frame(1, ONE_BLOCK, rsv=6)], 1002),
        ([client_frame(1, ONE_BLOCK, rsv=1)], 1002),
        ([client_frame(1, b"Hello", rsv=4)], 1007),
        ([client_frame(1, deflate(b"\xff"), rsv=4)], 1007),
        ([client_frame(1, deflate(b"\xe2\x82"), rsv=4)], 1007),
        ([client_frame(1, deflate(b"\xe2\x82")[:-1], rsv=4, fin=False), client_frame(0, b"\x00")], 1007),
        ([client_frame(2, b"", rsv=4, length=max_deflated_size(1000) + 1)], 1009),
        ([client_frame(2, EMPTY_BLOCK * 240, rsv=4, fin=False), client_frame(0, b"", length=8)], 1009),
        ([client_frame(2, b"x" * 1001)], 1009),
    ],
)
def test_frames_that_break_the_rules(frames: list[bytes], code: int) -> None:
    with pytest.raises(ProtocolError) as error:
        parse(frames, FrameParser(1000, per_message_deflate=True))
    assert error.value.close_code == code


def test_messages_with_and_without_compression() -> None:
    text = deflate("h€llo".encode())
    stream = [
        client_frame(1, text, rsv=4),
        client_frame(1, "h€llo".encode()),
        client_frame(2, text[:2], rsv=4, fin=False) + client_frame(0, text[2:3], fin=False) + client_frame(0, text[3:]),
        client_frame(2, b"a", fin=False) + client_frame(0, b"b"),
        client_frame(1, text, rsv=4),
    ]
    binary = "h€llo".encode()
    assert parse(stream, FrameParser(1000, per_message_deflate=True)) == ["h€llo", "h€llo", binary, b"ab", "h€llo"]


def test_compression_that_was_not_agreed_on() -> None:
    with pytest.raises(ProtocolError) as error:
        parse([client_frame(1, ONE_BLOCK, rsv=4)])
    assert error.value.close_code == 1002
