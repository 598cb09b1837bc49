"""One Engine.IO session of a test client: long-polling through calls of the WSGI app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import gevent
import orjson
from werkzeug.test import Client, TestResponse

from geventsio.errors import ProtocolError
from geventsio.protocol.eio_packet import CLOSE, PONG, PacketType, decode_packet
from geventsio.protocol.eio_payload import SEPARATOR, decode_payload
from geventsio.testing.bench import Bench
from geventsio.testing.errors import ConnectError, NotReceived

__all__ = ["Listener", "PollingSession", "Web"]


class Listener(Protocol):
    """Whose session it is."""

    def message(self, data: str | bytes) -> None:
        """Take a message.

        Raises:
            ProtocolError: it is broken.
        """

    def ended(self, reason: str) -> None:
        """Learn that the session has ended."""


class Web:
    """Makes requests to the WSGI app, each of them with what the client's browser would send along.

    Args:
        http: keeps the cookies.
        path: of the Socket.IO server.
        query: of each request, beside what the protocol asks for.
        headers: of each request.
        environ: of each request, in the end.
    """

    def __init__(
        self, http: Client, path: str, query: Mapping[str, str], headers: Mapping[str, str], environ: Mapping[str, Any]
    ) -> None:
        self._http = http
        self._path = path
        self._query = {"EIO": "4", "transport": "polling", **query}
        self._headers = dict(headers)
        self._environ = {"REMOTE_ADDR": "127.0.0.1", **environ}

    def request(self, sid: str | None, body: bytes | None = None) -> TestResponse:
        """GET, or POST a body. Switches greenlets."""
        return self._http.open(
            self._path,
            method="GET" if body is None else "POST",
            query_string=self._query if sid is None else {**self._query, "sid": sid},
            headers=self._headers,
            data=body,
            content_type=None if body is None else "text/plain;charset=UTF-8",
            environ_overrides=self._environ,
        )


class PollingSession:
    """A session. Its requests run in greenlets of their own, one GET and at most one POST at a time.

    Attributes:
        sid: the session's id.
        listens: set it to False for a client that has vanished: it answers nothing and fetches nothing.
    """

    def __init__(self, bench: Bench, web: Web, listener: Listener) -> None:
        self.sid = ""
        self.listens = True
        self._bench = bench
        self._web = web
        self._listener = listener
        self._is_open = False
        self._unsent: list[bytes] = []
        self._polls: gevent.Greenlet[..., None] | None = None
        self._sends: gevent.Greenlet[..., None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has neither been closed nor ended by the server."""
        return self._is_open

    def open(self, timeout: float) -> None:
        """Make the handshake. Switches greenlets.

        Raises:
            ConnectError: the server refuses.
            NotReceived: it takes longer than `timeout` real seconds.
        """
        answers: list[TestResponse | BaseException] = []
        greenlet = gevent.spawn(self._try, lambda: self._web.request(None), answers.append)
        self._bench.wait_for(lambda: answers, timeout)
        if not answers:
            greenlet.kill()
            raise NotReceived(f"the handshake was not answered within {timeout:g} seconds")
        answer = answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if answer.status_code != 200:
            raise _refusal(answer)
        self.sid = orjson.loads(decode_packet(answer.get_data(as_text=True)).data)["sid"]
        self._bench.opened(self.sid)
        self._is_open = True
        self._fetch()

    def send(self, payload: bytes) -> None:
        """Send the packets of a payload behind all others, in a request that may not be answered yet afterwards."""
        self._unsent.append(payload)
        if not self._sends and self.listens:
            self._sends = gevent.spawn(self._post)

    def close(self) -> None:
        """Say goodbye. Once it has vanished, it comes back for that."""
        self._is_open = False
        if not self.listens:
            self.listens = True
            self._unsent.clear()
        self.send(CLOSE)
        self._fetch()  # what the server keeps for it shall not be left behind

    def _fetch(self) -> None:
        if not self._polls:
            self._polls = gevent.spawn(self._poll)

    def _poll(self) -> None:
        while self.listens:
            answer = self._exchange(None)
            if answer is None or not self.listens:
                return
            try:
                for packet in decode_payload(answer.get_data()):
                    self._receive(packet.type, packet.data)
            except ProtocolError:
                self._end("parse error")
            if not self._is_open:
                return

    def _post(self) -> None:
        while self._unsent and self.listens:
            body = SEPARATOR.join(self._unsent)
            self._unsent.clear()
            if self._exchange(body) is None:
                return

    def _exchange(self, body: bytes | None) -> TestResponse | None:
        """Make a request; None, and the end of the session, if it fails."""
        answers: list[TestResponse | BaseException] = []
        self._try(lambda: self._web.request(self.sid, body), answers.append)
        answer = answers[0]
        if isinstance(answer, BaseException):
            self._bench.failed(answer)
        elif answer.status_code == 200:
            return answer
        self._end("transport error")
        return None

    def _try(self, request: Callable[[], TestResponse], take: Callable[[TestResponse | BaseException], object]) -> None:
        # An exception that escaped from a greenlet would be printed, and seen by nobody else.
        try:
            take(request())
        except Exception as error:
            take(error)
        self._bench.tell()

    def _receive(self, kind: PacketType, data: str | bytes) -> None:
        if kind is PacketType.PING:
            self.send(PONG)
        elif kind is PacketType.CLOSE:
            self._end("transport close")
        elif kind is PacketType.MESSAGE and self._is_open:
            self._listener.message(data)

    def _end(self, reason: str) -> None:
        if self._is_open:
            self._is_open = False
            if self._polls is not None and self._polls is not gevent.getcurrent():
                self._polls.kill(block=False)  # as a browser does with a request that it needs no more
            self._listener.ended(reason)
            self._bench.tell()


def _refusal(answer: TestResponse) -> ConnectError:
    try:
        message = orjson.loads(answer.get_data())["message"]
    except (ValueError, KeyError, TypeError):
        message = answer.get_data(as_text=True) or answer.status
    return ConnectError(str(message), status=answer.status_code)
