"""The client's end of the wire: Engine.IO and Socket.IO packets written by hand to gevent sockets.

Nothing of the library is used here, so that a mistake in it can't hide itself.
"""

from __future__ import annotations

__all__ = ["Ended", "Message", "Packet", "Peer", "PollingPeer", "WebSocketPeer", "encode", "http_request"]

import base64
import json
import os
import re
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from itertools import count
from typing import Any, cast

from gevent import socket

Address = tuple[str, int]
Message = str | bytes

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10

_NORMAL, _GOING_AWAY = 1000, 1001

_PACKET = re.compile(r"(?P<type>\d)(?:(?P<count>\d+)-)?(?:(?P<namespace>/[^,]*),)?(?P<id>\d+)?(?P<data>.*)", re.DOTALL)


class Ended(Exception):
    """The server has ended the connection.

    Attributes:
        code: of its Close frame; None over polling, or if there was none.
        orderly: whether it said so: by a Close frame for no error, or over polling by the CLOSE packet.
    """

    def __init__(self, how: str, orderly: bool, code: int | None = None) -> None:
        super().__init__(how)
        self.code = code
        self.orderly = orderly


@dataclass
class Packet:
    """A Socket.IO packet with its attachments in place; binary types are told as the plain ones."""

    type: int
    namespace: str = "/"
    data: Any = None
    id: int | None = None


def encode(packet: Packet) -> list[Message]:
    """The messages that carry a packet, the attachments behind the text."""
    attachments: list[bytes] = []
    data = "" if packet.data is None else json.dumps(_lift(packet.data, attachments))
    kind = f"{packet.type + 3}{len(attachments)}-" if attachments else str(packet.type)
    namespace = "" if packet.namespace == "/" else packet.namespace + ","
    return [f"{kind}{namespace}{'' if packet.id is None else packet.id}{data}", *attachments]


def _lift(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, bytes):
        attachments.append(value)
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, dict):
        return {key: _lift(item, attachments) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lift(item, attachments) for item in value]
    return value


def _place(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, dict):
        if value.get("_placeholder"):
            return attachments[value["num"]]
        return {key: _place(item, attachments) for key, item in value.items()}
    if isinstance(value, list):
        return [_place(item, attachments) for item in value]
    return value


class Peer(ABC):
    """A client. `send` and `receive` are about Engine.IO messages, without their leading "4".

    Attributes:
        handshake: what the Engine.IO OPEN packet said.
        answers_pings: set it to False for a client that has stopped answering.
    """

    def __init__(self) -> None:
        self.handshake: dict[str, Any] = {}
        self.answers_pings = True
        self._ack_ids = count()

    @abstractmethod
    def send(self, *messages: Message) -> None:
        """Send messages, all in one segment or request."""

    @abstractmethod
    def receive(self) -> Message:
        """Return the next message.

        Raises:
            Ended: the server has ended the connection.
        """

    @abstractmethod
    def close(self) -> None:
        """Leave without waiting for an answer; legal at any time."""

    def send_packet(self, *packets: Packet) -> None:
        """Send packets, all in one segment or request."""
        self.send(*(message for packet in packets for message in encode(packet)))

    def packet(self) -> Packet:
        """Return the next packet."""
        text = self.receive()
        assert isinstance(text, str), text
        match = _PACKET.fullmatch(text)
        assert match is not None, text
        kind = int(match["type"])
        attachments = [cast(bytes, self.receive()) for _ in range(int(match["count"] or 0))]
        assert all(type(attachment) is bytes for attachment in attachments), attachments
        assert (kind in (BINARY_EVENT, BINARY_ACK)) == (match["count"] is not None), text
        data = _place(json.loads(match["data"]), attachments) if match["data"] else None
        ack_id = None if match["id"] is None else int(match["id"])
        return Packet(kind - 3 if attachments else kind, match["namespace"] or "/", data, ack_id)

    def connect(self, namespace: str = "/", auth: object = None) -> str:
        """Connect to a namespace and return the id of the new socket."""
        self.send_packet(Packet(CONNECT, namespace, auth))
        answer = self.packet()
        assert (answer.type, answer.namespace) == (CONNECT, namespace), answer
        assert set(answer.data) == {"sid"}, answer
        return str(answer.data["sid"])

    def refused(self, namespace: str = "/", auth: object = None) -> Any:
        """Ask to connect to a namespace that refuses, and return what it says."""
        self.send_packet(Packet(CONNECT, namespace, auth))
        answer = self.packet()
        assert (answer.type, answer.namespace, answer.id) == (CONNECT_ERROR, namespace, None), answer
        return answer.data

    def emit(self, event: str, *args: object, namespace: str = "/") -> None:
        """Send an event that asks for no acknowledgement."""
        self.send_packet(Packet(EVENT, namespace, [event, *args]))

    def ask(self, event: str, *args: object, namespace: str = "/") -> list[Any]:
        """Send an event that asks for an acknowledgement, which must be the next packet; return its arguments."""
        ack_id = next(self._ack_ids)
        self.send_packet(Packet(EVENT, namespace, [event, *args], ack_id))
        answer = self.packet()
        assert (answer.type, answer.namespace, answer.id) == (ACK, namespace, ack_id), answer
        return cast("list[Any]", answer.data)

    def event(self, namespace: str = "/") -> list[Any]:
        """Return the next packet's name and arguments; it must be an event that asks for no acknowledgement."""
        packet = self.packet()
        assert (packet.type, packet.namespace, packet.id) == (EVENT, namespace, None), packet
        return cast("list[Any]", packet.data)

    def question(self, namespace: str = "/") -> tuple[int, list[Any]]:
        """Return the next packet's ack id, and its name and arguments; it must ask for an acknowledgement."""
        packet = self.packet()
        assert (packet.type, packet.namespace) == (EVENT, namespace), packet
        assert packet.id is not None, packet
        return packet.id, packet.data

    def answer(self, ack_id: int, *args: object, namespace: str = "/") -> None:
        """Acknowledge an event."""
        self.send_packet(Packet(ACK, namespace, list(args), ack_id))

    def end(self) -> tuple[Ended, list[Message]]:
        """Wait until the server has ended the connection; return how, and what arrived before."""
        messages: list[Message] = []
        while True:
            try:
                messages.append(self.receive())
            except Ended as ended:
                self.close()
                return ended, messages

    def _packet_of_engine(self, text: str) -> str | None:
        """Take an Engine.IO packet; return a message's content."""
        if text[0] == "4":
            return text[1:]
        if text[0] == "2":
            if self.answers_pings:
                self.send_engine("3")
        else:
            self._control(text)
        return None

    @abstractmethod
    def _control(self, text: str) -> None:
        """Take an Engine.IO packet that only this transport has."""

    @abstractmethod
    def send_engine(self, text: str) -> None:
        """Send an Engine.IO packet as it is."""


