"""The command `flask socketio run`: an app with its Socket.IO server on gevent, with reloader and debugger."""

from __future__ import annotations

import os
import sys
from typing import Any

import click
from flask.cli import AppGroup, ScriptInfo, pass_script_info
from flask.helpers import get_debug_flag
from werkzeug.debug import DebuggedApplication
from werkzeug.serving import is_running_from_reloader

from geventsio.integrations.reloader import run_reloading
from geventsio.wsgi import WSGIApp, serve

__all__ = ["socketio_commands"]

_FILE = click.Path(exists=True, dir_okay=False)


def socketio_commands() -> AppGroup:
    """Make the group of commands `flask socketio`."""
    group = AppGroup("socketio", help="Commands of the Socket.IO server.")
    group.add_command(_run)
    return group


@click.command("run", short_help="Run a development server that speaks Socket.IO.")
@click.option("--host", "-h", default="127.0.0.1", help="The interface to bind to.")
@click.option("--port", "-p", default=5000, help="The port to bind to; 0 takes a free one.")
@click.option("--cert", "certfile", type=_FILE, help="A certificate file, for HTTPS.")
@click.option("--key", "keyfile", type=_FILE, help="The certificate's key file.")
@click.option(
    "--reload/--no-reload", default=None, help="Start again when a source file changes; by default with --debug."
)
@click.option(
    "--debugger/--no-debugger", default=None, help="Show exceptions of views in the browser; by default with --debug."
)
@click.option("--extra-files", default="", help=f"More files to watch for changes, separated by {os.pathsep!r}.")
@pass_script_info
def _run(
    info: ScriptInfo,
    host: str,
    port: int,
    certfile: str | None,
    keyfile: str | None,
    reload: bool | None,
    debugger: bool | None,
    extra_files: str,
) -> None:
    """Run the app and its Socket.IO server with gevent, for development.

    The standard library is not patched: let the app's module do it in its first line.
    """
    if (certfile is None) != (keyfile is None):
        raise click.UsageError("--cert and --key belong together")
    is_debugging = get_debug_flag()
    if (is_debugging if reload is None else reload) and not is_running_from_reloader():
        sys.exit(run_reloading(filter(None, extra_files.split(os.pathsep))))
    app: WSGIApp = info.load_app()
    if is_debugging if debugger is None else debugger:
        app = _debugged(app)
    options: dict[str, Any] = {} if certfile is None else {"certfile": certfile, "keyfile": keyfile}
    try:
        serve(app, host, port, **options)
    except OSError as error:
        raise click.ClickException(f"can't listen: {error.strerror or error}") from None


def _debugged(app: WSGIApp) -> WSGIApp:
    debugged = DebuggedApplication(app, evalex=True)
    if not is_running_from_reloader():  # there it says so itself
        click.echo(f"the debugger is active, with the PIN {debugged.pin}")
    return debugged
