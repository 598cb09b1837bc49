"""The servers that are measured: how each is started, and what it needs."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.system import cpu_seconds, pin_to, process_tree, pss_bytes

__all__ = [
    "FLOOR",
    "GEVENTSIO",
    "NODE",
    "PYTHON_SOCKETIO",
    "SERVERS",
    "RunningServer",
    "ServerSpec",
    "library_version",
    "running",
]

ROOT = Path(__file__).resolve().parents[1]
_PEERS = ROOT / "benchmarks" / "peers"
_START_DEADLINE = 30  # seconds
_LISTENING = re.compile(r"listening on http://([0-9.]+):([0-9]+)")


@dataclass(frozen=True)
class ServerSpec:
    """A server that can be started.

    Args:
        name: how tables and `--servers` call it.
        family: servers of one project; ratios are taken to the best of a family.
        command: its command line, which must print `listening on http://HOST:PORT`.
        packages: the Python packages to import, each with what to install for it.
        npm: needs Node.js and the packages of `benchmarks/peers/package.json`.
        only: the workloads that it can serve; None for all.
    """

    name: str
    family: str
    command: tuple[str, ...]
    packages: tuple[tuple[str, str], ...] = ()
    npm: bool = False
    only: frozenset[str] | None = None

    def serves(self, workload: str) -> bool:
        """Whether it can be measured with a workload."""
        return self.only is None or workload in self.only

    def missing(self) -> str | None:
        """What has to be installed before it can be started, None if nothing."""
        absent = [package for module, package in self.packages if importlib.util.find_spec(module) is None]
        if absent:
            return f"{sys.executable} -m pip install {' '.join(absent)}"
        if self.npm and shutil.which("node") is None:
            return "install Node.js 18 or newer with npm"
        if self.npm and not (_PEERS / "node_modules" / "socket.io").exists():
            return f"npm install --prefix {_PEERS.relative_to(ROOT)}"
        return None


class RunningServer:
    """A server process that listens.

    Args:
        pid: its process id; processes that it started count with it.
        host: the address it listens on.
        port: the port it listens on.
    """

    def __init__(self, pid: int, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._pids = process_tree(pid)

    def cpu_seconds(self) -> float:
        """CPU time that all its processes have used."""
        return cpu_seconds(self._pids)

    def pss_bytes(self) -> int:
        """Proportional set size of all its processes."""
        return pss_bytes(self._pids)


def library_version() -> str:
    """A digest of the library's sources: figures taken under different ones do not belong into one table."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "geventsio").rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "ended without a word"


@contextmanager
def running(spec: ServerSpec, core: int, options: tuple[str, ...] = ()) -> Iterator[RunningServer]:
    """Starts a server pinned to a core, and kills it with all its processes when the block ends.

    Args:
        spec: the server.
        core: the core.
        options: added to its command line.

    Raises:
        RuntimeError: it does not listen; the message has the last line that it wrote to stderr.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            (*spec.command, *options),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=pin_to(core),
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            waited, _, _ = select.select([process.stdout], [], [], _START_DEADLINE)
            found = _LISTENING.search(process.stdout.readline()) if waited else None
            if found is None:
                errors.seek(0)
                raise RuntimeError(f"did not start: {_last_line(errors.read())}")
            yield RunningServer(process.pid, found[1], int(found[2]))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()


def _geventsio(server: str, *packages: tuple[str, str]) -> ServerSpec:
    command = (sys.executable, "-m", "benchmarks.server", "--port", "0", "--server", server)
    return ServerSpec(f"geventsio-{server}", GEVENTSIO, command, (("gevent", "gevent"), *packages))


def _python_socketio(server: str, *packages: tuple[str, str]) -> ServerSpec:
    command = (sys.executable, "-m", "benchmarks.peers.python_socketio_server", "--server", server)
    return ServerSpec(
        f"python-socketio-{server}", PYTHON_SOCKETIO, command, (("socketio", "python-socketio"), *packages)
    )


#: The floors know how to send back what they get, and nothing else.
_FLOOR_WORKLOADS = frozenset(
    "echo-1 echo echo-1000 echo-window-10 bcast-100 bcast bcast-5000 idle idle-browser".split()
)


def _floor(reader: str) -> ServerSpec:
    command = (sys.executable, "-m", "benchmarks.peers.floor", "--reader", reader)
    packages = (("gevent", "gevent"), ("websockets", "websockets"))
    # Ratios are to the bare gevent sockets: the other floor leaves out gevent's greenlets, as we do.
    family = FLOOR if reader == "greenlet" else f"floor-{reader}"
    return ServerSpec(f"floor-{reader}", family, command, packages, only=_FLOOR_WORKLOADS)


FLOOR = "floor"
GEVENTSIO = "geventsio"
PYTHON_SOCKETIO = "python-socketio"
NODE = "node"

_GUNICORN = ("gunicorn", "'gunicorn[gevent]'")
_GEVENT_WEBSOCKET = ("geventwebsocket", "gevent-websocket")

SERVERS = (
    _geventsio("pywsgi"),
    _geventsio("gunicorn", _GUNICORN),
    _geventsio("gevent-websocket", _GUNICORN, _GEVENT_WEBSOCKET),
    _python_socketio("pywsgi", _GEVENT_WEBSOCKET),
    _python_socketio("gunicorn", _GUNICORN, ("simple_websocket", "simple-websocket")),
    ServerSpec("node", NODE, ("node", "benchmarks/peers/node_server.mjs"), npm=True),
    _floor("greenlet"),
    _floor("watcher"),
)
