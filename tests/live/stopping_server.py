"""The command `python -m tests.live.stopping_server RECORD --server S`: a Socket.IO server that records what it ran.

It appends a line to the file RECORD when a socket has connected, `connect ID`, and when its disconnect handler has run,
`disconnect ID REASON`. It answers the event `pid` with its process id; the handler of `sleep` never ends.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from tests.conformance.servers import ALL_SERVERS, Binding, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def make_app(record: str, options: dict[str, Any]) -> WSGIApplication:
    """The application, with options of `SocketIO`."""
    import gevent

    from geventsio import DisconnectReason, Socket, SocketIO

    descriptor = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(line: str) -> None:
        os.write(descriptor, f"{line}\n".encode())  # whole lines, whichever process writes them

    io = SocketIO(cors_allowed_origins="*", **options)
    namespace = io.ns("/")

    @namespace
    def connect(socket: Socket) -> None:
        write(f"connect {socket.id}")

    @namespace.on("pid")
    def pid() -> int:
        return os.getpid()

    @namespace.on("sleep")
    def sleep() -> None:
        gevent.sleep(3600)

    @namespace.on_disconnect
    def disconnect(socket: Socket, reason: DisconnectReason) -> None:
        write(f"disconnect {socket.id} {reason}")

    return io.service()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.stopping_server")
    parser.add_argument("record", metavar="RECORD")
    parser.add_argument("--server", choices=ALL_SERVERS, default="embedded")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--options", type=json.loads, default={}, metavar="JSON", help="of SocketIO")
    parser.add_argument("--settings", type=json.loads, default={}, metavar="JSON", help="of gunicorn")
    arguments = parser.parse_args()
    binding = Binding(port=arguments.port)
    serve(lambda: make_app(arguments.record, arguments.options), arguments.server, binding, arguments.settings)


if __name__ == "__main__":
    main()
