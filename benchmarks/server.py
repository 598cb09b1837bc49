"""The command `python -m benchmarks.server --port P --server S`: the application that all measurements drive.

In the namespace `/` the events `echo` and `binary` are emitted back to their sender with their argument, `ack` answers
with it, `bcast` is emitted to everyone, `bcast10` ten times, and `room` to the members of a room that clients enter
with `join`; `flood` is not answered. Everything else is answered by an app that says nothing but `ok`. The servers in
`benchmarks.peers` do the same.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from tests.conformance.servers import SERVERS, Binding, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["main"]


def _ok(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def _load(parser: str) -> WSGIApplication:
    # Imported here and not above: under gunicorn the library belongs into the worker, after the monkey patches.
    from geventsio import Socket, SocketIO

    io = SocketIO(parser=parser)
    root = io.ns("/")

    @root.on("echo")
    def echo(socket: Socket, argument: object) -> None:
        socket.emit("echo", argument)

    @root.on("binary")
    def binary(socket: Socket, argument: object) -> None:
        socket.emit("binary", argument)

    @root.on("ack")
    def ack(argument: object) -> object:
        return argument

    @root.on("bcast")
    def bcast(argument: object) -> None:
        io.emit("bcast", argument)

    @root.on("flood")
    def flood(argument: object) -> None:
        pass

    @root.on("bcast10")
    def bcast10(argument: object) -> None:
        for _ in range(10):
            io.emit("bcast", argument)

    @root.on("join")
    def join(socket: Socket, room: int) -> None:
        socket.join(f"room-{room}")
        socket.emit("joined")

    @root.on("room")
    def room(room: int, argument: object) -> None:
        io.to(f"room-{room}").emit("room", argument)

    return io.layer(_ok)


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=3000, help="0 takes a free one, which is printed")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--server", choices=SERVERS, default="pywsgi")
    parser.add_argument("--parser", choices=("common", "msgpack"), default="common")
    options = parser.parse_args()
    serve(partial(_load, options.parser), options.server, Binding(options.host, options.port))


if __name__ == "__main__":
    main()
