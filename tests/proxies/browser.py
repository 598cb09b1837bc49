"""What a browser says to a site behind a proxy: HTTP on a few connections that it keeps, with TLS and cookies."""

from __future__ import annotations

__all__ = ["OTHER", "PATH", "POLL", "Browser", "Polling", "connect_websocket"]

import json
import select
import socket
from collections.abc import Mapping
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Any

from tests.live.http_client import Reply
from tests.live.ws_client import WebSocket
from tests.proxies.programs import Proxy

PATH = "/socket.io/"

#: A poll may be parked on one connection while the other takes a POST.
POLL, OTHER = 0, 1


class Browser:
    """Keeps its connections to a proxy, and the cookies that it is given.

    Args:
        proxy: the proxy.
        source: the address of this machine that it comes from.
        headers: what it sends along with each request.
    """

    def __init__(self, proxy: Proxy, source: str = "127.0.0.1", headers: Mapping[str, str] | None = None) -> None:
        self.proxy = proxy
        self.source = source
        self.headers = dict(headers or {})
        self.cookies: dict[str, str] = {}
        self._connections = [HTTPConnection(*proxy.address), HTTPConnection(*proxy.address)]

    def start(self, method: str, target: str, body: str | bytes | None = None, channel: int = OTHER) -> None:
        """Send a request."""
        connection = self._connections[channel]
        if connection.sock is not None and _is_ended(connection.sock):
            connection.close()
        if connection.sock is None:
            connection.sock = self.proxy.connect(self.source)
        data = body.encode() if isinstance(body, str) else body
        headers = {**self.headers, "Content-Type": "text/plain;charset=UTF-8"} if data else self.headers
        connection.request(method, target, data, {**headers, **self._cookie_header()})

    def finish(self, channel: int = OTHER) -> Reply:
        """Read the answer."""
        with self._connections[channel].getresponse() as response:
            reply = Reply(response.status, response.headers, response.read())
        for header in reply.headers.get_all("Set-Cookie", []):
            self.cookies.update((name, morsel.value) for name, morsel in SimpleCookie(header).items())
        return reply

    def request(self, method: str, target: str, body: str | bytes | None = None) -> Reply:
        """Send a request and read the answer."""
        self.start(method, target, body)
        return self.finish()

    def drop(self, channel: int = POLL) -> None:
        """Close a connection, whatever is on its way."""
        self._connections[channel].close()

    def websocket(self, sid: str | None = None) -> WebSocket:
        """Open a websocket, for a new session or for an upgrade; the open packet is not read."""
        query = "EIO=4&transport=websocket" + (f"&sid={sid}" if sid else "")
        headers = {**self.headers, **self._cookie_header()}
        connection = self.proxy.connect(self.source)
        return WebSocket(self.proxy.address, f"{PATH}?{query}", headers.items(), connection)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _cookie_header(self) -> dict[str, str]:
        text = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": text} if text else {}


class Polling:
    """A Socket.IO client over long-polling, connected to `/` when the constructor returns."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        opened = browser.request("GET", f"{PATH}?EIO=4&transport=polling")
        assert opened.status == 200 and opened.text.startswith("0{"), opened
        self.sid = str(json.loads(opened.text[1:])["sid"])
        self._target = f"{PATH}?EIO=4&transport=polling&sid={self.sid}"
        self._packets: list[str] = []
        #: How many pings have been answered.
        self.pings = 0
        self.send("40")
        assert self.receive().startswith("40{")

    def send(self, payload: str) -> None:
        """Send packets."""
        reply = self.post(payload)
        assert (reply.status, reply.body) == (200, b"ok"), reply

    def post(self, payload: str | bytes) -> Reply:
        """Send packets that may be refused."""
        return self.browser.request("POST", self._target, payload)

    def start_poll(self) -> None:
        """Send a poll."""
        self.browser.start("GET", self._target, channel=POLL)

    def finish_poll(self) -> Reply:
        """Read a poll's answer."""
        return self.browser.finish(POLL)

    def poll(self) -> Reply:
        """Send a poll and read the answer."""
        self.start_poll()
        return self.finish_poll()

    def receive(self) -> str:
        """Return the next packet, and answer the pings before it."""
        while True:
            while not self._packets:
                self.take(self.poll())
            packet = self._packets.pop(0)
            if packet != "2":
                return packet
            self.answer_ping()

    def take(self, reply: Reply) -> None:
        """Take the packets of a poll's answer."""
        assert reply.status == 200, reply
        self._packets += reply.text.split("\x1e")

    def answer_ping(self) -> None:
        """Send a pong."""
        self.pings += 1
        self.send("3")

    def await_pings(self, count: int) -> None:
        """Poll and do nothing else until so many pings have been answered."""
        while self.pings < count:
            self.take(self.poll())
            while self._packets:
                assert self._packets.pop(0) == "2"
                self.answer_ping()

    def ask(self, event: str, *args: object) -> Any:
        """Send an event, and return the acknowledgement's first value."""
        self.send("420" + json.dumps([event, *args]))
        return _answer(self.receive())


def connect_websocket(browser: Browser) -> WebSocket:
    """Open a websocket and connect it to `/`."""
    socket = browser.websocket()
    assert socket.receive_text().startswith("0{")
    socket.send("40")
    assert socket.receive_text().startswith("40{")
    return socket


def _is_ended(idle: socket.socket) -> bool:
    """Whether the other side has closed a connection on which nothing is due: browsers then open a new one."""
    return bool(select.select([idle], [], [], 0)[0])


def _answer(packet: str) -> Any:
    assert packet.startswith("430["), packet
    return json.loads(packet[3:])[0]
