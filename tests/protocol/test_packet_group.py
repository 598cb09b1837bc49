"""The packets of one emit in each of their representations."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventsio.protocol.deflate import Inflater
from geventsio.protocol.eio_payload import decode_payload
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.websocket import build_binary, build_text

CASES = [
    (PacketGroup(b"2"), b"\x81\x012", b"2", 1),
    (PacketGroup(b'42["x"]'), b'\x81\x0742["x"]', b'42["x"]', 7),
    (
        PacketGroup(b"451-[]", [b"\x01\x02\x03"]),
        b"\x81\x06451-[]\x82\x03\x01\x02\x03",
        b"451-[]\x1ebAQID",
        9,
    ),
    (
        PacketGroup(b"452-[]", (b"", b"\x01\x02\x03\x04")),
        b"\x81\x06452-[]\x82\x00\x82\x04\x01\x02\x03\x04",
        b"452-[]\x1eb\x1ebAQIDBA==",
        10,
    ),
    (PacketGroup(None, (b"\xe0\xe1\xe2",)), b"\x82\x03\xe0\xe1\xe2", b"b4OHi", 3),
    (PacketGroup(None, [b"\x01", b"\x02"]), b"\x82\x01\x01\x82\x01\x02", b"bAQ==\x1ebAg==", 2),
]


@pytest.mark.parametrize(("group", "frames", "payload", "size"), CASES)
def test_representations(group: PacketGroup, frames: bytes, payload: bytes, size: int) -> None:
    assert (group.frames, group.payload, group.size) == (frames, payload, size)


@pytest.mark.parametrize("attachments", [(), (b"\x01",)])
@pytest.mark.parametrize("length", [1, 125, 126, 65536])
def test_each_representation_is_built_once(length: int, attachments: tuple[bytes, ...]) -> None:
    group = PacketGroup(b"4" * length, attachments)
    assert group.frames is group.frames
    assert group.payload is group.payload


def inflated(frames: bytes) -> list[tuple[int, bytes]]:
    """Return the first byte and the content of each frame; the frames are shorter than 126 bytes."""
    found = []
    while frames:
        first, end = frames[0], 2 + frames[1]
        data, frames = frames[2:end], frames[end:]
        found.append((first, Inflater(10_000).inflate(data, True) if first & 0x40 else data))
    return found


@pytest.mark.parametrize(
    ("text", "attachments", "expected"),
    [
        (b"4" * 300, (), [(0xC1, b"4" * 300)]),
        (b"451-[]", (b"a" * 300, b"b"), [(0x81, b"451-[]"), (0xC2, b"a" * 300), (0x82, b"b")]),
        (None, (b"a" * 100,), [(0xC2, b"a" * 100)]),
        (b"4" * 60, (b"a" * 60,), [(0x81, b"4" * 60), (0x82, b"a" * 60)]),
    ],
)
def test_messages_from_the_threshold_on_are_compressed(
    text: bytes | None, attachments: tuple[bytes, ...], expected: list[tuple[int, bytes]]
) -> None:
    assert inflated(PacketGroup(text, attachments).deflated_frames(100, 15)) == expected


def test_below_the_threshold_all_clients_share_the_same_frames() -> None:
    group = PacketGroup(b"4" * 99)
    assert group.deflated_frames(100, 15) is group.frames
    assert group.deflated_frames(100, 9) is group.frames


def test_a_group_is_compressed_once_for_each_window() -> None:
    group = PacketGroup(b"4" * 2000)
    frames = group.deflated_frames(1024, 15)
    assert group.deflated_frames(1024, 15) is frames
    small = group.deflated_frames(1024, 9)
    assert group.deflated_frames(1024, 9) is small is not frames
    assert group.frames == build_text(b"4" * 2000)


def test_a_lone_text_is_its_payload() -> None:
    text = b'42["x"]'
    assert PacketGroup(text).payload is text


def test_groups_are_told_apart_by_identity() -> None:
    first, second = PacketGroup(b"2"), PacketGroup(b"2")
    assert first != second
    assert len({first, second, first}) == 2


def test_no_dict() -> None:
    assert not hasattr(PacketGroup(b"2"), "__dict__")


@settings(deadline=None, max_examples=70)
@given(st.one_of(st.none(), st.text().map(lambda text: text.replace("\x1e", ""))), st.lists(st.binary(), max_size=4))
def test_both_carry_the_same(text: str | None, attachments: list[bytes]) -> None:
    packet = None if text is None else b"4" + text.encode()
    group = PacketGroup(packet, attachments)
    messages: list[str | bytes] = [] if text is None else [text]
    messages += attachments
    texts = [] if packet is None else [build_text(packet)]
    assert group.frames == b"".join([*texts, *map(build_binary, attachments)])
    if messages:
        assert [packet.data for packet in decode_payload(group.payload)] == messages
        assert group.size == sum(len(attachment) for attachment in attachments) + len(packet or b"")
        assert base64.b64encode(b"".join(attachments[-1:])) in group.payload
