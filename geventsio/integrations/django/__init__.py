"""Django: handlers with the request, the user and the session of their connection, and connections that are closed.

    # mysite/sockets.py
    from geventsio import SocketIO

    io = SocketIO()

    # mysite/wsgi.py
    from geventsio.integrations.django import get_wsgi_application
    from mysite.sockets import io

    application = get_wsgi_application(io)

    # chat/socketio.py, found because "geventsio.integrations.django" is in INSTALLED_APPS
    from geventsio.integrations.django import DjangoUser

    @io.ns("/chat").on("message")
    def message(text: str, user: DjangoUser) -> None: ...

Each job (see `SocketIO.unit_of_work`) has a request of its own, made when it is first asked for: that which opened the
connection, sent through the middlewares of the settings. So a logout is seen by the next event. `request_started` and
`request_finished` are sent around each job, and its database connections are closed when it ends.

`io.emit` and all the operators work in views as they do everywhere. `manage.py runsocketio` runs it for development.
"""

from __future__ import annotations

from geventsio.integrations.django.integration import DjangoIntegration, get_wsgi_application
from geventsio.integrations.django.jobs import (
    DjangoRequest,
    DjangoSession,
    DjangoUser,
    current_request,
    current_session,
    current_user,
)

__all__ = [
    "DjangoIntegration",
    "DjangoRequest",
    "DjangoSession",
    "DjangoUser",
    "current_request",
    "current_session",
    "current_user",
    "get_wsgi_application",
]
