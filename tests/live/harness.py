"""Starts a server in a subprocess, waits until it listens, and checks how it ended."""

from __future__ import annotations

__all__ = ["DEADLINE", "ROOT", "Exit", "Server", "conformance_server"]

import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests import tools

#: Seconds after which a test gives up waiting for something that must happen; never a measure of speed.
DEADLINE = 30.0

ROOT = Path(__file__).resolve().parents[2]

_LISTENING = re.compile(r"(?:geventsio is )?listening on (https?)(?:\+unix)?://(?:\[?([0-9.:]+?)\]?:([0-9]+)|(/.*))\n")


@dataclass(frozen=True)
class Exit:
    """How a server process ended."""

    code: int
    #: What it printed after the line that announced it.
    output: str
    #: What it wrote to stderr, without what has been taken.
    errors: str


class Server:
    """A server in a process of its own, listening when the constructor returns.

    Args:
        command: the command line; it must print `listening on http://HOST:PORT` as its first line, or
            `http+unix://PATH`, and `https` with TLS.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)
        self._errors = tempfile.TemporaryFile()
        self._errors_taken = 0
        self._terminated = False
        # A process group of its own, so that a hung server can be killed together with its workers.
        self._process = subprocess.Popen(
            self.command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0, start_new_session=True
        )
        try:
            self.scheme, self.address, self.path = self._wait_for_address()
        except BaseException:
            self._kill()
            raise

    @property
    def url(self) -> str:
        """The server's `http://HOST:PORT`."""
        host, port = self.address
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def pid(self) -> int:
        """Process id: of the server, under gunicorn of its master."""
        return self._process.pid

    def take_errors(self, lag: bool = False) -> str:
        """What the server has written to stderr since the last call; warnings about a blocked hub only if asked for."""
        size = os.fstat(self._errors.fileno()).st_size
        taken = os.pread(self._errors.fileno(), size - self._errors_taken, self._errors_taken)
        self._errors_taken = size
        errors = taken.decode("utf-8", "replace")
        return errors if lag else tools.without_lag(errors)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server (under gunicorn to its master)."""
        self._process.send_signal(number)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Keep the server from running meanwhile; what clients send waits in the kernel."""
        # Its workers too: they are the rest of its process group.
        os.killpg(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.pid, signal.SIGCONT)

    def wait(self) -> Exit:
        """Wait for the process to end; it is killed and TimeoutError is raised if it doesn't."""
        assert self._process.stdout is not None
        try:
            output, _ = self._process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            errors = self.take_errors()
            self._kill()
            raise TimeoutError(f"{self} did not end; stderr: {errors}") from None
        ended = Exit(self._process.returncode, output.decode("utf-8", "replace"), self.take_errors())
        self._release()
        return ended

    def terminate(self) -> None:
        """Ask it to end as a process manager would, with SIGTERM; once is enough."""
        if not self._terminated:
            self._terminated = True
            self.send_signal(signal.SIGTERM)

    def stop(self) -> Exit:
        """Ask it to end, and wait."""
        self.terminate()
        return self.wait()

    def close(self) -> None:
        """Stop it if it still runs, and fail unless it ends with code 0 and without a word."""
        if self._process.returncode is None:
            ended = self.stop()
            assert ended == Exit(0, "", ""), f"{self} ended unclean: {ended}"

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._kill()

    def __str__(self) -> str:
        return " ".join(self.command[1:])

    def _wait_for_address(self) -> tuple[str, tuple[str, int], str]:
        line = self._read_line()
        match = _LISTENING.fullmatch(line)
        if match is None:
            raise RuntimeError(f"{self} did not start; stdout: {line!r}; stderr: {self.take_errors()}")
        return match[1], (match[2] or "", int(match[3] or 0)), match[4] or ""

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        deadline = time.monotonic() + DEADLINE
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(deadline - time.monotonic()):
                    raise TimeoutError(f"{self} printed {line!r} and hangs; stderr: {self.take_errors()}")
                received = self._process.stdout.read(1)
                if not received:
                    break
                line += received
        return line.decode()

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._release()

    def _release(self) -> None:
        """Close what belonged to a process that has ended."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()


def conformance_server(suite: str, server: str, *options: str) -> Server:
    """Start `tests.conformance.server` on a free port."""
    module = "tests.conformance.server"
    return Server([sys.executable, "-m", module, suite, "--server", server, "--port", "0", *options])
