"""Runs one WSGI application on each of the WSGI servers that geventsio supports."""

from __future__ import annotations

__all__ = ["SERVERS", "serve"]

import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: What `--server` accepts: gevent's own server, and gunicorn with one worker of either class.
SERVERS = ("pywsgi", "gunicorn", "gevent-websocket")

_WORKER_CLASSES = {
    "gunicorn": "gevent",
    "gevent-websocket": "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
}


def serve(load: Callable[[], WSGIApplication], host: str, port: int, server: str) -> None:
    """Serve an application until SIGTERM or SIGINT.

    Prints `listening on http://HOST:PORT` once the port is bound and the application is loaded, and nothing else.

    Args:
        load: makes the application. It must do its imports itself: gunicorn calls it in the worker process, after
            its monkey patches.
        host: address to listen on.
        port: port to listen on; 0 takes a free one, which the printed line tells.
        server: one of `SERVERS`.
    """
    if server == "pywsgi":
        _serve_pywsgi(load, host, port)
    else:
        _serve_gunicorn(load, host, port, _WORKER_CLASSES[server])


def _report(address: tuple[Any, ...]) -> None:
    host, port = address[:2]
    print(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)


def _serve_pywsgi(load: Callable[[], WSGIApplication], host: str, port: int) -> None:
    import gevent
    from gevent.pywsgi import WSGIServer

    server = WSGIServer((host, port), load(), log=None)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, server.stop)
    server.start()
    _report(server.socket.getsockname())
    server.serve_forever()


def _serve_gunicorn(load: Callable[[], WSGIApplication], host: str, port: int, worker_class: str) -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings = {
                "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                "workers": 1,
                "worker_class": worker_class,
                "loglevel": "warning",
                "post_worker_init": _report_worker,
                # A socket under the home directory that every instance would fight for; older versions have none.
                "control_socket_disable": True,
            }
            for name, value in settings.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            return load()

    sys.exit(Application().run())


def _report_worker(worker: Any) -> None:
    # The first worker only: a replacement for one that died must not announce the server again.
    if worker.age == 1:
        _report(worker.sockets[0].getsockname())
