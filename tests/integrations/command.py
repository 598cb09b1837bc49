"""Runs commands in processes of their own."""

from __future__ import annotations

__all__ = ["DEADLINE", "ROOT", "Command", "environment", "eventually"]

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[2]

#: Seconds after which a test gives up waiting for something that must happen; never a measure of speed.
DEADLINE = 30


def eventually(probe: Callable[[], T | None], what: str) -> T:
    """Ask again and again until the answer is truthy, and return it.

    Raises:
        TimeoutError: it never was.
    """
    deadline = time.monotonic() + DEADLINE
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"never happened: {what}")
        time.sleep(0.02)
    return answer


def environment() -> dict[str, str]:
    """This process's environment, in which another one finds the package too."""
    path = [value for value in (os.environ.get("PYTHONPATH"), str(ROOT)) if value]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


class Command:
    """A command that runs.

    Args:
        environ: variables of its environment.
        arguments: of the interpreter.
        folder: the working directory.
    """

    def __init__(self, environ: Mapping[str, str], *arguments: str, folder: Path = ROOT) -> None:
        self._output = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-u", *arguments],
            cwd=folder,
            env={**environment(), **environ},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self.pid = self._process.pid

    def output(self) -> str:
        """What it has written so far."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode("utf-8", "replace")

    def writes(self, pattern: str, times: int = 1) -> str:
        """Wait until it has written lines that match, this often; return the first group of the last match."""

        def probe() -> list[str] | None:
            found = re.findall(pattern, self.output())
            assert len(found) >= times or self._process.poll() is None, self.output()
            return found if len(found) >= times else None

        try:
            return eventually(probe, f"{pattern!r}, {times} times")[-1]
        except TimeoutError as error:
            raise AssertionError(f"{error}; it wrote: {self.output()}") from None

    def listening(self, times: int = 1) -> str:
        """Wait until it listens, for the first time or again; return its address."""
        return self.writes(r"geventsio is listening on (\S+)", times)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal, and return what `end` does."""
        self._process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait for its end, and return its exit status."""
        return self._process.wait(DEADLINE)

    def close(self) -> None:
        """End it, if it still runs, with its child."""
        try:
            if self._process.poll() is None:
                self.stop()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._output.close()
