"""gunicorn as it is started on the command line: with `geventsio.integrations.gunicorn`, and without."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests import tools
from tests.integrations.command import Command, eventually
from tests.live.http_client import Pending, PollingSession, request
from tests.live.ws_client import Refused, WebSocket

PATH = "/socket.io/"
WEBSOCKET = f"{PATH}?EIO=4&transport=websocket"
POLLING = f"{PATH}?EIO=4&transport=polling"

SITE = """
import json, os
from gevent import monkey
from geventsio import Socket, SocketIO

print("imported", monkey.is_module_patched("socket"), flush=True)
io = SocketIO(**{"drain_timeout": 1, **json.loads(os.environ.get("SITE_OPTIONS", "{}"))})
sites = io.ns("/")

@sites
def connect(socket: Socket) -> None:
    print(f"connect {socket.id} {os.getpid()}", flush=True)

@sites.on_disconnect
def disconnect(socket: Socket, reason) -> None:
    print(f"disconnect {socket.id} {os.getpid()} {reason}", flush=True)

@sites.on("block")
def block() -> None:
    monkey.get_original("time", "sleep")(0.8)

app = io.service()
"""

LINE = "from geventsio.integrations.gunicorn import *\n"
PATCH = "from gevent import monkey; monkey.patch_all()\n"
# A socket under the home directory, over which all instances would fight.
QUIET = "control_socket_disable = True\n"


class Gunicorn(Command):
    """gunicorn on a free port, serving the module `site_app` of a folder that has a `gunicorn.conf.py`."""

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        environ = {"HOME": str(folder), **environ}
        command = [*tools.gunicorn()[1:], "-b", "127.0.0.1:0", *arguments, "site_app:app"]
        super().__init__(environ, *command, folder=folder)
        self.address = ("", 0)

    def booted(self, workers: int) -> Gunicorn:
        """Wait until it listens, and its workers have loaded the application: others it forgets to stop."""
        self.address = ("127.0.0.1", int(self.writes(r"Listening at: http://127\.0\.0\.1:(\d+)")))
        self.writes(r"imported (\w+)", workers)
        assert request(self.address, "GET", "/").status == 404
        return self

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)

    def pids(self) -> list[str]:
        """The process id of each worker that clients have connected to, in their order."""
        return re.findall(r"^connect \S+ (\d+)$", self.output(), re.M)

    def endings(self) -> list[str]:
        """Why each client that has connected was disconnected; fails unless each was once."""
        connected = re.findall(r"^connect (\S+)", self.output(), re.M)
        ended = re.findall(r"^disconnect (\S+) \d+ (.*)$", self.output(), re.M)
        assert sorted(sid for sid, _ in ended) == sorted(connected)
        return [reason for _, reason in ended]


class Start(Protocol):
    """Starts gunicorn; the fixture of this name ends it."""

    def __call__(self, conf: str, *arguments: str, **environ: str) -> Gunicorn:
        """Start it with a configuration file; see `Gunicorn`."""
        ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start gunicorn in a folder that has the application."""
    (tmp_path / "site_app.py").write_text(SITE)
    started: list[Gunicorn] = []

    def run(conf: str, *arguments: str, **environ: str) -> Gunicorn:
        (tmp_path / "gunicorn.conf.py").write_text(conf + QUIET)
        started.append(Gunicorn(tmp_path, *arguments, **environ))
        return started[-1].booted(2 if "--workers" in arguments else 1)

    yield run
    for command in started:
        command.close()


def join(address: tuple[str, int]) -> WebSocket:
    """A client over a websocket, connected to the main namespace."""
    socket = WebSocket(address, WEBSOCKET)
    assert socket.receive_text().startswith("0{")
    socket.send("40")
    assert socket.receive_text().startswith("40{")
    return socket


def park(address: tuple[str, int]) -> Pending:
    """A client on polling, connected to the main namespace, whose poll waits."""
    session = PollingSession(address, PATH)
    session.send("40")
    assert session.receive().startswith("40{")
    return session.start_poll()


class Round:
    """A websocket and a poll that are open when their worker is told to stop, by whatever it is."""

    def __init__(self, server: Gunicorn) -> None:
        self._server = server
        self._socket = join(server.address)
        self._poll = park(server.address)
        # Accepted in order: when this one is answered, the poll is there.
        assert request(server.address, "GET", "/").status == 404
        self.pid = server.pids()[-1]

    def ends(self, stop: Callable[[], object]) -> None:
        """Stop the worker, and fail unless both were sent away as they should be."""
        stop()
        with self._socket, self._poll:
            assert self._socket.closing().code == 1001
            reply = self._poll.reply()
            assert (reply.status, reply.body) == (200, b"1")


