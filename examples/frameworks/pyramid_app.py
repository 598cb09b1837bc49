"""Pyramid: handlers run with the request that opened the connection, its session and the registry.

Run it with `gunicorn -k gevent examples.frameworks.pyramid_app:app`. gunicorn patches the standard library, and Pyramid
needs that: it keeps one request for each thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.request import Request
from pyramid.response import FileResponse
from pyramid.scripting import prepare
from pyramid.session import SignedCookieSessionFactory
from pyramid.threadlocal import get_current_request

from geventsio import ConnectRefused, EventCall, Socket, SocketIO

__all__ = ["app", "io"]

io = SocketIO()
root = io.ns("/")


@io.unit_of_work
@contextmanager
def pyramid_request(call: EventCall) -> Iterator[None]:
    """Make a request for each job; functions that were given to `add_finished_callback` run when it ends."""
    if not isinstance(call.socket, Socket):
        yield
        return
    request = Request({**call.socket.environ, "wsgi.input": BytesIO()})
    with prepare(request, registry=site.registry):
        yield


def user() -> str | None:
    """Who is logged in: the same in views and in handlers."""
    name: str | None = get_current_request().session.get("user")
    return name


def page(request: Any) -> Any:
    """The page."""
    return FileResponse(Path(__file__).with_name("page.html"), request=request)


def login(request: Any) -> Any:
    """Remember the user in the session, which is a signed cookie."""
    request.session["user"] = request.matchdict["name"]
    return HTTPFound("/", headers=request.response.headers)


def logout(request: Any) -> Any:
    """Forget the user."""
    request.session.invalidate()
    return HTTPFound("/", headers=request.response.headers)


def announce(request: Any) -> Any:
    """Tell all clients something, from a view."""
    io.emit("said", "everybody", request.POST["text"])
    return request.response


site = Configurator(session_factory=SignedCookieSessionFactory("for an example", httponly=True))
for path, view in {"/": page, "/login/{name}": login, "/logout": logout, "/announce": announce}.items():
    site.add_route(view.__name__, path)
    site.add_view(view, route_name=view.__name__)
app = io.layer(site.make_wsgi_app())


@root.use
def check() -> None:
    """Let in who is logged in."""
    if user() is None:
        raise ConnectRefused("log in first")


@root.on("say")
def say(text: str) -> None:
    """Tell all clients what one of them says."""
    io.emit("said", user(), text)
