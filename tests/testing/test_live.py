"""Tests of the live server: in this unpatched process it has a thread and a hub of its own."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gevent
import pytest
import requests
import socketio
from gevent.hub import Hub
from werkzeug.wrappers import Request, Response

from geventsio import DisconnectReason, Socket, SocketIO
from geventsio.testing import LiveServer, TestClient

ROOT = Path(__file__).parents[2]

# python-socketio's clients write to stderr of their own accord, also from threads that outlive them.
SILENCE = logging.getLogger("python-socketio")
SILENCE.addHandler(logging.NullHandler())
SILENCE.propagate = False
QUIET: dict[str, Any] = {"logger": SILENCE, "engineio_logger": SILENCE}


@pytest.fixture
def app(io: SocketIO, reasons: list[str]) -> Any:
    """An app with a page and a server that answers with the number of its thread."""

    @Request.application
    def page(request: Request) -> Response:
        return Response(f"page at {request.path}")

    @io.ns("/").on("where")
    def where(socket: Socket) -> int:
        return threading.get_ident()

    @io.ns("/").on_disconnect
    def bye(reason: DisconnectReason) -> None:
        reasons.append(str(reason))

    return io.layer(page)


@pytest.fixture
def reasons() -> list[str]:
    """Why the server's sockets were disconnected."""
    return []


def real_client() -> Any:
    """A client of python-socketio."""
    return socketio.SimpleClient(**QUIET)


def hubs() -> int:
    """Hubs that have not been destroyed."""
    gc.collect()
    return sum(issubclass(type(found), Hub) and found.loop is not None for found in gc.get_objects())


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_it_serves_the_app_and_real_clients(app: Any, io: SocketIO, reasons: list[str], transport: str) -> None:
    gevent.get_hub()
    before = hubs()
    with LiveServer(app) as server:
        assert requests.get(f"{server.url}/x", timeout=10).text == "page at /x"
        with real_client() as client:
            client.connect(server.url, transports=[transport])
            assert client.call("where", timeout=10) != threading.get_ident()
            io.emit("news", 1)  # from this thread
            assert client.receive(timeout=10) == ["news", 1]
    assert len(reasons) == 1
    assert hubs() == before
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=10)


def test_stopping_disconnects_the_clients(app: Any, reasons: list[str]) -> None:
    server = LiveServer(app)
    server.stop()  # nothing happens yet
    server.start()
    with pytest.raises(RuntimeError, match="started already"):
        server.start()
    client = socketio.Client(reconnection=False, **QUIET)
    gone = threading.Event()
    client.on("disconnect", lambda reason: gone.set())
    client.connect(server.url, transports=["polling"], wait_timeout=10)
    server.stop()
    server.stop()
    assert gone.wait(10)
    assert reasons == ["server shutting down"]


def test_it_can_be_restarted(app: Any, reasons: list[str]) -> None:
    server = LiveServer(app)
    ports = set()
    for _ in range(2):
        with server, real_client() as client:
            ports.add(server.port)
            client.connect(server.url, transports=["polling"])
            assert client.call("where", timeout=10) != threading.get_ident()
    assert len(ports) == 1


def test_a_server_that_could_not_start_can_be_started_later(app: Any) -> None:
    with LiveServer(app) as server:
        late = LiveServer(SocketIO(), port=server.port)
        with pytest.raises(OSError, match="in use"):
            late.start()
        late.stop()  # it does not run
    with late:
        assert late.port == server.port


def test_one_server_serves_test_clients_and_live_ones_in_turns(app: Any, io: SocketIO) -> None:
    for _ in range(2):
        with TestClient(app) as client:
            assert client.connect().call("where") == threading.get_ident()
            with pytest.raises(RuntimeError, match="has other clients"):
                LiveServer(app).start()
        with LiveServer(app) as server:
            with real_client() as real:
                real.connect(server.url, transports=["polling"])
                assert real.call("where", timeout=10) != threading.get_ident()
            with pytest.raises(RuntimeError, match="in use in another thread"):
                TestClient(app)


def test_nobody_came(app: Any) -> None:
    with LiveServer(app) as server:
        assert server.port > 0


def test_a_port_that_is_taken(app: Any) -> None:
    with LiveServer(app) as server, pytest.raises(OSError, match="in use"):
        LiveServer(app, port=server.port).start()


def test_an_app_without_a_server() -> None:
    with pytest.raises(TypeError, match="pass it as LiveServer"):
        LiveServer(lambda environ, start_response: [])


PATCHED = """
from gevent import monkey; monkey.patch_all()
import threading, gevent, requests, socketio
from geventsio import Socket, SocketIO
from geventsio.testing import LiveServer, TestClient
io = SocketIO()
io.ns("/").on("hub", lambda: id(gevent.get_hub()))
for transport in ("polling", "websocket"):
    with LiveServer(io) as server, socketio.SimpleClient() as client:
        client.connect(server.url, transports=[transport])
        assert client.call("hub", timeout=10) == id(gevent.get_hub())
        with TestClient(io) as other:  # in the same hub they get along
            socket = other.connect()
            assert socket.call("hub") == id(gevent.get_hub())
            assert client.call("hub", timeout=10) == id(gevent.get_hub())
    assert not io.engine.has_started
with TestClient(io) as client:
    assert client.connect().call("hub") == id(gevent.get_hub())
print("done")
"""


def test_in_a_patched_process() -> None:
    done = subprocess.run([sys.executable, "-c", PATCHED], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("done\n", "")
