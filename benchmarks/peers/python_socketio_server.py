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


def _ok(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def _load(parser: str) -> _Application:
    import socketio

    serializer = "default" if parser == "common" else parser
    server = socketio.Server(async_mode="gevent", serializer=serializer)

    @server.on("echo")  # type: ignore[untyped-decorator]
    def echo(sid: str, argument: object) -> None:
        server.emit("echo", argument, to=sid)

    @server.on("binary")  # type: ignore[untyped-decorator]
    def binary(sid: str, argument: object) -> None:
        server.emit("binary", argument, to=sid)

    @server.on("ack")  # type: ignore[untyped-decorator]
    def ack(sid: str, argument: object) -> object:
        return argument

    @server.on("bcast")  # type: ignore[untyped-decorator]
    def bcast(sid: str, argument: object) -> None:
        server.emit("bcast", argument)

    @server.on("bcast10")  # type: ignore[untyped-decorator]
    def bcast10(sid: str, argument: object) -> None:
        for _ in range(10):
            server.emit("bcast", argument)

    @server.on("join")  # type: ignore[untyped-decorator]
    def join(sid: str, room: int) -> None:
        server.enter_room(sid, f"room-{room}")
        server.emit("joined", to=sid)

    @server.on("room")  # type: ignore[untyped-decorator]
    def room(sid: str, room: int, argument: object) -> None:
        server.emit("room", argument, to=f"room-{room}")

    application: _Application = socketio.WSGIApp(server, _ok)
    return application


def _report(host: str, port: int) -> None:
    print(f"listening on http://{host}:{port}", flush=True)


def _serve_pywsgi(host: str, port: int, parser: str) -> None:
    from gevent.pywsgi import WSGIServer
    from geventwebsocket.handler import WebSocketHandler

    server = WSGIServer((host, port), _load(parser), log=None, handler_class=WebSocketHandler)
    server.start()
    _report(*server.socket.getsockname()[:2])
    server.serve_forever()


def _serve_gunicorn(host: str, port: int, parser: str) -> None:
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
            return _load(parser)

    Application().run()


def main() -> None:
    """Serves until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--server", choices=("pywsgi", "gunicorn"), default="pywsgi")
    parser.add_argument("--parser", choices=("common", "msgpack"), default="common")
    options = parser.parse_args()
    if options.server == "pywsgi":
        _serve_pywsgi(options.host, options.port, options.parser)
    else:
        _serve_gunicorn(options.host, options.port, options.parser)


if __name__ == "__main__":
    main()
