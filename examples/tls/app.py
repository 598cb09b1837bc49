"""The app: it tells the page what it sees of the connection, and echoes."""

from __future__ import annotations

from flask import Flask, render_template

from examples.shared import shared
from geventsio import Socket, SocketIO

__all__ = ["app", "io"]

# The cookie is Secure by itself over https: browsers never send it in the clear.
io = SocketIO(cookie="io")
root = io.ns("/")
app = Flask(__name__)
app.register_blueprint(shared)
app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]


@app.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html")


@root
def connect(socket: Socket) -> None:
    """Tell a page what the server sees of its connection."""
    environ = socket.environ
    socket.emit("seen", {"scheme": environ["wsgi.url_scheme"], "address": environ["REMOTE_ADDR"]})


@root.on("echo")
def echo(value: float) -> float:
    """Answer at once."""
    return value
