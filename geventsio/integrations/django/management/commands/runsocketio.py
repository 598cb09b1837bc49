"""The command `manage.py runsocketio`: a site with its Socket.IO server on gevent, for development."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any, cast

import gevent
from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.core.servers.basehttp import get_internal_wsgi_application
from django.db import connections
from django.utils import autoreload

from geventsio.integrations.django.integration import layers
from geventsio.integrations.django.supervisor import is_inner, start_patched, supervise
from geventsio.integrations.threads import is_patched
from geventsio.wsgi import WSGIApp, serve

__all__ = ["Command"]

#: The exit status of a server that can't be started, and would not be at the next change.
UNABLE = 2


class Command(BaseCommand):  # type: ignore[misc]
    """Runs `settings.WSGI_APPLICATION` with gevent's pywsgi, in a process that gevent has patched."""

    help = "Runs a development server that speaks Socket.IO; a substitute for runserver."
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the arguments."""
        parser.add_argument(
            "addrport",
            nargs="?",
            default="127.0.0.1:8000",
            type=_address,
            metavar="[host:]port",
            help="where to listen (default: 127.0.0.1:8000); port 0 takes a free one",
        )
        parser.add_argument(
            "--noreload", action="store_false", dest="use_reloader", help="don't start again when a file has changed"
        )
        parser.add_argument(
            "--nostatic", action="store_false", dest="use_static_handler", help="don't serve static files with DEBUG"
        )
        parser.add_argument("--cert", dest="certfile", metavar="FILE", help="a certificate, for HTTPS")
        parser.add_argument("--key", dest="keyfile", metavar="FILE", help="the certificate's key")

    def execute(self, *args: Any, **options: Any) -> Any:
        """Do what all commands do, in the process that shall serve. Switches greenlets."""
        if options["use_reloader"] and not is_inner():
            sys.exit(supervise())
        if not is_patched():
            start_patched()
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a signal comes. Switches greenlets."""
        if (options["certfile"] is None) != (options["keyfile"] is None):
            raise CommandError("--cert and --key belong together", returncode=UNABLE)
        connections.close_all()  # of the checks
        if options["use_reloader"]:
            autoreload.run_with_reloader(self._serve_reloading, options)
        else:
            self._serve(options)

    def _serve_reloading(self, options: dict[str, Any]) -> None:
        """Serve in a greenlet, while the main one watches the files, and end that too."""
        status = 0
        try:
            self._serve(options)
        except CommandError as error:
            self.stderr.write(f"{type(error).__name__}: {error}")
            status = UNABLE
        gevent.spawn(sys.exit, status)  # from there it reaches the main greenlet; from here it would not

    def _serve(self, options: dict[str, Any]) -> None:
        app = cast(WSGIApp, get_internal_wsgi_application())
        if not layers:
            raise CommandError(
                f"{settings.WSGI_APPLICATION or 'WSGI_APPLICATION'} has no Socket.IO server: make it with "
                "geventsio.integrations.django.get_wsgi_application(io)",
                returncode=UNABLE,
            )
        if options["use_static_handler"] and settings.DEBUG and apps.is_installed("django.contrib.staticfiles"):
            app = _with_static_files(app)
        host, port = options["addrport"]
        names = ("certfile", "keyfile")
        tls = {name: options[name] for name in names} if options["certfile"] else {}
        try:
            serve(app, host, port, **tls)
        except OSError as error:
            raise CommandError(f"can't listen: {error.strerror or error}", returncode=UNABLE) from None


def _with_static_files(app: WSGIApp) -> WSGIApp:
    from django.contrib.staticfiles.handlers import StaticFilesHandler

    return cast(WSGIApp, StaticFilesHandler(app))


def _address(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)
