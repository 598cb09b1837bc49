"""One Engine.IO client: its state, its transport, and how it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from geventsio.engine.handshake import Handshake
from geventsio.engine.heartbeat import ClientHeartbeat, Heartbeat
from geventsio.engine.log_fields import fields
from geventsio.engine.outbox import Outbox
from geventsio.engine.pausing import Pausable
from geventsio.engine.polling import PollingTransport
from geventsio.engine.upgrade import Upgrade
from geventsio.engine.websocket import WebSocketConnection
from geventsio.engine.workers import JobQueue
from geventsio.errors import BufferFullError, ProtocolError, SocketClosedError
from geventsio.protocol.eio_packet import CLOSE, PING, Packet, PacketType, decode_packet, encode_open
from geventsio.protocol.eio_payload import PayloadCodec
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.websocket import CloseCode
from geventsio.types import DisconnectReason, TransportType

if TYPE_CHECKING:
    from geventsio.engine.server import EngineServer

__all__ = ["Session", "SessionState"]

logger = logging.getLogger("geventsio.engine")

#: Messages that may wait for the callback of an engine that is used alone; then its client is not read.
MAX_PENDING = 1024

_PING = PacketGroup(PING)
_CLOSE = PacketGroup(CLOSE)
_CODEC = PayloadCodec()


class SessionState(Enum):
    """The life of a session."""

    OPEN = 0
    CLOSING = 1  # ended for the application; a polling client has yet to fetch what waits for it
    CLOSED = 2


_OPEN = SessionState.OPEN


class Session(Pausable):
    """An Engine.IO session.

    Attributes:
        sid: the session's secret id; whoever knows it can act as this client.
        server: the server it belongs to.
        handshake: the request that opened it.
        data: anything that the application wants to keep with it.
    """

    #: Version of Engine.IO.
    protocol: ClassVar[int] = 4

    __slots__ = (
        "_connection",
        "_jobs",
        "_overflowing",
        "_polling",
        "_state",
        "_upgrade",
        "data",
        "handshake",
        "outbox",
        "runtime",
        "server",
        "sid",
    )

    def __init__(self, server: EngineServer, sid: str, handshake: Handshake) -> None:
        super().__init__()
        self.server = server
        self.runtime = server.runtime
        self.sid = sid
        self.handshake = handshake
        self.data: Any = None
        self.outbox: Outbox
        self._state = SessionState.OPEN
        self._connection: WebSocketConnection | None = None
        self._polling: PollingTransport | None = None
        self._upgrade: Upgrade | None = None
        self._jobs: JobQueue | None = None
        self._overflowing = False

    def __repr__(self) -> str:
        return f"<Session {self._state.name.lower()} over {self.transport}>"

    # What applications use

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._state is SessionState.OPEN

    @property
    def transport(self) -> TransportType:
        """The transport in use; it changes when an upgrade ends."""
        return TransportType.POLLING if self._connection is None else TransportType.WEBSOCKET

    @property
    def environ(self) -> dict[str, Any]:
        """The WSGI environ of the handshake request, strings only."""
        return self.handshake.environ

    @property
    def jobs(self) -> JobQueue:
        """The queue that keeps this session's callbacks in order."""
        if self._jobs is None:
            self._jobs = JobQueue(self.runtime.workers)
        return self._jobs

    def send(self, data: str | bytes | bytearray | memoryview) -> None:
        """Send a message: str as a text message, bytes-likes as a binary one.

        Messages arrive in the order in which they were sent. Legal in any OS thread.

        Raises:
            SocketClosedError: the session has ended.
            BufferFullError: too much is waiting for this client, which is closed as a slow consumer.
            TypeError: `data` is neither text nor bytes.
        """
        if isinstance(data, str):
            group = PacketGroup(b"4" + data.encode())
        elif isinstance(data, (bytes, bytearray, memoryview)):
            group = PacketGroup(None, (bytes(data),))
        else:
            raise TypeError(f"a message is str or bytes, not {type(data).__name__}")
        if self.runtime.is_foreign_thread():
            self.runtime.call(self.send_group, group)
        elif not self.send_group(group):
            self.raise_unsent()

    def close(self, reason: DisconnectReason = DisconnectReason.FORCED_CLOSE) -> None:
        """Send what waits, say goodbye and end the session; nothing happens if it has ended.

        `on_close` is called at once, with the reason; the connection may take up to `close_timeout` seconds more.
        """
        if self._state is not SessionState.OPEN:
            return
        self._say_goodbye()
        self._end(reason)

    # What the Socket.IO layer uses

    def send_group(self, group: PacketGroup) -> bool:
        """Send the packets of one emit; False if the session has ended or too much is waiting.

        Never switches greenlets and never closes anything before it returns.
        """
        if self._state is not _OPEN:
            return False
        if self.outbox.send(group):
            return True
        if not self._overflowing:
            self._overflowing = True
            self.runtime.loop.run_callback(self.drop, DisconnectReason.SLOW_CONSUMER)
        return False

    def send_volatile(self, kind: Hashable, group: PacketGroup) -> bool:
        """Send packets that may be lost; False if the session has ended. Never switches greenlets.

        While the client can't take more, only the newest of each kind is kept.
        """
        if self._state is not _OPEN:
            return False
        self.outbox.send_volatile(kind, group)
        return True

    def forget_volatile(self, is_over: Callable[[Hashable], bool]) -> None:
        """Drop what `send_volatile` has kept of some kinds."""
        self.outbox.forget_volatile(is_over)

    def hold_output(self) -> None:
        """Let what is sent next travel apart from what has been sent; see `WebSocketOutbox.hold`."""
        if self._connection is not None:
            self._connection.outbox.hold()

    def raise_unsent(self) -> None:
        """Raise what explains that `send_group` returned False."""
        if self._overflowing:
            raise BufferFullError("the client does not read: max_buffer_size or max_buffer_bytes is exceeded")
        raise SocketClosedError("the session is closed")

    def submit(self, on_message: Callable[[Session, str | bytes], object], data: str | bytes) -> None:
        """Have a callback take a message, and read no more while too many wait for it."""
        jobs = self.jobs
        if jobs.submit(on_message, self, data) and len(jobs) > MAX_PENDING:
            self.pause(self.PAUSED_BY_QUEUE)
            jobs.drained = self._resume_queue

    # What the other parts of the engine use

    @property
    def state(self) -> SessionState:
        """Where the session is in its life."""
        return self._state

    @property
    def has_second_transport(self) -> bool:
        """Whether a websocket has been opened that may take over."""
        return self._upgrade is not None

    @property
    def is_upgrading(self) -> bool:
        """Whether a probe has been answered and the upgrade has not ended."""
        return self._upgrade is not None and self._upgrade.is_probed

    @property
    def polling(self) -> PollingTransport | None:
        """The polling transport, until the session has been upgraded."""
        return self._polling

    @property
    def can_upgrade(self) -> bool:
        """Whether a websocket may take over now: only one at a time, and only once."""
        return self._polling is not None and self._upgrade is None and self._state is SessionState.OPEN

    def open_packet(self, upgrades: Sequence[str] = ()) -> bytes:
        """The packet that tells the client about this session, and the transports that it may change to."""
        options = self.server.options
        return encode_open(self.sid, upgrades, options.ping_interval, options.ping_timeout, options.max_payload)

    @property
    def heartbeat(self) -> Heartbeat | ClientHeartbeat:
        """What tells whether the client is still there."""
        return self.server.heartbeat

    def start_polling(self, base64: bool = False) -> PollingTransport:
        """Use the polling transport; a client of Engine.IO v3 may not be able to read binary payloads."""
        polling = self._polling = PollingTransport(self, self._payload_codec(base64))
        self.outbox = polling.outbox
        return polling

    def start_websocket(self, connection: WebSocketConnection) -> None:
        """Use a websocket from the beginning."""
        self._connection = connection
        self.outbox = connection.outbox

    def begin_upgrade(self, upgrade: Upgrade) -> None:
        """Let a websocket probe this session, for which `can_upgrade` is true."""
        self._upgrade = upgrade

    def probed(self) -> None:
        """Answer polls with NOOP from now on, and pause the heartbeat."""
        self.heartbeat.pause(self)
        if self._polling is not None:
            self._polling.release()

    def finish_upgrade(self, connection: WebSocketConnection) -> None:
        """Change to the websocket; what waits for a poll goes out there, in order."""
        polling, self._polling, self._upgrade = self._polling, None, None
        self._connection = connection
        connection.receiver = self
        self.outbox = connection.outbox
        if polling is not None:
            if not polling.outbox.move_to(self.outbox):
                self.runtime.loop.run_callback(self.drop, DisconnectReason.SLOW_CONSUMER)
            polling.release()
        self.heartbeat.start(self)
        if self.is_paused:
            connection.pause()

    def fail_upgrade(self) -> None:
        """Stay with polling after an upgrade that failed."""
        self._upgrade = None
        if self._state is SessionState.OPEN:
            self.heartbeat.start(self)

    def receive(self, message: str | bytes) -> None:
        """Take a message from the websocket."""
        if self._state is not _OPEN:
            return
        try:
            if isinstance(message, bytes):
                self.server.deliver(self, message)
            elif message[:1] == "4":
                self.server.deliver(self, message[1:])
            else:
                self.receive_packet(decode_packet(message))
        except ProtocolError as error:
            logger.debug("closing a session: %s", error, extra={"reason": str(error)})
            self.drop(DisconnectReason.PARSE_ERROR)
        except Exception:
            self._fail()

    def receive_packet(self, packet: Packet) -> None:
        """Take a packet that arrived by POST.

        Raises:
            ProtocolError: a client may not send it; the session is to be closed.
        """
        kind = packet.type
        if kind is PacketType.MESSAGE:
            self._deliver(packet.data)
        elif kind is PacketType.PONG or kind is PacketType.PING:
            self.heartbeat.pong(self)
        elif kind is PacketType.CLOSE:
            self._end(DisconnectReason.TRANSPORT_CLOSE)
        else:
            raise ProtocolError(f"unexpected {kind.name} packet")

    def connection_lost(self, reason: DisconnectReason) -> None:
        """Learn that the websocket is gone."""
        self._end(reason)

    def ping(self) -> None:
        """Send a ping."""
        self.send_group(_PING)

    def drop(self, reason: DisconnectReason) -> None:
        """End a session that went wrong; a parked poll still gets the CLOSE packet."""
        if self._state is SessionState.OPEN:
            if self._connection is not None and reason is DisconnectReason.SLOW_CONSUMER:
                self._connection.abort()
            self._say_goodbye()
            self._end(reason, drop=True)

    def forget(self) -> None:
        """Drop the last trace of a session that has ended."""
        self._state = SessionState.CLOSED
        self.server.forget(self)

    def _payload_codec(self, base64: bool) -> PayloadCodec:
        return _CODEC

    def _stop_reading(self) -> bool:
        if self._state is not SessionState.OPEN:
            return False
        if self._connection is not None:
            self._connection.pause()
        return True

    def _read_again(self) -> None:
        if self._state is SessionState.OPEN:
            self.heartbeat.excuse(self)
        if self._connection is not None:
            self._connection.resume()
        if self._polling is not None:
            self._polling.resume()

    def _resume_queue(self) -> None:
        self.resume(self.PAUSED_BY_QUEUE)

    def _deliver(self, data: str | bytes) -> None:
        """Hand on a message that arrived by POST; what is wrong with it is not the transport's affair.

        The session then ends as if the application had closed it: the next poll says so.
        """
        try:
            self.server.deliver(self, data)
        except ProtocolError:
            self.close(DisconnectReason.PARSE_ERROR)
            raise
        except Exception:
            self._fail()

    def _fail(self) -> None:
        logger.exception("uncaught exception while a message was taken", extra=fields(self.environ))
        self.close(DisconnectReason.FORCED_SERVER_CLOSE)

    def _say_goodbye(self) -> None:
        # engine.io-protocol: the CLOSE packet belongs to polling, a websocket has its close frame. Told by a packet,
        # python-socketio's client would take it for a farewell and not reconnect.
        if self._polling is not None:
            self.outbox.send(_CLOSE)

    def _end(self, reason: DisconnectReason, drop: bool = False) -> None:
        """Leave the state OPEN, once, whatever the cause."""
        if self._state is not SessionState.OPEN:
            return
        self._state = SessionState.CLOSING
        self.outbox.forget_volatile()
        upgrade, self._upgrade = self._upgrade, None
        if upgrade is not None:
            upgrade.cancel()
        client_left = reason is DisconnectReason.TRANSPORT_CLOSE
        polling = self._polling
        if self._connection is not None:
            is_going = reason is DisconnectReason.SERVER_SHUTTING_DOWN
            self._connection.close(CloseCode.GOING_AWAY if is_going else CloseCode.NORMAL)
        elif polling is not None:
            polling.finish(client_left)
        if polling is None or client_left or (drop and not polling.is_polled):
            self.forget()
        else:
            self.server.await_last_poll(self)
        self.server.ended(self, reason)
