"""The packets of one emit in each of their representations."""

from __future__ import annotations

import base64
import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventsio.protocol.deflate import Inflater
from geventsio.protocol.eio3_framing import frame_binary, split_text
from geventsio.protocol.eio_payload import decode_payload
from geventsio.protocol.packet_group import Eio3Group, JSONGroup, PacketGroup
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


# Engine.IO v3

EIO3_CASES = [
    (PacketGroup(b"3"), b"\x81\x013", b"1:3", b"\x00\x01\xff3"),
    (PacketGroup("4€".encode()), b"\x81\x044\xe2\x82\xac", "2:4€".encode(), b"\x00\x04\xff4\xe2\x82\xac"),
    (
        PacketGroup(b"452-[]", (b"", b"\x01\x02\x03\x04")),
        b"\x81\x06452-[]\x82\x01\x04\x82\x05\x04\x01\x02\x03\x04",
        b"6:452-[]2:b410:b4AQIDBA==",
        b"\x00\x06\xff452-[]\x01\x01\xff\x04\x01\x05\xff\x04\x01\x02\x03\x04",
    ),
    (PacketGroup(None, [b"\xe0\xe1\xe2"]), b"\x82\x04\x04\xe0\xe1\xe2", b"6:b44OHi", b"\x01\x04\xff\x04\xe0\xe1\xe2"),
]


@pytest.mark.parametrize(("group", "frames", "text", "binary"), EIO3_CASES)
def test_representations_of_version_3(group: PacketGroup, frames: bytes, text: bytes, binary: bytes) -> None:
    assert (group.eio3.frames, group.eio3.payload, group.eio3.binary_payload) == (frames, text, binary)
    assert group.eio3.size == group.size


@pytest.mark.parametrize("group", [PacketGroup(b"4x"), PacketGroup(b"451-[]", [b"\x01"]), JSONGroup(b'42["x"]')])
def test_each_representation_of_version_3_is_built_once(group: PacketGroup) -> None:
    twin = group.eio3
    assert isinstance(twin, Eio3Group)
    assert group.eio3 is twin
    assert twin.eio3 is twin
    assert twin.frames is twin.frames
    assert twin.payload is twin.payload
    assert twin.binary_payload is twin.binary_payload
    assert twin.deflated_frames(1, 15) is twin.deflated_frames(1, 15)


def test_compressed_frames_of_version_3() -> None:
    group = PacketGroup(b"451-" + b"x" * 50, [b"y" * 50])
    assert inflated(group.eio3.deflated_frames(40, 15)) == [(0xC1, b"451-" + b"x" * 50), (0xC2, b"\x04" + b"y" * 50)]
    assert inflated(group.deflated_frames(40, 15)) == [(0xC1, b"451-" + b"x" * 50), (0xC2, b"y" * 50)]


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ('42["x"]', '7:42["x"]'),
        ('42["é"]', r'12:42["\u00e9"]'),
        ('42["€𝕊",{"ключ":"\\"é\\\\"}]', None),
        ('42/adm™,1["é"]', r'19:42/adm™,1["\u00e9"]'),
        ('451-/adm™,["é"]', r'20:451-/adm™,["\u00e9"]'),
        ("40/adm™,", "8:40/adm™,"),
        ('44"é/,é"', r'18:44"\u00e9/,\u00e9"'),
    ],
)
def test_json_is_ascii_in_text_payloads(text: str, payload: str | None) -> None:
    group = JSONGroup(text.encode())
    received = group.eio3.payload.decode()
    if payload is None:
        assert received.isascii()
        assert json.loads(received.partition(":")[2][2:]) == json.loads(text[2:])
    else:
        assert received == payload
    # Nowhere else is it different.
    assert group.eio3.frames == group.frames == build_text(text.encode())
    assert group.eio3.binary_payload == frame_binary(text.encode(), is_string=True)
    assert group.payload == text.encode()


@given(st.dictionaries(st.text(), st.text()))
@settings(deadline=None, max_examples=70)
def test_escaped_json_means_the_same(value: dict[str, str]) -> None:
    text = orjson.dumps(value)
    [packet] = split_text(JSONGroup(b"42" + text).eio3.payload)
    assert packet.isascii()
    assert json.loads(packet[2:]) == value
