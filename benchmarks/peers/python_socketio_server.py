"""python-socketio with its defaults, deployed in the two ways that its documentation gives for gevent.

* `pywsgi`: gevent's pywsgi with gevent-websocket's handler;
* `gunicorn`: gunicorn with a gevent worker and simple-websocket.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["main"]

_Application = Callable[..., Any]
_MAX_CONNECTIONS = 20_000  # gunicorn's default of 1,000 would refuse the clients of the larger workloads


def _load() -> _Application:
    import socketio

    server = socketio.Server(async_mode="gevent")

    @server.on("echo")  # type: ignore[untyped-decorator]
    def echo(sid: str, argument: object) -> None:
        server.emit("echo", argument, to=sid)

    @server.on("bcast")  # type: ignore[untyped-decorator]
    def bcast(sid: str, argument: object) -> None:
        server.emit("bcast", argument)

    application: _Application = socketio.WSGIApp(server)
    return application


def _report(host: str, port: int) -> None:
    print(f"listening on http://{host}:{port}", flush=True)


def _serve_pywsgi(host: str, port: int) -> None:
    from gevent.pywsgi import WSGIServer
    from geventwebsocket.handler import WebSocketHandler

    server = WSGIServer((host, port), _load(), log=None, handler_class=WebSocketHandler)
    server.start()
    _report(*server.socket.getsockname()[:2])
    server.serve_forever()


def _serve_gunicorn(host: str, port: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings = {
                "bind": f"{host}:{port}",
                "workers": 1,
                "worker_class": "gevent",
                "worker_connections": _MAX_CONNECTIONS,
                "loglevel": "warning",
                "post_worker_init": lambda worker: _report(*worker.sockets[0].getsockname()[:2]),
                "control_socket_disable": True,  # a file under the home directory; older versions have none
            }
            for name, value in settings.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> _Application:
            # python-socketio prefers gevent-websocket wherever it can be imported, whatever the server is.
            sys.modules["geventwebsocket"] = None  # type: ignore[assignment]
            return _load()

    Application().run()


def main() -> None:
    """Serves until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--server", choices=("pywsgi", "gunicorn"), default="pywsgi")
    options = parser.parse_args()
    if options.server == "pywsgi":
        _serve_pywsgi(options.host, options.port)
    else:
        _serve_gunicorn(options.host, options.port)


if __name__ == "__main__":
    main()