class WebSocketPeer(Peer):
    """A client over a websocket, opened by the constructor.

    Args:
        address: host and port.
        path: the server's path, with its slashes.
        sid: the id of a polling session that `upgrade` is to take over; None opens a session.
        cookie: the browser's, if it has one.
    """

    def __init__(
        self, address: Address, path: str = "/socket.io/", sid: str | None = None, cookie: str | None = None
    ) -> None:
        super().__init__()
        self._cookie = "" if cookie is None else f"Cookie: {cookie}\r\n"
        self._buffer = b""
        self._pongs: list[bytes] = []
        self._messages: deque[Message] = deque()
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._open(f"{path}?EIO=4&transport=websocket" + (f"&sid={sid}" if sid else ""))
            if sid is None:
                opened = self._frame()
                assert opened is not None and opened[0] == _TEXT and opened[1][:1] == b"0", opened
                self.handshake = json.loads(opened[1][1:])
        except BaseException:
            self.socket.close()
            raise

    def send(self, *messages: Message) -> None:
        frames = [
            _frame_of(_TEXT, b"4" + message.encode()) if isinstance(message, str) else _frame_of(_BINARY, message)
            for message in messages
        ]
        self.socket.sendall(b"".join(frames))

    def send_engine(self, text: str) -> None:
        self.socket.sendall(_frame_of(_TEXT, text.encode()))

    def receive(self) -> Message:
        while not self._messages:
            frame = self._frame()
            if frame is None:
                raise Ended("no Close frame", False)
            self._take(*frame)
        return self._messages.popleft()

    def rest(self) -> list[Message]:
        """Return all messages that the server has sent so far."""
        mark = os.urandom(4)
        self.socket.sendall(_frame_of(_PING, mark))
        while mark not in self._pongs:
            frame = self._frame()
            if frame is None:
                raise Ended("no Close frame", False)
            self._take(*frame)
        messages = list(self._messages)
        self._messages.clear()
        return messages

    def ping(self) -> None:
        """Send a Ping frame, whose Pong nobody waits for."""
        self.socket.sendall(_frame_of(_PING))

    def close(self) -> None:
        self.socket.close()

    def upgrade(self) -> None:
        """Take over the session of the sid that the constructor was given."""
        self.send_engine("2probe")
        assert self._frame() == (_TEXT, b"3probe")
        self.send_engine("5")

    def say_goodbye(self) -> None:
        """Start the closing handshake and wait for its end."""
        self.socket.sendall(_frame_of(_CLOSE, struct.pack("!H", 1000)))
        self.end()

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _open(self, target: str) -> None:
        """Do the handshake of RFC 6455."""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.socket.getpeername()[1]}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"X-Test: yes\r\n{self._cookie}\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            assert self._read(), self._buffer
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _TEXT:
            message = self._packet_of_engine(payload.decode())
            if message is not None:
                self._messages.append(message)
        elif opcode == _BINARY:
            self._messages.append(payload)
        elif opcode == _PONG:
            self._pongs.append(payload)
        else:
            assert opcode == _CLOSE, (opcode, payload)
            self.socket.sendall(_frame_of(_CLOSE, payload[:2]))
            (code,) = struct.unpack("!H", payload[:2])
            raise Ended(f"code {code}", code in (_NORMAL, _GOING_AWAY), code)

    def _control(self, text: str) -> None:
        raise AssertionError(f"{text!r} over a websocket")

    def _frame(self) -> tuple[int, bytes] | None:
        """Return the next frame; None at the end of the stream."""
        if not self._fill(2):
            return None
        first, length = self._buffer[0], self._buffer[1]
        assert first & 0x80 and not first & 0x70 and not length & 0x80, "a fragment, a reserved bit or a mask"
        start = 2
        if length > 125:
            start += 2 if length == 126 else 8
            assert self._fill(start)
            length = int.from_bytes(self._buffer[2:start], "big")
        assert self._fill(start + length), "the stream ended inside of a frame"
        payload = self._buffer[start : start + length]
        self._buffer = self._buffer[start + length :]
        return first & 0x0F, payload

    def _fill(self, size: int) -> bool:
        while len(self._buffer) < size:
            if not self._read():
                return False
        return True

    def _read(self) -> bool:
        try:
            data = self.socket.recv(65_536)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)


