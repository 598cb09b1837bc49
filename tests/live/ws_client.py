"""A blocking WebSocket client that shows how a connection ended and can send what a correct client would not."""

from __future__ import annotations

__all__ = ["Closing", "ConnectionClosed", "Refused", "WebSocket", "frame"]

import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

from websockets.utils import apply_mask
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import Opcode

from tests.live.harness import DEADLINE


class Refused(Exception):
    """The server answered the handshake with something else than 101."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(f"HTTP status {status}: {body!r}")
        self.status = status
        self.headers = headers
        self.body = body


@dataclass(frozen=True)
class Closing:
    """How a connection ended.

    Attributes:
        code: the close code of the server's Close frame, 1005 if it had none; None if TCP ended without that frame.
        reason: the text of that frame.
        messages: what arrived before it.
    """

    code: int | None
    reason: str = ""
    messages: list[str | bytes] = field(default_factory=list)


class ConnectionClosed(Exception):
    """The connection ended where a message was expected."""

    def __init__(self, closing: Closing) -> None:
        super().__init__(str(closing))
        self.closing = closing


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = b"", length: int = -1
) -> bytes:
    """Build one frame of a client, legal or not.

    Args:
        opcode: 0 to 15.
        payload: unmasked payload.
        fin: whether it ends its message.
        rsv: the three reserved bits.
        mask: masking key; empty takes a random one, None sends the frame unmasked.
        length: the length to announce, if it isn't the true one.
    """
    size = len(payload) if length < 0 else length
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = 0 if mask is None else 0x80
    if size < 126:
        head = struct.pack("!BB", first, masked | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked | 127, size)
    if mask is None:
        return head + payload
    key = mask or os.urandom(4)
    return head + key + apply_mask(payload, key)


class WebSocket:
    """An open WebSocket; the handshake is done when the constructor returns.

    What the server sends is checked by wsproto, which raises RemoteProtocolError where it breaks RFC 6455.

    Args:
        address: host and port.
        target: path and query string.
        headers: more request headers.
        connection: a connected socket to use, such as one with TLS.
        deflate: offer permessage-deflate; the server must take it up. Messages are inflated, `send` does not compress.

    Raises:
        Refused: the server refused the handshake.
    """

    def __init__(
        self,
        address: tuple[str, int],
        target: str,
        headers: Iterable[tuple[str, str]] = (),
        connection: socket.socket | None = None,
        deflate: bool = False,
    ) -> None:
        self.socket = connection or socket.create_connection(address, timeout=DEADLINE)
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.headers: dict[str, str] = {}
        self.pongs: list[bytes] = []
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._parts: list[str | bytes] = []
        self._ended = False
        self._close_sent = False
        try:
            extra = [(name.encode(), value.encode()) for name, value in headers]
            host = f"{address[0]}:{address[1]}"
            offer = [PerMessageDeflate()] if deflate else []
            request = Request(host=host, target=target, extra_headers=extra, extensions=list(offer))
            self.send_raw(self._connection.send(request))
            self._handshake()
            assert all(extension.enabled() for extension in offer)
        except BaseException:
            self.socket.close()
            raise

    def send(self, data: str | bytes) -> None:
        """Send one message in one frame."""
        if isinstance(data, str):
            self.send_raw(frame(Opcode.TEXT, data.encode("utf-8", "surrogatepass")))
        else:
            self.send_raw(frame(Opcode.BINARY, data))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def ping(self, payload: bytes = b"") -> bytes:
        """Send a Ping frame and return the payload of the Pong that answers it."""
        self.send_raw(frame(Opcode.PING, payload))
        known = len(self.pongs)
        while len(self.pongs) == known:
            event = self._read_event()
            if isinstance(event, Pong):
                self.pongs.append(bytes(event.payload))
            else:
                self._events.append(event)
        return self.pongs[-1]

    def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            ConnectionClosed: the connection ended before it.
            TimeoutError: nothing came at all.
        """
        while True:
            event = self._next_event()
            if isinstance(event, Message):
                self._parts.append(event.data if isinstance(event, TextMessage) else bytes(event.data))
                if event.message_finished:
                    return self._take_message(isinstance(event, TextMessage))
            elif isinstance(event, CloseConnection):
                raise ConnectionClosed(self._finish(event))

    def receive_text(self) -> str:
        """Return the next message, which must be text."""
        message = self.receive()
        assert isinstance(message, str), message
        return message

    def closing(self) -> Closing:
        """Wait until the server has closed the connection, and return how it did."""
        messages: list[str | bytes] = []
        while True:
            try:
                messages.append(self.receive())
            except ConnectionClosed as error:
                return Closing(error.closing.code, error.closing.reason, messages)

    def close(self, code: int | None = 1000, reason: str = "") -> Closing:
        """Start the closing handshake and return how the server answered it."""
        payload = b"" if code is None else struct.pack("!H", code) + reason.encode()
        self.send_raw(frame(Opcode.CLOSE, payload))
        self._close_sent = True
        return self.closing()

    def abort(self) -> None:
        """Drop the connection with a TCP reset and without a Close frame."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def _handshake(self) -> None:
        event = self._read_event()
        if isinstance(event, AcceptConnection):
            self.headers = _decode_headers(event.extra_headers)
            return
        assert isinstance(event, RejectConnection), event
        headers, status = _decode_headers(event.headers), event.status_code
        body = b""
        finished = not event.has_body
        while not finished:
            event = self._read_event()
            if isinstance(event, CloseConnection):
                break
            assert isinstance(event, RejectData), event
            body += event.data
            finished = event.body_finished
        raise Refused(status, headers, body)

    def _take_message(self, text: bool) -> str | bytes:
        parts, self._parts = self._parts, []
        if text:
            return "".join(part for part in parts if isinstance(part, str))
        return b"".join(part for part in parts if isinstance(part, bytes))

    def _next_event(self) -> Event:
        return self._events.pop(0) if self._events else self._read_event()

    def _read_event(self) -> Event:
        while True:
            for event in self._connection.events():
                if isinstance(event, Ping):
                    self.send_raw(frame(Opcode.PONG, bytes(event.payload)))
                else:
                    return event
            if self._ended:
                return CloseConnection(code=1006, reason="")
            self._feed()

    def _feed(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if data:
            self._connection.receive_data(data)
        else:
            self._ended = True

    def _finish(self, event: CloseConnection) -> Closing:
        if self._ended:
            return Closing(None)
        if not self._close_sent:
            payload = b"" if event.code == 1005 else struct.pack("!H", event.code)
            self.send_raw(frame(Opcode.CLOSE, payload))
        # RFC 6455 section 7.1.1: it is the server that closes TCP first; recv raises TimeoutError if it never does.
        try:
            rest = self.socket.recv(65536)
        except ConnectionResetError:
            rest = b""
        assert rest == b"", f"the server sent {rest!r} behind its Close frame"
        return Closing(int(event.code), event.reason or "")


def _decode_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
