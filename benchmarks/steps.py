"""The command `python -m benchmarks.steps`: what each step of a message's way costs, in microseconds of CPU time.

The library's own classes do the work, as they do in a server; only the peer's end is made up. Each figure is the lowest
of many short runs: what else runs on the machine can only add to it.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable, Iterator
from time import process_time
from typing import Any

import gevent
from gevent.event import AsyncResult
from websockets.utils import apply_mask

from geventsio import Socket, SocketIO
from geventsio.engine.handshake import Handshake
from geventsio.engine.outbox import WebSocketOutbox
from geventsio.engine.session import Session
from geventsio.engine.timeouts import Timeouts
from geventsio.engine.websocket import READ_SIZE, Limits, WebSocketConnection
from geventsio.engine.workers import JobQueue
from geventsio.handling.call import Call
from geventsio.handling.handlers import Handler
from geventsio.protocol.common_parser import CommonParser
from geventsio.protocol.msgpack_parser import MsgpackParser
from geventsio.protocol.websocket import FrameParser
from geventsio.protocol.websocket_frames import build_binary, build_text

__all__ = ["main"]

_ARGUMENT = {"room": "lobby", "text": "hello"}
_TEXT = '2["echo",{"room":"lobby","text":"hello"}]'
_PAIRS = 100
_RECIPIENTS = 1_000
_KEY = b"\x01\x02\x03\x04"

Step = tuple[str, Callable[[], object], int]


class _Peer:
    """A client that has sent `data`, again each time it is asked, and takes everything."""

    def __init__(self) -> None:
        self._socket = socket.socket()  # for its descriptor
        self.data = b""

    def fileno(self) -> int:
        return self._socket.fileno()

    def recv(self, size: int) -> bytes:
        return self.data

    def send(self, data: bytes | memoryview) -> int:
        return len(data)

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        self._socket.close()


def _mask(frame: bytes) -> bytes:
    """Turns a short frame of a server into one of a client."""
    return bytes((frame[0], frame[1] | 0x80)) + _KEY + apply_mask(frame[2:], _KEY)


def _connect(io: SocketIO, closing: Timeouts[WebSocketConnection], number: int) -> tuple[WebSocketConnection, _Peer]:
    peer = _Peer()
    session = Session(io.engine, f"session-{number}", Handshake({"REQUEST_METHOD": "GET"}))
    connection = WebSocketConnection(io.engine.runtime, peer, session, Limits(io.engine.bounds, 1_000_000), closing)
    session.start_websocket(connection)
    io.engine._opened(session, {})
    peer.data = _mask(build_text(b"40"))
    connection._readable()
    return connection, peer


def _application() -> SocketIO:
    io = SocketIO(blocked_threshold=None)
    root = io.ns("/")

    @root.on("echo")
    def echo(socket: Socket, argument: object) -> None:
        socket.emit("echo", argument)

    @root.on("bcast")
    def bcast(argument: object) -> None:
        io.emit("bcast", argument)

    @root.on("bcast10")
    def bcast10(argument: object) -> None:
        for _ in range(10):
            io.emit("bcast", argument)

    return io


def _kernel() -> Iterator[Step]:
    pairs = []
    with socket.create_server(("127.0.0.1", 0), backlog=_PAIRS) as server:
        for _ in range(_PAIRS):
            client = socket.create_connection(server.getsockname())
            pairs.append((client, server.accept()[0]))
    frame = build_text(b"4" + _TEXT.encode())

    def there_and_back() -> None:
        for client, _ in pairs:
            client.send(frame)
        for _, accepted in pairs:
            accepted.recv(READ_SIZE)

    yield "`send` and `recv` of such a frame, loopback TCP", there_and_back, _PAIRS


def _incoming(io: SocketIO, call: Call) -> Iterator[Step]:
    runtime = io.engine.runtime
    parser = FrameParser(1_000_000)
    frame = _mask(build_text(b"4" + _TEXT.encode()))

    def parse() -> None:
        parser.receive_data(frame)
        parser.next_event()

    decoder = CommonParser().decoder()
    packed = MsgpackParser().encode_event("/", "echo", (_ARGUMENT,)).attachments[0]
    unpacker = MsgpackParser().decoder()
    queue = JobQueue(runtime.workers)

    def ignore(*args: object) -> None:
        pass

    def take(socket: Socket, argument: object) -> None:
        pass

    handler = Handler(take, io.kinds.event)
    yield "frame: parsed, unmasked, decoded from UTF-8", parse, 1
    yield "packet: decoded from JSON and checked", lambda: decoder.add_text(_TEXT), 1
    yield "the same with msgpack", lambda: unpacker.add_binary(packed), 1
    yield "into a worker greenlet and back", lambda: queue.submit(ignore, None, None), 1
    yield "call: its parameters taken, an empty handler called", lambda: handler(call), 1


def _outgoing(io: SocketIO, peer: _Peer) -> Iterator[Step]:
    runtime, root = io.engine.runtime, io.ns("/")
    ticker = runtime.ticker
    outbox = WebSocketOutbox(runtime, peer, io.engine.bounds, lambda: None)
    group = root.encode_event("echo", (_ARGUMENT,))
    arguments = (_ARGUMENT,)
    msgpack = MsgpackParser()

    def write() -> None:
        ticker._end()
        outbox.send(group)

    yield "event: encoded as JSON", lambda: root.encode_event("echo", arguments), 1
    yield "the same with msgpack", lambda: msgpack.encode_event("/", "echo", arguments), 1
    yield "frame: built", lambda: build_text(b"4" + b"x" * 40), 1
    yield "frame of msgpack: built", lambda: build_binary(b"x" * 50), 1
    yield "outbox: written at once, without the kernel", write, 1


def _whole(io: SocketIO, connection: WebSocketConnection, peer: _Peer) -> Iterator[Step]:
    ticker = io.engine.runtime.ticker

    def receiving(event: str, times: int = 1) -> Callable[[], None]:
        frames = _mask(build_text(b"4" + _TEXT.replace("echo", event).encode())) * times

        def receive() -> None:
            ticker._end()
            peer.data = frames
            connection._readable()

        return receive

    yield "an echo", receiving("echo"), 1
    yield "an echo of ten that came in one segment", receiving("echo", 10), 10
    yield f"a delivery of a broadcast to {_RECIPIENTS:,}", receiving("bcast"), _RECIPIENTS
    yield "a delivery of ten broadcasts in one handler", receiving("bcast10"), 10 * _RECIPIENTS


def _cost(function: Callable[[], object], units: int, repeats: int) -> float:
    """Microseconds of CPU time for one unit."""
    loops = max(1, 1_000 // units)
    best = float("inf")
    for _ in range(repeats):
        begin = process_time()
        for _ in range(loops):
            function()
        best = min(best, process_time() - begin)
    return best / loops / units * 1e6


def _print_table(title: str, steps: Iterator[Step], repeats: int) -> None:
    print(f"| {title} | us |\n|---|---|")
    for name, function, units in steps:
        print(f"| {name} | {_cost(function, units, repeats):.2f} |")
    print()


def _measure(repeats: int) -> None:
    """Must be called in the hub, where a server does all of this."""
    io = _application()
    runtime = io.engine.runtime
    closing: Timeouts[WebSocketConnection] = Timeouts(runtime.clock, 5.0, lambda connection: connection.abort())
    clients = [_connect(io, closing, number) for number in range(_RECIPIENTS)]
    connection, peer = clients[0]
    own: Any = next(iter(io.ns("/").sockets.values()))
    _print_table("the kernel", _kernel(), repeats)
    _print_table("in", _incoming(io, Call(own, [_ARGUMENT], "echo")), repeats)
    _print_table("out", _outgoing(io, peer), repeats)
    _print_table("the whole way, without the kernel", _whole(io, connection, peer), repeats)
    for connection, _ in clients:
        connection.abort()


def main() -> None:
    """Prints Markdown tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    parser.add_argument("--repeats", type=int, default=150, help="short runs of each step, the best of which counts")
    options = parser.parse_args()
    done: Any = AsyncResult()

    def run() -> None:
        try:
            _measure(options.repeats)
            done.set()
        except Exception as error:
            done.set_exception(error)

    gevent.get_hub().loop.run_callback(run)
    done.get()


if __name__ == "__main__":
    main()
