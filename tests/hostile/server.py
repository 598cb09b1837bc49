"""The command `python -m tests.hostile.server --server S`: a Socket.IO server with small limits.

`/socket.io/` echoes the event `message` in the namespaces `/` and `/custom`; nobody may enter `/closed`. The events
`quit`, `leave`, `ask`, `block` and `flood` of `/` are for clients that are about to go. `/sessions` tells how many
sessions there are, and `/gauge` what the process holds: see `tests.hostile.gauge`.
"""

from __future__ import annotations

__all__ = ["MAX_PAYLOAD"]

import argparse
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.conformance.servers import SERVERS, Binding, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from geventsio import Namespace

#: Bytes of one body and of one message.
MAX_PAYLOAD = 50_000


def load(timeout: float) -> WSGIApplication:
    """Make the application; imports the library only now, in gunicorn's worker.

    Args:
        timeout: seconds for the parts of requests and upgrades; twice as many for goodbyes.
    """
    from geventsio import ConnectRefused, Socket, SocketIO
    from tests.hostile.gauge import measure

    io = SocketIO(
        max_payload=MAX_PAYLOAD,
        ping_interval=3600,
        body_timeout=timeout,
        upgrade_timeout=timeout,
        close_timeout=2 * timeout,
        blocked_threshold=None,  # the gauge takes its time
    )

    def connect() -> None:
        pass

    def refuse(call: object) -> None:
        raise ConnectRefused("closed", {"for": "ever"})

    def message(socket: Socket, *args: Any) -> None:
        socket.emit("message", *args)

    for path in ("/", "/custom"):
        io.ns(path)(connect)
        io.ns(path).on("message", message)
    io.ns("/closed")(connect)
    io.ns("/closed").use(refuse)
    _add_ways_to_go(io.ns("/"))

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_gauge = environ["PATH_INFO"] == "/gauge"
        body = json.dumps(measure()).encode() if is_gauge else b"%d" % len(io.engine.sessions)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return io.layer(app)


def _add_ways_to_go(namespace: Namespace) -> None:
    import gevent

    from geventsio import AckError, Socket

    def quit(socket: Socket) -> None:
        socket.disconnect()

    def leave(socket: Socket) -> None:
        socket.disconnect(close=True)

    def ask(socket: Socket) -> None:
        try:
            socket.emit_with_ack("question").result()
        except AckError:
            pass  # the client left without an answer

    def block() -> None:
        gevent.sleep(0.01)

    def flood(socket: Socket) -> None:
        for _ in range(50):
            socket.emit("flood", bytes(1000))

    for handler in (quit, leave, ask, block, flood):
        namespace.on(handler.__name__, handler)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.server")
    parser.add_argument("--server", choices=SERVERS, default="pywsgi")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=1, metavar="SECONDS")
    arguments = parser.parse_args()
    # On a busy machine a worker may get no processor for half a minute, and shall not be killed for it; and a client
    # for the two seconds that gunicorn waits for a request.
    settings = {"timeout": 600, "keepalive": max(2, int(arguments.timeout))}
    serve(lambda: load(arguments.timeout), arguments.server, Binding(port=arguments.port), settings)


if __name__ == "__main__":
    main()
