"""A server under attack, and the well-behaved clients that must not notice."""

from __future__ import annotations

__all__ = ["Answer", "Arena", "RawConnection"]

import json
import socket
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.hostile.gauge import Gauge, growth
from tests.hostile.table import Http
from tests.live.harness import DEADLINE, Server
from tests.live.http_client import PollingSession, request
from tests.live.ws_client import WebSocket

PATH = "/socket.io/"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, and what came behind it until the server closed."""

    status: int
    headers: dict[str, str]
    body: bytes
    behind: bytes = b""

    @property
    def error_code(self) -> int | None:
        """The Engine.IO code in the body of an error, which must be JSON with a message."""
        error: dict[str, Any] = json.loads(self.body)
        assert error["message"], self
        code: int | None = error.get("code")
        return code


class RawConnection:
    """A TCP connection that sends what it is told."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=DEADLINE)

    def send(self, data: bytes) -> None:
        """Send bytes; a server that has closed already is no error."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def finish(self) -> None:
        """Send FIN, and go on reading."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server was faster

    def read_answer(self, is_head: bool = False) -> Answer | None:
        """Read an answer; None if the server closed without one."""
        with self.socket.makefile("rb") as stream:
            try:
                line = stream.readline()
            except ConnectionResetError:
                return None
            if not line:
                return None
            assert line.startswith(b"HTTP/1."), line
            headers = {}
            while field := stream.readline().decode("latin-1").strip():
                name, _, value = field.partition(":")
                headers[name.lower()] = value.strip()
            status = int(line.split()[1])
            length = headers.get("content-length")
            has_body = not is_head and status != 101
            body = b"" if not has_body else stream.read() if length is None else stream.read(int(length))
            return Answer(status, headers, body)

    def read_rest(self) -> bytes:
        """Read until the server closes."""
        rest = b""
        try:
            while data := self.socket.recv(65536):
                rest += data
        except ConnectionResetError:
            pass
        return rest

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()


class Arena:
    """One server of a kind, with two bystanders: a client on a websocket and one on polling.

    Args:
        kind: one of `SERVERS`.
        timeout: seconds that the server gives to slow requests and upgrades; the table waits for their end.
    """

    def __init__(self, kind: str, timeout: float = 1) -> None:
        self.kind = kind
        command = [sys.executable, "-m", "tests.hostile.server", "--server", kind, "--timeout", str(timeout)]
        self.server = Server(command)
        self.address = self.server.address
        self._websocket = self.open_websocket()
        self._polling = self.open_polling()
        self._echoed = 0

    def open_polling(self, connect: bool = True) -> PollingSession:
        """Open a session by polling, connected to `/`."""
        session = PollingSession(self.address, PATH)
        if connect:
            session.send("40")
            assert session.receive().startswith('40{"sid":')
        return session

    def open_websocket(self, connect: bool = True) -> WebSocket:
        """Open a session by websocket, connected to `/`."""
        websocket = WebSocket(self.address, f"{PATH}?EIO=4&transport=websocket")
        assert websocket.receive_text().startswith("0{")
        if connect:
            websocket.send("40")
            assert websocket.receive_text().startswith('40{"sid":')
        return websocket

    def send(self, row: Http, sid: str) -> Answer | None:
        """Send a request of the table, and return its answer."""
        with RawConnection(self.address) as connection:
            target = f"{PATH}?{row.query}".format(sid=sid) if row.query else PATH
            line = f"{row.method} {target} {row.version}" if row.method else "\r"
            head = "\r\n".join([line, "Host: localhost", *row.headers, "", ""]).encode("latin-1")
            connection.send(head + row.body)
            if row.half:
                connection.socket.shutdown(socket.SHUT_WR)
            answer = connection.read_answer(row.method == "HEAD")
            if answer is not None and answer.headers.get("connection", "").lower() == "close":
                return Answer(answer.status, answer.headers, answer.body, connection.read_rest())
            return answer

    def check_alive(self, session: PollingSession) -> None:
        """Check that a polling session goes on."""
        session.send('42["message","alive"]')
        assert session.receive() == '42["message","alive"]'

    def check_ended(self, session: PollingSession) -> None:
        """Check that a polling session has been closed."""
        reply = session.poll()
        # A session that ended while nobody polled may have its goodbye waiting.
        if reply.status == 200:
            assert reply.text.split("\x1e")[-1] in ("1", "6"), reply
            reply = session.poll()
        assert (reply.status, reply.json) == (400, {"code": 1, "message": "Session ID unknown"})

    def check_undisturbed(self) -> None:
        """Check that the bystanders are served, that no session is left, and that nothing was thrown."""
        self._echoed += 1
        event = f'42["message",{self._echoed}]'
        self._websocket.send(event)
        assert self._websocket.receive_text() == event
        self._polling.send(event)
        assert self._polling.receive() == event
        end = time.monotonic() + DEADLINE
        while (count := int(request(self.address, "GET", "/sessions").body)) != 2:
            assert time.monotonic() < end, f"{count} sessions are left"
            time.sleep(0.01)
        self._check_errors(self.server.take_errors())

    def gauge(self) -> Gauge:
        """What the server's process holds now."""
        return Gauge(**request(self.address, "GET", "/gauge").json)

    def check_flat(self, before: Gauge) -> str:
        """Check that the server holds no more than it did, and tell what it holds; what is under way may end first."""
        end = time.monotonic() + DEADLINE
        while more := growth(before, after := self.gauge()):
            assert time.monotonic() < end, f"{self.kind} has kept {', '.join(more)}"
            time.sleep(0.1)
        return (
            f"{self.kind}: memory {before.memory} -> {after.memory}, descriptors {before.descriptors} -> "
            f"{after.descriptors}, objects {sum(before.objects.values())} -> {sum(after.objects.values())}"
        )

    def close(self) -> None:
        """Let the bystanders leave, and stop the server."""
        with closing(self._websocket.socket):
            self._websocket.close()
        self._polling.send("1")
        ended = self.server.stop()
        assert (ended.code, ended.output) == (0, "")
        self._check_errors(ended.errors)

    def _check_errors(self, errors: str) -> None:
        # The third server's own handler stumbles over some handshakes, before our code is called.
        is_foreign = self.kind == "gevent-websocket" and "geventsio/" not in errors
        assert is_foreign or "Traceback" not in errors, errors
