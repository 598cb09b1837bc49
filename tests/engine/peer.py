"""The client's side of the wire, by hand: HTTP and WebSocket over gevent sockets, right or wrong."""

from __future__ import annotations

__all__ = ["Address", "Answer", "Closed", "Connection", "PollingPeer", "Refused", "WebSocketPeer", "frame"]

import base64
import json
import os
import socket as constants
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gevent import socket
from gevent.ssl import SSLContext
from websockets.utils import apply_mask

from geventsio.protocol.websocket import Opcode, accept_key

Address = Any  # what bind and connect take: host and port, or a path
Headers = Iterable[tuple[str, str]]

SEPARATOR = "\x1e"


class Closed(Exception):
    """A websocket ended where a message was expected.

    Attributes:
        code: of the server's Close frame, 1005 if it had none; None if TCP ended without that frame.
    """

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def packets(self) -> list[str]:
        """The packets of a polling payload."""
        assert self.status == 200, self
        return self.body.decode().split(SEPARATOR)

    @property
    def error_code(self) -> int | None:
        """The Engine.IO error code of an error's body, None if it has none."""
        assert self.status >= 400, self
        code: int | None = json.loads(self.body).get("code")
        return code


def frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """Build a frame as a client sends it: masked."""
    size = len(payload)
    first = opcode | (0x80 if fin else 0)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    key = os.urandom(4)
    return head + key + apply_mask(payload, key)


class Connection:
    """One TCP connection, or a Unix one where the address is a path; with TLS if a context is given."""

    def __init__(self, address: Address, tls: SSLContext | None = None) -> None:
        self.address = address
        self.tls = tls
        self._received = bytearray()
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def request(self, method: str, target: str, headers: Headers = (), body: bytes | None = None) -> None:
        """Send a request; a Host header is added unless `headers` has one."""
        lines = [f"{method} {target} HTTP/1.1"]
        names = {name.lower() for name, _ in headers}
        if "host" not in names:
            lines.append("Host: localhost")
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        lines.extend(f"{name}: {value}" for name, value in headers)
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))

    def answer(self) -> Answer:
        """Read an answer; a body must have a Content-Length."""
        status, headers = self._read_head()
        body = b""
        if status not in (101, 204):
            assert "transfer-encoding" not in headers, headers
            body = self.read(int(headers["content-length"]))
        return Answer(status, headers, body)

    def read(self, size: int) -> bytes:
        """Read exactly so many bytes.

        Raises:
            EOFError: the server closed before that; ConnectionResetError: with a reset.
        """
        while len(self._received) < size:
            self._receive()
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def read_rest(self) -> bytes:
        """Read until the server closes."""
        try:
            while True:
                self._receive()
        except (EOFError, ConnectionResetError):
            pass
        data = bytes(self._received)
        self._received.clear()
        return data

    def finish(self) -> None:
        """Send FIN, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Send RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, constants.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Close the connection: FIN, if it is open."""
        self.socket.close()

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"closed after {bytes(self._received)!r}")
        self._received += data

    def _read_head(self) -> tuple[int, dict[str, str]]:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            self._receive()
        head = self.read(end + 4).decode("latin-1")
        status_line, *lines = head[:-4].split("\r\n")
        fields = (line.partition(":") for line in lines)
        return int(status_line.split(" ")[1]), {name.lower(): value.strip() for name, _, value in fields}


class PollingPeer:
    """A client on the polling transport: one connection for GET, one for POST.

    Args:
        address: of the server.
        path: with its query's first parameters.
        headers: of the handshake request.
        tls: see `Connection`.
    """

    def __init__(
        self,
        address: Address,
        path: str = "/engine.io/?EIO=4",
        headers: Headers = (),
        tls: SSLContext | None = None,
    ) -> None:
        self.address = address
        self.tls = tls
        self.gets = Connection(address, tls)
        self.posts = Connection(address, tls)
        self.gets.request("GET", f"{path}&transport=polling", headers)
        packet = self.gets.answer().body.decode()
        assert packet[:1] == "0", packet
        self.handshake: dict[str, Any] = json.loads(packet[1:])
        self.sid: str = self.handshake["sid"]
        self.target = f"{path}&transport=polling&sid={self.sid}"
        self.websocket_target = f"{path}&transport=websocket&sid={self.sid}"

    def start_poll(self) -> None:
        """Send a GET."""
        self.gets.request("GET", self.target)

    def poll(self) -> list[str]:
        """Send a GET and return the packets that answer it."""
        return self.get().packets

    def get(self) -> Answer:
        """Send a GET and return its answer."""
        self.start_poll()
        return self.gets.answer()

    def post(self, *packets: str) -> Answer:
        """Send packets and return the answer."""
        self.posts.request("POST", self.target, (), SEPARATOR.join(packets).encode())
        return self.posts.answer()

    def say(self, *messages: str) -> None:
        """Send text messages, which must be accepted."""
        answer = self.post(*[f"4{message}" for message in messages])
        assert (answer.status, answer.body) == (200, b"ok"), answer

    def hear(self) -> str:
        """Return the next text message, which must be alone in its payload."""
        [packet] = self.poll()
        assert packet[:1] == "4", packet
        return packet[1:]

    def reconnect(self) -> None:
        """Take a new connection for GETs, in place of one that was given up."""
        self.gets.close()
        self.gets = Connection(self.address, self.tls)

    def upgrade(self) -> WebSocketPeer:
        """Go over to a websocket; nothing may be waiting for a poll."""
        websocket = self.probe()
        websocket.send("5")
        return websocket

    def probe(self) -> WebSocketPeer:
        """Open a websocket for this session and probe it."""
        websocket = WebSocketPeer(self.address, self.websocket_target, tls=self.tls)
        websocket.send("2probe")
        answer = websocket.receive()
        assert answer == "3probe", answer
        return websocket

    def close(self) -> None:
        """End the session, if it has not ended, and both connections."""
        self.gets.close()
        self.posts.close()
        last = Connection(self.address, self.tls)
        try:
            last.request("POST", self.target, (), b"1")
            answer = last.answer()
            assert answer.status in (200, 400), answer
        finally:
            last.close()


