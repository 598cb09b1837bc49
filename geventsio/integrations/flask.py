"""Flask: handlers run in an app context, and in a request context of the request that opened their connection.

    from flask import Flask
    from geventsio import SocketIO
    from geventsio.integrations.flask import FlaskIntegration

    io = SocketIO()
    sockets = FlaskIntegration(io)

    def create_app() -> Flask:
        app = Flask(__name__)
        sockets.init_app(app)
        return app

Each job (see `SocketIO.unit_of_work`) has `current_app`, `g`, `request` and `session` anew, and so what builds on them,
such as Flask-Login's `current_user`. Functions registered with `teardown_request` and `teardown_appcontext` run after
each job, whatever it ended with: Flask-SQLAlchemy gives its connections back. `before_request` and `after_request`
functions don't, as there is no response. What a view's greenlet starts outlives the view's contexts, though: let it
enter `app.app_context()` itself.

`io.emit` and all the operators work in views as they do everywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from typing import Any, cast

import click
from flask import Flask, has_app_context, session
from flask.cli import run_command
from flask.sessions import SessionMixin

from geventsio import EventCall, Socket, SocketIO
from geventsio.integrations.flask_commands import socketio_commands
from geventsio.integrations.threads import GuardedLayer, is_patched

__all__ = ["FlaskIntegration"]

logger = logging.getLogger("geventsio")

#: What is told to who starts a server that can't serve.
REFUSAL = (
    "Flask's development server answers each request in a thread of its own, where geventsio can't run: "
    "start the app with `flask socketio run`, or call gevent.monkey.patch_all() before anything else is imported"
)


class FlaskIntegration:
    """Makes a server and a Flask app at home in each other.

    Args:
        io: the server. Units of work that are added to it later run inside of Flask's contexts.
        app: the app; else see `init_app`.
        save_session: whether changes to `flask.session` are saved after each job that ends well. They are lost for
            sessions that are kept in a cookie, Flask's own ones included: none can be set once the connection is open.
            Where the server keeps the session, each job saves its own copy of it, as requests do.
    """

    def __init__(self, io: SocketIO, app: Flask | None = None, *, save_session: bool = False) -> None:
        self.io = io
        self.save_session = save_session
        self._app: Flask | None = None
        self._warns = True
        io.unit_of_work(self._unit)
        if app is not None:
            self.init_app(app)

    @property
    def app(self) -> Flask:
        """The app whose contexts handlers run in: the last one that was given to `init_app`.

        Raises:
            RuntimeError: there is none.
        """
        if self._app is None:
            raise RuntimeError("no Flask app: call init_app(app) of the FlaskIntegration before clients connect")
        return self._app

    def init_app(self, app: Flask) -> None:
        """Put the server in front of an app, and add the command `flask socketio run`.

        Raises:
            RuntimeError: the app has a server already.
            click.ClickException: the app is being loaded by `flask run` without monkey-patching.
        """
        context = click.get_current_context(silent=True)
        if context is not None and context.command is run_command and not is_patched():
            raise click.ClickException(REFUSAL)
        if "geventsio" in app.extensions:
            raise RuntimeError("this Flask app has a Socket.IO server already")
        app.extensions["geventsio"] = self
        app.wsgi_app = GuardedLayer(self.io, app.wsgi_app, "Werkzeug/", REFUSAL)  # type: ignore[method-assign]
        app.cli.add_command(socketio_commands())
        self._app = app

    @contextmanager
    def _unit(self, call: EventCall) -> Iterator[None]:
        """What one job runs in."""
        app = self.app
        with ExitStack() as stack:
            if has_app_context():
                # Of whoever started this greenlet: it may have been torn down, or will be while this job runs.
                stack.enter_context(app.app_context())
            if isinstance(call.socket, Socket):
                stack.enter_context(app.request_context(_environ(call.socket)))
            else:  # a remote socket: its request has come to another server
                stack.enter_context(app.app_context())
            yield
            if isinstance(call.socket, Socket):
                self._end_session(app, call)

    def _end_session(self, app: Flask, call: EventCall) -> None:
        ended: SessionMixin = cast(Any, session)._get_current_object()
        if self.save_session:
            if not app.session_interface.is_null_session(ended):
                app.session_interface.save_session(app, ended, app.response_class())
        elif self._warns and _is_changed(ended):
            self._warns = False
            logger.warning(
                "flask.session was changed for %r in %s, and is not saved: keep what belongs to a connection in "
                "socket.data, or pass save_session=True to FlaskIntegration if the server keeps the sessions",
                call.event,
                call.socket.ns,
                extra={"namespace": call.socket.ns, "event": call.event, "socket_id": call.socket.id},
            )


def _environ(socket: Socket) -> dict[str, Any]:
    """The environ of the request that opened a connection, with a body that has been read."""
    return {**socket.environ, "wsgi.input": BytesIO()}


def _is_changed(kept: SessionMixin) -> bool:
    # Sessions that don't watch themselves always say that they are.
    return kept.modified and not getattr(type(kept), "modified", False)
