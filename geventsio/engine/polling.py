"""The polling transport: GET parks until there is something to send, POST brings packets."""

from __future__ import annotations

import _socket
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

from gevent.event import Event
from gevent.hub import Waiter

from geventsio.engine.body import read_body
from geventsio.engine.outbox import PollingOutbox
from geventsio.engine.responses import DONE, ErrorCode, RequestError, Response
from geventsio.engine.takeover import find_socket
from geventsio.engine.workers import SLICE
from geventsio.errors import ProtocolError
from geventsio.protocol.eio_packet import NOOP, PacketType
from geventsio.protocol.eio_payload import PayloadCodec
from geventsio.types import DisconnectReason

if TYPE_CHECKING:
    from geventsio.engine.session import Session

__all__ = ["PollingTransport"]

#: What a session ends with whose POST can't be read; without an entry, it is a transport error.
_REASONS = {ErrorCode.PAYLOAD_TOO_LARGE: DisconnectReason.PAYLOAD_TOO_LARGE}


class Poll:
    """A GET that waits for something to send.

    While it waits, the connection is watched: both WSGI servers report an answer to a client that has left as
    delivered, and its packets would be lost.
    """

    __slots__ = ("_gone", "_loop", "_sock", "_waiter", "_watcher")

    def __init__(self, loop: Any, sock: Any, gone: Callable[[], object]) -> None:
        self._loop = loop
        self._sock = getattr(sock, "_sock", sock)
        self._gone = gone
        self._waiter: Waiter[None] | None = None
        self._watcher: Any = None

    def wait(self) -> None:
        """Wait until `wake` is called. Switches greenlets."""
        waiter = self._waiter = Waiter()
        try:
            fd = -1 if self._sock is None else self._sock.fileno()
            if fd >= 0:
                self._watcher = self._loop.io(fd, 1)  # READ
                self._watcher.start(self._look)
            waiter.get()
            # Whoever wakes us may have come before the loop could see that the client is gone.
            self._look()
        finally:
            self._waiter = None
            self._stop_watching()

    def wake(self) -> None:
        """Let `wait` return, in the loop's next round."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._loop.run_callback(waiter.switch, None)

    def _look(self) -> None:
        """Look if the client is gone, without taking what it may have sent."""
        if self._watcher is None:
            return
        try:
            data = self._sock.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._stop_watching()  # or, with a pipelined request waiting there, we would be called again and again
        if not data:
            self._gone()
            self.wake()

    def _stop_watching(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
            watcher.close()


class PollingTransport:
    """The polling side of one session.

    Args:
        session: whose it is.
        codec: how its packets travel in HTTP bodies.
    """

    __slots__ = ("_codec", "_goodbye", "_poll", "_posting", "_resumed", "_session", "outbox")

    def __init__(self, session: Session, codec: PayloadCodec) -> None:
        self._session = session
        self._codec = codec
        self._poll: Poll | None = None
        self._posting = False
        self._resumed: Event | None = None
        self._goodbye = False
        self.outbox = PollingOutbox(session.server.bounds)

    def answer(self, packet: bytes, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """Answer with one text packet, with more headers."""
        return Response.payload(self._codec.encode(packet), headers)

    def get(self, environ: dict[str, Any]) -> Response:
        """Answer a poll with what waits, as soon as something does. May switch greenlets.

        Raises:
            RequestError: another poll is waiting; the session is closed for it. Or the session has been upgraded.
        """
        session = self._session
        if session.has_second_transport:
            # The loop calls what it has polled in reverse: an upgrade packet that was sent before may come up only now.
            session.runtime.backlog.wait()
            if session.polling is not self:
                raise RequestError(ErrorCode.BAD_REQUEST, "polling on a session that has been upgraded")
        if session.is_upgrading:
            return self.answer(NOOP)
        if self._poll is not None:
            session.drop(DisconnectReason.TRANSPORT_ERROR)
            raise RequestError(ErrorCode.BAD_REQUEST)
        if not self.outbox.waiting():
            self._wait(find_socket(environ))
        return self._answer()

    def post(self, environ: dict[str, Any]) -> Response:
        """Handle the packets of a body. May switch greenlets.

        Raises:
            RequestError: the body is too large, too slow or malformed, or another POST has not ended; the
                session is closed for each.
        """
        session = self._session
        if self._posting:
            session.drop(DisconnectReason.TRANSPORT_ERROR)
            raise RequestError(ErrorCode.BAD_REQUEST)
        self._posting = True
        try:
            options = session.server.options
            body = read_body(environ, options.max_payload, options.body_timeout)
            if session.server.counts is not None:
                session.server.counts.polling.received += len(body)
            end = monotonic() + SLICE
            for packet in self._codec.decode(body, environ.get("CONTENT_TYPE", "")):
                if packet.type is PacketType.CLOSE and self._poll is None:
                    # The loop calls what it has polled in reverse: a GET that was sent before may come up only now.
                    session.runtime.backlog.wait()
                if not session.is_open:
                    break
                session.receive_packet(packet)
                if session.is_paused:
                    self._await_resume()
                if monotonic() > end:
                    session.server.runtime.backlog.wait()
                    end = monotonic() + SLICE
        except RequestError as error:
            session.drop(_REASONS.get(error.code, DisconnectReason.TRANSPORT_ERROR))
            raise
        except ProtocolError as error:
            session.drop(DisconnectReason.PARSE_ERROR)
            raise RequestError(ErrorCode.BAD_REQUEST, str(error)) from None
        finally:
            self._posting = False
        return DONE

    def release(self) -> None:
        """Let a parked poll end, with NOOP if nothing else is to be sent."""
        if self._poll is not None:
            self._poll.wake()

    def resume(self) -> None:
        """Let a POST go on that waits for the session's queue to drain."""
        if self._resumed is not None:
            self._resumed.set()

    @property
    def is_polled(self) -> bool:
        """Whether a GET is waiting."""
        return self._poll is not None

    def finish(self, client_left: bool) -> None:
        """End with the session.

        Args:
            client_left: the client said CLOSE itself: a parked poll is answered NOOP, and nothing else follows.
        """
        self.resume()
        self._goodbye = client_left
        self.release()

    def _wait(self, sock: Any) -> None:
        poll = self._poll = Poll(self._session.server.runtime.loop, sock, self._client_gone)
        self.outbox.wake = poll.wake
        try:
            poll.wait()
        finally:
            self._poll = None
            self.outbox.wake = None

    def _answer(self) -> Response:
        session = self._session
        if self._goodbye or session.polling is not self or session.is_upgrading or not self.outbox.waiting():
            return self.answer(NOOP)
        payload = self.outbox.take(session.server.options.max_payload, self._codec.take)
        if not session.is_open and not self.outbox.waiting():
            session.forget()
        return Response.payload(payload, content_type=self._codec.content_type(payload))

    def _client_gone(self) -> None:
        self._session.drop(DisconnectReason.TRANSPORT_ERROR)

    def _await_resume(self) -> None:
        session = self._session
        self._resumed = Event()
        # The client's request must not hang for ever: then the rest follows, up to the hard limit of the queue.
        self._resumed.wait(session.server.options.ping_interval)
        self._resumed = None