class WebSocketPeer(Connection):
    """A client on a websocket; the handshake is done when the constructor returns.

    It answers nothing by itself: no pings, no Close frame.

    Args:
        address: of the server.
        target: path and query.
        headers: more headers of the handshake.
        behind: bytes to send in one segment with the handshake.
        tls: see `Connection`.
    """

    def __init__(
        self,
        address: Address,
        target: str = "/engine.io/?EIO=4&transport=websocket",
        headers: Headers = (),
        behind: bytes = b"",
        tls: SSLContext | None = None,
    ) -> None:
        super().__init__(address, tls)
        try:
            self._shake_hands(target, headers, behind)
        except BaseException:
            self.close()
            raise

    def open(self) -> WebSocketPeer:
        """Take the packet that opens a session."""
        packet = self.receive()
        assert isinstance(packet, str) and packet[:1] == "0", packet
        return self

    def say(self, *messages: str) -> None:
        """Send text messages of Engine.IO, in one segment."""
        super().send(b"".join(frame(Opcode.TEXT, b"4" + message.encode()) for message in messages))

    def send(self, data: str | bytes) -> None:
        """Send a packet as a text message, or bytes as they are."""
        super().send(frame(Opcode.TEXT, data.encode()) if isinstance(data, str) else data)

    def send_binary(self, message: bytes) -> None:
        """Send a binary message."""
        super().send(frame(Opcode.BINARY, message))

    def hear(self) -> str:
        """Return the next text message of Engine.IO."""
        packet = self.receive()
        assert isinstance(packet, str) and packet[:1] == "4", packet
        return packet[1:]

    def receive_frame(self) -> tuple[int, bytes]:
        """Return the opcode and payload of the next frame, which must be whole, unmasked and of minimal length."""
        first, length = self.read(2)
        assert first & 0xF0 == 0x80, f"first byte {first:#x}"
        if length == 126:
            length = int.from_bytes(self.read(2), "big")
            assert length > 125
        elif length == 127:
            length = int.from_bytes(self.read(8), "big")
            assert length > 65535
        return first & 0x0F, self.read(length)

    def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            Closed: the connection ends here.
        """
        try:
            opcode, payload = self.receive_frame()
        except (EOFError, ConnectionResetError):
            raise Closed(None) from None
        if opcode == Opcode.TEXT:
            return payload.decode()
        if opcode == Opcode.BINARY:
            return payload
        assert opcode == Opcode.CLOSE, opcode
        if not payload:
            raise Closed(1005)
        raise Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode())

    def receive_all(self) -> tuple[list[str | bytes], int | None]:
        """Return all messages up to the connection's end, and the code with which it ended."""
        messages: list[str | bytes] = []
        try:
            while True:
                messages.append(self.receive())
        except Closed as end:
            return messages, end.code

    def send_close(self, code: int = 1000) -> None:
        """Send a Close frame."""
        self.send(frame(Opcode.CLOSE, code.to_bytes(2, "big")))

    def _shake_hands(self, target: str, headers: Headers, behind: bytes) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        names = {name.lower() for name, _ in headers}
        lines = [f"GET {target} HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"]
        lines.append("Sec-WebSocket-Version: 13")
        if "host" not in names:
            lines.append("Host: localhost")
        lines.extend(f"{name}: {value}" for name, value in headers)
        super().send("\r\n".join([*lines, "", ""]).encode() + behind)
        status, answered = self._read_head()
        if status != 101:
            body = self.read(int(answered.get("content-length", 0)))
            raise Refused(Answer(status, answered, body))
        assert answered["sec-websocket-accept"] == accept_key(key)


class Refused(Exception):
    """The server did not answer a websocket's handshake with 101."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer
