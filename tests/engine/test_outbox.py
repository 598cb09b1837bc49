"""Tests of outboxes: what is written when, and that all of it arrives, whatever the kernel takes at a time."""

from __future__ import annotations

import _socket
import hashlib
import socket
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest

from geventsio.engine.outbox import Bounds, PollingOutbox, WebSocketOutbox
from geventsio.engine.runtime import Runtime
from geventsio.engine.timeouts import Timeouts
from geventsio.engine.websocket import Limits, WebSocketConnection
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.websocket_frames import build_text
from geventsio.types import DisconnectReason
from tests.engine.harness import until
from tests.engine.peer import frame

WIDE = Bounds(10**9, 10**9)


class CountingSocket:
    """A real non-blocking socket, with a record of how it was written to."""

    def __init__(self, sock: _socket.socket) -> None:
        self._sock = sock
        #: How much was offered and how much the kernel took, call by call; -1 when it took nothing.
        self.sends: list[tuple[int, int]] = []

    def send(self, data: bytes | memoryview) -> int:
        try:
            taken = self._sock.send(data)
        except BlockingIOError:
            self.sends.append((len(data), -1))
            raise
        self.sends.append((len(data), taken))
        return taken

    def recv(self, size: int) -> bytes:
        return self._sock.recv(size)

    def fileno(self) -> int:
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()


class Link:
    """An outbox whose socket's other end is in the test's hands.

    Args:
        bounds: of the outbox.
        buffer: bytes that the kernel takes for one who does not read; None for its default.
    """

    def __init__(self, bounds: Bounds = WIDE, buffer: int | None = None) -> None:
        ours, self.theirs = gevent.socket.socketpair()
        if buffer is not None:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        raw = _socket.socket(ours.family, ours.type, ours.proto, fileno=ours.detach())
        raw.setblocking(False)
        self.socket = CountingSocket(raw)
        self.failures = 0
        self.outbox = WebSocketOutbox(Runtime(), self.socket, bounds, self._failed)

    @property
    def offered(self) -> list[int]:
        """The length of each `send`."""
        return [length for length, _ in self.socket.sends]

    def read(self, size: int) -> bytes:
        """Read exactly so many bytes."""
        data = bytearray()
        while len(data) < size:
            received = self.theirs.recv(65536)
            assert received, "closed too early"
            data += received
        return bytes(data)

    def fill(self) -> int:
        """Write until the kernel takes no more; return how many bytes that were."""
        written = 0
        while not self.outbox.waiting():
            assert self.outbox.write(b"x" * 1000)
            written += 1000
            gevent.sleep(0)
        return written

    def close(self) -> None:
        self.outbox.close()
        self.socket.close()
        self.theirs.close()

    def _failed(self) -> None:
        self.failures += 1


class Echo:
    """Answers each message with itself."""

    def __init__(self, connection: WebSocketConnection | None = None) -> None:
        self._connection = connection

    def receive(self, message: str | bytes) -> None:
        assert self._connection is not None and isinstance(message, str)
        self._connection.outbox.write(build_text(message.encode()))

    def connection_lost(self, reason: DisconnectReason) -> None:
        raise AssertionError(reason)


@pytest.fixture
def links() -> Iterator[list[Link]]:
    links: list[Link] = []
    yield links
    for link in links:
        link.close()


@pytest.fixture
def link(links: list[Link]) -> Link:
    links.append(Link())
    return links[0]


