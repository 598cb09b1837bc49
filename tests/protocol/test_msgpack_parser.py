"""The msgpack parser: what it writes, what it reads, and what it refuses."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventsio.errors import ProtocolError, SerializeError
from geventsio.protocol.msgpack_codec import dumps
from geventsio.protocol.msgpack_parser import MsgpackParser
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import MAX_ID, RESERVED_EVENTS, Packet, PacketType

CI = settings(deadline=None, max_examples=70)

CONNECT, DISCONNECT, EVENT, ACK = PacketType.CONNECT, PacketType.DISCONNECT, PacketType.EVENT, PacketType.ACK

PARSER = MsgpackParser()
SID = "nwz3C8u7qysvgVqj"

# type, nsp, data, id
GOLDEN: list[tuple[PacketGroup, str]] = [
    (
        PARSER.encode_connect("/", {"sid": SID}),
        "83 a4 74797065 00 a3 6e7370 a1 2f a4 64617461 81 a3 736964 b0 6e777a334338753771797376675671 6a",
    ),
    (PARSER.encode_connect("/", None), "82 a4 74797065 00 a3 6e7370 a1 2f"),
    (
        PARSER.encode_connect("/admin™", {"sid": SID}),
        "83a47479706500 a36e7370 a9 2f61646d696ee284a2 a4 64617461 81 a3 736964 b0 6e777a3343387537717973766756716a",
    ),
    (
        PARSER.encode_connect_error("/", {"message": "no"}),
        "83 a4 74797065 04 a3 6e7370 a1 2f a4 64617461 81 a7 6d657373616765 a2 6e6f",
    ),
    (PARSER.encode_disconnect("/"), "82 a4 74797065 01 a3 6e7370 a1 2f"),
    (
        PARSER.encode_event("/", "event", [{"data": "value™"}], 1),
        "84 a4 74797065 02 a3 6e7370 a1 2f a4 64617461 92 a5 6576656e74 81 a4 64617461 a8 76616c7565e284a2 a2 6964 01",
    ),
    (PARSER.encode_event("/", "e", []), "83 a4 74797065 02 a3 6e7370 a1 2f a4 64617461 91 a1 65"),
    (
        PARSER.encode_event("/", "e", [b"\x01"], 0),
        "84 a4 74797065 02 a3 6e7370 a1 2f a4 64617461 92 a1 65 c4 01 01 a2 6964 00",
    ),
    (PARSER.encode_ack("/", 54, ["data"]), "84 a4 74797065 03 a3 6e7370 a1 2f a4 64617461 91 a4 64617461 a2 6964 36"),
    (PARSER.encode_ack("/", 0, (b"\x01",)), "84 a4 74797065 03 a3 6e7370 a1 2f a4 64617461 91 c4 01 01 a2 6964 00"),
]


@pytest.mark.parametrize(("group", "wire"), GOLDEN)
def test_encode(group: PacketGroup, wire: str) -> None:
    assert group.text is None
    assert [message.hex() for message in group.attachments] == [wire.replace(" ", "")]


def test_arguments_are_not_changed() -> None:
    args: list[object] = [b"\x01", {1: b"\x02"}]
    PARSER.encode_event("/", "event", args)
    PARSER.encode_ack("/", 1, args)
    assert args == [b"\x01", {1: b"\x02"}]


def test_unknown_types_are_named() -> None:
    with pytest.raises(SerializeError, match="complex"):
        PARSER.encode_event("/", "event", [1j])
    with pytest.raises(SerializeError, match="complex"):
        PARSER.encode_ack("/", 1, [1j])
    with pytest.raises(SerializeError, match="complex"):
        PARSER.encode_connect("/", {"sid": 1j})
    with pytest.raises(SerializeError, match="complex"):
        PARSER.encode_connect_error("/", {"data": 1j})


def pack(*pairs: tuple[str, Any], **items: Any) -> bytes:
    """A message of these keys, in this order."""
    return bytes(msgpack.packb({**dict(pairs), **items}) or b"")


LONGEST = "/" + "x" * 255

DECODED: list[tuple[bytes, Packet]] = [
    (pack(type=0, nsp="/"), Packet(CONNECT, "/")),
    (pack(type=0, nsp="/", data=None), Packet(CONNECT, "/")),
    (pack(type=0, nsp="/admin™", data={"token": b"\x01"}), Packet(CONNECT, "/admin™", {"token": b"\x01"})),
    (pack(type=0, nsp="/admin?x=1&y=/2", data={}), Packet(CONNECT, "/admin", {})),
    (pack(type=0, nsp="/admin?x=%C3%A9&y="), Packet(CONNECT, "/admin", {"x": "é", "y": ""})),
    (pack(type=2, nsp="/admin?x=1", data=["event"]), Packet(EVENT, "/admin", ["event"])),
    (pack(type=0, nsp=LONGEST), Packet(CONNECT, LONGEST)),
    (pack(type=1, nsp="/admin"), Packet(DISCONNECT, "/admin")),
    # As python-socketio sends it.
    (pack(type=1, data=None, nsp="/admin"), Packet(DISCONNECT, "/admin")),
    (pack(type=2, nsp="/", data=["event"]), Packet(EVENT, "/", ["event"])),
    (pack(type=2, nsp="/", data=["event", b"\x01"], id=0), Packet(EVENT, "/", ["event", b"\x01"], 0)),
    (pack(type=2, nsp="/", data=["event"], id=MAX_ID), Packet(EVENT, "/", ["event"], MAX_ID)),
    (pack(type=2, nsp="/", data=["event"], id=None), Packet(EVENT, "/", ["event"])),
    (pack(id=7, data=["event"], nsp="/", type=2), Packet(EVENT, "/", ["event"], 7)),
    (pack(type=5, nsp="/", data=["event", b"\x01"]), Packet(EVENT, "/", ["event", b"\x01"])),
    (pack(type=3, nsp="/", data=[], id=1), Packet(ACK, "/", [], 1)),
    (pack(type=6, nsp="/", data=[b"\x01"], id=1), Packet(ACK, "/", [b"\x01"], 1)),
    # Further keys, whatever they hold.
    (pack(options={"compress": True}, type=1, attachments=5, nsp="/"), Packet(DISCONNECT, "/")),
    (pack(("", []), ("x" * 300, {1: [2]}), type=1, nsp="/"), Packet(DISCONNECT, "/")),
    (b"\x83\xa1x\xd4\x63\x00\xa4type\x01\xa3nsp\xa1/", Packet(DISCONNECT, "/")),
    # The last one counts.
    (b"\x83\xa4type\x00\xa4type\x01\xa3nsp\xa1/", Packet(DISCONNECT, "/")),
    (b"\x83\xa4type\x01\xa3nsp\xa1/\xa4data\xd4\x00\x00", Packet(DISCONNECT, "/")),
    (b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\xd4\x00\x00\xa4data\x91\xa1e", Packet(EVENT, "/", ["e"])),
    # Other forms of the same.
    (b"\xdf\x00\x00\x00\x02\xda\x00\x04type\xd3\0\0\0\0\0\0\0\x01\xd9\x03nsp\xdb\0\0\0\x01/", Packet(DISCONNECT, "/")),
]


@pytest.mark.parametrize(("message", "packet"), DECODED)
def test_decode(message: bytes, packet: Packet) -> None:
    decoder = PARSER.decoder()
    assert decoder.add_binary(message) == packet
    assert decoder.pending_namespace is None
    decoder.reset()
    assert decoder.add_binary(message) == packet


def each(key: str, values: list[Any], **others: Any) -> list[bytes]:
    """One message for each value of a key."""
    return [pack((key, value), **others) for value in values]


REFUSED: list[bytes] = [
    b"",
    b"\x80",
    b"\x90",
    b"\xc0",
    b"\xa40/,x",
    bytes([1, 2, 3, 4]),
    bytes([4, 132, 23, 2]),
    pack(type=0, nsp="/") + b"\x00",
    pack(type=0, nsp="/")[:-1],
    b"\x92\x00\xa1/",
    # type
    pack(nsp="/", data=["event"]),
    *each("type", [4, 7, -1, 2**40, None, "2", 2.5, True, [2], b"2"], nsp="/", data=["event"]),
    # nsp
    pack(type=0),
    *each("nsp", [None, 1, b"/", ["/"], {}, "/" + "x" * 256, "/" + "€" * 86], type=0),
    # data
    pack(type=2, nsp="/"),
    *each(
        "data", [None, [], {}, "event", 1, [1, "event"], [None], [["event"]], [b"event"], {"0": "e"}], type=2, nsp="/"
    ),
    *each("data", [[name] for name in sorted(RESERVED_EVENTS)], type=2, nsp="/"),
    *each("data", [[], "", 0, False, b"", [{}]], type=0, nsp="/"),
    *each("data", [[], {}, "bye", 0], type=1, nsp="/"),
    pack(type=3, nsp="/", id=1),
    *each("data", [None, {}, "x", 1], type=3, nsp="/", id=1),
    # id
    pack(type=3, nsp="/", data=[]),
    pack(type=3, nsp="/", data=[], id=None),
    *each("id", [-1, MAX_ID + 1, 2**64 - 1, 1.0, "1", True, [1], {}], type=2, nsp="/", data=["event"]),
    *each("id", [-1, MAX_ID + 1, 2**64 - 1, 1.0, "1", True, [1], {}], type=3, nsp="/", data=["event"]),
    # keys
    b"\x83\xa4type\x01\xa3nsp\xa1/\x01\x02",
    b"\x83\xa4type\x01\xa3nsp\xa1/\x80\x02",
    b"\x82\xc4\x04type\x01\xa3nsp\xa1/",
    # extensions
    b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\xd4\x05\x00",
    b"\x82\xa4type\xd4\x00\x00\xa3nsp\xa1/",
    b"\x82\xa4type\x01\xa3nsp\xd4\x00\x00",
    # nesting
    pack(type=0, nsp="/")[:-1] + b"\x91" * 100_000,
    b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e" + b"\x91" * 200 + b"\x01",
    b"\x83\xa4type\x01\xa3nsp\xa1/\xa1x" + b"\x91" * 100_000 + b"\x01",
    b"\x83\xa4type\x01\xa3nsp\xa1/\xa1x\xdd\xff\xff\xff\xff",
]


@pytest.mark.parametrize("message", REFUSED, ids=range(len(REFUSED)))
def test_refused(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        PARSER.decoder().add_binary(message)


@pytest.mark.parametrize("text", ["", "0", '2["event"]', "4abc", "\ud800"])
def test_text_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="is the client using the msgpack parser"):
        PARSER.decoder().add_text(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)
namespaces = st.text(st.characters(exclude_characters="?", exclude_categories=["Cs"]), max_size=60).map("/".__add__)
ids = st.integers(0, MAX_ID)


@CI
@given(
    namespaces,
    st.text().filter(lambda name: name not in RESERVED_EVENTS),
    st.lists(values, max_size=4),
    st.none() | ids,
)
def test_round_trip(namespace: str, event: str, args: list[Any], ack_id: int | None) -> None:
    (message,) = PARSER.encode_event(namespace, event, args, ack_id).attachments
    assert PARSER.decoder().add_binary(message) == Packet(EVENT, namespace, [event, *args], ack_id)
    if ack_id is not None:
        (message,) = PARSER.encode_ack(namespace, ack_id, args).attachments
        assert PARSER.decoder().add_binary(message) == Packet(ACK, namespace, args, ack_id)
    (message,) = PARSER.encode_connect(namespace, {"args": args}).attachments
    assert PARSER.decoder().add_binary(message) == Packet(CONNECT, namespace, {"args": args})


packets = st.dictionaries(
    st.sampled_from(["type", "nsp", "data", "id", "x"]),
    st.integers(-1, 7) | st.sampled_from(["/", "/a"]) | st.lists(values, max_size=3) | values,
)


@settings(CI, max_examples=300)
@given(st.binary() | packets.map(dumps) | st.sampled_from(REFUSED), st.data())
def test_only_protocol_errors(message: bytes, data: st.DataObject) -> None:
    if message and data.draw(st.booleans()):
        pos = data.draw(st.integers(0, len(message) - 1))
        message = message[:pos] + data.draw(st.binary(max_size=2)) + message[pos + 1 :]
    try:
        packet = PARSER.decoder().add_binary(message)
    except ProtocolError:
        return
    assert type(packet.namespace) is str and len(packet.namespace) <= 256
    if packet.type is EVENT:
        assert type(packet.data[0]) is str and packet.data[0] not in RESERVED_EVENTS
    elif packet.type is ACK:
        assert type(packet.data) is list and packet.id is not None
    else:
        assert packet.type in (CONNECT, DISCONNECT)
