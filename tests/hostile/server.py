"""The command `python -m tests.hostile.server --server S`: a Socket.IO server with small limits.

`/socket.io/` echoes the event `message` in the namespaces `/` and `/custom`; `/sessions` tells how many sessions
there are.
"""

from __future__ import annotations

__all__ = ["MAX_PAYLOAD"]

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.conformance.servers import SERVERS, Binding, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: Bytes of one body and of one message.
MAX_PAYLOAD = 50_000


def load() -> WSGIApplication:
    """Make the application; imports the library only now, in gunicorn's worker."""
    from geventsio import Socket, SocketIO

    io = SocketIO(max_payload=MAX_PAYLOAD, ping_interval=3600, body_timeout=1, upgrade_timeout=1, close_timeout=2)

    def connect() -> None:
        pass

    def message(socket: Socket, *args: Any) -> None:
        socket.emit("message", *args)

    for path in ("/", "/custom"):
        io.ns(path)(connect)
        io.ns(path).on("message", message)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = b"%d" % len(io.engine.sessions)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return io.layer(app)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.server")
    parser.add_argument("--server", choices=SERVERS, default="pywsgi")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    serve(load, arguments.server, Binding(port=arguments.port))


if __name__ == "__main__":
    main()
