"""A server on a port of its own, for clients that need a network: browsers, python-socketio, requests."""

from __future__ import annotations

import threading
from typing import Any

import gevent
import gevent.event
from gevent import socket
from gevent.pywsgi import WSGIServer

from geventsio.server import SocketIO
from geventsio.testing.bench import find_server
from geventsio.types import DisconnectReason

__all__ = ["LiveServer"]

#: Seconds that disconnect handlers have to end when the server stops.
LAST_CALLBACKS = 5.0


class LiveServer:
    """Serves an app with gevent's pywsgi on a free port of 127.0.0.1, in a thread beside the test.

    In a process that gevent has patched, the thread is a greenlet of the test's own hub. In one that it has not, it is
    a real thread with a hub of its own, so a test may block while the server serves. As a context manager it starts and
    stops.

    Args:
        app: a `SocketIO`, or the WSGI app that holds one.
        io: the server in `app`, where it can't be found: behind other middlewares than `io.layer`.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        server_options: for `gevent.pywsgi.WSGIServer`, such as `handler_class`.

    Attributes:
        io: the Socket.IO server.
        host: as above.
        port: the port that it listens on, once it has started.

    Raises:
        TypeError: there is no server to be found in `app`.
    """

    def __init__(
        self, app: Any, *, io: SocketIO | None = None, host: str = "127.0.0.1", port: int = 0, **server_options: Any
    ) -> None:
        server = io or find_server(app)
        if server is None:
            raise TypeError(f"there is no SocketIO to be found in {app!r}: pass it as LiveServer(app, io=io)")
        self.io = server
        self.host = host
        self.port = port
        self._app = server.service() if isinstance(app, SocketIO) else app
        self._options = {"log": None, **server_options}
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._hub: Any = None
        self._starter: Any = None
        self._stop = gevent.event.Event()

    def __enter__(self) -> LiveServer:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where clients find it, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Listen. May switch greenlets.

        Raises:
            RuntimeError: it has been started, or test clients use this server.
            OSError: it can't listen on this port.
        """
        engine = self.io.engine
        if self._thread is not None or engine.has_started and engine.sessions:
            raise RuntimeError("the server has been started already, or has other clients")
        self.io.release()
        self._starter = gevent.get_hub()
        self._thread = threading.Thread(target=self._run, name="geventsio-live-server", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def stop(self) -> None:
        """Close all connections and the port; nothing happens if it does not run. May switch greenlets."""
        if self._thread is not None and self._error is None:
            self._hub.loop.run_callback_threadsafe(self._stop.set)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        self._hub = gevent.get_hub()
        try:
            listener = _listener(self.host, self.port)
            self.port = listener.getsockname()[1]
            server = WSGIServer(listener, self._app, **self._options)
            server.start()
            self._ready.set()
            self._stop.wait()
            self._close(server)
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()
            if self._hub is not self._starter:
                self._hub.destroy(destroy_loop=True)

    def _close(self, server: WSGIServer) -> None:
        server.close()  # nobody comes in any more
        engine = self.io.engine
        if not engine.has_started:
            server.stop(timeout=1)
            return
        for session in list(engine.sessions.values()):
            session.close(DisconnectReason.SERVER_SHUTTING_DOWN)
        is_done = engine.callbacks.wait(LAST_CALLBACKS)
        engine.acceptor.finish()
        server.stop(timeout=1)
        for session in list(engine.sessions.values()):
            session.forget()  # polls that nobody made any more
        if is_done and not engine.runtime.workers.busy:
            self.io.release()


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except BaseException:
        listener.close()  # gevent's own function would leave it to the garbage collector
        raise
    return listener
