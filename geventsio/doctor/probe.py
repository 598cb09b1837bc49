"""A client of Engine.IO that tells what happens to it; it makes no namespace connection, so no handler runs."""

from __future__ import annotations

import base64
import os
import socket as native
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, NamedTuple

import gevent
import orjson
from gevent import socket, ssl
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

__all__ = ["Answer", "Opened", "ProbeError", "Target", "WebSocket", "ask", "open_polling", "within"]

#: Seconds that an answer may take which needs no waiting.
PATIENCE = 10.0

READ_SIZE = 65_536

#: Characters of an answer that are shown.
SHOWN = 300


class ProbeError(Exception):
    """Something did not happen as it should.

    Attributes:
        status: of the HTTP answer; 0 if there was none.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Target(NamedTuple):
    """A server, and how to ask it.

    Attributes:
        host: its name or address.
        port: its port.
        path: of Socket.IO, with its slashes.
        tls: how to speak TLS; None for plain HTTP.
        headers: of each request.
    """

    host: str
    port: int
    path: str
    tls: Any = None
    headers: Mapping[str, str] = {}

    @property
    def authority(self) -> str:
        """Host and port as a browser writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (80 if self.tls is None else 443) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """What browsers send from a page of the same server."""
        return f"{'http' if self.tls is None else 'https'}://{self.authority}"


class Answer(NamedTuple):
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def refusal(self, what: str) -> ProbeError:
        """The error that this answer was."""
        text = " ".join(self.body[: 4 * SHOWN].decode("utf-8", "replace").split())
        try:
            text = str(orjson.loads(self.body)["message"])
        except (ValueError, KeyError, TypeError):
            text = text[:SHOWN]
        place = self.headers.get("location")
        moved = f", to {place}" if place else ""
        return ProbeError(f"{what} was answered {self.status}{moved}{f': {text}' if text else ''}", self.status)


class Opened(NamedTuple):
    """What the server says when a session begins."""

    sid: str
    upgrades: list[str]
    ping_interval: float
    ping_timeout: float
    max_payload: int | None


@contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """Turn everything that goes wrong on the network into a ProbeError, delay included. Switches greenlets."""
    timeout = gevent.Timeout(seconds)
    timeout.start()
    try:
        yield
    except gevent.Timeout as error:
        if error is not timeout:
            raise
        raise ProbeError(f"{what}: nothing came within {seconds:g} s") from None
    except (OSError, HTTPException) as error:
        raise ProbeError(f"{what}: {_reason(error)}") from None
    finally:
        timeout.close()


def ask(
    target: Target,
    query: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = PATIENCE,
) -> Answer:
    """Make one request on a connection of its own. Switches greenlets.

    Raises:
        ProbeError: there was no answer.
    """
    what = "the request" if body is None else "the POST"
    with within(seconds, what):
        connection, response = _request(target, query, body, headers)
        try:
            return Answer(response.status, _lower(response), response.read())
        finally:
            connection.close()


def open_polling(target: Target, headers: Mapping[str, str] | None = None) -> Opened:
    """Open a session by polling. Switches greenlets.

    Raises:
        ProbeError: it could not be opened.
    """
    answer = ask(target, "EIO=4&transport=polling", headers=headers)
    if answer.status != 200:
        raise answer.refusal("the handshake by polling")
    return read_open(answer.body)


def read_open(packet: bytes) -> Opened:
    """Read an open packet.

    Raises:
        ProbeError: it is none.
    """
    try:
        values = orjson.loads(packet[1:]) if packet[:1] == b"0" else {}
        interval, timeout = values["pingInterval"] / 1000, values["pingTimeout"] / 1000
        return Opened(values["sid"], values["upgrades"], interval, timeout, values.get("maxPayload"))
    except (ValueError, KeyError, TypeError):
        shown = packet[:80].decode("utf-8", "replace")
        raise ProbeError(f"the answer is no open packet of Engine.IO 4: {shown!r}", HTTPStatus.OK) from None


class WebSocket:
    """A websocket whose handshake has been answered. Its methods switch greenlets, and raise ProbeError.

    Args:
        target: the server.
        query: of the request.
    """

    def __init__(self, target: Target, query: str) -> None:
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode("ascii"),
        }
        with within(PATIENCE, "the websocket's handshake"):
            connection, response = _request(target, query, None, headers)
            if response.status != 101:
                refusal = Answer(response.status, _lower(response), response.read())
                connection.close()
                raise refusal.refusal("the websocket's handshake")
        self._socket: Any = connection.sock
        # What http.client has read past the head is in the buffer of its answer, which it closes when nobody keeps it.
        self._response = response
        self._frames = Protocol(CLIENT, max_size=None)
        self._messages: list[bytes] = []

    def send(self, text: str) -> None:
        """Send a message."""
        with within(PATIENCE, "sending over the websocket"):
            self._frames.send_text(text.encode())
            self._flush()

    def receive(self, seconds: float = PATIENCE) -> str:
        """Return the next message."""
        with within(seconds, "the websocket is open, but silent"):
            while not self._messages:
                data = self._response.fp.read1(READ_SIZE)
                if not data:
                    raise ProbeError("the websocket was cut")
                self._frames.receive_data(data)
                self._take_events()
                self._flush()
        return self._messages.pop(0).decode("utf-8", "replace")

    def close(self) -> None:
        """Say goodbye."""
        try:
            self._frames.send_close(1000)
            self._flush()
        except (OSError, WebSocketException):
            pass  # it is closed already
        self._response.close()
        self._socket.close()

    def _take_events(self) -> None:
        for event in self._frames.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._messages.append(bytes(event.data))
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                reason = self._frames.close_rcvd
                raise ProbeError(f"the websocket was closed: {reason}")

    def _flush(self) -> None:
        if data := b"".join(self._frames.data_to_send()):
            self._socket.sendall(data)


def _request(
    target: Target, query: str, body: bytes | None, headers: Mapping[str, str] | None
) -> tuple[HTTPConnection, HTTPResponse]:
    connection = HTTPConnection(target.host, target.port)
    # gevent's sockets: the server may be in this very process, which need not be patched.
    sock: Any = socket.create_connection((target.host, target.port))
    if target.tls is not None:
        sock = target.tls.wrap_socket(sock, server_hostname=target.host)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sock = sock
    lines = {"Host": target.authority, **target.headers, **(headers or {})}
    if body is not None:
        lines["Content-Type"] = "text/plain;charset=UTF-8"
    connection.request("GET" if body is None else "POST", f"{target.path}?{query}", body, lines)
    return connection, connection.getresponse()


def _lower(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, native.gaierror):
        return "its name is not known"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
