"""Starts the app and a worker: `python -m examples.worker [--host HOST] [--port PORT]`."""

from __future__ import annotations

import os
import subprocess
import sys

from examples.shared import arguments, serve
from examples.worker.app import app, io

__all__: list[str] = []


def main() -> None:
    """Serve until Ctrl-C or SIGTERM; the worker ends with the app."""
    options = arguments(app)
    host = "127.0.0.1" if options.host == "0.0.0.0" else options.host
    environ = {**os.environ, "WORKER_TOKEN": app.config["WORKER_TOKEN"]}
    if options.certificate:
        environ["SSL_CERT_FILE"] = options.certificate[0]  # trust it
    url = f"{'https' if options.certificate else 'http'}://{host}:{options.port}"
    worker = subprocess.Popen([sys.executable, "-m", "examples.worker.worker", "--url", url], env=environ)
    try:
        serve(io, app, options)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
