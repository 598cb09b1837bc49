"""The option `parser`: msgpack and users' own over the wire, what they are checked for, and what their failures do."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgpack
import pytest
from gevent import subprocess

from geventsio import AckSender, Data, DisconnectReason, ProtocolError, SerializeError, Socket, SocketIO
from geventsio.protocol.common_parser import CommonParser
from geventsio.protocol.msgpack_parser import MsgpackParser
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.parser import Parser, make_group
from geventsio.protocol.sio_packet import Packet, PacketType
from tests import tools
from tests.socketio.harness import Log, Serve, wait_until
from tests.socketio.header_parser import HeaderDecoder, HeaderParser
from tests.socketio.peer import Peer

PROGRAM = Path(__file__).parent / "js" / "header_client.mjs"

#: Parsers that are written to the contract; the checkers read this line.
PARSERS: list[Parser] = [CommonParser(), MsgpackParser(), HeaderParser()]


class Lines(logging.Handler):
    """What the library logs from DEBUG on about messages of clients."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def about(self, text: str) -> list[logging.LogRecord]:
        """The records that have this in their message."""
        return [record for record in self.records if text in record.getMessage()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """All that the library logs."""
    logger = logging.getLogger("geventsio")
    handler = Lines()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.setLevel(before)
    logger.removeHandler(handler)


def server(parser: Any, **options: Any) -> tuple[SocketIO, list[str]]:
    """A server that echoes, and the reasons of those who left."""
    io = SocketIO(parser=parser, **options)
    reasons: list[str] = []

    @io.ns("/")
    def connect(socket: Socket, auth: Data[Any]) -> None:
        socket.emit("hello", auth)

    @io.ns("/").on("echo")
    def echo(socket: Socket, *args: Any) -> None:
        socket.emit("echo", *args)

    @io.ns("/").on("answer")
    def answer(ack: AckSender, *args: Any) -> None:
        ack.send(*args)

    @io.ns("/").on("ask")
    def ask(socket: Socket) -> None:
        socket.emit("result", socket.emit_with_ack("question", "?").result())

    @io.ns("/other").on("leave")
    def leave(socket: Socket) -> None:
        socket.disconnect()

    @io.ns("/").on_disconnect
    def bye(socket: Socket, reason: DisconnectReason) -> None:
        reasons.append(str(reason))

    return io, reasons


# msgpack


def pack(kind: int, data: Any = None, namespace: str = "/", ack_id: int | None = None) -> bytes:
    """A packet as python-socketio writes it."""
    packet = {"type": kind, "data": data, "nsp": namespace}
    return bytes(msgpack.packb(packet if ack_id is None else {**packet, "id": ack_id}) or b"")


def unpack(peer: Peer) -> dict[str, Any]:
    """The next packet."""
    message = peer.receive()
    assert isinstance(message, bytes), message
    packet: dict[str, Any] = msgpack.unpackb(message)
    return packet


def connect_msgpack(peer: Peer, auth: Any = None) -> None:
    """Connect to the main namespace."""
    peer.send(pack(0, auth))
    answer = unpack(peer)
    assert answer == {"type": 0, "nsp": "/", "data": {"sid": answer["data"]["sid"]}}
    assert unpack(peer) == {"type": 2, "nsp": "/", "data": ["hello", auth or {}]}


def test_msgpack(serve: Serve, transport: str) -> None:
    io, _ = server("msgpack")
    peer = serve(io).peer(transport)
    connect_msgpack(peer, {"token": b"\x01"})
    args = [1, "2", {"3": [True, None]}, b"\x00\xff", {"deep": [b"x"]}]
    peer.send(pack(2, ["echo", *args]))
    assert unpack(peer) == {"type": 2, "nsp": "/", "data": ["echo", *args]}
    peer.send(pack(2, ["answer", b"x"], ack_id=7))
    assert unpack(peer) == {"type": 3, "nsp": "/", "data": [b"x"], "id": 7}
    peer.send(pack(2, ["ask"]))
    question = unpack(peer)
    assert question == {"type": 2, "nsp": "/", "data": ["question", "?"], "id": question["id"]}
    peer.send(pack(3, ["!"], ack_id=question["id"]))
    assert unpack(peer) == {"type": 2, "nsp": "/", "data": ["result", "!"]}
    peer.send(pack(0, namespace="/unknown"))
    assert unpack(peer) == {"type": 4, "nsp": "/unknown", "data": {"message": "Invalid namespace"}}


@dataclass
class Reading:
    when: datetime
    raw: bytes


def test_what_only_msgpack_carries_reaches_typed_handlers(serve: Serve) -> None:
    io = SocketIO(parser="msgpack")
    got: list[Any] = []
    io.ns("/")

    @io.ns("/").on("reading")
    def reading(value: Data[Reading], missing: Any) -> str:
        got.extend((value, missing))
        return "ok"

    peer = serve(io).websocket()
    peer.send(pack(0))
    unpack(peer)
    date = msgpack.ExtType(0, struct.pack("!q", 1_234_567_890_123))
    peer.send(pack(2, ["reading", {"when": date, "raw": b"\x01"}, msgpack.ExtType(0, b"\0")], ack_id=1))
    assert unpack(peer)["data"] == ["ok"]
    assert got == [Reading(datetime(2009, 2, 13, 23, 31, 30, 123_000, timezone.utc), b"\x01"), None]


def test_a_client_of_the_default_parser_is_sent_away_at_its_first_packet(
    serve: Serve, transport: str, lines: Lines
) -> None:
    io, reasons = server("msgpack")
    site = serve(io)
    peer = site.peer(transport)
    if transport == "websocket":
        peer.send("0")
    else:
        with pytest.raises(AssertionError, match="400"):
            peer.send("0")
    ended, messages = peer.end()
    assert (ended.orderly, messages) == (True, [])
    (line,) = lines.about("is the client using the msgpack parser?")
    assert line.levelno < logging.WARNING
    assert reasons == []


def test_a_client_of_msgpack_is_sent_away_by_the_default_parser(serve: Serve, lines: Lines) -> None:
    io, _ = server("common")
    peer = serve(io).websocket()
    peer.send(pack(0))
    ended, messages = peer.end()
    assert (ended.orderly, messages) == (True, [])
    assert len(lines.about("is the client using the same parser?")) == 1


@pytest.mark.parametrize("message", [b"\x80", bytes([1, 2, 3, 4]), pack(2, ["connect"]), pack(3, []), pack(4, {})])
def test_broken_msgpack_ends_the_connection(serve: Serve, transport: str, message: bytes) -> None:
    io, reasons = server("msgpack")
    site = serve(io)
    peer, other = site.peer(transport), site.websocket()
    connect_msgpack(peer)
    connect_msgpack(other)
    if transport == "websocket":
        peer.send(message)
    else:
        with pytest.raises(AssertionError, match="400"):
            peer.send(message)
    wait_until(lambda: reasons)
    assert reasons == ["parse error"]
    other.send(pack(2, ["echo"]))
    assert unpack(other)["data"] == ["echo"]


def test_max_payload_and_not_max_attachments_limits_msgpack(serve: Serve, log: Log) -> None:
    io, reasons = server("msgpack", max_attachments=1, max_attachment_bytes=1, max_payload=1000)
    peer = serve(io).websocket()
    connect_msgpack(peer)
    peer.send(pack(2, ["echo", *[b"x" * 10] * 50]))
    assert unpack(peer)["data"] == ["echo", *[b"x" * 10] * 50]
    peer.send(pack(2, ["echo", b"x" * 1000]))
    wait_until(lambda: reasons)
    assert reasons == ["payload too large"]
    assert "max_payload=1000" in log.take_one().getMessage()


# What both do


class Counted:
    """Counts how often it is encoded."""

    def __init__(self) -> None:
        self.count = 0

    def model_dump(self) -> object:
        self.count += 1
        return {"raw": b"\x01"}


@pytest.mark.parametrize("parser", ["common", "msgpack"])
def test_a_broadcast_is_encoded_once(serve: Serve, parser: str) -> None:
    io = SocketIO(parser=parser)
    io.ns("/")
    site = serve(io)
    peers: list[Peer] = [site.websocket(), site.websocket(), site.polling()]
    for peer in peers:
        peer.send("0" if parser == "common" else pack(0))
        peer.receive()
    value = Counted()
    io.emit("event", value)
    stream = io.emit_with_ack("question", value)
    assert value.count == 2
    for peer in peers:
        if parser == "msgpack":
            assert unpack(peer)["data"] == ["event", {"raw": b"\x01"}]
            question = unpack(peer)
            assert question["data"] == ["question", {"raw": b"\x01"}]
            peer.send(pack(3, ["ok"], ack_id=question["id"]))
        else:
            assert peer.event() == ["event", {"raw": b"\x01"}]
            peer.answer(peer.question()[0], "ok")
    assert [answer for _, answer in stream] == ["ok"] * 3


@pytest.mark.parametrize("parser", ["common", "msgpack"])
def test_what_can_not_be_sent_keeps_its_cause(parser: str) -> None:
    class Broken:
        def model_dump(self) -> object:
            raise KeyError("missing")

    io = SocketIO(parser=parser)
    io.ns("/")
    with pytest.raises(SerializeError, match="missing") as caught:
        io.emit("event", Broken())
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(SerializeError, match="complex"):
        io.emit("event", 1j)


def test_attachments_of_one_packet_are_limited_together(serve: Serve, transport: str) -> None:
    io, reasons = server("common", max_attachment_bytes=100)
    peer = serve(io).peer(transport)
    peer.connect()
    peer.receive()
    peer.emit("echo", bytes(50), bytes(50))
    assert peer.event() == ["echo", bytes(50), bytes(50)]
    peer.emit("echo", bytes(101))
    assert peer.event() == ["echo", bytes(101)]
    header = '52-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    if transport == "websocket":
        peer.send(header, bytes(50), bytes(51))
    else:
        with pytest.raises(AssertionError, match="400"):
            peer.send(header, bytes(50), bytes(51))
    wait_until(lambda: reasons)
    assert reasons == ["parse error"]
    assert len(io.engine.runtime.assembling) == 0


# Users' own


@pytest.mark.parametrize("mode", ["polling", "websocket"])
def test_an_own_parser_with_the_official_client(serve: Serve, mode: str) -> None:
    parser = HeaderParser()
    io, reasons = server(parser)
    site = serve(io)
    url = "http://{}:{}".format(*site.address)
    command = [str(part) for part in (tools.node(), PROGRAM, tools.js_package("socket.io-client"), url, mode)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=12)
    assert (ended.stderr, ended.stdout, ended.returncode) == ("", "ok\n", 0)
    wait_until(lambda: reasons)
    assert reasons == ["client namespace disconnect"]


def header(kind: int, data: Any = None, ack_id: int | None = None, namespace: str = "/") -> tuple[str | bytes, ...]:
    """A packet of the own parser."""
    text = json.dumps([kind, namespace, ack_id, data is not None])
    return (text,) if data is None else (text, json.dumps(data).encode())


def connect_own(peer: Peer) -> None:
    """Connect to the main namespace with the own parser."""
    peer.send(*header(0))
    assert json.loads(peer.receive()) == [0, "/", None, True]
    peer.receive()
    assert (json.loads(peer.receive()), json.loads(peer.receive())) == ([2, "/", None, True], ["hello", {}])


def test_an_own_parser_encodes_a_broadcast_once(serve: Serve) -> None:
    parser = HeaderParser()
    io, _ = server(parser)
    site = serve(io)
    peers: list[Peer] = [site.websocket(), site.polling(), site.websocket()]
    for peer in peers:
        connect_own(peer)
    before = parser.encoded
    io.emit("event", 1)
    assert parser.encoded == before + 1
    for peer in peers:
        assert (json.loads(peer.receive()), json.loads(peer.receive())) == ([2, "/", None, True], ["event", 1])


BAD: list[tuple[tuple[str | bytes, ...], str | None]] = [
    (("",), "JSONDecodeError"),
    (("[]",), "ValueError"),
    (("[9,0,0,0]",), "ValueError"),
    ((b"{}",), "AttributeError"),
    (('[2,"/",null,true]', b"\xff"), "UnicodeDecodeError"),
    (("[" * 100_000,), "RecursionError"),
    # What a client may not send is no failure of the parser's.
    (('[2,"/",null,false]',), None),
    (header(2, ["connect"]), None),
    (header(2, [1]), None),
    (header(2, {"a": 1}), None),
    (header(2, ["a"], -1), None),
    (header(3, ["a"]), None),
    (header(3, {"a": 1}, 1), None),
    (header(4, {"a": 1}), None),
    (header(5, ["a"]), None),
    (header(0, []), None),
    (header(1, {}), None),
    (('[1,["/"],null,false]',), None),
    (('[1,"/' + "x" * 256 + '",null,false]',), None),
]


@pytest.mark.parametrize(("messages", "kind"), BAD, ids=range(len(BAD)))
def test_what_an_own_parser_fails_on_ends_one_connection(
    serve: Serve, log: Log, messages: tuple[str | bytes, ...], kind: str | None
) -> None:
    io, reasons = server(HeaderParser())
    site = serve(io)
    other = site.websocket()
    connect_own(other)
    for _ in range(2):
        peer = site.websocket()
        connect_own(peer)
        peer.send(*messages)
        ended, _ = peer.end()
        assert ended.orderly
    wait_until(lambda: len(reasons) == 2)
    assert reasons == ["parse error"] * 2
    # The first of its kind only.
    records = log.take()
    assert [record.getMessage() for record in records] == (
        ["the parser failed on a message from a client"] if kind else []
    )
    assert [record.exc_info[0].__name__ for record in records if record.exc_info and record.exc_info[0]] == (
        [kind] if kind else []
    )
    other.send(*header(2, ["echo", "still here"]))
    assert (other.receive(), json.loads(other.receive())) == ('[2, "/", null, true]', ["echo", "still here"])


def test_an_own_packet_that_is_never_complete_ends_the_connection(serve: Serve, transport: str) -> None:
    io, reasons = server(HeaderParser())
    site = serve(io)
    io.engine.runtime.assembling.seconds = 0.05
    peer = site.peer(transport)
    connect_own(peer)
    peer.send('[2,"/",null,true]')
    wait_until(lambda: reasons)
    assert reasons == ["parse error"]


def test_an_own_connect_that_is_never_complete_ends_the_connection(serve: Serve) -> None:
    io, _ = server(HeaderParser())
    site = serve(io)
    io.engine.runtime.assembling.seconds = 0.05
    peer = site.websocket()
    peer.send('[0,"/",null,true]')
    ended, messages = peer.end()
    assert (ended.orderly, messages) == (True, [])


def test_an_own_packet_is_kept_for_no_stranger(serve: Serve) -> None:
    io, _ = server(HeaderParser())
    site = serve(io)
    peer = site.websocket()
    peer.send('[2,"/",null,true]')
    ended, messages = peer.end()
    assert (ended.orderly, messages) == (True, [])
    wait_until(lambda: not io.engine.sessions)


class Strange(HeaderParser):
    """A parser whose decoders do what a function says."""

    def __init__(self, act: Callable[[str], Any]) -> None:
        super().__init__()
        self.act = act

    def decoder(self) -> HeaderDecoder:
        """Return a decoder for one connection."""
        outer = self

        class Decoder(HeaderDecoder):
            def add_text(self, text: str) -> Packet | None:
                if text.startswith("["):
                    return super().add_text(text)
                found: Packet | None = outer.act("add_text")
                return found

            def reset(self) -> None:
                outer.act("reset")

        return Decoder()


def fail(what: str) -> None:
    """Fail in `reset`, and refuse all else."""
    if what == "reset":
        raise KeyError(what)
    raise ProtocolError("refused by the parser")


@pytest.mark.parametrize(
    ("act", "failures"),
    [
        (lambda what: "no packet", ["a decoder returns packets, not 'no packet'"]),
        (lambda what: Packet(2, "/", ["a"]), []),  # type: ignore[arg-type]
        (lambda what: Packet(PacketType.EVENT, "/", ("a",)), []),
        (fail, ["'reset'"]),
    ],
)
def test_strange_decoders(serve: Serve, log: Log, act: Callable[[str], Any], failures: list[str]) -> None:
    io, reasons = server(Strange(act))
    peer = serve(io).websocket()
    connect_own(peer)
    peer.send("strange")
    assert peer.end()[0].orderly
    wait_until(lambda: reasons)
    assert reasons == ["parse error"]
    wait_until(lambda: not io.ns("/").sockets)
    assert [str(record.exc_info[1]) for record in log.take() if record.exc_info] == failures


def test_a_decoder_may_take_a_message_that_ends_no_packet_of_its_own(serve: Serve) -> None:
    # Two headers, one behind the other: the deadline runs from the first.
    io, _ = server(HeaderParser())
    peer = serve(io).websocket()
    connect_own(peer)
    assembling = io.engine.runtime.assembling
    peer.send('[2,"/",null,true]')
    wait_until(lambda: len(assembling) == 1)
    peer.send('[2,"/",null,true]', b'["echo",1]')
    assert (peer.receive(), peer.receive()) == ('[2, "/", null, true]', b'["echo", 1]')
    assert len(assembling) == 0


METHODS = ("encode_connect", "encode_connect_error", "encode_disconnect", "encode_event", "encode_ack", "decoder")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("instead", [None, "not callable"])
def test_a_missing_method_is_named(method: str, instead: Any) -> None:
    parser = HeaderParser()
    setattr(parser, method, instead)
    with pytest.raises(
        TypeError, match=rf"geventsio\.protocol\.parser\.Parser, but .*HeaderParser.* has no '{method}'$"
    ):
        SocketIO(parser=parser)


@pytest.mark.parametrize("method", ["add_text", "add_binary", "reset", "pending_namespace"])
def test_a_missing_method_of_the_decoder_is_named(method: str) -> None:
    methods = {name: value for name, value in vars(HeaderDecoder).items() if name != method}
    parser = HeaderParser()
    parser.decoder = type("Incomplete", (), methods)  # type: ignore[method-assign]
    with pytest.raises(TypeError, match=rf"^parser\.decoder\(\) must have .*'{method}'"):
        SocketIO(parser=parser)


def test_what_is_no_parser() -> None:
    with pytest.raises(ValueError, match="^parser must be 'common', 'msgpack' or an object of your own, not 'msgpak'$"):
        SocketIO(parser="msgpak")
    with pytest.raises(TypeError, match=r"^parser must be an object, not a class: HeaderParser\(\)$"):
        SocketIO(parser=HeaderParser)
    for value in (None, 5, b"msgpack", object()):
        with pytest.raises(TypeError, match="^parser must have the methods of "):
            SocketIO(parser=value)


def test_the_default_parser_by_name_and_as_an_object(serve: Serve) -> None:
    for parser in ("common", CommonParser()):
        io, _ = server(parser)
        peer = serve(io).connect()
        assert peer.event() == ["hello", {}]
        assert peer.ask("answer", b"x", 1) == [b"x", 1]


def test_the_messages_of_a_packet() -> None:
    def messages(group: PacketGroup) -> tuple[bytes | None, list[bytes]]:
        return group.text, list(group.attachments)

    assert messages(make_group("€")) == ("4€".encode(), [])
    assert messages(make_group("")) == (b"4", [])
    assert messages(make_group("a", b"1", b"2")) == (b"4a", [b"1", b"2"])
    assert messages(make_group(b"1", b"2")) == (None, [b"1", b"2"])
    wrong: list[tuple[Any, ...]] = [(), (b"1", "a"), ("a", "b"), (bytearray(b"1"),), (None,), (None, b"1"), (5,)]
    for arguments in wrong:
        with pytest.raises(TypeError, match="the messages of a packet are"):
            make_group(*arguments)
