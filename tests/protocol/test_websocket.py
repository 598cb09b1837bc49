"""The frame parser: what it accepts, what it refuses, and what that costs."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest

from geventsio.errors import ProtocolError
from geventsio.protocol.websocket import Close, FrameParser, Opcode, Ping, Pong
from tests.protocol.client_frames import Event, client_frame, events_of, parse

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode


def code_of(stream: bytes, parser: FrameParser | None = None) -> int:
    """Return the close code with which a stream is refused."""
    with pytest.raises(ProtocolError) as caught:
        parse([stream], parser)
    return caught.value.close_code


def held_bytes(parser: FrameParser) -> int:
    """Return the size of a parser and of all that only it keeps alive."""
    return sys.getsizeof(parser) + sum(
        sys.getsizeof(held) for held in gc.get_referents(parser) if not isinstance(held, type)
    )


def test_example_of_rfc_6455_section_5_7() -> None:
    assert parse([bytes.fromhex("818537fa213d7f9f4d5158")]) == ["Hello"]


@pytest.mark.parametrize("length", [0, 1, 4, 124, 125, 126, 127, 255, 256, 65535, 65536, 70001])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_lengths(opcode: Opcode, length: int) -> None:
    payload = bytes(index % 127 for index in range(length))
    expected: Event = payload.decode() if opcode is TEXT else payload
    assert parse([client_frame(opcode, payload)]) == [expected]
    assert parse([client_frame(opcode, payload) * 2]) == [expected] * 2


def test_text_of_every_width() -> None:
    text = "a é € \U0001f600 \x00 \uffff \U0010ffff"
    assert parse([client_frame(TEXT, text.encode())]) == [text]


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (client_frame(PING), Ping(b"")),
        (client_frame(PING, b"x" * 125), Ping(b"x" * 125)),
        (client_frame(PONG), Pong(b"")),
        (client_frame(PONG, b"\x00\xff"), Pong(b"\x00\xff")),
        (client_frame(CLOSE), Close(1005, "")),
        (client_frame(CLOSE, b"\x03\xe8"), Close(1000, "")),
        (client_frame(CLOSE, b"\x03\xe8bye \xe2\x82\xac"), Close(1000, "bye €")),
    ],
)
def test_control_frames(frame: bytes, event: Event) -> None:
    assert parse([frame]) == [event]


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_valid_close_codes(code: int) -> None:
    assert parse([client_frame(CLOSE, code.to_bytes(2, "big"))]) == [Close(code, "")]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_invalid_close_codes(code: int) -> None:
    assert code_of(client_frame(CLOSE, code.to_bytes(2, "big"))) == 1002


REFUSED = {
    "unmasked text": (client_frame(TEXT, b"a", key=None), 1002),
    "unmasked empty text": (client_frame(TEXT, key=None), 1002),
    "unmasked binary of 200 bytes": (client_frame(BINARY, b"a" * 200, key=None), 1002),
    "unmasked ping": (client_frame(PING, key=None), 1002),
    "RSV1": (client_frame(TEXT, b"a", rsv=4), 1002),
    "RSV2": (client_frame(TEXT, b"a", rsv=2), 1002),
    "RSV3": (client_frame(BINARY, b"a", rsv=1), 1002),
    "RSV1 on a control frame": (client_frame(PING, rsv=4), 1002),
    **{f"opcode {opcode}": (client_frame(opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "fragmented ping": (client_frame(PING, fin=False), 1002),
    "fragmented pong": (client_frame(PONG, fin=False), 1002),
    "fragmented close": (client_frame(CLOSE, fin=False), 1002),
    "ping of 126 bytes": (client_frame(PING, b"x" * 126), 1002),
    "pong of 65536 bytes": (client_frame(PONG, b"x" * 65536), 1002),
    "close of 126 bytes": (client_frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "continuation of nothing": (client_frame(CONTINUATION, b"a"), 1002),
    "last continuation of nothing": (client_frame(CONTINUATION, b"a", fin=False), 1002),
    "continuation after the end": (client_frame(TEXT, b"a") + client_frame(CONTINUATION, b"a"), 1002),
    "text within a text": (client_frame(TEXT, b"a", fin=False) + client_frame(TEXT, b"b"), 1002),
    "binary within a text": (client_frame(TEXT, b"a", fin=False) + client_frame(BINARY, b"b"), 1002),
    "text fragment within a text": (client_frame(TEXT, b"a", fin=False) * 2, 1002),
    "close with half a code": (client_frame(CLOSE, b"\x03"), 1002),
    "reason not UTF-8": (client_frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "reason cut in a character": (client_frame(CLOSE, b"\x03\xe8\xe2\x82"), 1007),
    "text not UTF-8": (client_frame(TEXT, b"ab\xff"), 1007),
    "text of a surrogate": (client_frame(TEXT, b"\xed\xa0\x80"), 1007),
    "overlong text": (client_frame(TEXT, b"\xc0\x80"), 1007),
    "text beyond Unicode": (client_frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "text cut in a character": (client_frame(TEXT, b"ab\xe2\x82"), 1007),
    "long text not UTF-8": (client_frame(TEXT, b"a" * 70000 + b"\xff"), 1007),
    "16-bit length of 125": (client_frame(TEXT, b"a" * 125, length_size=2), 1002),
    "16-bit length of 0": (client_frame(BINARY, length_size=2), 1002),
    "64-bit length of 65535": (client_frame(BINARY, b"a" * 65535, length_size=8), 1002),
    "64-bit length of 5": (client_frame(TEXT, b"hello", length_size=8), 1002),
    "64-bit length of 2**63": (client_frame(BINARY, length_size=8, length=2**63), 1002),
    "64-bit length of 2**64-1": (client_frame(BINARY, length_size=8, length=2**64 - 1), 1002),
}


@pytest.mark.parametrize(("stream", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(stream: bytes, code: int) -> None:
    assert code_of(stream) == code
    # The same behind a frame that is in order, and piece by piece.
    parser = FrameParser(1_000_000)
    assert parse([client_frame(TEXT, b"first")], parser) == ["first"]
    with pytest.raises(ProtocolError) as caught:
        parse((bytes((byte,)) for byte in stream), parser)
    assert caught.value.close_code == code


@pytest.mark.parametrize(
    "head",
    [
        client_frame(TEXT, rsv=4)[:2],
        client_frame(3)[:2],
        client_frame(TEXT, key=None)[:2],
        client_frame(PING, b"x" * 126)[:2],
        client_frame(PING, fin=False)[:2],
        client_frame(CONTINUATION)[:2],
    ],
)
def test_two_bytes_are_enough_to_refuse(head: bytes) -> None:
    assert code_of(head) == 1002


def test_fragments_with_control_frames_between() -> None:
    stream = (
        client_frame(TEXT, b"Hel", fin=False)
        + client_frame(PING, b"1")
        + client_frame(CONTINUATION, b"", fin=False)
        + client_frame(PONG, b"2")
        + client_frame(CONTINUATION, b"lo")
        + client_frame(BINARY, b"\x00", fin=False)
        + client_frame(CONTINUATION, b"\xff")
        + client_frame(TEXT, b"after")
    )
    assert parse([stream]) == [Ping(b"1"), Pong(b"2"), "Hello", b"\x00\xff", "after"]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_another_message_within_a_message(opcode: Opcode, fin: bool) -> None:
    parser = FrameParser(1_000_000)
    assert parse([client_frame(TEXT, b"a", fin=False)], parser) == []
    assert code_of(client_frame(opcode, b"b", fin=fin), parser) == 1002


def test_character_cut_between_fragments() -> None:
    first, second, third = "€".encode()[:1], "€".encode()[1:2], "€".encode()[2:]
    stream = (
        client_frame(TEXT, first, fin=False)
        + client_frame(CONTINUATION, second, fin=False)
        + client_frame(CONTINUATION, third)
    )
    assert parse([stream]) == ["€"]


def test_invalid_text_is_refused_at_its_fragment() -> None:
    parser = FrameParser(1_000_000)
    assert parse([client_frame(TEXT, b"a\xe2", fin=False)], parser) == []
    assert code_of(client_frame(CONTINUATION, b"a", fin=False), parser) == 1007


def test_character_that_no_fragment_completes() -> None:
    stream = client_frame(TEXT, b"\xe2", fin=False) + client_frame(CONTINUATION, b"\x82")
    assert code_of(stream) == 1007


@pytest.mark.parametrize("limit", [0, 1, 100, 125, 126, 200, 65535, 65536, 100_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_message_size(opcode: Opcode, limit: int) -> None:
    fits = parse([client_frame(opcode, b"a" * limit)], FrameParser(limit))
    assert fits == ["a" * limit if opcode is TEXT else b"a" * limit]
    assert code_of(client_frame(opcode, b"a" * (limit + 1)), FrameParser(limit)) == 1009


@pytest.mark.parametrize("length", [101, 126, 65536, 2**62])
def test_size_is_decided_before_the_payload_comes(length: int) -> None:
    header = client_frame(BINARY, length=length)[:-4]
    assert code_of(header, FrameParser(100)) == 1009


def test_size_is_that_of_all_fragments() -> None:
    fragments = client_frame(BINARY, b"a" * 60, fin=False) + client_frame(CONTINUATION, b"a" * 40, fin=False)
    parser = FrameParser(100)
    assert parse([fragments + client_frame(CONTINUATION)], parser) == [b"a" * 100]
    assert parse([fragments], parser) == []
    assert code_of(client_frame(CONTINUATION, b"a")[:2], parser) == 1009


def test_size_counts_bytes_and_not_characters() -> None:
    assert parse([client_frame(TEXT, "€".encode() * 2)], FrameParser(6)) == ["€€"]
    assert code_of(client_frame(TEXT, "€".encode() * 2), FrameParser(5)) == 1009


def test_control_frames_do_not_count_towards_the_size() -> None:
    stream = client_frame(TEXT, b"a", fin=False) + client_frame(PING, b"x" * 125) + client_frame(CONTINUATION, b"b")
    assert parse([stream], FrameParser(2)) == [Ping(b"x" * 125), "ab"]


def test_number_of_fragments() -> None:
    first, middle, last = (
        client_frame(TEXT, b"a", fin=False),
        client_frame(CONTINUATION, fin=False),
        client_frame(CONTINUATION, b"z"),
    )
    parser = FrameParser(100, max_fragments=4)
    assert parse([(first + middle * 2 + last) * 2], parser) == ["az", "az"]
    assert code_of(first + middle * 3 + last, parser) == 1009


def test_default_number_of_fragments() -> None:
    middle = client_frame(CONTINUATION, fin=False)
    parser = FrameParser(100)
    assert parse([client_frame(TEXT, fin=False) + middle * 1023], parser) == []
    assert code_of(middle, parser) == 1009


ALL_KINDS = [
    (client_frame(TEXT, "grüße".encode()), "grüße"),
    (client_frame(TEXT), ""),
    (client_frame(BINARY, b"\x00\x01\x02"), b"\x00\x01\x02"),
    (client_frame(PING, b"p"), Ping(b"p")),
    (client_frame(TEXT, b"t" * 130), "t" * 130),
    (client_frame(TEXT, "€".encode()[:2], fin=False), None),
    (client_frame(PONG, b"q"), Pong(b"q")),
    (client_frame(CONTINUATION, "€".encode()[2:] + b"!"), "€!"),
    (client_frame(BINARY, b"b" * 126, fin=False), None),
    (client_frame(CONTINUATION, b"", fin=False), None),
    (client_frame(CONTINUATION, b"c"), b"b" * 126 + b"c"),
    (client_frame(CLOSE, b"\x03\xe9bye"), Close(1001, "bye")),
]
STREAM = b"".join(frame for frame, _ in ALL_KINDS)
EVENTS = [event for _, event in ALL_KINDS if event is not None]


def test_whole_stream() -> None:
    assert parse([STREAM]) == EVENTS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_pieces_of_equal_size(size: int) -> None:
    assert parse(STREAM[start : start + size] for start in range(0, len(STREAM), size)) == EVENTS


def test_cut_at_every_byte() -> None:
    for cut in range(len(STREAM) + 1):
        assert parse([STREAM[:cut], STREAM[cut:]]) == EVENTS


def test_all_pieces_before_the_first_event() -> None:
    for size in (1, 3, 100):
        parser = FrameParser(1_000_000)
        for start in range(0, len(STREAM), size):
            parser.receive_data(STREAM[start : start + size])
        assert events_of(parser) == EVENTS


def test_one_event_per_piece() -> None:
    # A reader with a budget takes some events, reads more, and goes on.
    parser = FrameParser(1_000_000)
    frames = [client_frame(TEXT, str(number).encode()) for number in range(100)]
    stream = b"".join(frames)
    events: list[Event] = []
    for start in range(0, len(stream), 20):
        parser.receive_data(stream[start : start + 20])
        event = parser.next_event()
        assert event is not None
        events.append(event)
    assert parser.has_buffered
    events += events_of(parser)
    assert events == [str(number) for number in range(100)]
    assert not parser.has_buffered


def test_has_buffered() -> None:
    parser = FrameParser(1_000_000)
    assert not parser.has_buffered
    frame = client_frame(TEXT, b"x" * 200)
    parser.receive_data(frame + frame + frame[:50])
    assert parser.has_buffered
    assert parser.next_event() == "x" * 200
    assert parser.has_buffered
    assert parser.next_event() == "x" * 200
    assert parser.next_event() is None
    assert not parser.has_buffered
    parser.receive_data(frame[50:-1])
    assert not parser.has_buffered
    parser.receive_data(frame[-1:])
    assert parser.has_buffered
    assert parser.next_event() == "x" * 200
    assert not parser.has_buffered


def test_nothing_is_not_an_event() -> None:
    parser = FrameParser(1_000_000)
    assert parser.next_event() is None
    parser.receive_data(b"")
    assert parser.next_event() is None


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (client_frame(CLOSE, b"\x03\xe8"), nullcontext()),
        (client_frame(TEXT, b"\xff"), pytest.raises(ProtocolError)),
        (client_frame(TEXT, b"\xff" * 70000), pytest.raises(ProtocolError)),
        (b"\x00\x00", pytest.raises(ProtocolError)),
    ],
)
def test_nothing_is_read_after_the_end(end: bytes, outcome: AbstractContextManager[object]) -> None:
    parser = FrameParser(1_000_000)
    more = client_frame(TEXT, b"more")
    parser.receive_data(client_frame(TEXT, b"before") + end + more)
    assert parser.next_event() == "before"
    with outcome:
        assert parser.next_event() == Close(1000, "")
    small = held_bytes(parser)
    for _ in range(10):
        parser.receive_data(more * 100)
        assert parser.next_event() is None
        assert not parser.has_buffered
    assert held_bytes(parser) == small


def test_an_idle_parser_is_small() -> None:
    parser = FrameParser(1_000_000)
    fresh = held_bytes(parser)
    assert fresh < 400
    assert not hasattr(parser, "__dict__")
    big = client_frame(TEXT, b"x" * 100_000)
    fragments = client_frame(BINARY, b"x" * 100_000, fin=False) + client_frame(CONTINUATION, b"x")
    for stream in (big, big + fragments + big, STREAM[: -len(ALL_KINDS[-1][0])]):
        parse([stream[:70], stream[70:]], parser)
        assert held_bytes(parser) == fresh
        # Half a header keeps only itself.
        parse([stream[:70], stream[70:] + b"\x89"], parser)
        assert held_bytes(parser) < fresh + 100
        assert parse([b"\x80" + bytes(4)], parser) == [Ping(b"")]


# Of CPU time. What should take a second would take minutes if the work were quadratic: only a guard.
GUARD = 15.0


def guarded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give up when the work on the pieces is far from linear."""
    start = time.process_time()
    for number, piece in enumerate(pieces):
        if number % 100 == 0:
            assert time.process_time() - start < GUARD
        yield piece


def test_a_big_message_takes_linear_work() -> None:
    size = 50_000_000
    # Masked with zeros, a payload stays as it is.
    stream = client_frame(BINARY, key=b"\x00" * 4, length=size) + b"x" * size
    pieces = (stream[at : at + 65536] for at in range(0, len(stream), 65536))
    (message,) = parse(guarded(pieces), FrameParser(size))
    assert message == b"x" * size


def test_tiny_pieces_take_linear_work() -> None:
    size = 3_000_000
    stream = client_frame(TEXT, key=b"\x00" * 4, length=size) + b"x" * size
    pieces = (stream[at : at + 3] for at in range(0, len(stream), 3))
    (message,) = parse(guarded(pieces), FrameParser(size))
    assert message == "x" * size


def test_a_backlog_takes_linear_work() -> None:
    # 300,000 frames wait while more arrive: none of this may copy the backlog each time.
    frame = client_frame(TEXT, b"x" * 44)
    parser = FrameParser(100)
    parser.receive_data(frame * 300_000)
    for piece in guarded([frame] * 100_000):
        assert parser.next_event() == "x" * 44
        parser.receive_data(piece)
    assert len(events_of(parser)) == 300_000