class TestCoalescing:
    def test_the_first_frame_of_a_turn_goes_out_at_once(self, link: Link) -> None:
        link.outbox.write(b"first")
        assert link.offered == [5]
        assert link.theirs.recv(100) == b"first"

    def test_the_rest_of_the_turn_goes_out_in_one_piece(self, link: Link) -> None:
        for number in range(100):
            link.outbox.write(b"%03d" % number)
        assert link.offered == [3]
        assert link.outbox.waiting() == 99
        gevent.sleep(0)
        assert link.offered == [3, 99 * 3]
        assert link.outbox.waiting() == 0
        assert link.read(300) == b"".join(b"%03d" % number for number in range(100))

    def test_every_turn_begins_anew(self, link: Link) -> None:
        for _ in range(5):
            link.outbox.write(b"a")
            link.outbox.write(b"bb")
            gevent.sleep(0)
            gevent.sleep(0)
        assert link.offered == [1, 2] * 5

    def test_large_frames_are_not_copied_together(self, link: Link) -> None:
        for size in (1, 10, 100_000, 20, 30, 100_000):
            link.outbox.write(b"x" * size)
        link.outbox.flush()
        assert link.offered[0] == 1
        assert 100_000 in link.offered
        assert max(link.offered) == 100_000

    def test_a_group_is_never_torn(self, link: Link) -> None:
        """Attachments follow their packet in the same write."""
        group = PacketGroup(b"451-[]", (b"one", b"two"))
        link.outbox.send(group)
        assert link.offered == [len(group.frames)]

    def test_what_is_gathered_goes_out_in_one_piece(self, link: Link) -> None:
        for _ in range(3):
            link.outbox.gather()
            link.outbox.write(b"a")
            link.outbox.write(b"bb")
            assert link.outbox.waiting() == 2
            gevent.sleep(0)
            gevent.sleep(0)
            assert link.outbox.waiting() == 0
        assert link.offered == [3] * 3
        assert link.read(9) == b"abb" * 3

    def test_bytes_are_counted_anew_after_a_flush(self, links: list[Link]) -> None:
        link = Link(Bounds(100, 10))
        links.append(link)
        for _ in range(5):
            link.outbox.gather()
            link.outbox.write(b"x" * 8)
            link.outbox.flush()
            link.outbox.hold()
            assert link.outbox.write(b"x" * 8)
            link.outbox.flush()
        assert link.offered == [8] * 10

    def test_messages_of_one_segment_are_answered_in_one(self, link: Link) -> None:
        runtime = Runtime()
        closing: Timeouts[WebSocketConnection] = Timeouts(runtime.clock, 5.0, lambda late: late.abort())
        connection = WebSocketConnection(runtime, link.socket, Echo(), Limits(WIDE, 1000), closing)
        connection.receiver = Echo(connection)
        connection.start()
        try:
            link.theirs.sendall(b"".join(frame(1, b"%d" % number) for number in range(5)))
            assert link.read(15) == b"".join(build_text(b"%d" % number) for number in range(5))
            link.theirs.sendall(frame(1, b"5"))
            assert link.read(3) == build_text(b"5")
            assert link.offered == [15, 3]
        finally:
            connection.abort()

    def test_many_outboxes_in_one_turn(self, links: list[Link]) -> None:
        runtime = Runtime()
        for _ in range(20):
            link = Link()
            link.outbox = WebSocketOutbox(runtime, link.socket, WIDE, link._failed)
            links.append(link)
        for text in (b"a", b"b", b"c"):
            for link in links:
                link.outbox.write(text)
        gevent.sleep(0)
        assert [link.offered for link in links] == [[1, 2]] * 20


class TestHolding:
    def test_what_follows_is_kept_for_a_moment(self, link: Link) -> None:
        link.outbox.write(b"alone")
        link.outbox.hold()
        link.outbox.write(b"later")
        link.outbox.write(b"too")
        gevent.sleep(0)
        assert link.offered == [5]
        assert link.read(13) == b"alonelatertoo"
        assert link.offered == [5, 8]

    def test_nothing_follows(self, link: Link) -> None:
        link.outbox.write(b"alone")
        link.outbox.hold()
        until(lambda: not link.outbox._runtime.held)
        link.outbox.write(b"later")
        assert link.offered == [5, 5]

    def test_closing_meanwhile(self, link: Link) -> None:
        link.outbox.hold()
        link.outbox.write(b"never")
        link.outbox.close()
        until(lambda: not link.outbox._runtime.held)
        assert link.offered == []


