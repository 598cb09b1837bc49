"""Bottle: in handlers `bottle.request` is the request that opened the connection.

Run it with `gunicorn -k gevent examples.frameworks.bottle_app:app`. gunicorn patches the standard library, and Bottle
needs that: it keeps one request for each thread.
"""

# Bottle has no types, and what pyright takes its source to mean is not so.
# pyright: reportCallIssue=false, reportIndexIssue=false

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from bottle import Bottle, redirect, request, response, static_file

from geventsio import ConnectRefused, EventCall, Socket, SocketIO

__all__ = ["app", "io"]

SECRET = "for an example"

site = Bottle()
io = SocketIO()
app = io.layer(site)
root = io.ns("/")


@io.unit_of_work
@contextmanager
def bottle_request(call: EventCall) -> Iterator[None]:
    """Give Bottle the request of the connection; what is kept by thread is forgotten after each job."""
    if isinstance(call.socket, Socket):
        request.bind({**call.socket.environ, "wsgi.input": BytesIO()})
    yield


def user() -> str | None:
    """Who is logged in: the same in views and in handlers."""
    name: str | None = request.get_cookie("user", secret=SECRET)
    return name


@site.get("/")
def page() -> object:
    """The page."""
    return static_file("page.html", root=Path(__file__).parent)


@site.get("/login/<name>")
def login(name: str) -> None:
    """Remember the user in a signed cookie."""
    response.set_cookie("user", name, secret=SECRET, path="/", httponly=True, samesite="lax")
    redirect("/")


@site.get("/logout")
def logout() -> None:
    """Forget the user."""
    response.delete_cookie("user", path="/")
    redirect("/")


@site.post("/announce")
def announce() -> str:
    """Tell all clients something, from a view."""
    io.emit("said", "everybody", request.forms["text"])
    return "done"


@root.use
def check() -> None:
    """Let in who is logged in."""
    if user() is None:
        raise ConnectRefused("log in first")


@root.on("say")
def say(text: str) -> None:
    """Tell all clients what one of them says."""
    io.emit("said", user(), text)