def _frame_of(opcode: int, payload: bytes = b"") -> bytes:
    """A client's frame; a masking key of zeros is a legal one."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + bytes(4) + payload


@dataclass(frozen=True)
class Reply:
    """A whole HTTP response."""

    status: int
    headers: HTTPMessage
    body: bytes


def http_request(
    address: Address,
    method: str,
    target: str,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send a request on a connection of its own and return the whole response."""
    connection = HTTPConnection(*address)
    connection.sock = cast(Any, socket.create_connection(address))
    try:
        connection.request(method, target, body.encode() if isinstance(body, str) else body, dict(headers or {}))
        with connection.getresponse() as response:
            return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


class PollingPeer(Peer):
    """A client over long-polling, opened by the constructor."""

    def __init__(self, address: Address, path: str = "/socket.io/") -> None:
        super().__init__()
        self.address = address
        self._closed = False
        self._target = f"{path}?EIO=4&transport=polling"
        self._messages: deque[Message] = deque()
        opened = http_request(address, "GET", self._target, headers={"X-Test": "yes"})
        assert opened.status == 200 and opened.body[:1] == b"0", opened
        self.handshake = json.loads(opened.body[1:])
        self._target += "&sid=" + self.handshake["sid"]

    def send(self, *messages: Message) -> None:
        parts = [
            "4" + message if isinstance(message, str) else "b" + base64.b64encode(message).decode()
            for message in messages
        ]
        self.send_engine("\x1e".join(parts))

    def send_engine(self, text: str) -> None:
        reply = self.post(text)
        assert (reply.status, reply.body) == (200, b"ok"), reply

    def post(self, body: str) -> Reply:
        """Send a POST, which may be refused."""
        return http_request(self.address, "POST", self._target, body)

    def receive(self) -> Message:
        while not self._messages:
            if self._closed:
                raise Ended("CLOSE packet", True)
            reply = http_request(self.address, "GET", self._target)
            if reply.status != 200:
                raise Ended(f"status {reply.status}", False)
            for part in reply.body.decode().split("\x1e"):
                if part[0] == "b":
                    self._messages.append(base64.b64decode(part[1:], validate=True))
                else:
                    message = self._packet_of_engine(part)
                    if message is not None:
                        self._messages.append(message)
        return self._messages.popleft()

    def _control(self, text: str) -> None:
        if text == "1":
            self._closed = True
        else:
            assert text == "6", text  # NOOP

    def close(self) -> None:
        # A session that has ended already keeps its last packets for a while, unless somebody fetches them.
        self.post("1")
        http_request(self.address, "GET", self._target)
