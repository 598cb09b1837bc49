"""Middlewares of the site."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import MiddlewareNotUsed, PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden


def refuse_robots(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer robots, and throw others out."""

    def middleware(request: HttpRequest) -> HttpResponse:
        agent = request.COOKIES.get("agent")
        if agent == "robot":
            return HttpResponseForbidden()
        if agent == "crawler":
            raise PermissionDenied
        if agent == "liar":
            raise SuspiciousOperation
        return get_response(request)

    return middleware


def unused(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Stand aside, as the settings want it."""
    raise MiddlewareNotUsed


def broken(get_response: Callable[[HttpRequest], HttpResponse]) -> None:
    """Forget what a factory is for."""
