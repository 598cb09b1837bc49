"""The Flask app of the chat, wrapped by geventsio: `app` for WSGI servers, `io` for `io.run`."""

from __future__ import annotations

from flask import Flask, Response, render_template

from examples.chat.chat import io
from examples.chat.state import MAX_NAME, MAX_ROOM_NAME, MAX_TEXT
from examples.shared import shared

__all__ = ["app", "io"]

# No inline script and no inline style can run, whatever a message contains. Scripts from other hosts are needed
# where /socket.io/socket.io.js redirects to the public CDN.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' https:; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

app = Flask(__name__)
app.register_blueprint(shared)


@app.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html", max_name=MAX_NAME, max_room_name=MAX_ROOM_NAME, max_text=MAX_TEXT)


@app.after_request
def secure(response: Response) -> Response:
    """Add the headers that keep the page to its own scripts and styles."""
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]
