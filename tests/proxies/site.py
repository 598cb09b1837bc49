"""The command `python -m tests.proxies.site --server S`: a Socket.IO server that tells what it knows of its clients.

The event `echo` is answered with its arguments, `who` with what the server knows about the client. `news` goes to
everybody; those who sent `watch` are told by `left` who has left, and why. Over HTTP, `/connections` tells how many
connections have brought requests to the server.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.conformance.servers import SERVERS, Binding, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication


def make_app(options: dict[str, Any]) -> WSGIApplication:
    """The application, with options of `SocketIO`."""
    from geventsio import DisconnectReason, Socket, SocketIO

    io = SocketIO(blocked_threshold=None, **options)
    namespace = io.ns("/")
    ports: set[str] = set()

    @namespace.on("echo")
    def echo(*args: Any) -> tuple[Any, ...]:
        return args

    @namespace.on("who")
    def who(socket: Socket) -> dict[str, Any]:
        environ = socket.environ
        return {
            "id": socket.id,
            "pid": os.getpid(),
            "address": environ["REMOTE_ADDR"],
            "host": environ["HTTP_HOST"],
            "scheme": environ["wsgi.url_scheme"],
        }

    @namespace.on("news")
    def news(*args: Any) -> None:
        namespace.emit("news", *args)

    @namespace.on("watch")
    def watch(socket: Socket) -> bool:
        socket.join("watchers")
        return True

    @namespace.on_disconnect
    def left(socket: Socket, reason: DisconnectReason) -> None:
        socket.to("watchers").emit("left", socket.id, reason)

    service = io.service()

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/connections":
            body = json.dumps(len(ports)).encode()
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        ports.add(environ["REMOTE_PORT"])
        return service(environ, start_response)

    return app


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.proxies.site")
    parser.add_argument("--server", choices=SERVERS, default="pywsgi")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--options", type=json.loads, default={}, metavar="JSON", help="of SocketIO")
    arguments = parser.parse_args()
    # As docs/behind-a-proxy.md asks for: nginx must be the one that ends idle connections.
    settings = {"keepalive": 75}
    serve(lambda: make_app(arguments.options), arguments.server, Binding(port=arguments.port), settings)


if __name__ == "__main__":
    main()
