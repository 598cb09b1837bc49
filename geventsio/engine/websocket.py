"""One websocket over a socket that was taken out of the WSGI server's hands."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from gevent.event import Event

from geventsio.engine.outbox import Bounds, DeflatingOutbox, RawSocket, WebSocketOutbox
from geventsio.engine.workers import SLICE
from geventsio.errors import ProtocolError
from geventsio.protocol.websocket import (
    MAX_FRAGMENTS,
    Close,
    CloseCode,
    FrameParser,
    Opcode,
    Ping,
    build_close,
    build_frame,
)
from geventsio.types import DisconnectReason

if TYPE_CHECKING:
    from geventsio.engine.runtime import Runtime
    from geventsio.engine.timeouts import Timeouts

__all__ = ["Deflation", "Limits", "Receiver", "WebSocketConnection"]

logger = logging.getLogger("geventsio.engine")

#: Bytes per `recv`: enough for a burst of events; four times as much costs half a microsecond more each time.
READ_SIZE = 16_384

#: Frames that may wait to be sent when a ping arrives; above it, a client that does not read gets no pong.
MAX_WAITING_FOR_PONG = 64


class Receiver(Protocol):
    """Where a connection's messages go. Its methods are called in the hub and must not switch greenlets."""

    def receive(self, message: str | bytes) -> object:
        """Take a text or a binary message."""

    def connection_lost(self, reason: DisconnectReason) -> object:
        """Learn, once, that nothing more will come and nothing more can be sent."""


class Limits(NamedTuple):
    """What one client may send and leave unread.

    Attributes:
        bounds: how much may wait to be sent.
        max_message_size: bytes of one message.
        max_fragments: frames of one message.
    """

    bounds: Bounds
    max_message_size: int
    max_fragments: int = MAX_FRAGMENTS


class Deflation(NamedTuple):
    """permessage-deflate as agreed with one client.

    Attributes:
        threshold: bytes from which on we compress a message.
        window_bits: of what we compress.
    """

    threshold: int
    window_bits: int


class State(Enum):
    """RFC 6455 section 4 and 7: the states after the opening handshake."""

    OPEN = 0
    CLOSING = 1  # our close frame is on its way, or all that was to be said has been said
    CLOSED = 2


_OPEN = State.OPEN


