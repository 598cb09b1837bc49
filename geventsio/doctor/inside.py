"""Examines an application in this process, and connects to it over the loopback interface."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import cast

from gevent import monkey

from geventsio.doctor.findings import Report
from geventsio.doctor.loading import Loaded, NotLoaded, load, load_for_gunicorn
from geventsio.engine.server import EngineServer
from geventsio.server import SocketIO
from geventsio.wsgi import WSGIApp

__all__ = ["examine_app"]


def examine_app(command: list[str], folder: str, path: str | None, report: Report) -> None:
    """Examine an application as its server would have it. Switches greenlets.

    Args:
        command: `module:app`, or a command line that begins with `gunicorn`.
        folder: where to import from; for gunicorn, where it is started.
        path: of Socket.IO, where it is mounted elsewhere than it knows; None for the option req_path.
        report: where to.
    """
    try:
        loaded = load_for_gunicorn(command[1:], folder) if command[0] == "gunicorn" else load(command[0], folder)
    except NotLoaded as error:
        report.error("application", str(error), "run it in the folder that the server is started in, or with --chdir")
        if error.patches is not None and monkey.is_module_patched("threading"):
            error.patches.examine(report, error.place)
        return
    # Not before: these import what an application may want to patch first.
    from geventsio.doctor.packages import examine_integrations, examine_packages

    examine_packages(report)
    engines = [item for item in gc.get_objects() if type(item) is EngineServer]
    _examine_server(loaded, report, engines)
    loaded.patches.examine(report, loaded.place)
    examine_integrations(report)
    app = loaded.app.service() if isinstance(loaded.app, SocketIO) else loaded.app
    if not callable(app):
        report.error(
            "application", f"{type(app).__name__} is no WSGI app", "name the WSGI app or the SocketIO: module:name"
        )
    elif not engines:
        report.error(
            "application", "no Socket.IO server has been made", "make one, and wrap the app with io.layer(app)"
        )
    else:
        for engine in engines:
            _examine_engine(engine, report)
        _connect(cast(WSGIApp, app), engines, path, report)


def _examine_server(loaded: Loaded, report: Report, engines: list[EngineServer]) -> None:
    from geventsio.doctor.server import examine_gunicorn, examine_pywsgi, examine_workers

    options = [engine.options for engine in engines]
    if loaded.settings is None:
        examine_pywsgi(report, Path("gunicorn.conf.py").exists() or "GUNICORN_CMD_ARGS" in os.environ)
        examine_workers(report, 1, options)
    else:
        examine_gunicorn(loaded.settings, loaded.is_late, report, options)
        examine_workers(report, loaded.settings.workers, options)


def _examine_engine(engine: EngineServer, report: Report) -> None:
    from geventsio.doctor.options import examine_limits, examine_origins, examine_proxies, examine_transports
    from geventsio.doctor.packages import has_proxy_fix

    examine_transports(engine.options, report)
    examine_proxies(engine.options, has_proxy_fix(), report)
    examine_origins(engine.options, report)
    examine_limits(engine.options, report)


def _connect(app: WSGIApp, engines: list[EngineServer], path: str | None, report: Report) -> None:
    """Serve the application to nobody else for a moment."""
    from geventsio.doctor.probe import Target
    from geventsio.doctor.trials import examine_connections
    from geventsio.embedded import EmbeddedServer

    server = EmbeddedServer(("127.0.0.1", 0), app, log=None)
    server.start()
    try:
        for engine in engines:
            place = (path or engine.options.req_path).strip("/")
            target = Target("127.0.0.1", int(server.address[1]), f"/{place}/")
            examine_connections(target, report, tuple(engine.options.transports))
    finally:
        server.stop(timeout=1)
