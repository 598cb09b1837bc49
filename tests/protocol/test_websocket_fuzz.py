"""The frame parser on generated streams: against wsproto, and on bytes that mean nothing."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import Frame, FrameProtocol, ParseFailed
from wsproto.frame_protocol import Opcode as PeerOpcode

from geventsio.errors import ProtocolError
from geventsio.protocol.websocket import Close, FrameParser, Opcode, Ping, Pong
from tests.protocol.client_frames import Event, client_frame, events_of, parse

CI = settings(deadline=None, max_examples=70)

# More than any 16-bit length: behind it, a stream ends in an error or in a frame that is too big for the parser.
TAIL = bytes(66_000)
LIMIT = 65_536

BAD_GATEWAY = (1014).to_bytes(2, "big")
TRY_AGAIN_LATER = (1013).to_bytes(2, "big")

Outcome = tuple[list[Event], int | None]

payloads = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=8).map(str.encode),
    st.sampled_from([b"\xe2\x82", b"\xac", b"\xed\xa0\x80", b"x" * 125, b"x" * 126, b"x" * 65536]),
)
keys = st.binary(min_size=4, max_size=4)
close_payloads = st.builds(
    lambda code, reason: code.to_bytes(2, "big") + reason,
    st.one_of(st.integers(990, 1020), st.integers(2990, 3010), st.integers(0, 65535)),
    payloads.filter(lambda payload: len(payload) < 124),
)
messages = st.builds(client_frame, st.sampled_from([0, 1, 2]), payloads, fin=st.booleans(), key=keys)
controls = st.builds(client_frame, st.sampled_from([9, 10]), st.binary(max_size=8), key=keys)
closes = st.builds(client_frame, st.just(8), close_payloads, key=keys)
odd_frames = st.builds(
    client_frame,
    st.integers(0, 15),
    st.binary(max_size=8),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 1, 2, 4]),
    key=st.one_of(keys, st.none()),
    length_size=st.sampled_from([0, 2, 8, None]),
)
streams = st.lists(st.one_of(messages, messages, messages, controls, closes, odd_frames), max_size=12).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Frames of which some bytes were changed, left out or put in."""
    stream = bytearray(draw(streams))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, min(len(stream), 64)))
        stream[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(stream)


@st.composite
def cut(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """Cut a stream into pieces."""
    ends = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[start:end] for start, end in zip([0, *ends], [*ends, len(stream)], strict=True)]


def ours(pieces: list[bytes]) -> Outcome:
    """Return what the parser makes of a stream."""
    parser = FrameParser(LIMIT)
    events: list[Event] = []
    try:
        for piece in pieces:
            parser.receive_data(piece)
            while (event := parser.next_event()) is not None:
                events.append(event)
    except ProtocolError as error:
        return events, error.close_code
    return events, None


class Peer(FrameProtocol):
    """wsproto with the close code that was registered after it was written."""

    def _process_close(self, frame: Frame) -> Frame:
        payload = frame.payload
        if not isinstance(payload, (bytes, bytearray)) or payload[:2] != BAD_GATEWAY:
            return super()._process_close(frame)
        close = super()._process_close(frame._replace(payload=TRY_AGAIN_LATER + payload[2:]))
        return close._replace(payload=(1014, str(close.payload[1])))


def theirs(pieces: list[bytes]) -> Outcome:
    """Return what wsproto makes of a stream."""
    protocol = Peer(client=False, extensions=[])
    events: list[Event] = []
    parts: list[Frame] = []
    control = b""
    try:
        for piece in pieces:
            protocol.receive_bytes(piece)
            for frame in protocol.received_frames():
                if frame.opcode is PeerOpcode.CLOSE:
                    assert isinstance(frame.payload, tuple)
                    return [*events, Close(*frame.payload)], None
                if frame.opcode.iscontrol():
                    assert isinstance(frame.payload, bytes)
                    control += frame.payload
                    if frame.frame_finished:
                        events.append(Ping(control) if frame.opcode is PeerOpcode.PING else Pong(control))
                        control = b""
                    continue
                parts.append(frame)
                if frame.message_finished:
                    events.append(joined(parts))
                    parts = []
    except ParseFailed as error:
        return events, int(error.code)
    return events, None


def joined(parts: list[Frame]) -> str | bytes:
    """Return a message of which wsproto gave the parts."""
    if parts[0].opcode is PeerOpcode.TEXT:
        return "".join(str(part.payload) for part in parts)
    return b"".join(bytes(part.payload) for part in parts if isinstance(part.payload, (bytes, bytearray)))


@CI
@given(st.data(), mutated())
def test_same_as_wsproto(data: st.DataObject, stream: bytes) -> None:
    pieces = [*data.draw(cut(stream)), TAIL]
    events, code = ours(pieces)
    peer_events, peer_code = theirs(pieces)
    if code == 1009:
        # wsproto has no limit: it goes on.
        assert peer_events[: len(events)] == events
    else:
        assert (events, code) == (peer_events, peer_code)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    """A stream in which everything is right, and its events."""
    stream = b""
    events: list[Event] = []
    for message in draw(st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=300)), max_size=6)):
        payload = message.encode() if isinstance(message, str) else message
        opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
        fragments = draw(cut(payload)) if draw(st.booleans()) else [payload]
        for number, fragment in enumerate(fragments):
            if draw(st.integers(0, 3)) == 0:
                ping = draw(st.binary(max_size=125))
                stream += client_frame(Opcode.PING, ping, key=draw(keys))
                events.append(Ping(ping))
            last = number == len(fragments) - 1
            stream += client_frame(0 if number else opcode, fragment, fin=last, key=draw(keys))
        events.append(message)
    return stream, events


@CI
@given(st.data(), conversations())
def test_round_trip(data: st.DataObject, conversation: tuple[bytes, list[Event]]) -> None:
    stream, events = conversation
    assert parse(data.draw(cut(stream)), FrameParser(1000)) == events


@CI
@given(st.lists(st.one_of(st.binary(), mutated()), max_size=6), st.integers(0, 300), st.integers(1, 4))
@example([b"\x81\xfe"], 100, 1)
@example([b"\x01\x80\x00\x00\x00\x00\x80\x80"], 0, 1)
def test_only_protocol_errors(pieces: list[bytes], max_message_size: int, max_fragments: int) -> None:
    parser = FrameParser(max_message_size, max_fragments)
    failed = closed = False
    for piece in pieces:
        parser.receive_data(piece)
        try:
            events = events_of(parser)
        except ProtocolError as error:
            assert not failed
            assert error.close_code in (1002, 1007, 1009)
            failed = True
        else:
            assert not events or not (failed or closed)
            closed = closed or any(isinstance(event, Close) for event in events)
            for event in events:
                if isinstance(event, str):
                    assert len(event.encode()) <= max_message_size
                elif isinstance(event, bytes):
                    assert len(event) <= max_message_size
