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
    command = [sys.executable, "-m", "examples.worker.worker", "--url", f"http://127.0.0.1:{options.port}"]
    worker = subprocess.Popen(command, env={**os.environ, "WORKER_TOKEN": app.config["WORKER_TOKEN"]})
    try:
        serve(io, app, options)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
