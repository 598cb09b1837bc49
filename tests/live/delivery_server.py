"""The command `python -m tests.live.delivery_server --server S`: a Socket.IO server for large and many messages.

The event `send` of `/` is answered with the rows and the large messages of `tests.live.delivery`, `news` to everybody
with those that are broadcast. The events `row` and `large` are digested, `wait` keeps those behind it waiting until
`/release` is requested, and `digest` is answered with what has come since. `/state` tells how many packets wait for
clients, and whether a client is not read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.conformance.servers import SERVERS, Binding, serve
from tests.live.delivery import NEWS, Digest, messages

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: What a client may send in one piece: 5 MB in base64.
MAX_PAYLOAD = 8_000_000


def load() -> WSGIApplication:
    """Make the application; imports the library only now, in gunicorn's worker."""
    from gevent.event import Event

    from geventsio import Socket, SocketIO

    io = SocketIO(
        max_payload=MAX_PAYLOAD,
        max_buffer_size=50_000,
        max_buffer_bytes=200_000_000,
        per_message_deflate=True,
        ping_interval=3600,
        blocked_threshold=None,  # a test machine that stalls is no finding
    )
    namespace = io.ns("/")
    received = Digest()
    released = Event()

    @namespace.on("send")
    def send(socket: Socket, sizes: list[int], rows: int) -> None:
        for event, *args in messages(rows, sizes):
            socket.emit(event, *args)
        socket.emit("done")

    @namespace.on("news")
    def news() -> None:
        for event, *args in NEWS:
            io.emit(event, *args)

    @namespace.on("wait")
    def wait() -> None:
        released.wait()
        released.clear()

    namespace.on("row", lambda number, text: received.add(number, text))
    namespace.on("large", lambda number, data: received.add(number, data))
    namespace.on("digest", lambda: received.take())

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/release":
            released.set()
        sessions = list(io.engine.sessions.values())
        state = {
            "waiting": sum(session.outbox.waiting() for session in sessions),
            "paused": any(session.is_paused for session in sessions),
        }
        body = json.dumps(state).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return io.layer(app)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.delivery_server")
    parser.add_argument("--server", choices=SERVERS, default="pywsgi")
    parser.add_argument("--certificate", metavar="FILE", nargs=2)
    arguments = parser.parse_args()
    certificate = tuple(arguments.certificate) if arguments.certificate else None
    serve(load, arguments.server, Binding(certificate=certificate))


if __name__ == "__main__":
    main()
