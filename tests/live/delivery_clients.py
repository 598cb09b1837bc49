"""Clients of `tests.live.delivery_server`: they read when they are told to."""

from __future__ import annotations

__all__ = ["Client", "Message", "Site", "read_event"]

import base64
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from typing import Any

from tests.live.harness import DEADLINE, Server
from tests.live.http_client import PollingSession
from tests.live.ws_client import WebSocket

PATH = "/socket.io/"
WEBSOCKET = f"{PATH}?EIO=4&transport=websocket"

Message = str | bytes


class WebSocketClient:
    """A client on a websocket.

    Args:
        server: where to connect.
        tls: for a server with TLS.
        deflate: whether messages may be compressed.
        upgrade: whether it has polled before.
    """

    def __init__(
        self, server: Server, tls: ssl.SSLContext | None = None, deflate: bool = False, upgrade: bool = False
    ) -> None:
        session = PollingSession(server.address, PATH) if upgrade else None
        connection = socket.create_connection(server.address, timeout=DEADLINE)
        if tls is not None:
            connection = tls.wrap_socket(connection, server_hostname="localhost")
        target = WEBSOCKET if session is None else session.target("websocket")
        self._socket = WebSocket(server.address, target, connection=connection, deflate=deflate)
        if session is None:
            assert self._socket.receive_text().startswith("0{")
        else:
            self._socket.send("2probe")
            assert self._socket.receive() == "3probe"
            self._socket.send("5")

    def send(self, *messages: Message) -> None:
        """Send messages."""
        for message in messages:
            self._socket.send("4" + message if isinstance(message, str) else message)

    def receive(self) -> Message:
        """Return the next message."""
        message = self._socket.receive()
        return message[1:] if isinstance(message, str) else message

    def close(self) -> None:
        """Leave."""
        self._socket.close()
        self._socket.socket.close()


class PollingClient:
    """A client that polls."""

    def __init__(self, server: Server) -> None:
        self._session = PollingSession(server.address, PATH)
        self._poll = self._session.start_poll()
        self._parts: list[str] = []

    def send(self, *messages: Message) -> None:
        """Send messages in one POST."""
        parts = [f"4{item}" if isinstance(item, str) else f"b{base64.b64encode(item).decode()}" for item in messages]
        self._session.send("\x1e".join(parts))

    def receive(self) -> Message:
        """Return the next message; a poll is always under way."""
        while not self._parts:
            reply = self._poll.reply()
            assert reply.status == 200, reply.status
            self._parts = [part for part in reply.text.split("\x1e")[::-1] if part != "6"]
            self._poll = self._session.start_poll()
        part = self._parts.pop()
        return part[1:] if part[0] == "4" else base64.b64decode(part[1:], validate=True)

    def close(self) -> None:
        """Leave."""
        self._session.send("1")
        with self._poll:
            self._poll.reply()


Client = WebSocketClient | PollingClient


class Site:
    """A server, and how its clients come to it."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self.server = server
        self.tls = tls

    @property
    def takes_deflate(self) -> bool:
        """Whether permessage-deflate can be negotiated; gevent-websocket's handler knows no extensions."""
        return "gevent-websocket" not in self.server.command

    @contextmanager
    def client(self, transport: str) -> Iterator[Client]:
        """Connect a client to `/`, over polling, websocket, deflate or upgrade."""
        if transport == "polling":
            client: Client = PollingClient(self.server)
        else:
            client = WebSocketClient(self.server, self.tls, transport == "deflate", transport == "upgrade")
        try:
            client.send("0")
            answer = client.receive()
            assert isinstance(answer, str) and answer.startswith('0{"sid":'), answer
            yield client
        finally:
            client.close()

    def ask(self, path: str) -> Any:
        """Request something of the server."""
        host, port = self.server.address
        connection = HTTPConnection(host, port, timeout=DEADLINE)
        if self.tls is not None:
            connection = HTTPSConnection("localhost", port, timeout=DEADLINE, context=self.tls)
        connection.request("GET", path)
        with connection.getresponse() as response:
            answer = json.loads(response.read())
        connection.close()
        return answer

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait for a state of the server."""
        end = time.monotonic() + DEADLINE
        while not condition(state := self.ask("/state")):
            assert time.monotonic() < end, state
            time.sleep(0.01)


def read_event(client: Client) -> list[Any]:
    """Read an event, with its attachments in their places."""
    text = client.receive()
    assert isinstance(text, str), text[:100]
    if text[0] == "2":
        event: list[Any] = json.loads(text[1:])
        return event
    head, _, data = text.partition("-")
    assert head[0] == "5", text[:100]
    attachments = [client.receive() for _ in range(int(head[1:]))]
    assert all(isinstance(attachment, bytes) for attachment in attachments), text[:100]

    def place(value: dict[str, Any]) -> Any:
        return attachments[value["num"]] if value.get("_placeholder") else value

    event = json.loads(data, object_hook=place)
    return event
