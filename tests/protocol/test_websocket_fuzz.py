"""The frame parser on generated streams: against wsproto, and on bytes that mean nothing."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, Frame, FrameDecoder, FrameProtocol, ParseFailed, RsvBits
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


def odd_frames(opcodes: st.SearchStrategy[int], rsvs: list[int]) -> st.SearchStrategy[bytes]:
    """Frames most of which are wrong in some way."""
    return st.builds(
        client_frame,
        opcodes,
        st.binary(max_size=8),
        fin=st.booleans(),
        rsv=st.sampled_from(rsvs),
        key=st.one_of(keys, st.none()),
        length_size=st.sampled_from([0, 2, 8, None]),
    )


any_odd_frames = odd_frames(st.integers(0, 15), [0, 0, 0, 1, 2, 4])
# Data that are no compressed message are another matter: there wsproto lets pass what is incomplete.
uncompressed_odd_frames = st.one_of(
    odd_frames(st.integers(0, 15), [0, 0, 0, 1, 2]), odd_frames(st.sampled_from([0, 3, 8, 9, 10]), [4])
)
streams = st.lists(st.one_of(messages, messages, messages, controls, closes, any_odd_frames), max_size=12).map(b"".join)


def compressed(payload: bytes, window_bits: int, level: int = 6) -> bytes:
    """Compress a message as a client may do it."""
    compressor = zlib.compressobj(level, wbits=-window_bits)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


@st.composite
def deflated_messages(draw: st.DrawFn) -> bytes:
    """A compressed message in fragments, control frames between them and, now and then, a bit where none belongs."""
    payload = draw(payloads) * draw(st.sampled_from([1, 1, 3]))
    parts = draw(cut(compressed(payload, draw(st.integers(9, 15)), draw(st.sampled_from([0, 1, 9])))))
    frames = []
    for number, part in enumerate(parts):
        rsv = 4 if number == 0 else draw(st.sampled_from([0] * 20 + [4]))
        opcode = 0 if number else draw(st.sampled_from([1, 2]))
        frames.append(client_frame(opcode, part, fin=number == len(parts) - 1, rsv=rsv, key=draw(keys)))
        frames.extend(draw(st.lists(controls, max_size=1)))
    return b"".join(frames)


deflated_streams = st.lists(
    st.one_of(deflated_messages(), deflated_messages(), messages, controls, closes, uncompressed_odd_frames), max_size=8
).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn, deflate: bool = False) -> bytes:
    """Frames of which some bytes were changed, left out or put in."""
    stream = bytearray(draw(deflated_streams if deflate else streams))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, min(len(stream), 64)))
        stream[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(stream)


@st.composite
def cut(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """Cut a stream into pieces."""
    ends = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[start:end] for start, end in zip([0, *ends], [*ends, len(stream)], strict=True)]


def ours(pieces: list[bytes], deflate: bool = False) -> Outcome:
    """Return what the parser makes of a stream."""
    parser = FrameParser(LIMIT, per_message_deflate=deflate)
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


class PeerDeflate(PerMessageDeflate):
    """wsproto's, which forgets that a message is compressed when a control frame comes between its fragments."""

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: PeerOpcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        if opcode.iscontrol() and not rsv.rsv1:
            self._inbound_is_compressible = False
            return RsvBits(True, False, False)
        return super().frame_inbound_header(proto, opcode, rsv, payload_length)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        return super().frame_inbound_complete(proto, fin) if self._inbound_is_compressible else None


def theirs(pieces: list[bytes], deflate: bool = False) -> Outcome:
    """Return what wsproto makes of a stream."""
    extension = PeerDeflate(client_no_context_takeover=True, server_no_context_takeover=True)
    extension.accept("permessage-deflate; client_no_context_takeover; server_no_context_takeover")
    protocol = Peer(client=False, extensions=[extension] if deflate else [])
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


@CI
@given(st.data(), deflated_streams)
def test_same_as_wsproto_with_compression(data: st.DataObject, stream: bytes) -> None:
    pieces = [*data.draw(cut(stream)), TAIL]
    events, code = ours(pieces, deflate=True)
    peer_events, peer_code = theirs(pieces, deflate=True)
    if code == 1009:
        assert peer_events[: len(events)] == events
    else:
        assert (events, code) == (peer_events, peer_code)


@st.composite
def conversations(draw: st.DrawFn, deflate: bool = False) -> tuple[bytes, list[Event]]:
    """A stream in which everything is right, and its events."""
    stream = b""
    events: list[Event] = []
    for message in draw(st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=300)), max_size=6)):
        payload = message.encode() if isinstance(message, str) else message
        opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
        rsv = 4 if deflate and draw(st.booleans()) else 0
        data = compressed(payload, 15) if rsv else payload
        fragments = draw(cut(data)) if draw(st.booleans()) else [data]
        for number, fragment in enumerate(fragments):
            if draw(st.integers(0, 3)) == 0:
                ping = draw(st.binary(max_size=125))
                stream += client_frame(Opcode.PING, ping, key=draw(keys))
                events.append(Ping(ping))
            last = number == len(fragments) - 1
            if number:
                stream += client_frame(0, fragment, fin=last, key=draw(keys))
            else:
                stream += client_frame(opcode, fragment, fin=last, rsv=rsv, key=draw(keys))
        events.append(message)
    return stream, events


@CI
@pytest.mark.parametrize("deflate", [False, True])
@given(data=st.data())
def test_round_trip(deflate: bool, data: st.DataObject) -> None:
    stream, events = data.draw(conversations(deflate))
    assert parse(data.draw(cut(stream)), FrameParser(1000, per_message_deflate=deflate)) == events


@CI
@given(
    st.lists(st.one_of(st.binary(), mutated(), mutated(deflate=True)), max_size=6),
    st.integers(0, 300),
    st.integers(1, 4),
    st.booleans(),
)
@example([b"\x81\xfe"], 100, 1, False)
@example([b"\x01\x80\x00\x00\x00\x00\x80\x80"], 0, 1, False)
def test_only_protocol_errors(pieces: list[bytes], max_message_size: int, max_fragments: int, deflate: bool) -> None:
    parser = FrameParser(max_message_size, max_fragments, deflate)
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
