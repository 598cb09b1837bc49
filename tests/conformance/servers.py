"""Runs one WSGI application on each of the WSGI servers that geventsio supports."""

from __future__ import annotations

__all__ = ["ALL_SERVERS", "SERVERS", "Binding", "serve"]

import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: What every live test runs on: gevent's own server, and gunicorn with one worker of either class.
SERVERS = ("pywsgi", "gunicorn", "gevent-websocket")

#: What `--server` accepts: the same and `geventsio.wsgi.serve`, gunicorn's worker on pywsgi, pywsgi with
#: gevent-websocket's handler, and Werkzeug's server for development in a patched process.
ALL_SERVERS = (*SERVERS, "embedded", "gunicorn-pywsgi", "pywsgi-websocket", "werkzeug")

_WORKER_CLASSES = {
    "gunicorn": "gevent",
    "gunicorn-pywsgi": "gevent_pywsgi",
    "gevent-websocket": "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
}


@dataclass(frozen=True)
class Binding:
    """Where to listen.

    Attributes:
        host: address; with `unix:` in front, the path of a Unix socket.
        port: 0 takes a free one, which the printed line tells.
        certificate: files of a certificate and its key, for TLS.
    """

    host: str = "127.0.0.1"
    port: int = 0
    certificate: tuple[str, str] | None = None

    @property
    def path(self) -> str | None:
        """The Unix socket's path."""
        return self.host.removeprefix("unix:") if self.host.startswith("unix:") else None

    @property
    def listener(self) -> Any:
        """What gevent's servers listen on; also the text that gunicorn takes."""
        if self.path is None:
            return (self.host, self.port)
        from gevent import socket

        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.path)
        listener.listen(128)
        return listener

    @property
    def tls(self) -> dict[str, str]:
        """The certificate in the words of pywsgi and gunicorn."""
        return dict(zip(("certfile", "keyfile"), self.certificate or (), strict=False))

    def report(self, address: Any) -> None:
        """Print the line that tests wait for."""
        scheme = "https" if self.certificate else "http"
        if self.path is None:
            host, port = address[:2]
            print(f"listening on {scheme}://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
        else:
            print(f"listening on {scheme}+unix://{self.path}", flush=True)


def serve(
    load: Callable[[], WSGIApplication], server: str, binding: Binding, settings: Mapping[str, Any] | None = None
) -> None:
    """Serve an application until SIGTERM or SIGINT.

    Prints `listening on http://HOST:PORT` once the port is bound and the application is loaded, and nothing else.

    Args:
        load: makes the application. It must do its imports itself: gunicorn calls it in the worker process, after
            its monkey patches.
        server: one of `ALL_SERVERS`.
        binding: where to listen.
        settings: for gunicorn.
    """
    if server in _WORKER_CLASSES:
        _serve_gunicorn(load, binding, {**(settings or {}), "worker_class": _WORKER_CLASSES[server]})
    elif server == "werkzeug":
        _serve_werkzeug(load, binding)
    elif server == "embedded":
        _serve_embedded(load, binding)
    else:
        _serve_pywsgi(load, binding, server)


def _serve_pywsgi(load: Callable[[], WSGIApplication], binding: Binding, kind: str) -> None:
    import gevent
    from gevent.pywsgi import WSGIServer

    options: dict[str, Any] = dict(binding.tls)
    if kind == "pywsgi-websocket":
        from geventwebsocket.handler import WebSocketHandler

        options["handler_class"] = WebSocketHandler
    server = WSGIServer(binding.listener, load(), log=None, **options)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop)
    server.start()
    binding.report(server.socket.getsockname())
    server.serve_forever()


def _serve_embedded(load: Callable[[], WSGIApplication], binding: Binding) -> None:
    from geventsio.wsgi import serve

    serve(load(), binding.host, binding.port, **binding.tls)


def _serve_werkzeug(load: Callable[[], WSGIApplication], binding: Binding) -> None:
    from gevent import monkey

    monkey.patch_all()
    import logging

    import gevent
    from werkzeug.serving import make_server

    # Its line for each request would be taken for an error.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = load()
    server = make_server(binding.host, binding.port, app, threaded=True, ssl_context=binding.certificate)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.shutdown)
    binding.report(server.server_address)
    server.serve_forever()


def _serve_gunicorn(load: Callable[[], WSGIApplication], binding: Binding, more: Mapping[str, Any]) -> None:
    from gunicorn.app.base import BaseApplication

    host = f"[{binding.host}]" if ":" in binding.host else binding.host

    def report(worker: Any) -> None:
        # The first worker only: a replacement for one that ended must not announce the server again.
        if worker.age == 1:
            binding.report(worker.sockets[0].getsockname())

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings = {
                "bind": binding.host if binding.path else f"{host}:{binding.port}",
                "workers": 1,
                "loglevel": "warning",
                "post_worker_init": report,
                # A socket under the home directory that every instance would fight for; older versions have none.
                "control_socket_disable": True,
                **binding.tls,
                **more,
            }
            for name, value in settings.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            return load()

    sys.exit(Application().run())
