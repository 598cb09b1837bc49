"""Starts an example in a process of its own, on a port that it can have again after a restart."""

from __future__ import annotations

__all__ = ["DEADLINE", "SERVERS", "Demo", "eventually", "running", "with_client"]

import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from tests import tools

T = TypeVar("T")

#: Seconds after which a test gives up waiting for something that must happen; never a measure of speed.
DEADLINE = 30

ROOT = Path(__file__).resolve().parents[2]


def eventually(probe: Callable[[], T | None], what: str) -> T:
    """Ask again and again until the answer is truthy.

    Raises:
        TimeoutError: it never was.
    """
    deadline = time.monotonic() + DEADLINE
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"never happened: {what}; at the end: {answer!r}")
        time.sleep(0.02)
    return answer


def _embedded(example: str, address: str) -> list[str]:
    host, port = address.split(":")
    return [sys.executable, "-m", example, "--host", host, "--port", port]


def _gunicorn(worker: str) -> Callable[[str, str], list[str]]:
    def command(example: str, address: str) -> list[str]:
        options = ["-c", str(Path(__file__).with_name("gunicorn_conf.py")), "-k", worker, "-b", address]
        return [*tools.gunicorn(), *options, f"{example}.app:app"]

    return command


#: The command lines that serve an example, by the server's name.
SERVERS = {
    "embedded": _embedded,
    "gunicorn": _gunicorn("gevent"),
    "gevent-websocket": _gunicorn("geventwebsocket.gunicorn.workers.GeventWebSocketWorker"),
}


class Demo:
    """An example that listens when the constructor returns.

    Args:
        example: the example's package, such as "examples.chat".
        server: one of `SERVERS`.
        cwd: the folder to start it in.
        certificate: files of a certificate and its key; with them the embedded server speaks TLS.
        makes_certificate: whether it speaks TLS with a certificate of its own making.
        environ: environment variables for it.
        expects: what the lines contain that it may write to stderr.
    """

    def __init__(
        self,
        example: str,
        server: str = "embedded",
        cwd: Path = ROOT,
        certificate: tuple[str, str] | None = None,
        makes_certificate: bool = False,
        environ: Mapping[str, str] | None = None,
        expects: str | None = None,
    ) -> None:
        self.port = _free_port()
        self._command = SERVERS[server](example, f"127.0.0.1:{self.port}")
        self._tls = None
        if certificate is not None:
            self._command += ["--certificate", *certificate]
            self._tls = ssl.create_default_context(cafile=certificate[0])
        elif makes_certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE  # nobody knows it
        self._cwd = cwd
        self._environ = dict(environ or {})
        self._expects = expects
        self._errors = tempfile.TemporaryFile()
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/"

    def errors(self) -> str:
        """What it has written to stderr so far that was not to be expected."""
        size = os.fstat(self._errors.fileno()).st_size
        lines = tools.without_lag(os.pread(self._errors.fileno(), size, 0).decode("utf-8", "replace"))
        if self._expects is None:
            return lines
        return "".join(line for line in lines.splitlines(keepends=True) if self._expects not in line)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        path = [value for value in (os.environ.get("PYTHONPATH"), str(ROOT)) if value]
        self._process = subprocess.Popen(
            self._command,
            cwd=self._cwd,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **self._environ},
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,
        )
        try:
            eventually(self._listens, f"{self} listens")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int:
        """End it as a process manager would, with SIGTERM; returns its exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it as a crash would, and what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Stop it if it still runs; fail unless that went well and it never wrote to stderr."""
        code = self.stop() if self._process.poll() is None else 0
        errors = self.errors()
        self._errors.close()
        assert (code, errors) == (0, ""), f"{self} ended with {code} and wrote:\n{errors}"

    def __str__(self) -> str:
        return " ".join(self._command[1:])

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self} ended with {self._process.returncode}:\n{self.errors()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as connection:
                if self._tls is not None:
                    # The server would complain about who does not even say hello.
                    self._tls.wrap_socket(connection, server_hostname="127.0.0.1").close()
        except OSError:
            return False
        return True


@contextmanager
def running(example: str, **options: Any) -> Iterator[Demo]:
    """Run an example without a past; the options are `Demo`'s."""
    demo = Demo(example, **options)
    try:
        yield demo
    except BaseException:
        demo.kill()
        raise
    demo.close()


def with_client(example: str, **options: Any) -> AbstractContextManager[Demo]:
    """Run an example whose pages have the client from the npm package of the tests."""
    return running(example, cwd=tools.js_package("socket.io-client").parents[1], **options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
