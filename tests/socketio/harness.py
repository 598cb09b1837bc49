"""A server in this process and hub, with the peers that talk to it."""

from __future__ import annotations

__all__ = ["Log", "Program", "Run", "Serve", "Site", "WSGIApp", "wait_until"]

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import gevent
from gevent.pywsgi import WSGIServer

from geventsio import SocketIO
from tests.socketio.peer import Peer, PollingPeer, WebSocketPeer

T = TypeVar("T")

ROOT = Path(__file__).parents[2]

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def wait_until(condition: Callable[[], T]) -> T:
    """Let others run until the condition is true, and return its value; the test's deadline bounds it."""
    while not (value := condition()):
        gevent.sleep(0.001)
    return value


class Site:
    """A Socket.IO server behind a real pywsgi on a free port.

    Args:
        io: the server.
        app: the WSGI app that holds it; None takes its service.
    """

    def __init__(self, io: SocketIO, app: WSGIApp | None = None) -> None:
        self.io = io
        self._peers: list[Peer] = []
        self._server = WSGIServer(("127.0.0.1", 0), io.service() if app is None else app, log=None)
        self._server.start()
        port = self._server.server_port
        assert port is not None
        self.address = ("127.0.0.1", port)

    def websocket(self, path: str = "/socket.io/", sid: str | None = None, cookie: str | None = None) -> WebSocketPeer:
        """A new client over a websocket, in no namespace yet."""
        return self._keep(WebSocketPeer(self.address, path, sid, cookie))

    def polling(self, path: str = "/socket.io/") -> PollingPeer:
        """A new client over long-polling, in no namespace yet."""
        return self._keep(PollingPeer(self.address, path))

    def peer(self, transport: str) -> Peer:
        """A new client over the transport of this name."""
        return self.polling() if transport == "polling" else self.websocket()

    def connect(self, namespace: str = "/", auth: object = None) -> WebSocketPeer:
        """A new client that is connected to a namespace."""
        peer = self.websocket()
        peer.connect(namespace, auth)
        return peer

    def close(self) -> None:
        """Send all clients away; fail if something of them remains."""
        for peer in self._peers:
            peer.close()
        wait_until(lambda: not self.io.engine.sessions)
        assert self.io.close(timeout=10), "a disconnect handler has not returned"
        self._server.stop(timeout=1)
        assert [namespace for namespace in self.io.nsps() if namespace.sockets] == []

    def _keep(self, peer: T) -> T:
        assert isinstance(peer, Peer)
        self._peers.append(peer)
        return peer


class Serve(Protocol):
    """Starts servers; the fixture of this name closes them when the test is over."""

    def __call__(self, io: SocketIO, app: WSGIApp | None = None) -> Site:
        """Start one; see `Site`."""
        ...


class Program:
    """A Python program that runs the embedded server, in a process of its own.

    Args:
        folder: the working directory.
        arguments: of the interpreter.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.address = ("127.0.0.1", 0)
        self._peers: list[Peer] = []
        self._process = subprocess.Popen(
            [sys.executable, "-u", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def listening(self) -> Program:
        """Wait until it listens, and return it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        match = re.fullmatch(r"geventsio is listening on http://127\.0\.0\.1:(\d+)\n", line)
        assert match is not None, (line, self.end())
        self.address = ("127.0.0.1", int(match[1]))
        return self

    def websocket(self, path: str = "/socket.io/") -> WebSocketPeer:
        """A new client over a websocket, connected to the main namespace."""
        peer = WebSocketPeer(self.address, path)
        self._peers.append(peer)
        peer.connect()
        return peer

    def polling(self) -> PollingPeer:
        """A new client over long-polling, connected to the main namespace."""
        peer = PollingPeer(self.address)
        peer.connect()
        return peer

    def stop(self, number: int) -> tuple[int, str, str]:
        """Send a signal, and return what `end` does."""
        self._process.send_signal(number)
        return self.end()

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return the exit status and what was printed to stdout and stderr."""
        output, errors = self._process.communicate(timeout=10)
        return self._process.returncode, output, errors

    def close(self) -> None:
        """Kill it if it still runs, and let its clients go."""
        for peer in self._peers:
            peer.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


class Run(Protocol):
    """Runs programs; the fixture of this name ends them when the test is over."""

    def __call__(self, source: str) -> Program:
        """Run the program of this source; it listens."""
        ...


class Log(logging.Handler):
    """What the library logs, from WARNING on.

    But for who blocked the hub: here it is the test itself, which shares the server's hub.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "blocked the hub" not in record.msg:
            self.records.append(record)

    def take(self) -> list[logging.LogRecord]:
        """Return the records so far, and forget them."""
        records, self.records = self.records, []
        return records

    def take_one(self) -> logging.LogRecord:
        """Wait for a record, which must be the only one, and forget it."""
        wait_until(lambda: self.records)
        (record,) = self.take()
        return record
