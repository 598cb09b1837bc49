"""Starts the example: `python -m examples.whiteboard [--host HOST] [--port PORT]`."""

from __future__ import annotations

from examples.shared import serve
from examples.whiteboard.app import app, io

__all__: list[str] = []

if __name__ == "__main__":
    serve(io, app)
