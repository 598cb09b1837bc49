"""Starts the example: `python -m examples.game [--host HOST] [--port PORT]`."""

from __future__ import annotations

from examples.game.app import app, io
from examples.shared import serve

__all__: list[str] = []

if __name__ == "__main__":
    serve(io, app)
