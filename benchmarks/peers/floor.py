"""The floor: gevent with minimal websocket framing and no protocol above it.

Nothing is parsed but the frame: the Engine.IO and Socket.IO handshakes are answered with canned bytes, after which
each text message goes back as it came, to all clients if it starts with the `bcast` event. Two of them:

* `greenlet`: bare gevent sockets, each read by a greenlet of its own, as every gevent server has done so far;
* `watcher`: inner sockets read by a callback in the hub. Nothing written in Python on gevent can be much faster.
"""

from __future__ import annotations

import _socket
import argparse
import base64
import hashlib
import re
from typing import Any, Protocol

from gevent import get_hub, socket
from gevent.server import StreamServer
from websockets.utils import apply_mask

__all__ = ["main"]

_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"\r\nSec-WebSocket-Key: *([^\r]+)\r\n", re.IGNORECASE)
_ENGINE_OPEN = b'0{"sid":"floor","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
_SOCKET_CONNECT = b'40{"sid":"floor"}'
_BCAST = b'42["bcast"'
_TEXT, _CLOSE = 1, 8
_READ = 1  # libev's EV_READ
_READ_SIZE = 65536


class _Send(Protocol):
    def __call__(self, data: bytes, /) -> object: ...


_clients: set[_Send] = set()
_watchers: set[Any] = set()


def _frame(payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((0x80 | _TEXT, length)) + payload
    return bytes((0x80 | _TEXT, 126)) + length.to_bytes(2, "big") + payload


def _handshake(sock: socket.socket) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        received = sock.recv(4096)
        if not received:
            raise ConnectionResetError("closed before the end of the request head")
        head += received
    found = _KEY.search(head)
    if found is None:
        raise ConnectionResetError("not a websocket handshake")
    accept = base64.b64encode(hashlib.sha1(found[1] + _ACCEPT_GUID).digest())
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    sock.sendall(answer + accept + b"\r\n\r\n" + _frame(_ENGINE_OPEN))


def _handle_message(send: _Send, payload: bytes) -> None:
    if payload.startswith(_BCAST):
        frame = _frame(payload)
        for client in _clients:
            client(frame)
    elif payload == b"40":
        _clients.add(send)
        send(_frame(_SOCKET_CONNECT))
    elif payload != b"3":
        send(_frame(payload))


def _handle_frames(send: _Send, data: bytes) -> bytes:
    """Handles the complete frames of `data` and returns what follows them."""
    start, size = 0, len(data)
    while size - start >= 6:
        length, head = data[start + 1] & 0x7F, start + 2
        if length == 126:
            if size - start < 8:
                break
            length, head = int.from_bytes(data[head : head + 2], "big"), head + 2
        end = head + 4 + length
        if end > size:
            break
        if data[start] & 0x0F == _CLOSE:
            raise ConnectionResetError("closed by the client")
        _handle_message(send, apply_mask(data[head + 4 : end], data[head : head + 4]))
        start = end
    return data[start:]


def _read_in_greenlet(sock: socket.socket) -> None:
    send: _Send = sock.sendall
    hub = get_hub()
    readable = hub.loop.io(sock.fileno(), _READ)
    rest = b""
    try:
        while True:
            # Without this, a client that always has something to read would keep all others waiting.
            hub.wait(readable)
            received = sock.recv(_READ_SIZE)
            if not received:
                return
            rest = _handle_frames(send, rest + received)
    finally:
        readable.close()
        _clients.discard(send)


def _read_in_hub(sock: socket.socket) -> None:
    """Returns at once: the watcher's callback goes on with the descriptor, and no greenlet is left."""
    inner = _socket.socket(fileno=sock.detach())
    inner.setblocking(False)
    readable = get_hub().loop.io(inner.fileno(), _READ)
    _watchers.add(readable)
    rest = b""

    def send(data: bytes) -> None:
        if inner.send(data) != len(data):
            raise ConnectionResetError("does not read, and the floor has no buffer")

    def read() -> None:
        nonlocal rest
        try:
            received = inner.recv(_READ_SIZE)
            if received:
                rest = _handle_frames(send, rest + received)
                return
        except OSError:
            pass  # how a client goes away
        _clients.discard(send)
        _watchers.discard(readable)
        readable.stop()
        readable.close()
        inner.close()

    readable.start(read)


def main() -> None:
    """Serves until killed."""
    readers = {"greenlet": _read_in_greenlet, "watcher": _read_in_hub}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--reader", choices=readers, default="greenlet")
    options = parser.parse_args()
    read = readers[options.reader]

    def serve(sock: socket.socket, address: tuple[str, int]) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _handshake(sock)
            read(sock)
        except OSError:
            pass  # how a client goes away

    server = StreamServer((options.host, options.port), serve, backlog=1024)
    server.start()
    print(f"listening on http://{options.host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
