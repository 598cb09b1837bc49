"""The command `python -m tests.live.secrets_server --server S`: a Socket.IO server in which everything goes wrong.

It writes each log record of `geventsio`, at any level, to stderr as one line of JSON: all its fields, its message, and
the traceback of its exception. Other loggers are left as they are.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from enum import Enum
from typing import TYPE_CHECKING, Any

from tests.conformance.servers import SERVERS, Binding, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Colour(Enum):
    """What a parameter may be."""

    RED = "red"


class Lines(logging.Handler):
    """Writes a record with all that it has, as a collector of logs would."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        fields = {**vars(record), "message": record.getMessage()}
        if record.exc_info:
            fields["exc_text"] = logging.Formatter().formatException(record.exc_info)
        print(json.dumps(fields, default=repr), file=sys.stderr, flush=True)


def make_app() -> WSGIApplication:
    """The application."""
    from geventsio import AckSender, ConnectRefused, Data, Socket, SocketIO

    logger = logging.getLogger("geventsio")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(Lines())
    logger.propagate = False

    def allow_request(environ: dict[str, Any]) -> bool:
        asked = environ.get("HTTP_X_TEST", "")
        if asked == "raise":
            raise RuntimeError("the application's own")
        if asked == "refuse":
            raise ConnectRefused("not you")
        return bool(asked != "deny")

    io = SocketIO(allow_request=allow_request, blocked_threshold=None, max_payload=100_000, max_pending_events=4)
    main = io.ns("/")

    @main.on("typed")
    def typed(number: int) -> None: ...

    @main.on("colour")
    def colour(value: Data[Colour]) -> None: ...

    @main.on("fail")
    def fail(value: object) -> None:
        raise RuntimeError("the application's own")

    @main.on("twice")
    def twice(ack: AckSender) -> int:
        ack.send(1)
        return 2

    @main.on("ask")
    def ask(socket: Socket) -> None:
        socket.emit_with_ack("question", returns=int).result()

    @main.on("callback")
    def callback(socket: Socket) -> None:
        def answered(*values: object) -> None:
            raise RuntimeError("the application's own")

        socket.emit_with_ack("question").add_done_callback(answered)

    @main.on("wait")
    def wait(socket: Socket) -> None:
        socket.emit_with_ack("never").result(20)

    @main.on_disconnect
    def gone(socket: Socket) -> None:
        raise RuntimeError("the application's own")

    @main.on_error
    def on_error(error: Exception) -> None:
        raise RuntimeError("the application's own, again")

    @io.ns("/refused").use
    def refuse(socket: Socket) -> None:
        raise ConnectRefused("not you", {"because": 1})

    @io.ns("/failing").use
    def failing(socket: Socket) -> None:
        raise RuntimeError("the application's own")

    @io.ns("/typed")
    def connect_typed(socket: Socket, auth: Data[dict[str, int]]) -> None: ...

    return io.service()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.secrets_server")
    parser.add_argument("--server", choices=SERVERS, default="pywsgi")
    arguments = parser.parse_args()
    serve(make_app, arguments.server, Binding())


if __name__ == "__main__":
    main()