class TestShortWrites:
    @pytest.mark.parametrize("buffer", [None, 1])
    def test_five_megabytes(self, links: list[Link], buffer: int | None) -> None:
        link = Link(buffer=buffer)
        links.append(link)
        data = hashlib.sha256(b"seed").digest() * 156_250
        assert link.outbox.write(data)
        received = link.read(len(data))
        assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
        assert link.outbox.waiting() == 0
        assert any(taken < offered for offered, taken in link.socket.sends)

    @pytest.mark.parametrize("buffer", [None, 1])
    def test_twenty_thousand_kilobytes(self, links: list[Link], buffer: int | None) -> None:
        link = Link(buffer=buffer)
        links.append(link)
        frames = [hashlib.sha256(b"%d" % number).digest() * 32 for number in range(20_000)]
        reader = gevent.spawn(link.read, 20_000 * 1024)
        for index, data in enumerate(frames):
            assert link.outbox.write(data)
            if index % 500 == 0:
                gevent.sleep(0)
        assert hashlib.sha256(reader.get()).digest() == hashlib.sha256(b"".join(frames)).digest()
        until(lambda: not link.outbox.waiting())

    def test_frames_of_all_sizes(self, links: list[Link]) -> None:
        link = Link(buffer=5000)
        links.append(link)
        frames = [bytes([number % 256]) * (number * 37 % 9000) for number in range(500)]
        frames = [data for data in frames if data]
        for data in frames:
            assert link.outbox.write(data)
        assert link.read(sum(map(len, frames))) == b"".join(frames)

    def test_no_watcher_is_left(self, links: list[Link]) -> None:
        loop = gevent.get_hub().loop
        link = Link(buffer=1)
        links.append(link)
        active = loop.activecnt
        link.outbox.write(bytes(100_000))
        gevent.sleep(0)
        assert loop.activecnt == active + 1
        link.read(100_000)
        until(lambda: not link.outbox.waiting())
        gevent.sleep(0)
        assert loop.activecnt <= active


class TestBounds:
    def test_too_many_bytes(self, links: list[Link]) -> None:
        link = Link(Bounds(10**9, 5000), buffer=1)
        links.append(link)
        link.fill()
        accepted = 0
        while link.outbox.write(b"y" * 1000):
            accepted += 1
            assert accepted < 100
        assert 3 <= accepted <= 5
        assert link.outbox.write(b"unbounded", bounded=False)

    def test_too_many_packets(self, links: list[Link]) -> None:
        link = Link(Bounds(10, 10**9), buffer=1)
        links.append(link)
        link.fill()
        accepted = 0
        while link.outbox.write(b"y" * 10):
            accepted += 1
            assert accepted < 100
        assert accepted == 9

    def test_room_comes_back(self, links: list[Link]) -> None:
        link = Link(Bounds(10, 5000), buffer=1)
        links.append(link)
        for _ in range(5):
            written = link.fill()
            while link.outbox.write(b"y" * 1000):
                written += 1000
            link.read(written)
            until(lambda: not link.outbox.waiting())

    def test_who_reads_may_be_sent_any_amount_in_one_turn(self, links: list[Link]) -> None:
        link = Link(Bounds(10, 2000))
        links.append(link)
        for _ in range(100):
            assert link.outbox.write(b"x" * 1000)
        assert link.read(100_000) == b"x" * 100_000

    def test_one_frame_above_the_bound_when_nothing_waits(self, links: list[Link]) -> None:
        link = Link(Bounds(10, 1000), buffer=1)
        links.append(link)
        for _ in range(3):
            assert link.outbox.write(b"x" * 500_000)
            assert not link.outbox.write(b"y")
            assert link.read(500_000) == b"x" * 500_000
            until(lambda: not link.outbox.waiting())


