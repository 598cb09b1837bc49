"""Starts the example: `python -m examples.private_messages [--host HOST] [--port PORT]`."""

from __future__ import annotations

from examples.private_messages.app import app, io
from examples.shared import serve

__all__: list[str] = []

if __name__ == "__main__":
    serve(io, app)
