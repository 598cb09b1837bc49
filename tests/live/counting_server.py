"""The command `python -m tests.live.counting_server --server S`: a Socket.IO server that counts what its work takes.

In `/`, `count` counts calls from then on, and broadcasts `news` that often; `calls` does so once, and counts no longer
than the handler runs; `counted` ends that and tells the counts. `echo` is echoed. `/state` tells what is held.
"""

from __future__ import annotations

import _socket
import argparse
import gc
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from tests.conformance.servers import SERVERS, Binding, serve
from tests.hostile.gauge import measure

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Calls:
    """Counts the calls by which packets are encoded, framed and sent, wherever in this process they are made.

    Attributes:
        counts: of encodings, frames, and all calls.
        sends: system calls, by the socket's descriptor.
    """

    def __init__(self) -> None:
        self.counts = Counter[str](encodings=0, frames=0, all=0)
        self.sends = Counter[int]()

    def start(self) -> None:
        """Count from now on, in the greenlet of the caller."""
        sys.setprofile(self._profile)

    def _profile(self, frame: FrameType, event: str, called: Any) -> None:
        self.counts["all"] += event in ("call", "c_call")
        if event == "call":
            self.counts["frames"] += _builds_frames(frame)
        elif event == "c_call":
            owner = getattr(called, "__self__", None)
            self.counts["encodings"] += getattr(called, "__module__", "") == "orjson" and called.__name__ == "dumps"
            if isinstance(owner, _socket.socket) and called.__name__.startswith("send"):
                self.sends[owner.fileno()] += 1


def _builds_frames(frame: FrameType) -> bool:
    code = frame.f_code
    return Path(code.co_filename).stem == "websocket_frames" and code.co_name.startswith("build_")


def load() -> WSGIApplication:
    """Make the application; imports the library only now, in gunicorn's worker."""
    import gevent
    from greenlet import greenlet

    from geventsio import SocketIO

    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    # Nothing but what the test asks for: no heartbeat, and no look at the hub.
    io = SocketIO(ping_interval=3600, blocked_threshold=None)
    namespace = io.ns("/")
    calls = Calls()

    def in_hub(function: Any, *args: Any) -> None:
        # Up to Python 3.11 each greenlet has a switch of its own for profilers, and the rest of a tick is sent there.
        gevent.get_hub().loop.run_callback(function, *args)

    @namespace.on("count")
    def count(times: int) -> None:
        nonlocal calls
        calls = Calls()
        in_hub(calls.start)
        gevent.sleep(0)
        calls.start()
        for _ in range(times):
            io.emit("news", "x")

    @namespace.on("counted")
    def counted() -> dict[str, Any]:
        in_hub(sys.setprofile, None)
        gevent.sleep(0)
        return {**calls.counts, "sends": sorted(calls.sends.values())}

    @namespace.on("calls")
    def count_calls() -> None:
        nonlocal calls
        calls = Calls()
        calls.start()
        io.emit("news", "x")
        sys.setprofile(None)

    @namespace.on("echo")
    def echo(text: str) -> str:
        return text

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        state = measure()
        greenlets = sum(issubclass(type(item), greenlet) for item in gc.get_objects())
        body = json.dumps({**state, "greenlets": greenlets, "blocks": sys.getallocatedblocks()}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return io.layer(app)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.counting_server")
    parser.add_argument("--server", choices=SERVERS, default="pywsgi")
    serve(load, parser.parse_args().server, Binding())


if __name__ == "__main__":
    main()
