"""Starts the example: `python -m examples.middleware [--host HOST] [--port PORT]`."""

from __future__ import annotations

import logging
import sys

from examples.middleware.app import app, io
from examples.shared import serve

__all__: list[str] = []

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    serve(io, app)
