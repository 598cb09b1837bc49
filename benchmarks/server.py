"""The command `python -m benchmarks.server --port P --server S`: the application that all measurements drive.

In the namespace `/` the event `echo` is emitted back to its sender as `echo` with its argument, and the event `bcast`
is emitted to everyone as `bcast`; `flood` is not answered. The servers in `benchmarks.peers` do the same.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tests.conformance.servers import SERVERS, Binding, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["main"]


def _load() -> WSGIApplication:
    # Imported here and not above: under gunicorn the library belongs into the worker, after the monkey patches.
    from geventsio import Socket, SocketIO

    io = SocketIO()
    root = io.ns("/")

    @root.on("echo")
    def echo(socket: Socket, argument: object) -> None:
        socket.emit("echo", argument)

    @root.on("bcast")
    def bcast(argument: object) -> None:
        io.emit("bcast", argument)

    @root.on("flood")
    def flood(argument: object) -> None:
        pass

    return io.service()


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=3000, help="0 takes a free one, which is printed")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--server", choices=SERVERS, default="pywsgi")
    options = parser.parse_args()
    serve(_load, options.server, Binding(options.host, options.port))


if __name__ == "__main__":
    main()
