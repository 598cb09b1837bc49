"""Puts a server in front of a Django site, and Django's beginning and end of a request around each of its jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from django.core import wsgi
from django.core.handlers.wsgi import get_script_name
from django.core.signals import request_finished, request_started
from django.db import connections
from django.urls import set_script_prefix
from gevent import monkey

from geventsio import EventCall, Socket, SocketIO
from geventsio.integrations.django.jobs import Job, Middlewares, current_job
from geventsio.integrations.threads import GuardedLayer
from geventsio.wsgi import Layer, WSGIApp

__all__ = ["DjangoIntegration", "get_wsgi_application", "layers"]

logger = logging.getLogger("geventsio")

#: What is told to who starts a server that can't serve.
REFUSAL = (
    "manage.py runserver answers each request in a thread of its own, where geventsio can't run: start the site with "
    "manage.py runsocketio"
)

#: What has been wrapped: without it `runsocketio` would serve no Socket.IO.
layers: WeakSet[Layer] = WeakSet()


class DjangoIntegration:
    """Makes a server and a Django site at home in each other.

    Args:
        io: the server. Units of work that are added to it later run inside of Django's.
        middleware: the dotted names of the middlewares that requests go through before handlers have them; None for
            the setting `MIDDLEWARE`.
        save_session: whether changes to the session are saved after each job that ends well. They are lost for
            sessions that are kept in a cookie: none can be set once the connection is open.
    """

    def __init__(self, io: SocketIO, *, middleware: Sequence[str] | None = None, save_session: bool = False) -> None:
        if isinstance(middleware, str):
            raise TypeError("middleware must be a sequence of dotted names, not one string")
        self.io = io
        self.save_session = save_session
        self._middlewares = Middlewares(middleware)
        self._warns = True
        io.unit_of_work(self._unit)

    def wrap(self, application: Callable[..., Any]) -> WSGIApp:
        """Put the server in front of the application that Django's `get_wsgi_application` returns."""
        layer = GuardedLayer(self.io, application, "WSGIServer/", REFUSAL)
        layers.add(layer)
        return layer

    @contextmanager
    def _unit(self, call: EventCall) -> Iterator[None]:
        """What one job runs in."""
        environ: dict[str, Any] | None = None
        if isinstance(call.socket, Socket):
            environ = call.socket.environ
        job = None if environ is None else Job(self._middlewares, environ)
        token = current_job.set(job)
        try:
            request_started.send(sender=type(self), environ=environ)
            if environ is not None:
                set_script_prefix(get_script_name(environ))
            yield
            if job is not None:
                self._end_session(job, call)
        finally:
            current_job.reset(token)
            try:
                request_finished.send(sender=type(self))
            finally:
                _close_connections()

    def _end_session(self, job: Job, call: EventCall) -> None:
        session = job.changed_session
        if session is None:
            return
        if self.save_session:
            session.save()
        elif self._warns:
            self._warns = False
            logger.warning(
                "the session was changed for %r in %s, and is not saved: keep what belongs to a connection in "
                "socket.data, or pass save_session=True to the DjangoIntegration if the server keeps the sessions",
                call.event,
                call.socket.ns,
                extra={"namespace": call.socket.ns, "event": call.event, "socket_id": call.socket.id},
            )


def get_wsgi_application(
    io: SocketIO, *, middleware: Sequence[str] | None = None, save_session: bool = False
) -> WSGIApp:
    """Set Django up, and make the WSGI application of the site with the server in front; see `DjangoIntegration`."""
    integration = DjangoIntegration(io, middleware=middleware, save_session=save_session)
    return integration.wrap(wsgi.get_wsgi_application())


def _close_connections() -> None:
    """Close what `CONN_MAX_AGE` would keep: a patched process has connections by greenlet, and none is used again."""
    if monkey.is_module_patched("threading"):
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()
