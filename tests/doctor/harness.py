"""Runs the doctor as a command, and proxies that do what proxies do."""

from __future__ import annotations

__all__ = ["Doctor", "Examination", "Proxy"]

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.integrations.command import DEADLINE, environment

Address = tuple[str, int]


@dataclass(frozen=True)
class Examination:
    """What the doctor said."""

    status: int
    findings: list[dict[str, str]]
    errors: str

    def texts(self, topic: str, level: str) -> list[str]:
        """The findings of a topic and level, each with its fix."""
        found = [item for item in self.findings if (item["topic"], item["level"]) == (topic, level)]
        return [f"{item['text']} -> {item['fix']}" if item["fix"] else item["text"] for item in found]

    def only(self, topic: str, level: str) -> str:
        """The only finding of a topic and level."""
        texts = self.texts(topic, level)
        assert len(texts) == 1, self.findings
        return texts[0]

    @property
    def levels(self) -> set[str]:
        """The levels that occur."""
        return {item["level"] for item in self.findings}


class Doctor(Protocol):
    """Examines; the fixture of this name has a folder for modules."""

    folder: Path

    def __call__(self, *arguments: str, source: str = "", **environ: str) -> Examination:
        """Write `source` into the module `site_app` of the folder, and run the command there."""
        ...


def examine(folder: Path, *arguments: str, start: Sequence[str] = (), **environ: str) -> Examination:
    """Run the doctor with `--json`, where the interpreter is given `start`."""
    begin = [sys.executable, *(start or ("-m", "geventsio")), "doctor", "--json"]
    home = {"HOME": str(folder)}
    ended = subprocess.run(
        [*begin, *arguments],
        cwd=folder,
        env={**environment(), **home, **environ},
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
    )
    assert ended.stdout, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    findings = report["findings"]
    assert report["ok"] is (ended.returncode == 0)
    for finding in findings:
        # Who is told that something is wrong is told what to do.
        assert finding["fix"] or finding["level"] == "ok", finding
    return Examination(ended.returncode, findings, ended.stderr)


class Proxy:
    """Passes connections on to servers; with each, the request's head may be changed.

    Args:
        servers: each connection goes to the next one.
        change: makes the head that is passed on.
        answer: makes the head of the answer that is passed back.
        patience: seconds after which a connection is cut on which the server says nothing.
    """

    def __init__(
        self,
        servers: Sequence[Address],
        change: Callable[[bytes], bytes] = lambda head: head,
        answer: Callable[[bytes], bytes] = lambda head: head,
        patience: float = DEADLINE,
    ) -> None:
        self._servers = servers
        self._change = change
        self._answer = answer
        self._patience = patience
        self._accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: Address = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """End it when its clients have left."""
        # Closing alone would not wake who waits for a connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(DEADLINE)
        self._listener.close()
        for thread in self._threads[1:]:
            thread.join(DEADLINE)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._servers[self._accepted % len(self._servers)]
            self._accepted += 1
            thread = threading.Thread(target=self._serve, args=(client, server))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, address: Address) -> None:
        with client, suppress(OSError), socket.create_connection(address) as server:
            back = threading.Thread(target=self._pass_back, args=(server, client))
            back.start()
            _pass_on(client, server, self._change)
            with suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            back.join()

    def _pass_back(self, server: socket.socket, client: socket.socket) -> None:
        server.settimeout(self._patience)
        _pass_on(server, client, self._answer)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _pass_on(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            data = source.recv(65536)
            if not data:
                return
            head += data
        lines, end, rest = head.partition(b"\r\n\r\n")
        target.sendall(change(lines) + end + rest)
        while data := source.recv(65536):
            target.sendall(data)


def without(name: str) -> Callable[[bytes], bytes]:
    """A change that leaves out a header."""
    return lambda head: re.sub(rb"(?im)^%s:[^\r]*\r\n" % name.encode(), b"", head + b"\r\n").removesuffix(b"\r\n")


def setting(name: str, value: str) -> Callable[[bytes], bytes]:
    """A change that replaces a header."""
    return lambda head: without(name)(head) + f"\r\n{name}: {value}".encode()
