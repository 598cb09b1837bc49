"""The client's side of Engine.IO v3, by hand."""

from __future__ import annotations

__all__ = ["PollingPeer3"]

import json
from typing import Any

from tests.engine.peer import Address, Answer, Connection, Headers


class PollingPeer3:
    """A client on the polling transport; bodies go out and come in as they are.

    Args:
        address: of the server.
        query: more parameters of the handshake.
        path: of the server.
    """

    def __init__(self, address: Address, query: str = "", path: str = "/engine.io/") -> None:
        self.path = path
        self.gets, self.posts = Connection(address), Connection(address)
        self.gets.request("GET", f"{path}?EIO=3&transport=polling{query}")
        self.opened = self.gets.answer()
        length, _, packet = self.opened.body.decode().partition(":")
        assert (int(length), packet[:1]) == (len(packet), "0")
        self.handshake: dict[str, Any] = json.loads(packet[1:])
        self.sid: str = self.handshake["sid"]

    def target(self, transport: str = "polling", protocol: int = 3) -> str:
        """Path and query of a request for this session."""
        return f"{self.path}?EIO={protocol}&transport={transport}&sid={self.sid}"

    def start_poll(self) -> None:
        """Send a GET."""
        self.gets.request("GET", self.target())

    def get(self) -> Answer:
        """Send a GET and return its answer."""
        self.start_poll()
        return self.gets.answer()

    def poll(self) -> bytes:
        """Send a GET and return the body of its answer."""
        answer = self.get()
        assert answer.status == 200, answer
        return answer.body

    def post(self, body: bytes, headers: Headers = ()) -> Answer:
        """Send a POST and return its answer."""
        self.posts.request("POST", self.target(), headers, body)
        return self.posts.answer()

    def send(self, body: bytes, headers: Headers = ()) -> None:
        """Send a POST, which must be accepted."""
        answer = self.post(body, headers)
        assert (answer.status, answer.body) == (200, b"ok"), answer

    def close(self) -> None:
        """End the session, if it has not ended, and both connections."""
        self.gets.close()
        self.posts.close()
        self.posts = Connection(self.posts.address)
        assert self.post(b"1:1").status in (200, 400)
        self.posts.close()
