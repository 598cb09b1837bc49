"""What a Socket.IO client says over a raw WebSocket."""

from __future__ import annotations

__all__ = ["CONNECTED", "check_alive", "check_closed", "connect", "placeholders"]

import json
import re

from tests.live.ws_client import WebSocket

#: The packet by which a server confirms a connection: namespace, and the JSON object with the socket's id.
CONNECTED = re.compile(r'40(/custom,)?(\{"sid":"[A-Za-z0-9_-]{20}"\})')


def connect(socket: WebSocket, namespace: str = "", payload: str = "") -> str:
    """Connect to a namespace (`/custom,` or the main one), and return the socket's id."""
    socket.send(f"40{namespace}{payload}")
    match = CONNECTED.fullmatch(socket.receive_text())
    assert match is not None
    assert (match[1] or "") == namespace
    assert socket.receive() == f'42{namespace}["auth",{payload or "{}"}]'
    return str(json.loads(match[2])["sid"])


def check_closed(socket: WebSocket) -> None:
    """Wait until the server closes the connection; it must do so without another word."""
    closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, [])


def check_alive(socket: WebSocket, namespace: str = "") -> None:
    """Send an event to a namespace and read the answer."""
    socket.send(f'42{namespace}["message","alive"]')
    assert socket.receive() == f'42{namespace}["message-back","alive"]'


def placeholders(*numbers: int) -> str:
    """The arguments that stand for binary attachments."""
    return ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in numbers)
