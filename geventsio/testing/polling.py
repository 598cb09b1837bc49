"""An Engine.IO session of a test client by long-polling: each request is a call of the WSGI app."""

from __future__ import annotations

import gevent
import orjson
from werkzeug.test import TestResponse

from geventsio.errors import ProtocolError
from geventsio.protocol.eio_packet import CLOSE, PONG, PacketType, decode_packet
from geventsio.protocol.eio_payload import SEPARATOR, decode_payload
from geventsio.protocol.packet_group import PacketGroup
from geventsio.testing.bench import Bench
from geventsio.testing.web import Listener, Web

__all__ = ["PollingSession"]


class PollingSession:
    """See `geventsio.testing.web.Session`. Greenlets of its own make one GET and at most one POST at a time."""

    def __init__(self, bench: Bench, web: Web, listener: Listener) -> None:
        self.listens = True
        self._bench = bench
        self._web = web
        self._listener = listener
        self._query = {"transport": "polling"}
        self._is_open = False
        self._unsent: list[bytes] = []
        self._polls: gevent.Greenlet[..., None] | None = None
        self._sends: gevent.Greenlet[..., None] | None = None

    @property
    def is_open(self) -> bool:
        """See `Session`."""
        return self._is_open

    def open(self, timeout: float) -> None:
        """See `Session`."""
        answer = self._web.handshake(200, timeout, self._query)
        sid = orjson.loads(decode_packet(answer.get_data(as_text=True)).data)["sid"]
        self._bench.opened(sid)
        self._query = {**self._query, "sid": sid}
        self._is_open = True
        self._fetch()

    def send(self, group: PacketGroup) -> None:
        """See `Session`."""
        self._unsent.append(group.payload)
        if not self._sends and self.listens:
            self._sends = gevent.spawn(self._post)

    def close(self) -> None:
        """See `Session`."""
        self._is_open = False
        if not self.listens:
            self.listens = True
            self._unsent.clear()
        self.send(PacketGroup(CLOSE))
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
        answer = self._web.request(self._query, body)
        if isinstance(answer, Exception):
            self._bench.failed(answer)
        elif answer.status_code == 200:
            return answer
        self._end("transport error")
        return None

    def _receive(self, kind: PacketType, data: str | bytes) -> None:
        if kind is PacketType.PING:
            self.send(PacketGroup(PONG))
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
