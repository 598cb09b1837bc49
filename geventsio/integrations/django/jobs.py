"""What handlers have of Django: the request of their connection as the middlewares leave it, anew for each job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed, PermissionDenied, SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from geventsio import ConnectRefused, Extract

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
    from django.contrib.sessions.backends.base import SessionBase

    User: TypeAlias = AbstractBaseUser | AnonymousUser
    Session: TypeAlias = SessionBase
else:  # they can't be imported before Django has set up its apps
    User = Session = Any

__all__ = [
    "DjangoRequest",
    "DjangoSession",
    "DjangoUser",
    "Job",
    "Middlewares",
    "current_job",
    "current_request",
    "current_session",
    "current_user",
]

OUTSIDE = (
    "there is no request here: this code was not called by a handler of a server that a DjangoIntegration wraps, or "
    "for a socket of another server"
)

#: The job that is running; None for a socket that is connected to another server.
current_job: ContextVar[Job | None] = ContextVar("geventsio.integrations.django.current_job", default=None)


class HandshakeRequest(WSGIRequest):  # type: ignore[misc]
    """The request that opened a connection.

    Attributes:
        is_let_in: whether it has come past all middlewares.
    """

    is_let_in = False


class Middlewares:
    """The middlewares that a request goes through before handlers have it.

    Args:
        names: their dotted names; None for the setting `MIDDLEWARE`.
    """

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = names
        self._first: Callable[[HttpRequest], HttpResponse] | None = None

    def send(self, environ: dict[str, Any]) -> HttpRequest:
        """Make a request, and send it through the middlewares. May switch greenlets.

        Raises:
            ConnectRefused: a middleware has answered it.
        """
        if self._first is None:
            self._first = self._load()
        request = HandshakeRequest(environ)
        try:
            response = self._first(request)
        except SuspiciousOperation:  # such as a Host that is not allowed
            raise _refused(HttpResponse(status=400)) from None
        except PermissionDenied:
            raise _refused(HttpResponse(status=403)) from None
        if not request.is_let_in:
            raise _refused(response)
        session = getattr(request, "session", None)
        if session is not None:
            session.modified = False  # what middlewares have changed is saved by now
        return request

    def _load(self) -> Callable[[HttpRequest], HttpResponse]:
        first: Callable[[HttpRequest], HttpResponse] = _let_in
        for name in reversed(settings.MIDDLEWARE if self._names is None else self._names):
            try:
                middleware = import_string(name)(first)
            except MiddlewareNotUsed:
                continue
            if middleware is None:
                raise ImproperlyConfigured(f"the middleware factory {name} returned None")
            first = middleware
        return first


class Job:
    """What one job of a socket has of Django.

    Args:
        middlewares: see `Middlewares`.
        environ: of the request that opened the connection.
    """

    __slots__ = ("_environ", "_middlewares", "_request")

    def __init__(self, middlewares: Middlewares, environ: dict[str, Any]) -> None:
        self._middlewares = middlewares
        self._environ = environ
        self._request: HttpRequest | None = None

    @property
    def request(self) -> HttpRequest:
        """The request; made when it is first asked for. May switch greenlets."""
        if self._request is None:
            self._request = self._middlewares.send({**self._environ, "wsgi.input": BytesIO()})
        return self._request

    @property
    def changed_session(self) -> Any:
        """The session, if it was changed; else None."""
        session = getattr(self._request, "session", None)
        return session if session is not None and session.modified else None


def current_request() -> HttpRequest:
    """The request that opened the connection, sent through the middlewares anew for this job. May switch greenlets.

    Raises:
        RuntimeError: the calling code does not run for a handler.
        ConnectRefused: a middleware has answered the request, which then has no user and no session. In a middleware
            or the connect handler's parameters that refuses the client, with `{"status": ...}` as its data.
    """
    job = current_job.get()
    if job is None:
        raise RuntimeError(OUTSIDE)
    return job.request


def current_user() -> User:
    """The user who is logged in now, or an `AnonymousUser`; loaded when it is first used. May switch greenlets.

    Raises:
        RuntimeError, ConnectRefused: see `current_request`.
        ImproperlyConfigured: no middleware sets it.
    """
    return _of_request("user", "django.contrib.auth.middleware.AuthenticationMiddleware")


def current_session() -> Session:
    """The session as it is now; loaded when it is first used. May switch greenlets.

    Raises:
        RuntimeError, ConnectRefused: see `current_request`.
        ImproperlyConfigured: no middleware sets it.
    """
    return _of_request("session", "django.contrib.sessions.middleware.SessionMiddleware")


#: What `current_request` returns.
DjangoRequest = Annotated[HttpRequest, Extract(current_request)]

#: What `current_user` returns. For a model of your own: `Annotated[Member, Extract(current_user)]`.
DjangoUser = Annotated[User, Extract(current_user)]

#: What `current_session` returns.
DjangoSession = Annotated[Session, Extract(current_session)]


def _of_request(attribute: str, middleware: str) -> Any:
    value = getattr(current_request(), attribute, None)
    if value is None:
        raise ImproperlyConfigured(f"requests have no {attribute}: is {middleware} in MIDDLEWARE?")
    return value


def _let_in(request: Any) -> HttpResponse:
    """Stand where the views would."""
    request.is_let_in = True
    return HttpResponse(status=204)


def _refused(response: HttpResponse) -> ConnectRefused:
    return ConnectRefused(response.reason_phrase, {"status": response.status_code})
