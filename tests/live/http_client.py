"""Plain HTTP requests and Engine.IO long-polling sessions, each request on a connection of its own."""

from __future__ import annotations

__all__ = ["Pending", "PollingSession", "Reply", "request", "start_request"]

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from tests.live.harness import DEADLINE


@dataclass(frozen=True)
class Reply:
    """A whole HTTP response."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8")

    @property
    def json(self) -> Any:
        """The body's JSON value."""
        return json.loads(self.body)

    @property
    def content_type(self) -> str:
        """The Content-Type header in lower case and without blanks."""
        return str(self.headers.get("Content-Type", "")).lower().replace(" ", "")


class Pending:
    """A request on a connection of its own, sent and answered when the test wants it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._connection = HTTPConnection(*address, timeout=DEADLINE)
        self._connection.connect()

    def send(
        self, method: str, target: str, body: str | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a request without waiting for its response."""
        data = body.encode() if isinstance(body, str) else body
        self._connection.request(method, target, data, dict(headers or {}))

    def reply(self) -> Reply:
        """Read the response and close the connection."""
        with self._connection.getresponse() as response:
            reply = Reply(response.status, response.headers, response.read())
        self._connection.close()
        return reply

    def __enter__(self) -> Pending:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()


def start_request(
    address: tuple[str, int],
    method: str,
    target: str,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Pending:
    """Send a request without waiting for its response."""
    connection = Pending(address)
    connection.send(method, target, body, headers)
    return connection


def request(
    address: tuple[str, int],
    method: str,
    target: str,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send a request and return the whole response."""
    return start_request(address, method, target, body, headers).reply()


class PollingSession:
    """An Engine.IO v4 session over HTTP long-polling, opened by the constructor.

    Args:
        address: host and port.
        path: the server's path, with its slashes.
    """

    def __init__(self, address: tuple[str, int], path: str = "/engine.io/") -> None:
        self.address = address
        self.path = path
        self.opened = request(address, "GET", self.target(sid=None))
        assert self.opened.status == 200, self.opened
        assert self.opened.text.startswith("0"), self.opened
        self.handshake: dict[str, Any] = json.loads(self.opened.text[1:])
        self.sid: str = self.handshake["sid"]

    def target(self, transport: str = "polling", sid: str | None = "") -> str:
        """The request target; with this session's id unless `sid` is None."""
        query = {"EIO": "4", "transport": transport}
        if sid is not None:
            query["sid"] = sid or self.sid
        return f"{self.path}?{urlencode(query)}"

    def start_poll(self) -> Pending:
        """Send a GET without waiting for its response."""
        return start_request(self.address, "GET", self.target())

    def poll(self) -> Reply:
        """Send a GET and wait for its response."""
        return self.start_poll().reply()

    def receive(self) -> str:
        """Return the payload of a GET that must succeed."""
        reply = self.poll()
        assert reply.status == 200, reply
        return reply.text

    def post(self, body: str | bytes, content_type: str = "text/plain;charset=UTF-8") -> Reply:
        """Send a POST and wait for its response."""
        return request(self.address, "POST", self.target(), body, {"Content-Type": content_type})

    def send(self, body: str | bytes) -> None:
        """Send a POST that must succeed."""
        reply = self.post(body)
        assert (reply.status, reply.body) == (200, b"ok"), reply
