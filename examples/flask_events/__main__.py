"""Starts the example without Flask's command: `python -m examples.flask_events [--host HOST] [--port PORT]`."""

from __future__ import annotations

from examples.flask_events.app import app, io
from examples.shared import serve

__all__: list[str] = []

if __name__ == "__main__":
    serve(io, app)
