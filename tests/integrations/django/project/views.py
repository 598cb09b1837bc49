"""The site's pages."""

from __future__ import annotations

from django.contrib.auth import get_user_model, login, logout
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.integrations.django.project.sockets import io


def log_in(request: HttpRequest, name: str) -> HttpResponse:
    """Log somebody in, who is made if need be."""
    user, _ = get_user_model().objects.get_or_create(username=name)
    login(request, user)
    return HttpResponse(name)


def log_out(request: HttpRequest) -> HttpResponse:
    """Log out."""
    logout(request)
    return HttpResponse("bye")


def write(request: HttpRequest, name: str, value: str) -> HttpResponse:
    """Put a value into the session."""
    request.session[name] = value
    return HttpResponse("written")


def read(request: HttpRequest, name: str) -> HttpResponse:
    """Read a value of the session."""
    return HttpResponse(str(request.session.get(name)))


def tell(request: HttpRequest, word: str) -> HttpResponse:
    """Tell all clients something."""
    io.emit("told", word)
    return HttpResponse("told")


urlpatterns = [
    path("login/<name>", log_in),
    path("logout", log_out),
    path("write/<name>/<value>", write),
    path("read/<name>", read, name="read"),
    path("tell/<word>", tell),
]
