"""The command `python -m tests.live.crowd_server --server S`: a Socket.IO server that many clients share.

In `/`, the event `news` is broadcast so many times in that size, `flood` is counted, and `ask` is answered with the
count. `/health` is answered with the count as well; `/state` tells how many sessions there are, why others have ended,
and how much memory the process has needed at most. Warnings go to stderr.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.conformance.servers import ALL_SERVERS, Binding, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def load(options: dict[str, Any]) -> WSGIApplication:
    """Make the application, with options of `SocketIO`; imports the library only now, in gunicorn's worker."""
    from geventsio import DisconnectReason, SocketIO

    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    # A test machine that stalls is no finding.
    io = SocketIO(ping_interval=3600, blocked_threshold=None, **options)
    namespace = io.ns("/")
    reasons: Counter[str] = Counter()
    floods = 0

    @namespace.on("news")
    def news(size: int, count: int) -> None:
        for _ in range(count):
            io.emit("news", "x" * size)

    @namespace.on("flood")
    def flood() -> None:
        nonlocal floods
        floods += 1

    @namespace.on("ask")
    def ask() -> int:
        return floods

    @namespace.on_disconnect
    def disconnect(reason: DisconnectReason) -> None:
        reasons[reason.value] += 1

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/health":
            body = b"%d" % floods
        else:
            state = {"sessions": len(io.engine.sessions), "reasons": reasons, "memory": _most_memory()}
            body = json.dumps(state).encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return io.layer(app)


def _most_memory() -> int:
    """The resident bytes of this process when they were most."""
    with open("/proc/self/status") as file:
        [line] = [line for line in file if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.crowd_server")
    parser.add_argument("--server", choices=ALL_SERVERS, default="pywsgi")
    parser.add_argument("--options", type=json.loads, default={}, metavar="JSON", help="of SocketIO")
    parser.add_argument("--settings", type=json.loads, default={}, metavar="JSON", help="of gunicorn")
    arguments = parser.parse_args()
    serve(lambda: load(arguments.options), arguments.server, Binding(), arguments.settings)


if __name__ == "__main__":
    main()
