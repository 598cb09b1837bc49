"""Engine.IO packets."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventsio.errors import ProtocolError
from geventsio.protocol import eio_packet
from geventsio.protocol.eio_packet import Packet, PacketType, decode_packet, encode_open

CI = settings(deadline=None, max_examples=70)


def test_open() -> None:
    packet = encode_open("lv_VI97HAXpY6yYWAAAB", ["websocket"], 25, 20, 100_000)
    assert packet == (
        b'0{"sid":"lv_VI97HAXpY6yYWAAAB","upgrades":["websocket"],'
        b'"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}'
    )


def test_open_without_upgrades() -> None:
    assert b'"upgrades":[],' in encode_open("x", (), 25, 20, 1)


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(0.3, 300), (0.29, 290), (1.001, 1001), (25, 25000), (0.1 + 0.2, 300), (4.35, 4350)]
)
def test_open_counts_whole_milliseconds(seconds: float, milliseconds: int) -> None:
    assert encode_open("x", (), seconds, seconds, 1) == (
        b'0{"sid":"x","upgrades":[],"pingInterval":%d,"pingTimeout":%d,"maxPayload":1}' % (milliseconds, milliseconds)
    )


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", Packet(PacketType.OPEN, "")),
        ("1", Packet(PacketType.CLOSE, "")),
        ("2", Packet(PacketType.PING, "")),
        ("2probe", Packet(PacketType.PING, "probe")),
        ("3", Packet(PacketType.PONG, "")),
        ("3probe", Packet(PacketType.PONG, "probe")),
        ("4", Packet(PacketType.MESSAGE, "")),
        ("4hello", Packet(PacketType.MESSAGE, "hello")),
        ("4hello€", Packet(PacketType.MESSAGE, "hello€")),
        ("44", Packet(PacketType.MESSAGE, "4")),
        ("5", Packet(PacketType.UPGRADE, "")),
        ("6", Packet(PacketType.NOOP, "")),
        ("b", Packet(PacketType.MESSAGE, b"")),
        ("bAQID", Packet(PacketType.MESSAGE, b"\x01\x02\x03")),
        ("bAQIDBA==", Packet(PacketType.MESSAGE, b"\x01\x02\x03\x04")),
        # Its base64 begins with a 4, which is no packet type.
        ("b4OHi", Packet(PacketType.MESSAGE, b"\xe0\xe1\xe2")),
        ("b+/+/", Packet(PacketType.MESSAGE, b"\xfb\xff\xbf")),
    ],
)
def test_decode(text: str, packet: Packet) -> None:
    decoded = decode_packet(text)
    assert decoded == packet
    assert type(decoded.data) is type(packet.data)


@pytest.mark.parametrize(
    "text", ["", "7", "8", "9", "a", "B", "h", " 4", "\n4hello", "-1", "٤hello", "²", "\x1e", "\ud800"]
)
def test_unknown_type(text: str) -> None:
    with pytest.raises(ProtocolError, match="empty" if not text else "unknown"):
        decode_packet(text)


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AQ",
        "AQI",
        "AQID=",
        "AQIDBA",
        "AQIDBA=",
        "AQIDBA===",
        "AQ=D",
        "AQID====",
        "=",
        "====",
        "AQ ID===",
        " AQID",
        "AQID\n",
        "AQID\n\n\n\n",
        "A Q I D ",
        "AQI\n",
        "AQ-_",
        "AQI€",
        "AQI\ud800",
        "A===",
        "AQID AQI",
    ],
)
def test_broken_base64(text: str) -> None:
    with pytest.raises(ProtocolError, match="base64"):
        decode_packet("b" + text)


def test_constants_are_packets() -> None:
    for name in ("CLOSE", "PING", "PONG", "NOOP"):
        packet = decode_packet(getattr(eio_packet, name).decode())
        assert packet == (PacketType[name], "")
    assert decode_packet(eio_packet.PROBE_PING) == (PacketType.PING, "probe")
    assert decode_packet(eio_packet.PROBE_PONG.decode()) == (PacketType.PONG, "probe")
    assert decode_packet(eio_packet.UPGRADE) == (PacketType.UPGRADE, "")


@CI
@given(st.text())
def test_text_round_trip(text: str) -> None:
    assert decode_packet("4" + text) == (PacketType.MESSAGE, text)


@CI
@given(st.binary())
def test_binary_round_trip(data: bytes) -> None:
    assert decode_packet("b" + base64.b64encode(data).decode()) == (PacketType.MESSAGE, data)


@CI
@given(st.one_of(st.text(), st.text("bAQ=/+4 \n").map("b".__add__), st.text(st.characters(categories=["Cs", "Nd"]))))
def test_only_protocol_errors(text: str) -> None:
    try:
        packet = decode_packet(text)
    except ProtocolError:
        return
    if isinstance(packet.data, bytes):
        again = "b" + base64.b64encode(packet.data).decode()
        # The last character before the padding may carry bits that mean nothing.
        assert (len(again), again[:-3]) == (len(text), text[:-3])
    else:
        assert f"{packet.type:d}{packet.data}" == text
