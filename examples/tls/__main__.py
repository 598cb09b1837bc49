"""Starts the example: `python -m examples.tls [--host HOST] [--port PORT] [--certificate FILE KEY]`.

Without a certificate it makes one that lasts as long as the process.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from examples.shared import arguments, serve
from examples.tls.app import app, io
from examples.tls.certificate import make_certificate

__all__: list[str] = []


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    options = arguments(app)
    with TemporaryDirectory(prefix="tls-") as folder:
        options.certificate = options.certificate or make_certificate(Path(folder), options.host)
        serve(io, app, options)


if __name__ == "__main__":
    main()