class WebSocketConnection:
    """Reads frames in a callback of the hub and writes through an outbox.

    No greenlet belongs to it. `start` begins reading; the owner may pause and resume it.

    Args:
        runtime: the hub's.
        sock: a non-blocking socket; the connection closes it.
        receiver: where messages go. It may be replaced at any time.
        limits: what the client may do.
        closing: deadlines of close handshakes; they call `abort`.
        deflation: how messages may be compressed; None if they may not.
    """

    __slots__ = (
        "_closing",
        "_ended",
        "_parser",
        "_paused",
        "_reader",
        "_runtime",
        "_sock",
        "_state",
        "_unfinished",
        "outbox",
        "receiver",
    )

    def __init__(
        self,
        runtime: Runtime,
        sock: RawSocket,
        receiver: Receiver,
        limits: Limits,
        closing: Timeouts[WebSocketConnection],
        deflation: Deflation | None = None,
    ) -> None:
        self._runtime = runtime
        self._sock = sock
        self._closing = closing
        self._parser = FrameParser(limits.max_message_size, limits.max_fragments, deflation is not None)
        self._state = State.OPEN
        self._paused = False
        self._unfinished: object | None = None
        self._ended: Event | None = None
        self._reader: Any = runtime.loop.io(sock.fileno(), 1)  # READ
        self.receiver = receiver
        self.outbox: WebSocketOutbox
        if deflation is None:
            self.outbox = WebSocketOutbox(runtime, sock, limits.bounds, self._write_failed)
        else:
            self.outbox = DeflatingOutbox(runtime, sock, limits.bounds, self._write_failed, *deflation)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._state is State.OPEN

    def start(self, already_read: bytes = b"") -> None:
        """Begin to read; `already_read` is what the HTTP server had read past the request."""
        self._reader.start(self._readable)
        if already_read:
            self._parser.receive_data(already_read)
            self._runtime.backlog.add(self._go_on)

    def pause(self) -> None:
        """Read no more until `resume`."""
        self._paused = True
        self._reader.stop()

    def resume(self) -> None:
        """Go on reading, first with what had been received."""
        if self._paused:
            self._paused = False
            if self._state is not State.CLOSED:
                self._runtime.backlog.add(self._go_on)

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send what waits and then a close frame, and wait a while for the client's.

        The receiver hears nothing more.
        """
        if self._state is State.OPEN:
            self._state = State.CLOSING
            self.resume()  # to see the client's close frame; nothing else is handled any more
            self._closing.start(self)
            self.outbox.write(build_close(code, reason), bounded=False)

    def abort(self) -> None:
        """Close the socket at once, without a word."""
        if self._state is not State.CLOSED:
            self._state = State.CLOSED
            self._closing.cancel(self)
            if self._unfinished is not None:
                self._runtime.assembling.cancel(self)
            self.outbox.close()
            self._reader.stop()
            self._reader.close()
            self._sock.close()
            if self._ended is not None:
                self._ended.set()

    def wait(self) -> None:
        """Wait until the connection has ended, for whom it borrowed its socket from. Switches greenlets."""
        if self._state is not State.CLOSED:
            self._ended = Event()
            self._ended.wait()

    def _readable(self) -> None:
        try:
            data = self._sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lost(DisconnectReason.TRANSPORT_ERROR)
            return
        if not data:
            self._lost(DisconnectReason.TRANSPORT_CLOSE)
            return
        self._parser.receive_data(data)
        self._handle_events()

    def _go_on(self) -> None:
        """Handle what earlier callbacks left over, then read again."""
        if self._state is not State.CLOSED and not self._paused and self._handle_events():
            self._reader.start(self._readable)

    def _handle_events(self) -> bool:
        """Handle complete frames until none is left (True), or this callback's slice is over."""
        parser = self._parser
        end = 0.0
        while True:
            try:
                event = parser.next_event()
            except ProtocolError as error:
                self._fail(error)
                return False
            if event is None:
                if parser.unfinished is not self._unfinished:
                    self._watch_assembly(parser.unfinished)
                return True
            if not end and parser.buffer:
                # The client has sent several messages at once: their answers are one segment, too.
                self.outbox.gather()
            if self._state is _OPEN:
                if type(event) is str or type(event) is bytes:
                    self.receiver.receive(event)
                else:
                    self._handle_control(event)
            elif type(event) is Close:
                self._finish()
                return False
            if self._state is State.CLOSED or self._paused:
                return False
            if not parser.buffer and parser.unfinished is self._unfinished:
                return True
            if not end:
                end = monotonic() + SLICE
            elif monotonic() > end:
                # Reading stops meanwhile, or a client that sends faster than we handle would fill the memory.
                self._reader.stop()
                self._runtime.backlog.add(self._go_on)
                return False

    def _watch_assembly(self, unfinished: object | None) -> None:
        self._unfinished = unfinished
        if unfinished is None:
            self._runtime.assembling.cancel(self)
        else:
            self._runtime.assembling.start(self)

    def give_up(self) -> None:
        """Close a connection whose fragments have not come in time, unless it is us who does not read them."""
        if self._paused:
            self._runtime.assembling.start(self)
        elif self._state is State.OPEN:
            self.close(CloseCode.POLICY_VIOLATION, "the message took too long")
            self._report(DisconnectReason.PARSE_ERROR)
            self._finish()

    def _handle_control(self, event: object) -> None:
        if type(event) is Ping:
            if self.outbox.waiting() < MAX_WAITING_FOR_PONG:
                self.outbox.write(build_frame(Opcode.PONG, event.payload), bounded=False)
        elif type(event) is Close:
            # Section 5.5.1: answer with the code that was received; the server closes TCP first (7.1.1).
            self._state = State.CLOSING
            self.outbox.write(build_close(event.code), bounded=False)
            self._report(DisconnectReason.TRANSPORT_CLOSE)
            self._finish()

    def _fail(self, error: ProtocolError) -> None:
        """Answer a protocol error with its close code (section 7.1.7)."""
        if self._state is State.OPEN:
            logger.debug("websocket protocol error: %s", error)
            too_big = error.close_code == CloseCode.MESSAGE_TOO_BIG
            self.close(error.close_code, str(error))
            self._report(DisconnectReason.PAYLOAD_TOO_LARGE if too_big else DisconnectReason.TRANSPORT_ERROR)
        self._finish()

    def _finish(self) -> None:
        """Say no more than what waits to be sent, and close when the client has.

        What still comes is read and dropped: to close a socket with unread data answers with RST, and the
        client might lose our last frames.
        """
        if self._state is State.CLOSED:
            return
        self._closing.start(self)
        self._reader.start(self._discard)
        if self.outbox.waiting():
            self.outbox.drained = self._shut
        else:
            self._shut()

    def _shut(self) -> None:
        # That no more comes is news to nobody who is gone already.
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def _discard(self) -> None:
        try:
            data = self._sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.abort()

    def _write_failed(self) -> None:
        # It may be in the middle of a broadcast: what follows must not change rooms or sessions there.
        self._runtime.loop.run_callback(self._lost, DisconnectReason.TRANSPORT_ERROR)

    def _lost(self, reason: DisconnectReason) -> None:
        was_open = self._state is State.OPEN
        self.abort()
        if was_open:
            self._report(reason)

    def _report(self, reason: DisconnectReason) -> None:
        self.receiver.connection_lost(reason)
