"""An Engine.IO session of a test client over a websocket; the server takes its end over as it does under gunicorn."""

from __future__ import annotations

import base64
import os

import gevent
import orjson
from gevent import socket
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol, State

from geventsio.errors import ProtocolError
from geventsio.protocol.eio_packet import PONG, PacketType, decode_packet
from geventsio.protocol.packet_group import PacketGroup
from geventsio.testing.bench import Bench
from geventsio.testing.errors import ConnectError, NotReceived
from geventsio.testing.web import Listener, Web

__all__ = ["WebSocketSession"]

READ_SIZE = 65_536

_NORMAL = 1000


class WebSocketSession:
    """See `geventsio.testing.web.Session`. A socketpair carries the frames; one greenlet reads, one writes."""

    def __init__(self, bench: Bench, web: Web, listener: Listener) -> None:
        self.listens = True
        self._bench = bench
        self._web = web
        self._listener = listener
        self._is_open = False
        self._frames = Protocol(CLIENT, max_size=None)
        self._socket: socket.socket | None = None
        self._reads: gevent.Greenlet[..., None] | None = None
        self._writes: gevent.Greenlet[..., None] | None = None

    @property
    def is_open(self) -> bool:
        """See `Session`."""
        return self._is_open

    def open(self, timeout: float) -> None:
        """See `Session`."""
        ours, theirs = socket.socketpair()
        self._socket = ours
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode("ascii"),
        }
        try:
            # The name under which gunicorn's gevent worker gives its connection to the app.
            environ = {"gunicorn.socket": theirs}
            self._web.handshake(101, timeout, {"transport": "websocket"}, None, headers, environ)
            self._reads = gevent.spawn(self._read)
            self._bench.wait_for(lambda: self._is_open or self._socket is None, timeout)
        finally:
            theirs.close()
            if not self._is_open:
                self._close_socket()
        if not self._is_open:
            raise ConnectError("the websocket was closed") if self._reads else NotReceived("there was no OPEN packet")

    def send(self, group: PacketGroup) -> None:
        """See `Session`."""
        if self._frames.state is not State.OPEN:
            return  # the close frame that has come will be read as soon as we get there
        if group.text is not None:
            self._frames.send_text(group.text)
        for attachment in group.attachments:
            self._frames.send_binary(attachment)
        self._flush()

    def close(self) -> None:
        """See `Session`."""
        if not self.listens:
            self._close_socket()
        elif self._frames.state is State.OPEN:
            self._frames.send_close(_NORMAL)
            self._flush()
        self._is_open = False

    def _flush(self) -> None:
        if not self._writes and self.listens:
            self._writes = gevent.spawn(self._write)

    def _write(self) -> None:
        while self._socket is not None and (data := b"".join(self._frames.data_to_send())):
            try:
                self._socket.sendall(data)
            except OSError:
                return  # who reads will notice

    def _read(self) -> None:
        while self._socket is not None and (data := self._receive(self._socket)):
            self._frames.receive_data(data)
            for event in self._frames.events_received():
                if isinstance(event, Frame) and self.listens:
                    self._take(event)
            self._flush()  # answers to control frames
            self._bench.tell()
        self._close_socket()
        self._end("transport close")

    def _receive(self, sock: socket.socket) -> bytes:
        try:
            return bytes(sock.recv(READ_SIZE))
        except OSError:
            return b""

    def _take(self, frame: Frame) -> None:
        data = bytes(frame.data)
        try:
            if frame.opcode is Opcode.TEXT:
                self._take_packet(data.decode())
            elif frame.opcode is Opcode.BINARY and self._is_open:
                self._listener.message(data)
        except (ProtocolError, UnicodeDecodeError):
            self._end("parse error")

    def _take_packet(self, text: str) -> None:
        packet = decode_packet(text)
        if packet.type is PacketType.OPEN:
            self._bench.opened(orjson.loads(packet.data)["sid"])
            self._is_open = True
        elif packet.type is PacketType.PING:
            self.send(PacketGroup(PONG))
        elif packet.type is PacketType.MESSAGE and self._is_open:
            self._listener.message(packet.data)

    def _close_socket(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def _end(self, reason: str) -> None:
        if self._is_open:
            self._is_open = False
            self._listener.ended(reason)
            self._bench.tell()
