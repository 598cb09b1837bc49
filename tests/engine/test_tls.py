"""Tests of TLS connections, whose sockets can't be taken out of the server's hands but are driven the same way."""

from __future__ import annotations

import hashlib
import io
import re
import ssl as stdlib_ssl
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import ssl
from gevent.event import Event
from gevent.pywsgi import WSGIHandler

from geventsio.engine import Session
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import Site, count, take, until
from tests.engine.peer import PollingPeer, WebSocketPeer, frame

#: Self-signed, for localhost, with its key; made for these tests.
CERTIFICATE = str(Path(__file__).with_name("localhost.pem"))


def trusting() -> ssl.SSLContext:
    """A client's context that trusts the certificate."""
    context = ssl.SSLContext(stdlib_ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(CERTIFICATE)
    context.check_hostname = False
    return context


@pytest.fixture
def site(serve: Serve) -> Site:
    return start(serve)


def start(serve: Serve, *callbacks: Any, **options: Any) -> Site:
    """Start a server that speaks TLS, with peers that do."""
    context = ssl.SSLContext(stdlib_ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    site = serve(*callbacks, server={"ssl_context": context}, **options)
    site.tls = trusting()
    return site


def test_messages(site: Site) -> None:
    peer = site.websocket()
    peer.say("one", "two")
    peer.send_binary(b"three")
    assert [peer.receive(), peer.receive(), peer.receive()] == ["4one", "4two", b"three"]


def test_polling_and_upgrade(site: Site) -> None:
    peer = site.polling()
    peer.say("one")
    assert peer.poll() == ["4one"]
    peer.start_poll()
    until(lambda: site.session().polling.is_polled)  # type: ignore[union-attr]
    websocket = peer.upgrade()
    assert peer.gets.answer().packets == ["6"]
    websocket.say("two")
    assert websocket.hear() == "two"
    websocket.close()


@pytest.mark.parametrize("size", [0, 100, 16_384, 20_000, 300_000])
def test_what_comes_with_the_handshake(site: Site, size: int) -> None:
    peer = site.websocket(behind=frame(1, b"4" + b"x" * size) + frame(1, b"4end"))
    assert peer.hear() == "x" * size
    assert peer.hear() == "end"


def test_records_of_all_sizes(site: Site) -> None:
    """One TLS record may hold many frames, and one frame take many records."""
    peer = site.websocket()
    for size in (1, 100, 4_000, 16_383, 16_384, 16_385, 70_000, 900_000):
        peer.say("x" * size, "y")
        assert peer.hear() == "x" * size
        assert peer.hear() == "y"


def test_a_large_message_to_a_slow_client(serve: Serve) -> None:
    site = start(serve, max_buffer_bytes=10**8)
    peer = site.websocket()
    data = hashlib.sha256(b"seed").digest() * 500_000
    site.session().send(data)
    site.session().send("end")
    gevent.sleep(0.01)
    received = peer.receive()
    assert isinstance(received, bytes)
    assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
    assert peer.hear() == "end"


def test_both_write_at_once(serve: Serve) -> None:
    """Megabytes in both directions, with nobody reading for a while."""
    site = start(serve, max_buffer_bytes=10**8)
    peer = site.websocket()
    sender = gevent.spawn(peer.say, *[f"{number:<100000}" for number in range(100)])
    assert [int(peer.hear()) for _ in range(100)] == list(range(100))
    sender.get()


class TestEndings:
    def test_a_close_frame(self, site: Site) -> None:
        peer = site.websocket()
        peer.send_close(3000)
        assert peer.receive_all() == ([], 3000)
        assert peer.read_rest() == b""
        assert site.ending() is DisconnectReason.TRANSPORT_CLOSE

    def test_fin(self, site: Site) -> None:
        site.websocket().close()
        assert site.ending() in (DisconnectReason.TRANSPORT_CLOSE, DisconnectReason.TRANSPORT_ERROR)

    def test_reset(self, site: Site) -> None:
        site.websocket().reset()
        assert site.ending() in (DisconnectReason.TRANSPORT_CLOSE, DisconnectReason.TRANSPORT_ERROR)

    def test_the_server_closes(self, site: Site) -> None:
        peer = site.websocket()
        site.session().send("last words")
        site.session().close()
        assert peer.receive_all() == (["4last words"], 1000)
        peer.send_close()
        assert peer.read_rest() == b""
        assert site.ending() is DisconnectReason.FORCED_CLOSE

    @pytest.mark.parametrize("leave", ["with a goodbye in TLS", "RST"])
    def test_an_aborted_poll(self, site: Site, hub_errors: io.StringIO, leave: str) -> None:
        others = count(WSGIHandler)
        peer = site.polling()
        peer.start_poll()
        until(lambda: site.session().polling.is_polled)  # type: ignore[union-attr]
        if leave == "RST":
            peer.gets.reset()
        else:
            peer.gets.close()
        assert site.ending() is DisconnectReason.TRANSPORT_ERROR
        # pywsgi writes the answer all the same, and may have a word to say when that fails.
        peer.posts.close()
        until(lambda: count(WSGIHandler) <= others)
        assert set(re.findall(r"^[\w.]+Error\b", take(hub_errors), re.MULTILINE)) <= {"ssl.SSLEOFError"}

    def test_a_slow_consumer(self, serve: Serve) -> None:
        go = Event()

        def flood(session: Session, data: str | bytes) -> None:
            try:
                while True:
                    session.send(bytes(10_000))
            finally:
                go.set()

        site = start(serve, on_message=flood, max_buffer_bytes=100_000)
        peer = site.websocket()
        peer.say("flood")
        go.wait()
        assert site.ending() is DisconnectReason.SLOW_CONSUMER

    def test_the_servers_greenlets_end(self, serve: Serve) -> None:
        site = start(serve)
        site.websocket().close()
        until(lambda: site.endings)
        gevent.sleep(0.01)
        before = count(gevent.Greenlet)
        peers: list[WebSocketPeer | PollingPeer] = [site.websocket() for _ in range(10)]
        for number, peer in enumerate(peers):
            assert isinstance(peer, WebSocketPeer)
            (peer.close, peer.reset)[number % 2]()
        until(lambda: len(site.endings) == 11)
        until(lambda: count(gevent.Greenlet) <= before)
