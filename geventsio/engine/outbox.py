"""What waits to be sent to one client, and the only code that writes to its socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from geventsio.engine.runtime import Runtime
from geventsio.engine.volatile import VolatileStore
from geventsio.protocol.eio_payload import take_payload
from geventsio.protocol.packet_group import PacketGroup

__all__ = ["Bounds", "DeflatingOutbox", "Outbox", "PollingOutbox", "RawSocket", "WebSocketOutbox"]

#: Makes a payload of the left end of a queue: see `geventsio.protocol.eio_payload.PayloadCodec`.
TakePayload = Callable[[deque[PacketGroup], int], bytes]

#: Bytes of small frames that are joined for one `send`; above it a copy costs more than another call.
JOIN_LIMIT = 65_536


class RawSocket(Protocol):
    """The part of a non-blocking socket that is used here."""

    def send(self, data: bytes | memoryview, /) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def fileno(self) -> int: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...


class Bounds:
    """How much may wait for one client.

    Args:
        packets: packets, where a packet and its attachments count as one.
        size: bytes.
    """

    __slots__ = ("packets", "size")

    def __init__(self, packets: int, size: int) -> None:
        self.packets = packets
        self.size = size


class Outbox(Protocol):
    """Packets on their way to one client."""

    def send(self, group: PacketGroup) -> bool:
        """Send a group, or keep it until it can be sent; False if too much is waiting already."""
        ...

    def send_volatile(self, kind: Hashable, group: PacketGroup) -> None:
        """Send a group if the client keeps up; else keep it until then, in place of the last one of its kind."""
        ...

    def forget_volatile(self, is_over: Callable[[Hashable], bool] | None = None) -> None:
        """Drop what `send_volatile` has kept: messages of the kinds for which `is_over` is true, or all."""
        ...

    def waiting(self) -> int:
        """How many packets wait."""
        ...

    def waiting_bytes(self) -> int:
        """How many bytes of packets wait, but for those that may be lost."""
        ...


class PollingOutbox:
    """Keeps packets until a poll, or an upgrade, takes them."""

    __slots__ = ("_bounds", "_bytes", "_groups", "_volatile", "wake")

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._bytes = 0
        self._groups: deque[PacketGroup] = deque()
        self._volatile: VolatileStore | None = None
        #: Called when there is something for a parked poll to take; must not switch greenlets.
        self.wake: Callable[[], object] | None = None

    def send(self, group: PacketGroup) -> bool:
        """See `Outbox`."""
        if self._groups and (len(self._groups) >= self._bounds.packets or self._bytes + group.size > self._bounds.size):
            return False
        self._groups.append(group)
        self._bytes += group.size
        if self.wake is not None:
            self.wake()
        return True

    def send_volatile(self, kind: Hashable, group: PacketGroup) -> None:
        """See `Outbox`. The client keeps up if its poll is waiting, and nothing else goes out by it."""
        if self.wake is not None and not self.waiting():
            self.send(group)
            return
        if self._volatile is None:
            self._volatile = VolatileStore(self._bounds.size)
        self._volatile.put(kind, group)

    def forget_volatile(self, is_over: Callable[[Hashable], bool] | None = None) -> None:
        """See `Outbox`."""
        if is_over is None:
            self._volatile = None
        elif self._volatile is not None:
            self._volatile.drop(is_over)

    def waiting(self) -> int:
        """See `Outbox`."""
        volatile = self._volatile  # another thread may ask
        return len(self._groups) if volatile is None else len(self._groups) + len(volatile)

    def waiting_bytes(self) -> int:
        """See `Outbox`."""
        return self._bytes

    def take(self, max_payload: int, take: TakePayload = take_payload) -> bytes:
        """Return the payload of one poll: all that fits, at least one group; some must be waiting."""
        if self._volatile is not None:
            self._volatile.lend(self._groups)
        payload = take(self._groups, max_payload)
        if self._volatile is not None and not self._volatile.take_back(self._groups):
            self._volatile = None
        self._bytes = sum(group.size for group in self._groups) if self._groups else 0
        return payload

    def move_to(self, outbox: Outbox) -> bool:
        """Hand all that waits to another outbox, in order; False if that one is full."""
        groups, self._groups, self._bytes = self._groups, deque(), 0
        fits = all([outbox.send(group) for group in groups])
        while self._volatile:
            outbox.send_volatile(*self._volatile.pop())
        return fits


class WebSocketOutbox:
    """Writes frames to a non-blocking socket.

    The first frame of a tick goes out at once, the rest of the tick in one `send`. What the kernel
    does not take waits for the socket to become writable.

    Args:
        runtime: the hub's.
        sock: a non-blocking socket.
        bounds: how much may wait.
        failed: called once, in whatever greenlet writes, when the socket can't be written to any
            more; must not switch greenlets.
    """

    __slots__ = (
        "_bounds",
        "_bytes",
        "_failed",
        "_frames",
        "_runtime",
        "_sock",
        "_tick",
        "_ticker",
        "_volatile",
        "_watcher",
        "drained",
    )

    def __init__(self, runtime: Runtime, sock: RawSocket, bounds: Bounds, failed: Callable[[], object]) -> None:
        self._runtime = runtime
        self._ticker = runtime.ticker
        self._sock = sock
        self._bounds = bounds
        self._failed: Callable[[], object] | None = failed
        self._frames: deque[bytes | memoryview] | None = None  # made when needed: most clients are idle
        self._bytes = 0
        self._tick = -1
        self._volatile: VolatileStore | None = None
        self._watcher: Any = None
        #: Called once, when nothing waits any more; must not switch greenlets.
        self.drained: Callable[[], object] | None = None

    def send(self, group: PacketGroup) -> bool:
        """See `Outbox`."""
        frames = group.built
        return self.write(group.frames if frames is None else frames)

    def send_volatile(self, kind: Hashable, group: PacketGroup) -> None:
        """See `Outbox`. The client keeps up as long as the kernel takes what is written to it."""
        if self._watcher is None and self.send(group):
            return
        if self._volatile is None:
            self._volatile = VolatileStore(self._bounds.size)
        self._volatile.put(kind, group)

    def forget_volatile(self, is_over: Callable[[Hashable], bool] | None = None) -> None:
        """See `Outbox`."""
        if is_over is None:
            self._volatile = None
        elif self._volatile is not None:
            self._volatile.drop(is_over)

    def waiting(self) -> int:
        """See `Outbox`."""
        frames = self._frames  # another thread may ask
        return 0 if frames is None else len(frames)

    def waiting_bytes(self) -> int:
        """See `Outbox`."""
        return self._bytes

    def write(self, frames: bytes, bounded: bool = True) -> bool:
        """Write complete frames in one piece; False if too much is waiting already.

        Control frames are written with `bounded=False`: a connection that is full must still be
        able to say so.
        """
        if self._failed is None:
            return True
        if self._frames is None:
            ticker = self._ticker
            tick = ticker.number if ticker.is_running else ticker.begin()
            if tick != self._tick:
                self._tick = tick
                self._send_now(frames)
            else:
                self._frames = deque((frames,))
                self._bytes = len(frames)
                ticker.dirty.append(self)
            return True
        if bounded and not self._has_room(len(frames)):
            return False
        if self._frames is None:  # making room, all of it went out
            return self.write(frames)
        self._frames.append(frames)
        self._bytes += len(frames)
        return True

    def gather(self) -> None:
        """Send what is written in the rest of this tick at its end, in one piece."""
        ticker = self._ticker
        self._tick = ticker.number if ticker.is_running else ticker.begin()

    def hold(self) -> None:
        """Keep what is written next for a moment, so that it arrives apart from what has gone out.

        Programs that await one message and then the next lose the second of two that they read at once; the
        official protocol suites do so behind the CONNECT packet.
        """
        if self._frames is None and self._failed is not None:
            self._frames = deque()
            self._runtime.held.start(self)

    def flush(self) -> None:
        """Send what waits, as far as the kernel takes it."""
        while self._frames:
            batch = _join(self._frames)
            sent = self._try_send(batch)
            if self._failed is None:
                return
            if sent == self._bytes:
                break
            self._bytes -= sent
            _drop(self._frames, sent)
            if sent < len(batch):
                self._await_writable()
                return
        self._frames = None
        self._bytes = 0
        self._settle()

    def close(self) -> None:
        """Stop writing and forget what waits; the socket stays open."""
        self._failed = None
        self._frames = None
        self._bytes = 0
        self._volatile = None
        self.drained = None
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

    def _send_now(self, frames: bytes) -> None:
        # This is the way of nearly every message: no call that could be spared.
        try:
            sent = self._sock.send(frames)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._fail()
            return
        if sent != len(frames):
            self._frames = deque((memoryview(frames)[sent:],))
            self._bytes = len(frames) - sent
            self._await_writable()

    def _try_send(self, batch: bytes | memoryview) -> int:
        try:
            return self._sock.send(batch)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._fail()
            return 0

    def _has_room(self, size: int) -> bool:
        if self._fits(size):
            return True
        # A handler that sends thousands of rows to a healthy client is no reason to close it.
        self.flush()
        return self._frames is None or self._fits(size)

    def _fits(self, size: int) -> bool:
        frames = 0 if self._frames is None else len(self._frames)
        return frames < self._bounds.packets and self._bytes + size <= self._bounds.size

    def _await_writable(self) -> None:
        if self._watcher is None:
            self._watcher = self._runtime.loop.io(self._sock.fileno(), 2)  # WRITE
            self._watcher.start(self.flush)

    def _settle(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
        if self._volatile is not None:
            self._send_kept()
        if self.drained is not None and self._failed is not None:
            drained, self.drained = self.drained, None
            drained()

    def _send_kept(self) -> None:
        # Out of the way meanwhile: to make room for one of them flushes, which would send the later ones first.
        kept, self._volatile = self._volatile, None
        while kept:
            self.send_volatile(*kept.pop())

    def _fail(self) -> None:
        failed = self._failed
        self.close()
        if failed is not None:
            failed()


def _join(frames: deque[bytes | memoryview]) -> bytes | memoryview:
    """The first frames in one piece: a large one alone, of small ones as many as are worth copying."""
    first = frames[0]
    if len(frames) == 1 or len(first) >= JOIN_LIMIT:
        return first
    batch = []
    size = 0
    for frame in frames:
        size += len(frame)
        if size > JOIN_LIMIT:
            break
        batch.append(frame)
    return b"".join(batch)


def _drop(frames: deque[bytes | memoryview], size: int) -> None:
    """Take what has been sent from the left."""
    while size:
        first = frames[0]
        if len(first) > size:
            frames[0] = memoryview(first)[size:]
            return
        size -= len(first)
        frames.popleft()


class DeflatingOutbox(WebSocketOutbox):
    """Writes frames to a client that takes compressed ones.

    Args:
        runtime: see `WebSocketOutbox`, as for `sock`, `bounds` and `failed`.
        threshold: bytes from which on a message is compressed.
        window_bits: of the client's agreement.
    """

    __slots__ = ("_threshold", "_window_bits")

    def __init__(
        self,
        runtime: Runtime,
        sock: RawSocket,
        bounds: Bounds,
        failed: Callable[[], object],
        threshold: int,
        window_bits: int,
    ) -> None:
        super().__init__(runtime, sock, bounds, failed)
        self._threshold = threshold
        self._window_bits = window_bits

    def send(self, group: PacketGroup) -> bool:
        """See `Outbox`."""
        return self.write(group.deflated_frames(self._threshold, self._window_bits))
