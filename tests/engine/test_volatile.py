"""Tests of messages that may be lost: which of them wait, and when they are sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import gevent
import pytest

from geventsio.engine.outbox import Bounds, DeflatingOutbox, PollingOutbox
from geventsio.engine.runtime import Runtime
from geventsio.engine.volatile import MAX_KINDS, VolatileStore
from geventsio.protocol.packet_group import PacketGroup
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import until
from tests.engine.test_outbox import WIDE, Link


def group(text: str, *attachments: bytes) -> PacketGroup:
    """The packets of one emit."""
    return PacketGroup(text.encode(), attachments)


@pytest.fixture
def links() -> Iterator[list[Link]]:
    links: list[Link] = []
    yield links
    for link in links:
        link.close()


@pytest.fixture
def full(links: list[Link]) -> Link:
    """An outbox whose kernel takes nothing more."""
    links.append(Link(buffer=1))
    links[0].fill()
    return links[0]


class TestStore:
    def test_the_newest_of_each_kind_in_the_order_of_sending(self) -> None:
        store = VolatileStore(1000)
        for number, kind in enumerate("abacb"):
            store.put(kind, group(f"{kind}{number}"))
        assert len(store) == 3
        assert [store.pop()[1].text for _ in range(3)] == [b"a2", b"c3", b"b4"]

    def test_kinds_are_bounded(self) -> None:
        store = VolatileStore(10**9)
        for number in range(MAX_KINDS + 10):
            store.put(number, group("x"))
        assert len(store) == MAX_KINDS
        assert store.pop()[0] == 10

    def test_bytes_are_bounded(self) -> None:
        store = VolatileStore(100)
        for number in range(10):
            store.put(number, group("x" * 20, b"y" * 20))
        assert len(store) == 2
        store.put(9, group("x" * 80))
        assert [store.pop()[0] for _ in range(len(store))] == [9]
        store.put("large", group("x" * 1000))
        store.put("small", group("x"))
        assert [store.pop()[0] for _ in range(len(store))] == ["small"]
        for number in range(5):  # what was replaced or taken counts no more
            store.put(number % 2, group("x" * 50))
        assert len(store) == 2

    @pytest.mark.parametrize("taken", range(6))
    def test_what_is_lent_and_not_sent_comes_back(self, taken: int) -> None:
        store = VolatileStore(1000)
        for number in range(3):
            store.put(number, group(str(number)))
        queue = deque([group("first"), group("second")])
        store.lend(queue)
        assert [lent.text for lent in queue] == [b"first", b"second", b"0", b"1", b"2"]
        for _ in range(min(taken, 5)):
            queue.popleft()
        assert store.take_back(queue) == len(store) == min(3, 5 - min(taken, 5))
        assert [left.text for left in queue] == [b"first", b"second"][taken:]
        assert [store.pop()[0] for _ in range(len(store))] == list(range(3))[max(0, taken - 2) :]


class TestWebSocket:
    def test_a_client_that_keeps_up_misses_nothing(self, links: list[Link]) -> None:
        links.append(Link())
        link = links[0]
        groups = [group(f"4{number}", b"x") for number in range(100)]
        for number, sent in enumerate(groups):
            link.outbox.send_volatile("same", sent)
            link.outbox.send(groups[number])
        frames = b"".join(frames for sent in groups for frames in (sent.frames, sent.frames))
        assert link.read(len(frames)) == frames

    def test_the_newest_waits_for_a_client_that_does_not(self, full: Link) -> None:
        waiting = full.outbox.waiting()
        for number in range(100):
            full.outbox.send_volatile("a", group(f"4a{number}", b"one", b"two"))
            full.outbox.send_volatile("b", group(f"4b{number}"))
        assert full.outbox.waiting() == waiting
        full.outbox.send(group("4normal"))
        frames = group("4normal").frames + group("4a99", b"one", b"two").frames + group("4b99").frames
        data = b""
        while not data.endswith(frames):
            data += full.theirs.recv(65536)
        assert data[: -len(frames)] == b"x" * (len(data) - len(frames))
        until(lambda: not full.outbox.waiting())
        full.outbox.send_volatile("a", group("4again"))
        assert full.read(len(group("4again").frames)) == group("4again").frames

    def test_what_is_kept_may_fill_the_kernel_again(self, full: Link) -> None:
        large = [group(f"4{number}" + "y" * 300_000) for number in range(4)]
        for number, sent in enumerate(large):
            full.outbox.send_volatile(number, sent)
        full.outbox.send_volatile(0, group("4replaced"))
        frames = b"".join(sent.frames for sent in [*large[1:], group("4replaced")])
        data = b""
        while not data.endswith(frames):
            data += full.theirs.recv(65536)

    def test_a_bound_is_no_reason_to_close(self, links: list[Link]) -> None:
        links.append(Link(Bounds(5, 10_000), buffer=1))
        link = links[0]
        link.fill()
        while link.outbox.write(b"x" * 1000):
            pass
        link.outbox.send_volatile("a", group("4a"))
        assert not link.outbox.write(b"x" * 10_000)
        data = b""
        while not data.endswith(group("4a").frames):
            data += link.theirs.recv(65536)

    def test_a_bound_does_not_change_the_order(self, links: list[Link]) -> None:
        links.append(Link(Bounds(2, 100_000), buffer=1))
        link = links[0]
        link.fill()
        kept = [group(f"4{number}") for number in range(8)]
        for number, sent in enumerate(kept):
            link.outbox.send_volatile(number, sent)
        frames = b"".join(sent.frames for sent in kept)
        data = b""
        while len(data) < len(frames) or data[-len(frames) :].count(b"x"):
            data += link.theirs.recv(65536)
        assert data[-len(frames) :] == frames

    def test_what_is_held_back_is_not_lost(self, links: list[Link]) -> None:
        links.append(Link())
        link = links[0]
        link.outbox.hold()
        for number in range(3):
            link.outbox.send_volatile("a", group(f"4{number}"))
        frames = b"".join(group(f"4{number}").frames for number in range(3))
        assert link.read(len(frames)) == frames

    def test_what_is_forgotten_is_not_sent(self, full: Link) -> None:
        full.outbox.send_volatile("a", group("4a"))
        full.outbox.forget_volatile()
        full.outbox.write(b"end")
        data = b""
        while not data.endswith(b"end"):
            data += full.theirs.recv(65536)
        until(lambda: not full.outbox.waiting())
        gevent.sleep(0)
        with gevent.Timeout(0.01, False):  # type: ignore[arg-type]
            assert full.theirs.recv(1) == b""

    def test_a_closed_outbox_keeps_nothing(self, full: Link) -> None:
        full.outbox.send_volatile("a", group("4a"))
        full.outbox.close()
        full.outbox.send_volatile("a", group("4a"))
        full.theirs.close()
        gevent.sleep(0)
        assert full.failures == 0

    def test_compression(self, links: list[Link]) -> None:
        link = Link(buffer=1)
        links.append(link)
        link.outbox = DeflatingOutbox(Runtime(), link.socket, WIDE, link._failed, 10, 15)
        link.fill()
        sent = group("4" + "a" * 1000)
        link.outbox.send_volatile("a", group("4old" * 100))
        link.outbox.send_volatile("a", sent)
        data = b""
        while not data.endswith(sent.deflated_frames(10, 15)):
            data += link.theirs.recv(65536)


class TestPolling:
    def test_without_a_poll_the_newest_waits_behind_the_rest(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        session = site.session()
        session.send_volatile("news", group("4dropped"))
        session.send("normal")
        session.send_volatile("news", group("4kept"))
        assert peer.get().body == b"4normal\x1e4kept"
        session.send("next")
        assert peer.get().body == b"4next"

    def test_a_poll_that_waits_gets_it(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        session = site.session()
        peer.start_poll()
        until(lambda: session.polling is not None and session.polling.is_polled)
        for text in ("4first", "4dropped", "4kept"):
            session.send_volatile("news", group(text, b"x"))
        assert peer.gets.answer().packets == ["4first", "beA==", "4kept", "beA=="]

    def test_it_wakes_nobody_but_waits_for_nothing_else(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        site.session().send_volatile("news", group("4alone"))
        assert peer.poll() == ["4alone"]

    def test_what_does_not_fit_in_a_payload_can_be_replaced(self) -> None:
        outbox = PollingOutbox(WIDE)
        outbox.send(group("4normal"))
        for kind in "abc":
            outbox.send_volatile(kind, group(f"4{kind}1"))
        assert outbox.waiting() == 4
        assert outbox.take(12) == b"4normal\x1e4a1"
        for kind in "abc":
            outbox.send_volatile(kind, group(f"4{kind}2"))
        assert outbox.waiting() == 3
        outbox.send(group("4first"))
        assert outbox.take(1000) == b"4first\x1e4a2\x1e4b2\x1e4c2"
        assert outbox.waiting() == 0
        assert outbox.send(group("4" + "x" * 1000))

    def test_it_does_not_count_in_the_buffer(self) -> None:
        outbox = PollingOutbox(Bounds(2, 100))
        for number in range(50):
            outbox.send_volatile(number, group("4" + "x" * 90))
        assert outbox.waiting() == 1
        assert [outbox.send(group("4x")) for _ in range(3)] == [True, True, False]

    def test_an_upgrade_takes_it_along(self, serve: Serve) -> None:
        site = serve()
        peer = site.polling()
        session = site.session()
        websocket = peer.probe()
        session.send_volatile("news", group("4dropped"))
        session.send("normal")
        session.send_volatile("news", group("4kept", b"x"))
        websocket.send("5")
        assert [websocket.receive() for _ in range(3)] == ["4normal", "4kept", b"x"]
        session.send_volatile("news", group("4after"))
        assert websocket.receive() == "4after"
        websocket.close()

    @pytest.mark.parametrize("kind", ["polling", "websocket"])
    def test_nothing_follows_the_end(self, serve: Serve, kind: str) -> None:
        site = serve()
        peer = site.polling() if kind == "polling" else site.websocket()
        session = site.session()
        session.send("normal")
        if kind == "polling":
            session.send_volatile("news", group("4lost"))
        session.close()
        assert not session.send_volatile("news", group("4lost"))
        assert site.ending() is DisconnectReason.FORCED_CLOSE
        if kind == "polling":
            assert peer.poll() == ["4normal", "1"]  # type: ignore[union-attr]
        else:
            assert peer.receive_all() == (["4normal"], 1000)  # type: ignore[union-attr]
