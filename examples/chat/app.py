"""The Flask app of the chat, wrapped by geventsio: `app` for WSGI servers, `io` for `io.run`."""

from __future__ import annotations

from flask import Flask, render_template

from examples.chat.chat import io
from examples.chat.state import MAX_NAME, MAX_ROOM_NAME, MAX_TEXT
from examples.shared import shared

__all__ = ["app", "io"]

app = Flask(__name__)
app.register_blueprint(shared)


@app.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html", max_name=MAX_NAME, max_room_name=MAX_ROOM_NAME, max_text=MAX_TEXT)


app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]