def in_next_worker(server: Gunicorn, pid: str) -> Round:
    """Connect anew, once another worker than this one answers alone."""

    def probe() -> bool:
        try:
            with join(server.address):
                return server.pids()[-1] != pid
        except (Refused, OSError):
            return False  # the old worker, which drains

    eventually(probe, "another worker")
    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the old worker's end")
    return Round(server)


@pytest.mark.parametrize(
    ("conf", "arguments", "patched"),
    [
        pytest.param("", ["-k", "gevent"], "True", id="nothing"),
        pytest.param(PATCH + LINE, ["--preload"], "True", id="line, preloaded"),
        pytest.param("", ["-c", "python:geventsio.integrations.gunicorn"], "True", id="no file"),
    ],
)
def test_workers_come_and_go(start: Start, conf: str, arguments: list[str], patched: str) -> None:
    server = start(conf, *arguments, "--max-requests", "60")
    assert server.writes(r"imported (\w+)") == patched
    first = Round(server)
    first.ends(lambda: os.kill(server.pid, signal.SIGHUP))
    second = in_next_worker(server, first.pid)

    def visit() -> None:
        for _ in range(60):
            request(server.address, "GET", "/")

    second.ends(visit)
    third = in_next_worker(server, second.pid)
    third.ends(server.terminate)
    assert server.end() == 0
    assert set(server.endings()) <= {"server shutting down", "transport close"}
    assert server.endings().count("server shutting down") >= 6
    assert "[ERROR]" not in server.output() and "Traceback" not in server.output()


def test_the_reloader(start: Start, tmp_path: Path) -> None:
    server = start(LINE, "--reload", "--reload-engine", "poll")
    first = Round(server)
    source = tmp_path / "site_app.py"
    first.ends(lambda: source.write_text(SITE + "\n# changed\n"))
    second = in_next_worker(server, first.pid)
    second.ends(server.terminate)
    assert server.end() == 0
    assert server.endings().count("server shutting down") >= 4
    assert "Traceback" not in server.output()


def test_time_passes_in_a_worker_with_a_preloaded_app(start: Start) -> None:
    server = start("", "-k", "gevent", "--preload", SITE_OPTIONS='{"ping_interval": 0.2}')
    assert server.writes(r"imported (\w+)") == "False"
    with join(server.address) as socket:
        assert socket.receive_text() == "2"  # the heartbeat's timer
        socket.send("3")
        socket.send('42["block"]')
        server.writes(r"block .*blocked the hub for")


@pytest.mark.parametrize(
    ("conf", "arguments", "complaint"),
    [
        (LINE, ["-k", "gthread"], r"\[ERROR\] gunicorn's worker class 'gthread' has no gevent loop"),
        (LINE, ["--preload"], r"\[WARNING\] with preload_app the application is imported before"),
    ],
    ids=["gthread", "preload"],
)
def test_what_the_line_finds_at_the_start(start: Start, conf: str, arguments: list[str], complaint: str) -> None:
    assert start(conf, *arguments).writes(complaint)


class TestSeveralWorkers:
    """Two workers on one port, between which nothing can keep a client's requests together."""

    def test_polling_is_refused_with_the_ways_out(self, start: Start) -> None:
        server = start(LINE, "--workers", "2")
        for _ in range(8):
            reply = request(server.address, "GET", POLLING)
            assert (reply.status, reply.content_type) == (500, "application/json")
            for way in ("transports=['websocket']", "--workers 1", "sticky_sessions=True"):
                assert way in reply.json["message"]
        with join(server.address) as socket:
            socket.send('42["nobody"]')
        assert server.stop() == 0
        assert 1 <= server.output().count("Polling is refused: ") <= 2  # once for each worker

    @pytest.mark.parametrize(
        ("options", "status"),
        [('{"transports": ["websocket"]}', 400), ('{"sticky_sessions": true}', 200)],
        ids=["websockets", "sticky"],
    )
    def test_the_ways_out(self, start: Start, options: str, status: int) -> None:
        server = start(LINE, "--workers", "2", SITE_OPTIONS=options)
        assert request(server.address, "GET", POLLING).status == status
        with join(server.address) as socket:
            assert socket.close().code == 1000
        assert "Polling is refused" not in server.output()
