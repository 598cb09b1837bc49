"""The command `python -m tests.conformance.server SUITE --port P --server S`: a server for the protocol suites.

engine          Engine.IO v4 echo on /engine.io/
engine3         the same, for Engine.IO v3 as well
socket          Socket.IO v5 on /socket.io/, namespaces / and /custom
socket4         the same, for Socket.IO v4 as well
socket-msgpack  socket with the msgpack parser
websocket       a plain WebSocket echo on /
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tests.conformance.servers import ALL_SERVERS, Binding, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.server")
    suites = ("engine", "engine3", "socket", "socket4", "socket-msgpack", "websocket")
    parser.add_argument("suite", choices=suites)
    parser.add_argument("--server", choices=ALL_SERVERS, default="pywsgi")
    parser.add_argument("--host", default="127.0.0.1", help="an address, or unix:PATH (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=3000, help="0 takes a free port (default: 3000)")
    parser.add_argument("--certificate", metavar="FILE", nargs=2, help="TLS with this certificate and key")
    parser.add_argument("--ping-interval", type=float, metavar="SECONDS", default=0.3)
    parser.add_argument("--ping-timeout", type=float, metavar="SECONDS", default=0.2)
    parser.add_argument("--connect-timeout", type=float, metavar="SECONDS", default=1.0)
    return parser.parse_args()


def main() -> None:
    """Serve the suite that the command line names, until SIGTERM or SIGINT."""
    arguments = _parse_arguments()

    def load() -> WSGIApplication:
        # Imported here and not above: under gunicorn the library belongs into the worker, after the monkey patches.
        from tests.conformance.suites import SUITES, Timing

        timing = Timing(arguments.ping_interval, arguments.ping_timeout, arguments.connect_timeout)
        return SUITES[arguments.suite](timing)

    certificate = tuple(arguments.certificate) if arguments.certificate else None
    serve(load, arguments.server, Binding(arguments.host, arguments.port, certificate))


if __name__ == "__main__":
    main()
