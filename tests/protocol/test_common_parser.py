"""The default Socket.IO parser: what it writes, what it reads, and what it refuses."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventsio.errors import ProtocolError, SerializeError
from geventsio.protocol.common_parser import CommonParser, Decoder
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import RESERVED_EVENTS, Packet, PacketType

CI = settings(deadline=None, max_examples=70)

CONNECT, DISCONNECT, EVENT, ACK = PacketType.CONNECT, PacketType.DISCONNECT, PacketType.EVENT, PacketType.ACK

PARSER = CommonParser()
PLACEHOLDER = '{"_placeholder":true,"num":0}'
DATA = {"data": "value™"}


def wire(group: PacketGroup) -> tuple[str, list[bytes]]:
    """Return the text and the attachments of a group."""
    assert group.text is not None
    return group.text.decode(), list(group.attachments)


ENCODED: list[tuple[PacketGroup, str, list[bytes]]] = [
    (PARSER.encode_connect("/", {"sid": "nwz3C8u7qysvgVqj"}), '40{"sid":"nwz3C8u7qysvgVqj"}', []),
    (PARSER.encode_connect("/admin™", {"sid": "nwz3C8u7qysvgVqj"}), '40/admin™,{"sid":"nwz3C8u7qysvgVqj"}', []),
    (PARSER.encode_connect("/", None), "40", []),
    (PARSER.encode_connect("/admin", None), "40/admin,", []),
    (PARSER.encode_disconnect("/"), "41", []),
    (PARSER.encode_disconnect("/admin"), "41/admin,", []),
    (PARSER.encode_disconnect("/admin™"), "41/admin™,", []),
    (PARSER.encode_connect_error("/", {"message": "Invalid namespace"}), '44{"message":"Invalid namespace"}', []),
    (
        PARSER.encode_connect_error("/random", {"message": "Invalid namespace"}),
        '44/random,{"message":"Invalid namespace"}',
        [],
    ),
    (PARSER.encode_event("/", "event", [{"data": "value"}]), '42["event",{"data":"value"}]', []),
    (PARSER.encode_event("/", "event", [DATA], 1), '421["event",{"data":"value™"}]', []),
    (PARSER.encode_event("/", "event", [DATA], 0), '420["event",{"data":"value™"}]', []),
    (PARSER.encode_event("/admin™", "event", [DATA]), '42/admin™,["event",{"data":"value™"}]', []),
    (PARSER.encode_event("/admin™", "event", [DATA], 1), '42/admin™,1["event",{"data":"value™"}]', []),
    (PARSER.encode_event("/", "test", ["bar"], 1), '421["test","bar"]', []),
    (PARSER.encode_event("/", "event", []), '42["event"]', []),
    (PARSER.encode_event("/", "event", ["hello"]), '42["event","hello"]', []),
    (PARSER.encode_event("/", "event", ("hello", 1, 2, 3)), '42["event","hello",1,2,3]', []),
    (PARSER.encode_event("/", "event", [[1, 2, 3]]), '42["event",[1,2,3]]', []),
    (PARSER.encode_event("/", "event", [[]]), '42["event",[]]', []),
    (PARSER.encode_event("/", "event", [None]), '42["event",null]', []),
    (PARSER.encode_event("/", 'a "quoted"\n€', []), '42["a \\"quoted\\"\\n€"]', []),
    (PARSER.encode_event("", "event", []), '42["event"]', []),
    (PARSER.encode_event("admin", "event", []), '42/admin,["event"]', []),
    (PARSER.encode_ack("/", 54, ["data"]), '4354["data"]', []),
    (PARSER.encode_ack("/admin™", 54, ["data"]), '43/admin™,54["data"]', []),
    (PARSER.encode_ack("/", 456, (1, "2", {"3": [False]})), '43456[1,"2",{"3":[false]}]', []),
    (PARSER.encode_ack("/", 0, []), "430[]", []),
    (PARSER.encode_event("/", "event", [DATA, b"\x01"]), f'451-["event",{{"data":"value™"}},{PLACEHOLDER}]', [b"\x01"]),
    (
        PARSER.encode_event("/", "event", [DATA, b"\x01"], 254),
        f'451-254["event",{{"data":"value™"}},{PLACEHOLDER}]',
        [b"\x01"],
    ),
    (
        PARSER.encode_event("/admin™", "event", [DATA, b"\x01"], 254),
        f'451-/admin™,254["event",{{"data":"value™"}},{PLACEHOLDER}]',
        [b"\x01"],
    ),
    (
        PARSER.encode_event("/admin", "event", [{}, b"\x01"], 254),
        f'451-/admin,254["event",{{}},{PLACEHOLDER}]',
        [b"\x01"],
    ),
    (
        PARSER.encode_event("/", "event", [b"", b"\x02"]),
        f'452-["event",{PLACEHOLDER},{{"_placeholder":true,"num":1}}]',
        [b"", b"\x02"],
    ),
    (PARSER.encode_ack("/", 54, [DATA, b"\x01"]), f'461-54[{{"data":"value™"}},{PLACEHOLDER}]', [b"\x01"]),
    (
        PARSER.encode_ack("/admin™", 54, [DATA, b"\x01"]),
        f'461-/admin™,54[{{"data":"value™"}},{PLACEHOLDER}]',
        [b"\x01"],
    ),
]


@pytest.mark.parametrize(("group", "text", "attachments"), ENCODED)
def test_encode(group: PacketGroup, text: str, attachments: list[bytes]) -> None:
    assert wire(group) == (text, attachments)


def test_arguments_are_not_changed() -> None:
    args: list[object] = [b"\x01", {"a": b"\x02"}]
    PARSER.encode_event("/", "event", args)
    PARSER.encode_ack("/", 1, args)
    assert args == [b"\x01", {"a": b"\x02"}]


def test_payloads_of_connect_carry_no_bytes() -> None:
    with pytest.raises(SerializeError, match="bytes"):
        PARSER.encode_connect("/", {"sid": b"x"})
    with pytest.raises(SerializeError, match="bytes"):
        PARSER.encode_connect_error("/", {"message": "no", "data": [b"x"]})


def test_unknown_types_are_named() -> None:
    with pytest.raises(SerializeError, match="complex"):
        PARSER.encode_event("/", "event", [1j])
    with pytest.raises(SerializeError, match="complex"):
        PARSER.encode_ack("/", 1, [1j])


DECODED: list[tuple[str, Packet]] = [
    ("0", Packet(CONNECT, "/", None)),
    ('0{"token":"abc"}', Packet(CONNECT, "/", {"token": "abc"})),
    ("0{}", Packet(CONNECT, "/", {})),
    ("0/admin,", Packet(CONNECT, "/admin", None)),
    ("0/custom", Packet(CONNECT, "/custom", None)),
    ('0/admin™,{"sid":"x"}', Packet(CONNECT, "/admin™", {"sid": "x"})),
    ("0/admin?x=1", Packet(CONNECT, "/admin", {"x": "1"})),
    ("0/admin?", Packet(CONNECT, "/admin", None)),
    (
        "0/admin?token=a%20b%2C%E2%82%AC&empty=&x=1&x=2,",
        Packet(CONNECT, "/admin", {"token": "a b,€", "empty": "", "x": "2"}),
    ),
    ('0/admin?x=1&y=/2,{"a":1}', Packet(CONNECT, "/admin", {"a": 1})),
    ("0/?x=1,", Packet(CONNECT, "/", {"x": "1"})),
    ("0/,", Packet(CONNECT, "/", None)),
    ("0/\ud800,", Packet(CONNECT, "/\ud800", None)),
    ("0/a/b/c,", Packet(CONNECT, "/a/b/c", None)),
    ("1", Packet(DISCONNECT, "/", None)),
    ("1/admin,", Packet(DISCONNECT, "/admin", None)),
    ("1/admin™,", Packet(DISCONNECT, "/admin™", None)),
    ("1/admin", Packet(DISCONNECT, "/admin", None)),
    ('2["event",{"data":"value"}]', Packet(EVENT, "/", ["event", {"data": "value"}])),
    ('21["event"]', Packet(EVENT, "/", ["event"], 1)),
    ('20["event"]', Packet(EVENT, "/", ["event"], 0)),
    (
        '2456["message-with-ack",1,"2",{"3":[false]}]',
        Packet(EVENT, "/", ["message-with-ack", 1, "2", {"3": [False]}], 456),
    ),
    ('2/admin™,["event"]', Packet(EVENT, "/admin™", ["event"])),
    ('2/admin™,1["event"]', Packet(EVENT, "/admin™", ["event"], 1)),
    ('2/admin?a=[,1["event"]', Packet(EVENT, "/admin", ["event"], 1)),
    ('2/,["event"]', Packet(EVENT, "/", ["event"])),
    ('2["a \\"quoted\\"\\n\\u20ac"]', Packet(EVENT, "/", ['a "quoted"\n€'])),
    ('2[""]', Packet(EVENT, "/", [""])),
    ('2["message"]', Packet(EVENT, "/", ["message"])),
    ('2["a",{"_placeholder":true,"num":0}]', Packet(EVENT, "/", ["a", {"_placeholder": True, "num": 0}])),
    ('29007199254740991["a"]', Packet(EVENT, "/", ["a"], 2**53 - 1)),
    ('354["data"]', Packet(ACK, "/", ["data"], 54)),
    ("31[]", Packet(ACK, "/", [], 1)),
    ("31[1,[2]]", Packet(ACK, "/", [1, [2]], 1)),
    ('3/admin™,54["data"]', Packet(ACK, "/admin™", ["data"], 54)),
    ('50-["a"]', Packet(EVENT, "/", ["a"])),
    ('50-/admin,7["a",{"_placeholder":false}]', Packet(EVENT, "/admin", ["a", {"_placeholder": False}], 7)),
    ("60-7[]", Packet(ACK, "/", [], 7)),
]


@pytest.mark.parametrize(("text", "packet"), DECODED)
def test_decode(text: str, packet: Packet) -> None:
    decoder = PARSER.decoder()
    assert decoder.add_text(text) == packet
    assert not decoder.awaiting_attachments


def test_namespaces_of_256_bytes() -> None:
    for namespace in ("/" + "a" * 255, "/" + "é" * 127 + "a"):
        assert len(namespace.encode()) == 256
        assert Decoder().add_text(f"0{namespace},") == Packet(CONNECT, namespace)
        assert Decoder().add_text(f"0{namespace}?{'q' * 300}") == Packet(CONNECT, namespace, {"q" * 300: ""})
        with pytest.raises(ProtocolError, match="namespace"):
            Decoder().add_text(f"0{namespace}a,")


REFUSED = [
    # the packet type
    "",
    "7",
    "7x",
    "8",
    "9",
    "a",
    " ",
    '-2["a"]',
    '٢["a"]',
    '["a"]',
    '4{"message":"no"}',
    "4",
    # CONNECT and DISCONNECT
    "0[]",
    '0["a"]',
    "0null",
    "0true",
    '0"token"',
    "0123",
    '01{"a":1}',
    '0{"a":1}x',
    '0{"a":1',
    '0/admin,["a"]',
    "0/admin,1",
    "0/admin?" + "x&" * 101 + ",",
    "1{}",
    "1null",
    "11",
    "1x",
    "1/admin,{}",
    '1/admin,["a"]',
    # EVENT
    "2",
    "2/admin",
    "2/admin,",
    "21",
    "2[]",
    "21[]",
    "2{}",
    "2null",
    '2"a"',
    "2abc",
    "2abc[]",
    '2abc["a"]',
    '2x["a"]',
    '21x["a"]',
    '2 ["a"]',
    '2-1["a"]',
    '2+1["a"]',
    '21.5["a"]',
    '2²["a"]',
    '2٣["a"]',
    '21_0["a"]',
    "2[1]",
    '2[1,"a"]',
    "2[null]",
    '2[["a"]]',
    '2[{"a":1}]',
    "2[true]",
    '2["a"',
    '2["a"]x',
    '2["a"]["b"]',
    '2["a",]',
    '2["a",NaN]',
    '21{"a":[1]}',
    '2/admin["a"]',
    *(f'2["{event}"]' for event in sorted(RESERVED_EVENTS)),
    '21["disconnect"]',
    '2/admin,["connect",1]',
    '2["conn\\u0065ct"]',
    # acknowledgement ids
    '29007199254740992["a"]',
    '299999999999999999["a"]',
    '200000000000000001["a"]',
    f'2{"1" * 5000}["a"]',
    # ACK
    "3",
    "3[]",
    '3["data"]',
    "3/admin,[]",
    "31",
    "31{}",
    '31"a"',
    "31null",
    "31[]x",
    "3-1[]",
    "39007199254740992[]",
    # attachments
    "5",
    "5invalid",
    '5["a"]',
    '51["a"]',
    '5-["a"]',
    f'5x-["a",{PLACEHOLDER}]',
    f'5-1-["a",{PLACEHOLDER}]',
    f'5²-["a",{PLACEHOLDER}]',
    f'5٣-["a",{PLACEHOLDER}]',
    f'51.0-["a",{PLACEHOLDER}]',
    f'5 1-["a",{PLACEHOLDER}]',
    f'5/a,1-["a",{PLACEHOLDER}]',
    '511-["a"]',
    f'50000001-["a",{PLACEHOLDER}]',
    f'5{"9" * 5000}-["a"]',
    '51-["a"]',
    "51-",
    "51-/admin",
    "51-[]",
    "51-{}",
    f"51-[{PLACEHOLDER}]",
    f"51-[1,{PLACEHOLDER}]",
    f'51-["connect",{PLACEHOLDER}]',
    f'50-["a",{PLACEHOLDER}]',
    f'52-["a",{PLACEHOLDER}]',
    f'51-["a",{PLACEHOLDER},{PLACEHOLDER}]',
    f'52-["a",{PLACEHOLDER},{PLACEHOLDER}]',
    '51-["a",{"_placeholder":true,"num":1}]',
    '51-["a",{"_placeholder":true,"num":-1}]',
    '51-["a",{"_placeholder":true,"num":0.0}]',
    '51-["a",{"_placeholder":true,"num":"0"}]',
    '51-["a",{"_placeholder":true,"num":false}]',
    '52-["a",{"_placeholder":true,"num":true},{"_placeholder":true,"num":0}]',
    '51-["a",{"_placeholder":true,"num":null}]',
    '51-["a",{"_placeholder":true}]',
    '51-["a",{"_placeholder":1,"num":0}]',
    '51-["a",{"_placeholder":"true","num":0}]',
    '51-["a",{"_placeholder":false,"num":0}]',
    f"61-[{PLACEHOLDER}]",
    f"61-{PLACEHOLDER}",
    "61-1[]",
    f"60-1[{PLACEHOLDER}]",
    # nesting
    '2["a",' + "[" * 200 + "]" * 200 + "]",
    "0" + '{"a":' * 201 + "1" + "}" * 201,
    "2" + "[" * 100_000,
]


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_refused(text: str) -> None:
    decoder = PARSER.decoder()
    with pytest.raises(ProtocolError):
        decoder.add_text(text)
    assert not decoder.awaiting_attachments


def test_attachments_are_put_back() -> None:
    decoder = PARSER.decoder()
    text = '52-/admin,7["a",{"x":[{"_placeholder":true,"num":1}]},{"num":0,"_placeholder":true},2]'
    assert decoder.add_text(text) is None
    assert decoder.awaiting_attachments
    assert decoder.add_binary(b"first") is None
    assert decoder.awaiting_attachments
    assert decoder.add_binary(b"") == Packet(EVENT, "/admin", ["a", {"x": [b""]}, b"first", 2], 7)
    assert not decoder.awaiting_attachments
    # The next packet finds nothing of it.
    assert decoder.add_text('2["b"]') == Packet(EVENT, "/", ["b"])


def test_attachments_of_an_ack() -> None:
    decoder = PARSER.decoder()
    assert decoder.add_text(f'61-54[{{"data":"value™"}},{PLACEHOLDER}]') is None
    assert decoder.add_binary(b"\x01") == Packet(ACK, "/", [DATA, b"\x01"], 54)


def test_what_only_looks_like_a_placeholder_stays() -> None:
    decoder = PARSER.decoder()
    assert decoder.add_text(f'51-["a",{{"_placeholder":1,"num":0}},{{"_placeholder":{PLACEHOLDER}}}]') is None
    packet = decoder.add_binary(b"x")
    assert packet == Packet(EVENT, "/", ["a", {"_placeholder": 1, "num": 0}, {"_placeholder": b"x"}])


def test_binary_without_a_header() -> None:
    decoder = PARSER.decoder()
    with pytest.raises(ProtocolError, match="binary"):
        decoder.add_binary(b"x")
    assert decoder.add_text(f'51-["a",{PLACEHOLDER}]') is None
    assert decoder.add_binary(b"x") is not None
    with pytest.raises(ProtocolError, match="binary"):
        decoder.add_binary(b"y")


@pytest.mark.parametrize("text", ['2["b"]', "1", "0", f'51-["b",{PLACEHOLDER}]'])
def test_text_while_attachments_are_awaited(text: str) -> None:
    decoder = PARSER.decoder()
    decoder.add_text(f'51-["a",{PLACEHOLDER}]')
    with pytest.raises(ProtocolError, match="awaited"):
        decoder.add_text(text)


def test_reset() -> None:
    decoder = PARSER.decoder()
    decoder.add_text(f'51-["a",{PLACEHOLDER}]')
    decoder.reset()
    assert not decoder.awaiting_attachments
    assert decoder.add_text('2["b"]') == Packet(EVENT, "/", ["b"])
    with pytest.raises(ProtocolError):
        decoder.add_binary(b"x")


@pytest.mark.parametrize(
    ("parser", "limit"), [(CommonParser(), 10), (CommonParser(max_attachments=2), 2), (CommonParser(0), 0)]
)
def test_number_of_attachments(parser: CommonParser, limit: int) -> None:
    def announce(count: int) -> str:
        places = "".join(f',{{"_placeholder":true,"num":{num}}}' for num in range(count))
        return f'5{count}-["a"{places}]'

    decoder = parser.decoder()
    packet = decoder.add_text(announce(limit))
    for number in range(limit):
        assert packet is None
        packet = decoder.add_binary(b"%d" % number)
    assert packet == Packet(EVENT, "/", ["a", *(b"%d" % number for number in range(limit))])
    with pytest.raises(ProtocolError, match="too many"):
        decoder.add_text(announce(limit + 1))


def test_bytes_of_attachments() -> None:
    header = '53-["a",' + ",".join(f'{{"_placeholder":true,"num":{num}}}' for num in range(3)) + "]"
    decoder = CommonParser(max_attachment_bytes=10).decoder()
    for sizes in ((4, 4, 2), (0, 10, 0), (10, 0, 0)):
        decoder.add_text(header)
        packet = None
        for size in sizes:
            packet = decoder.add_binary(bytes(size))
        assert packet is not None and [len(data) for data in packet.data[1:]] == list(sizes)
    for too_many in ((4, 7), (0, 11), (4, 4, 3)):
        decoder = CommonParser(max_attachment_bytes=10).decoder()
        decoder.add_text(header)
        for size in too_many[:-1]:
            decoder.add_binary(bytes(size))
        with pytest.raises(ProtocolError, match="too large together"):
            decoder.add_binary(bytes(too_many[-1]))


def test_one_attachment_is_as_large_as_a_message_may_be() -> None:
    decoder = CommonParser(max_attachment_bytes=10).decoder()
    decoder.add_text(f'51-["a",{PLACEHOLDER}]')
    assert decoder.add_binary(bytes(1000)) == Packet(EVENT, "/", ["a", bytes(1000)])


def test_decoders_are_independent() -> None:
    first, second = PARSER.decoder(), PARSER.decoder()
    first.add_text(f'51-["a",{PLACEHOLDER}]')
    assert not second.awaiting_attachments
    assert second.add_text('2["b"]') == Packet(EVENT, "/", ["b"])


def test_an_idle_decoder_is_small() -> None:
    decoder = PARSER.decoder()
    decoder.add_text(f'51-["a",{PLACEHOLDER}]')
    decoder.add_binary(b"x" * 10_000)
    held = [item for item in gc.get_referents(decoder) if not isinstance(item, (type, int)) and item is not None]
    assert held == []
    assert sys.getsizeof(decoder) < 100


def test_reserved_events() -> None:
    assert RESERVED_EVENTS == {
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    }


names = st.text().filter(lambda name: name not in RESERVED_EVENTS)
namespaces = st.one_of(
    st.just("/"), st.text(max_size=20).map(lambda name: "/" + name.replace(",", "").replace("?", ""))
)
ids = st.integers(0, 2**53 - 1)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(), st.binary(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=10,
)
arguments = st.lists(values, max_size=4)


def decode(group: PacketGroup) -> Packet | None:
    """Return what a decoder makes of a group."""
    decoder = Decoder(max_attachments=100)
    text, attachments = wire(group)
    assert text[0] == "4"
    packet = decoder.add_text(text[1:])
    for attachment in attachments:
        assert packet is None
        packet = decoder.add_binary(attachment)
    return packet


@CI
@given(namespaces, names, arguments, st.one_of(st.none(), ids))
def test_event_round_trip(namespace: str, event: str, args: list[Any], ack_id: int | None) -> None:
    group = PARSER.encode_event(namespace, event, args, ack_id)
    assert decode(group) == Packet(EVENT, namespace, [event, *args], ack_id)


@CI
@given(namespaces, ids, arguments)
def test_ack_round_trip(namespace: str, ack_id: int, args: list[Any]) -> None:
    assert decode(PARSER.encode_ack(namespace, ack_id, args)) == Packet(ACK, namespace, args, ack_id)


@CI
@given(namespaces, st.one_of(st.none(), st.dictionaries(st.text(), st.one_of(st.integers(0, 9), st.text()))))
def test_connect_round_trip(namespace: str, payload: dict[str, Any] | None) -> None:
    assert decode(PARSER.encode_connect(namespace, payload)) == Packet(CONNECT, namespace, payload)
    assert decode(PARSER.encode_disconnect(namespace)) == Packet(DISCONNECT, namespace)


fragments = st.lists(
    st.sampled_from(
        ["0", "1", "2", "3", "5", "6", "1-", "2-", "/", "/a", "/a,", ",", "?", "[", "]", '["a"', ",", "{", "}", '"a":']
        + [PLACEHOLDER, '{"_placeholder":true,"num":1}', '"\\ud800"', "null", " ", "٣", "\ud800"]
    ),
    max_size=10,
).map("".join)


@CI
@given(st.lists(st.one_of(fragments, st.sampled_from(REFUSED), st.text(st.characters()), st.binary()), max_size=6))
def test_only_protocol_errors(messages: list[str | bytes]) -> None:
    decoder = PARSER.decoder()
    for message in messages:
        try:
            packet = decoder.add_text(message) if isinstance(message, str) else decoder.add_binary(message)
        except ProtocolError:
            continue
        assert (packet is None) is decoder.awaiting_attachments
        if packet is None:
            continue
        assert packet.namespace.startswith("/") and len(packet.namespace) <= 256
        if packet.type is EVENT:
            assert type(packet.data[0]) is str and packet.data[0] not in RESERVED_EVENTS
        elif packet.type is ACK:
            assert type(packet.data) is list and packet.id is not None
        else:
            assert packet.type in (CONNECT, DISCONNECT) and packet.id is None


# What a server sends, as clients in tests read it


@pytest.mark.parametrize("namespace", ["/", "/admin"])
@pytest.mark.parametrize("payload", [{"message": "no", "data": {"a": [1]}}, "as in version 4", None])
def test_a_client_is_refused(namespace: str, payload: object) -> None:
    text, _ = wire(PARSER.encode_connect_error(namespace, payload))
    packet = PARSER.client_decoder().add_text(text[1:])
    assert packet == Packet(PacketType.CONNECT_ERROR, namespace, payload)
    with pytest.raises(ProtocolError):
        PARSER.decoder().add_text(text[1:])


def test_a_client_takes_more_attachments_than_it_may_send() -> None:
    args = [bytes([number]) for number in range(100)]
    text, attachments = wire(PARSER.encode_event("/", "many", args))
    decoder = PARSER.client_decoder()
    assert decoder.add_text(text[1:]) is None
    packets = [decoder.add_binary(attachment) for attachment in attachments]
    assert packets[:-1] == [None] * 99
    assert packets[-1] == Packet(EVENT, "/", ["many", *args])
