"""What the sessions of a test client have in common: requests to the WSGI app, and whom they tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import gevent
import orjson
from werkzeug.test import Client, TestResponse

from geventsio.protocol.packet_group import PacketGroup
from geventsio.testing.bench import Bench
from geventsio.testing.errors import ConnectError, NotReceived

__all__ = ["Listener", "Session", "Web"]

Answer = TestResponse | Exception


class Listener(Protocol):
    """Whose session it is."""

    def message(self, data: str | bytes) -> None:
        """Take a message.

        Raises:
            ProtocolError: it is broken.
        """

    def ended(self, reason: str) -> None:
        """Learn that the server, or the way to it, has ended the session."""


class Session(Protocol):
    """An Engine.IO session over one transport.

    Attributes:
        listens: set it to False for a client that has vanished: it answers nothing and fetches nothing.
    """

    listens: bool

    @property
    def is_open(self) -> bool:
        """Whether it has neither been closed nor ended by the server."""
        ...

    def open(self, timeout: float) -> None:
        """Make the handshake. Switches greenlets.

        Raises:
            ConnectError: the server refuses.
            NotReceived: it takes longer than `timeout` real seconds.
        """

    def send(self, group: PacketGroup) -> None:
        """Send packets behind all others; they may still be under way afterwards."""

    def close(self) -> None:
        """Say goodbye. Once it has vanished, it comes back for that."""


class Web:
    """Makes requests to the WSGI app, each of them with what the client's browser would send along.

    Args:
        bench: of the server.
        http: keeps the cookies.
        path: of the Socket.IO server.
        query: of each request, beside what the protocol asks for.
        headers: of each request.
        environ: of each request, in the end.
    """

    def __init__(
        self,
        bench: Bench,
        http: Client,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        environ: Mapping[str, Any],
    ) -> None:
        self._bench = bench
        self._http = http
        self._path = path
        self._query = query
        self._headers = headers
        self._environ = {"REMOTE_ADDR": "127.0.0.1", **environ}

    def request(
        self,
        query: Mapping[str, str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        environ: Mapping[str, Any] | None = None,
    ) -> Answer:
        """GET, or POST a body. Switches greenlets. Returns an exception of the app."""
        try:
            return self._http.open(
                self._path,
                method="GET" if body is None else "POST",
                query_string={"EIO": "4", **self._query, **query},
                headers={**self._headers, **(headers or {})},
                data=body,
                content_type=None if body is None else "text/plain;charset=UTF-8",
                environ_overrides={**self._environ, **(environ or {})},
            )
        except Exception as error:  # what escapes from a greenlet is printed, and seen by nobody else
            return error
        finally:
            self._bench.tell()

    def handshake(self, status: int, timeout: float, *request: Any) -> TestResponse:
        """Make a request in a greenlet, and wait for its answer. Switches greenlets.

        Args:
            status: of the answer that is hoped for.
            timeout: real seconds.
            request: arguments of `request`.

        Raises:
            ConnectError: the answer has another status.
            NotReceived: there is none in time.
            Exception: the app's.
        """
        greenlet = gevent.spawn(self.request, *request)
        self._bench.wait_for(greenlet.ready, timeout)
        if not greenlet.ready():
            greenlet.kill()
            raise NotReceived(f"the handshake was not answered within {timeout:g} seconds")
        answer = greenlet.value
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, TestResponse)
        if answer.status_code != status:
            raise _refusal(answer)
        return answer


def _refusal(answer: TestResponse) -> ConnectError:
    try:
        message = orjson.loads(answer.get_data())["message"]
    except (ValueError, KeyError, TypeError):
        message = answer.get_data(as_text=True) or answer.status
    return ConnectError(str(message), status=answer.status_code)
