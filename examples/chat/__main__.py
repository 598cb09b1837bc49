"""Starts the chat with the embedded server: `python -m examples.chat [--host HOST] [--port PORT]`.

With `--certificate FILE KEY` it is served over TLS.
"""

from __future__ import annotations

from examples.chat.app import app, io
from examples.shared import serve

__all__: list[str] = []

if __name__ == "__main__":
    serve(io, app)
