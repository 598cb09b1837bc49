"""The command `python -m geventsio module:app`: serve a WSGI app from the command line, or have it examined."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from geventsio.doctor import command as doctor
from geventsio.server import SocketIO
from geventsio.wsgi import serve

__all__ = ["main"]


class _NotFound(Exception):
    """What was named is not there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        arguments: of the command line; None takes the process's own.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["doctor"]:
        doctor.main(arguments[1:])
    options = _parse(arguments)
    sys.path.insert(0, options.chdir)
    try:
        app = _load(options.app)
    except _NotFound as error:
        print(f"geventsio: {options.app}: {error}", file=sys.stderr)
        return 2
    try:
        serve(app, options.host, options.port)
    except OSError as error:
        print(f"geventsio: can't listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m geventsio",
        description="Serve a WSGI app or a SocketIO object with gevent's pywsgi: for development, small deployments.",
        epilog="To monkey-patch the standard library first: python -m gevent.monkey --module geventsio module:app. "
        "To hear what is wrong with a setup: python -m geventsio doctor --help",
    )
    parser.add_argument("app", metavar="module:app", help="a module and the name of a WSGI app or a SocketIO in it")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", default=3000, type=_port, help="the port; 0 takes a free one (default: 3000)")
    parser.add_argument("--chdir", default=".", metavar="FOLDER", help="where to import the module from")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 65_536:
        raise argparse.ArgumentTypeError(f"{port} is not a port: 0 to 65535")
    return port


def _load(name: str) -> Any:
    """Import what `module:name` stands for; a SocketIO becomes its service.

    Raises:
        _NotFound: there is no such module, or nothing in it that can be served.
    """
    module_name, colon, attribute = name.partition(":")
    app = _import(module_name)
    try:
        for part in (attribute if colon else "app").split("."):
            app = getattr(app, part)
    except AttributeError as error:
        raise _NotFound(str(error)) from None
    if isinstance(app, SocketIO):
        return app.service()
    if not callable(app):
        raise _NotFound(f"{type(app).__name__} is not a WSGI app")
    return app


def _import(name: str) -> Any:
    """Import a module; what fails inside of it is its own, and to be seen with its place."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise _NotFound(str(error)) from None
