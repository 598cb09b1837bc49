"""Starts the chat with the embedded server: `python -m examples.chat [--host HOST] [--port PORT]`.

With `--certificate FILE KEY` it is served over TLS.
"""

from __future__ import annotations

import argparse

from examples.chat.app import app, io

__all__ = ["main"]


def main() -> None:
    """Serve the chat until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m examples.chat", description="A chat on geventsio and Flask.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets phones in (%(default)s)"
    )
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (%(default)s)")
    parser.add_argument("--certificate", nargs=2, metavar=("FILE", "KEY"), default=(), help="serve over TLS with these")
    options = parser.parse_args()
    tls = dict(zip(("certfile", "keyfile"), options.certificate, strict=False))
    io.run(app, host=options.host, port=options.port, **tls)


if __name__ == "__main__":
    main()