class TestEnds:
    def test_drained_is_called_once_when_nothing_waits(self, links: list[Link]) -> None:
        link = Link(buffer=1)
        links.append(link)
        calls: list[int] = []
        link.outbox.write(bytes(200_000))
        link.outbox.drained = lambda: calls.append(link.outbox.waiting())
        gevent.sleep(0)
        assert calls == []
        link.read(200_000)
        until(lambda: calls)
        link.outbox.write(bytes(200_000))
        link.read(200_000)
        until(lambda: not link.outbox.waiting())
        assert calls == [0]

    def test_closing_while_something_waits(self, links: list[Link]) -> None:
        loop = gevent.get_hub().loop
        active = loop.activecnt
        link = Link(buffer=1)
        links.append(link)
        calls: list[None] = []
        link.outbox.write(bytes(200_000))
        link.outbox.write(b"more")
        link.outbox.drained = lambda: calls.append(None)
        link.outbox.close()
        assert link.outbox.waiting() == 0
        gevent.sleep(0)
        assert loop.activecnt <= active
        sends = len(link.socket.sends)
        assert link.outbox.write(b"nothing is written any more")
        gevent.sleep(0.01)
        assert len(link.socket.sends) == sends
        assert (calls, link.failures) == ([], 0)

    @pytest.mark.parametrize("later", [False, True], ids=["at once", "while something waits"])
    def test_a_failure_is_reported_once(self, links: list[Link], later: bool) -> None:
        link = Link(buffer=1)
        links.append(link)
        if later:
            link.outbox.write(bytes(200_000))
        link.theirs.close()
        for _ in range(5):
            assert link.outbox.write(b"x")
            gevent.sleep(0.001)
        until(lambda: link.failures)
        link.outbox.write(b"x")
        assert link.failures == 1
        assert link.outbox.waiting() == 0


class TestPolling:
    """The outbox of a session that is polled."""

    def test_groups_come_out_as_they_went_in(self) -> None:
        outbox = PollingOutbox(WIDE)
        for number in range(10):
            assert outbox.send(PacketGroup(b"4%d" % number))
        assert outbox.waiting() == 10
        assert outbox.take(12) == b"\x1e".join(b"4%d" % number for number in range(4))
        assert outbox.waiting() == 6

    def test_a_group_is_never_split(self) -> None:
        outbox = PollingOutbox(WIDE)
        outbox.send(PacketGroup(b"4a"))
        outbox.send(PacketGroup(b"451-[]", (bytes(30),)))
        outbox.send(PacketGroup(b"4b"))
        assert outbox.take(40) == b"4a"
        assert outbox.take(40).startswith(b"451-[]\x1ebAAAA")
        assert outbox.take(40) == b"4b"

    @pytest.mark.parametrize("bounds", [Bounds(5, 10**9), Bounds(10**9, 10)])
    def test_bounds(self, bounds: Bounds) -> None:
        outbox = PollingOutbox(bounds)
        assert [outbox.send(PacketGroup(b"4x")) for _ in range(7)] == [True] * 5 + [False] * 2
        outbox.take(1)
        assert outbox.send(PacketGroup(b"4x"))
        assert not outbox.send(PacketGroup(b"4x"))

    def test_wake_is_called_for_what_is_kept(self) -> None:
        calls: list[int] = []
        outbox = PollingOutbox(Bounds(2, 10**9))
        outbox.wake = lambda: calls.append(outbox.waiting())
        for _ in range(3):
            outbox.send(PacketGroup(b"4x"))
        assert calls == [1, 2]

    def test_moving(self) -> None:
        first, second = PollingOutbox(WIDE), PollingOutbox(WIDE)
        second.send(PacketGroup(b"4already there"))
        for number in range(3):
            first.send(PacketGroup(b"4%d" % number))
        assert first.move_to(second)
        assert first.waiting() == 0
        assert second.take(1000) == b"4already there\x1e40\x1e41\x1e42"

    def test_moving_to_where_there_is_no_room(self) -> None:
        first, second = PollingOutbox(WIDE), PollingOutbox(Bounds(2, 10**9))
        for number in range(3):
            first.send(PacketGroup(b"4%d" % number))
        assert not first.move_to(second)
        assert second.take(1000) == b"40\x1e41"
