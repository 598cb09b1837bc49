"""The command `python -m benchmarks.disturber KIND HOST PORT`: a client that others should not notice.

flooder   sends events as fast as the server reads them
stuck     has many events sent to it and reads nothing; comes again when it is thrown out

Prints a line when it has begun, and runs until it is killed.
"""

from __future__ import annotations

import argparse
import base64
import os
import socket

__all__ = ["KINDS"]

_BATCH = 1_000  # frames in one `sendall`
_ANSWERED = 200  # events in one, each of which is answered with as much
_LARGE = 10_000  # bytes
_DEADLINE = 30  # seconds


def _connect(host: str, port: int) -> socket.socket:
    """Open a websocket and connect to `/`."""
    connection = socket.create_connection((host, port), timeout=_DEADLINE)
    key = base64.b64encode(os.urandom(16)).decode()
    head = [
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    connection.sendall("\r\n".join([*head, "", ""]).encode())
    received = b""
    while b"pingInterval" not in received:
        received += connection.recv(4096)
    connection.sendall(_frame("40"))
    while b'40{"sid"' not in received:
        received += connection.recv(4096)
    return connection


def _frame(text: str) -> bytes:
    """A text frame with a mask of zeros, which is a legal one."""
    payload = text.encode()
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload


def flood(host: str, port: int) -> None:
    """Send events that are not answered, without end."""
    connection = _connect(host, port)
    connection.settimeout(None)
    frames = _frame('42["flood","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]') * _BATCH
    print("started", flush=True)
    while True:
        connection.sendall(frames)


def stick(host: str, port: int) -> None:
    """Send events whose answers are never read, again and again."""
    frames = _frame(f'42["echo","{"x" * _LARGE}"]') * _ANSWERED
    is_first = True
    while True:
        with _connect(host, port) as connection:
            if is_first:
                print("started", flush=True)
                is_first = False
            try:
                while True:
                    connection.sendall(frames)
            except (BrokenPipeError, ConnectionResetError, TimeoutError):
                pass  # it has been thrown out


KINDS = {"flooder": flood, "stuck": stick}


def main() -> None:
    """Disturb until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    KINDS[options.kind](options.host, options.port)


if __name__ == "__main__":
    main()
