"""Builds and drives the load generator, the C program in `benchmarks/load`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.servers import RunningServer
from benchmarks.system import pin_to

__all__ = ["Load", "LoadError", "build"]

_SOURCES = Path(__file__).parent / "load"
_PROGRAM = _SOURCES / "build" / "load"
_FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra"]
_HOLD_DEADLINE = 30  # seconds for the held clients to go away after their input ended


class LoadError(Exception):
    """The load generator gave up: the message says what the server did."""


def build() -> Path:
    """Compiles the program if it is older than its sources.

    Raises:
        RuntimeError: there is no C compiler, or it failed.
    """
    sources = sorted(_SOURCES.glob("*.c"))
    newest = max(path.stat().st_mtime for path in (*sources, *_SOURCES.glob("*.h")))
    if _PROGRAM.exists() and _PROGRAM.stat().st_mtime > newest:
        return _PROGRAM
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("the load generator needs a C compiler: install gcc")
    _PROGRAM.parent.mkdir(exist_ok=True)
    result = subprocess.run([compiler, *_FLAGS, "-o", _PROGRAM, *sources], capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{compiler} failed:\n{result.stderr}")
    return _PROGRAM


class Load:
    """The load generator, pinned to one core.

    Args:
        program: what `build` returned.
        core: the core it runs on.
    """

    def __init__(self, program: Path, core: int) -> None:
        self._program = program
        self._core = core

    def _start(self, server: RunningServer, workload: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self._program), workload, server.host, str(server.port), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=pin_to(self._core),
        )

    def measure(self, server: RunningServer, workload: str, *arguments: str) -> dict[str, float]:
        """Runs a workload of the program and returns its figures, plus `server_cpu` and `rate_per_cpu_second`.

        Args:
            server: what to measure.
            workload: as the head of `load.c` lists them.
            arguments: its further arguments.

        Raises:
            LoadError: a client was refused, lost, or got something that it did not expect.
        """
        with self._start(server, workload, arguments) as process:
            _read_line(process)
            before = server.cpu_seconds()
            figures: dict[str, Any] = json.loads(_read_line(process))
            used = server.cpu_seconds() - before
        figures["server_cpu"] = used / figures["seconds"]
        figures["rate_per_cpu_second"] = figures["messages"] / used if used else 0.0
        for name, micros in figures.pop("latency_us", {}).items():
            figures[f"latency_{name}"] = micros
        return figures

    @contextmanager
    def hold(self, server: RunningServer, *, clients: int, browser: bool) -> Iterator[None]:
        """Keeps idle clients connected while the block runs.

        Args:
            server: what to connect to.
            clients: number of connections.
            browser: send a browser's headers instead of only those that a websocket needs.

        Raises:
            LoadError: a client was refused or lost.
        """
        arguments = ["--clients", str(clients), *(["--browser"] if browser else [])]
        with self._start(server, "idle", arguments) as process:
            _read_line(process)
            yield
            _, errors = process.communicate(timeout=_HOLD_DEADLINE)
        if process.returncode != 0:
            raise LoadError(errors.strip())


def _read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    if not line:
        raise LoadError(process.stderr.read().strip() or "the load generator died")
    return line
