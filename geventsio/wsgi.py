"""The ways into a server: WSGI middleware, WSGI app, client bundles, and an embedded server."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import gevent.event

from geventsio.config import check_names
from geventsio.engine.drain import drain_all

if TYPE_CHECKING:
    from geventsio.server import SocketIO

__all__ = ["ClientFiles", "Environ", "Layer", "StartResponse", "WSGIApp", "run", "serve"]

logger = logging.getLogger("geventsio")

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

#: What browsers load when no bundle is installed here.
CDN = "https://cdn.socket.io/4.8.1/"

_JAVASCRIPT = "application/javascript; charset=utf-8"
_BUNDLES = (
    "socket.io.js",
    "socket.io.min.js",
    "socket.io.esm.min.js",
    "socket.io.msgpack.min.js",
)
_FILES = {name: _JAVASCRIPT for name in _BUNDLES} | {f"{name}.map": "application/json" for name in _BUNDLES}


# pywsgi's own, and those of ssl that it passes on. It takes any other name for one of ssl's, and would speak TLS.
_SERVER_OPTIONS = frozenset(
    "backlog spawn log error_log handler_class environ"
    " keyfile certfile cert_reqs ssl_version ca_certs ciphers ssl_context"
    " server_side do_handshake_on_connect suppress_ragged_eofs".split()
)


class Layer:
    """Serves one path, and leaves all others to an app.

    Args:
        path: a path segment with its leading slash; `/socket.io` does not stand for `/socket.iox`.
        handle: serves the path and what is below it.
        app: serves all others; None answers them 404.
    """

    def __init__(self, path: str, handle: WSGIApp, app: WSGIApp | None) -> None:
        self._path = path
        self._below = path + "/"
        self.handle = handle
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request (PEP 3333). May switch greenlets."""
        if self.is_ours(environ):
            return self.handle(environ, start_response)
        if self._app is not None:
            return self._app(environ, start_response)
        start_response("404 Not Found", [("Content-Length", "0")])
        return []

    def is_ours(self, environ: Environ) -> bool:
        """Whether a request is to the path, or below it."""
        path = environ.get("PATH_INFO", "")
        return path == self._path or path.startswith(self._below)  # type: ignore[no-any-return]


class ClientFiles:
    """Serves the client's bundles from an installed `socket.io-client`, or sends browsers to the public CDN.

    Args:
        folder: the folder of the bundles; None looks for node_modules in the working directory and above it.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder is not None else None

    def __call__(self, name: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve the bundle of this name."""
        kind = _FILES.get(name)
        if kind is None:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        if self._folder is None:
            self._folder = _find_bundles()
        file = self._folder / name
        if not file.is_file():
            start_response("302 Found", [("Location", CDN + name), ("Content-Length", "0")])
            return []
        content = file.read_bytes()
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Cache-Control", "public, max-age=0"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response("200 OK", headers)
        return [content]


def _find_bundles() -> Path:
    """Where npm has put the bundles; a folder that need not exist."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        bundles = folder / "node_modules" / "socket.io-client" / "dist"
        if bundles.is_dir():
            return bundles
    return here / "node_modules" / "socket.io-client" / "dist"


def run(io: SocketIO, app: Any, host: str, port: int, **server_options: Any) -> None:
    """Do what `SocketIO.run` says."""
    serve(io.service() if app is None else _wrapped(io, app), host, port, **server_options)


def serve(app: WSGIApp, host: str, port: int, **server_options: Any) -> None:
    """Serve a WSGI app with pywsgi until SIGTERM, SIGINT or SIGHUP, then drain. Switches greenlets.

    A second SIGINT (Ctrl-C) ends the process at once.

    Args:
        app: a WSGI app.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        server_options: for `gevent.pywsgi.WSGIServer`.

    Raises:
        TypeError: see `SocketIO.run`.
    """
    from geventsio.embedded import EmbeddedServer

    check_names(server_options, _SERVER_OPTIONS, "server option")
    server_options.setdefault("log", None)
    server = EmbeddedServer((host, port), app, **server_options)
    server.start()
    stop = gevent.event.Event()
    watchers = {number: gevent.signal_handler(number, stop.set) for number in _stop_signals()}
    scheme = "https" if server.ssl_enabled else "http"
    print(f"geventsio is listening on {scheme}://{host}:{server.server_port}", flush=True)
    try:
        stop.wait()
    finally:
        watchers.pop(signal.SIGINT).cancel()
        server.close()
        drain_all()
        server.stop(timeout=1)
        for watcher in watchers.values():
            watcher.cancel()


def _stop_signals() -> list[signal.Signals]:
    # nohup has SIGHUP ignored, and it shall stay so.
    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hangup]


def _wrapped(io: SocketIO, app: Any) -> WSGIApp:
    """The app with the layer around it, unless it has been put there already."""
    for layer in (app, getattr(app, "wsgi_app", None)):
        if isinstance(layer, Layer) and layer.handle == io.handle:
            return app  # type: ignore[no-any-return]
    return io.layer(app)
