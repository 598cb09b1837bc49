"""A TLS socket that can be driven by callbacks of the hub."""

from __future__ import annotations

import socket
import ssl
from typing import Any

__all__ = ["TLSSocket"]


class TLSSocket:
    """A gevent `SSLSocket` that behaves like a plain non-blocking socket.

    Args:
        sock: an `SSLSocket` whose handshake is done; it stays in the hands of who made it.
    """

    __slots__ = ("_sock",)

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        sock.setblocking(False)

    def fileno(self) -> int:
        """The descriptor, to be watched."""
        return int(self._sock.fileno())

    def recv(self, size: int) -> bytes:
        """Return what has arrived, at least `size` bytes if there are as many.

        Raises:
            BlockingIOError: nothing has.
        """
        try:
            data: bytes = self._sock.recv(size)
            # What has been decrypted already makes no descriptor readable: take it along. At most one TLS record.
            pending = self._sock.pending()
            return data + self._sock.recv(pending) if pending else data
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def send(self, data: bytes | memoryview) -> int:
        """Send as much as the connection takes now, and return how much that was."""
        return int(self._sock.send(data))  # 0 when it would block

    def shutdown(self, how: int) -> None:
        """Say that no more comes, in TLS and in TCP."""
        try:
            self._sock.unwrap()  # sends close_notify
        except (OSError, ValueError):
            pass
        self._sock.shutdown(how)

    def close(self) -> None:
        """End the connection."""
        # The server's file objects still hold the descriptor open.
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._sock.close()
