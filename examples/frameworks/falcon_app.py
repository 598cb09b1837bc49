"""Falcon: handlers take the request that opened the connection, after its middleware has seen it.

Run it with `gunicorn -k gevent examples.frameworks.falcon_app:app`.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from pathlib import Path
from typing import Annotated

from falcon import App, HTTPFound, Request, Response

from geventsio import ConnectRefused, EventCall, Extract, Socket, SocketIO

__all__ = ["app", "io"]

#: Who is logged in, by the token in the cookie.
users: dict[str, str] = {}

io = SocketIO()
root = io.ns("/")
request_of_job: ContextVar[Request] = ContextVar("request_of_job")


class Login:
    """Falcon's middleware: it finds out who has sent a request."""

    def process_request(self, req: Request, resp: Response) -> None:
        """Put the user into the request's context."""
        req.context.user = users.get(req.cookies.get("token", ""))


login = Login()


@io.unit_of_work
@contextmanager
def falcon_request(call: EventCall) -> Iterator[None]:
    """Make a request for each job, and have the middleware see it: a logout is seen by the next event."""
    if not isinstance(call.socket, Socket):
        yield
        return
    request = Request({**call.socket.environ, "wsgi.input": BytesIO(), "wsgi.errors": sys.stderr})
    login.process_request(request, Response())
    token = request_of_job.set(request)
    try:
        yield
    finally:
        request_of_job.reset(token)


def current_request() -> Request:
    """The request of the running handler."""
    return request_of_job.get()


#: What handlers annotate a parameter with to be given it.
FalconRequest = Annotated[Request, Extract(current_request)]


class Page:
    """The page."""

    def on_get(self, req: Request, resp: Response) -> None:
        """Answer with it."""
        resp.content_type = "text/html"
        resp.text = Path(__file__).with_name("page.html").read_text()


class Session:
    """Logging in, with a name in the path, and out."""

    def on_get(self, req: Request, resp: Response, name: str | None = None) -> None:
        """Remember the user, or forget who it was."""
        users.pop(req.cookies.get("token", ""), None)
        if name is not None:
            token = secrets.token_urlsafe()
            users[token] = name
            resp.set_cookie("token", token, path="/", secure=False, http_only=True, same_site="Lax")
        raise HTTPFound("/")


class Announcement:
    """What all clients are told from a responder."""

    def on_post(self, req: Request, resp: Response) -> None:
        """Tell them."""
        io.emit("said", "everybody", req.get_media()["text"])
        resp.text = "done"


site = App(middleware=[login])
site.add_route("/", Page())
site.add_route("/login/{name}", Session())
site.add_route("/logout", Session())
site.add_route("/announce", Announcement())
app = io.layer(site)  # type: ignore[arg-type]  # its types want more of a server than WSGI says


@root.use
def check(request: FalconRequest) -> None:
    """Let in who is logged in."""
    if request.context.user is None:
        raise ConnectRefused("log in first")


@root.on("say")
def say(request: FalconRequest, text: str) -> None:
    """Tell all clients what one of them says."""
    io.emit("said", request.context.user, text)
