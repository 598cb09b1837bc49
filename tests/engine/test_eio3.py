"""Sessions of Engine.IO v3: payloads, websockets, upgrades and heartbeats, next to sessions of version 4."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from typing import Any

import gevent
import pytest

from geventsio.engine import EngineServer, Session
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import Site, until
from tests.engine.peer import Closed, Refused, WebSocketPeer, frame
from tests.engine.peer3 import PollingPeer3

PATH = "/engine.io/?EIO=3"
BINARY = (("Content-Type", "application/octet-stream"),)
HELLO = "7:4hello€".encode()


def websocket(site: Site) -> WebSocketPeer:
    """Open a session of version 3 by websocket."""
    return site.keep(WebSocketPeer(site.address, f"{PATH}&transport=websocket")).open()


def polling(site: Site, query: str = "") -> PollingPeer3:
    """Open a session of version 3 by polling."""
    return site.keep(PollingPeer3(site.address, query))


def is_polled(session: Session) -> bool:
    """Whether a GET is waiting."""
    return session.polling is not None and session.polling.is_polled


@pytest.fixture
def site(serve: Serve) -> Site:
    """An echo server for both versions."""
    return serve(allow_eio3=True)


# Handshakes


def test_the_open_packet(site: Site) -> None:
    peer = polling(site)
    assert peer.opened.headers["content-type"] == "text/plain; charset=UTF-8"
    assert peer.handshake == {
        "sid": peer.sid,
        "upgrades": ["websocket"],
        "pingInterval": 25_000,
        "pingTimeout": 20_000,
        "maxPayload": 1_000_000,
    }
    assert site.session().protocol == 3


def test_the_open_packet_of_a_websocket(site: Site) -> None:
    peer = site.keep(WebSocketPeer(site.address, f"{PATH}&transport=websocket"))
    packet = peer.receive()
    assert isinstance(packet, str)
    assert json.loads(packet[1:])["upgrades"] == []
    assert site.session().protocol == 3


def test_version_4_is_served_as_before(site: Site) -> None:
    peer = site.polling()
    peer.say("hello€")
    assert peer.poll() == ["4hello€"]
    assert site.session().protocol == 4


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("EIO=3", {}),
        ("EIO=3", {"allow_eio3": False}),
        *((query, {"allow_eio3": True}) for query in ("EIO=2", "EIO=5", "EIO=", "EIO=34", "EIO=03", "")),
    ],
)
def test_versions_that_are_not_served(serve: Serve, query: str, options: dict[str, bool]) -> None:
    site = serve(**options)
    connection = site.connect()
    connection.request("GET", f"/engine.io/?{query}&transport=polling")
    assert connection.answer().error_code == 5
    with pytest.raises(Refused) as refused:
        WebSocketPeer(site.address, f"/engine.io/?{query}&transport=websocket")
    assert refused.value.answer.error_code == 5


def test_the_version_of_a_session_stays(site: Site) -> None:
    peer, other = polling(site), site.polling()
    connection = site.connect()
    for target in (peer.target(protocol=4), other.target.replace("EIO=4", "EIO=3")):
        for method in ("GET", "POST"):
            connection.request(method, target, (), b"1:2" if method == "POST" else None)
            assert connection.answer().error_code == 3
        with pytest.raises(Refused) as refused:
            WebSocketPeer(site.address, target.replace("polling", "websocket"))
        assert refused.value.answer.error_code == 3
    peer.send(HELLO)
    assert peer.poll() == HELLO
    other.say("hello")
    assert other.hear() == "hello"


# Polling

FRAMED = bytes.fromhex("00 09 ff 34 68 65 6c 6c 6f e2 82 ac 01 05 ff 04 01 02 03 04")


@pytest.mark.parametrize(
    ("query", "body", "headers", "echo"),
    [
        ("", HELLO, (), HELLO),
        ("&b64=1", HELLO + b"10:b4AQIDBA==", (), HELLO + b"10:b4AQIDBA=="),
        ("&b64=true", FRAMED, BINARY, HELLO + b"10:b4AQIDBA=="),
        ("", HELLO + b"10:b4AQIDBA==", (), FRAMED),
        ("", FRAMED, BINARY, FRAMED),
        ("&b64=", FRAMED, BINARY, FRAMED),
        ("", FRAMED[:12], BINARY, HELLO),
        ("", "3:4𝕊2:4é".encode(), (), "3:4𝕊2:4é".encode()),
    ],
)
def test_payloads(site: Site, query: str, body: bytes, headers: Any, echo: bytes) -> None:
    peer = polling(site, query)
    peer.send(body, headers)
    answer = peer.get()
    assert answer.body == echo
    is_binary = echo is FRAMED
    assert answer.headers["content-type"] == ("application/octet-stream" if is_binary else "text/plain; charset=UTF-8")


def test_a_group_for_a_parked_poll_has_one_framing(site: Site) -> None:
    peer = polling(site)
    peer.start_poll()
    until(lambda: is_polled(site.session()))
    for message in ("hello€", b"\x01\x02\x03\x04"):
        site.session().send(message)
    assert peer.gets.answer().body == FRAMED


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"abc", ()),
        (b"", ()),
        (b"10:4ab", ()),
        (b"2:4\xf0\x9d\x95\x8a", ()),
        (FRAMED, ()),
        (HELLO, BINARY),
        (FRAMED[:-1], BINARY),
        (b"\x01\x00\xff", BINARY),
        (b"3:4a\xff", ()),
        (b"1:5", ()),
        (b"1:6", ()),
        (b"1:0", ()),
    ],
)
def test_a_broken_payload_ends_the_session(serve: Serve, body: bytes, headers: Any) -> None:
    site = serve(allow_eio3=True)
    peer = polling(site)
    answer = peer.post(body, headers)
    assert answer.error_code == 3
    assert site.ending() is DisconnectReason.PARSE_ERROR
    assert peer.get().error_code == 1


def test_packets_before_a_broken_one_are_delivered(serve: Serve) -> None:
    site = serve(allow_eio3=True)
    assert polling(site).post(b"2:4a2:4b2:9c").error_code == 3
    assert site.ending() is DisconnectReason.PARSE_ERROR
    assert site.messages == ["a", "b"]


def test_a_body_beyond_the_limit(serve: Serve) -> None:
    site = serve(allow_eio3=True, max_payload=100)
    peer = polling(site)
    peer.send(b"97:4" + b"x" * 96)
    assert peer.poll() == b"97:4" + b"x" * 96
    assert peer.post(b"98:4" + b"x" * 97).status == 413
    assert site.ending() is DisconnectReason.PAYLOAD_TOO_LARGE


def test_answers_stay_within_the_limit(serve: Serve) -> None:
    site = serve(allow_eio3=True, max_payload=30)
    peer = polling(site)
    for message in ("hello€", "hello€", b"\x01\x02\x03\x04", "hello€"):
        site.session().send(message)
    assert [peer.poll(), peer.poll()] == [HELLO * 2, FRAMED[12:] + FRAMED[:12]]


def test_a_goodbye_is_answered_by_noop(serve: Serve) -> None:
    site = serve(allow_eio3=True)
    peer = polling(site)
    peer.start_poll()
    until(lambda: is_polled(site.session()))
    peer.send(b"1:1")
    assert peer.gets.answer().body == b"1:6"
    assert site.ending() is DisconnectReason.TRANSPORT_CLOSE
    assert peer.get().error_code == 1


def test_the_server_says_goodbye(serve: Serve) -> None:
    site = serve(allow_eio3=True)
    peer, other = polling(site), websocket(site)
    until(lambda: len(site.sessions) == 2)
    site.sessions[0].send("last")
    assert site.engine.close(timeout=10)
    assert peer.poll() == b"5:4last1:1"
    assert other.receive_all() == ([], 1001)
    assert {reason for _, reason in site.endings} == {DisconnectReason.SERVER_SHUTTING_DOWN}


def test_two_polls_at_once(serve: Serve) -> None:
    site = serve(allow_eio3=True)
    peer = polling(site)
    peer.start_poll()
    until(lambda: is_polled(site.session()))
    second = site.connect()
    second.request("GET", peer.target())
    assert second.answer().error_code == 3
    assert peer.gets.answer().body == b"1:1"
    assert site.ending() is DisconnectReason.TRANSPORT_ERROR


def test_answers_are_compressed(site: Site) -> None:
    peer = polling(site)
    data = bytes(5_000)
    site.session().send(data)
    peer.gets.request("GET", peer.target(), (("Accept-Encoding", "gzip"),))
    answer = peer.gets.answer()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert gzip.decompress(answer.body) == b"\x01\x05\x00\x00\x01\xff\x04" + data


# Websockets


def test_messages_over_a_websocket(site: Site) -> None:
    peer = websocket(site)
    peer.say("hello€")
    assert peer.hear() == "hello€"
    peer.send_binary(b"\x04\x01\x02\x03\x04")
    assert peer.receive() == b"\x04\x01\x02\x03\x04"
    peer.send_binary(b"\x04")
    assert peer.receive() == b"\x04"
    peer.send("b4AQIDBA==")
    assert peer.receive() == b"\x04\x01\x02\x03\x04"
    assert site.messages == ["hello€", b"\x01\x02\x03\x04", b"", b"\x01\x02\x03\x04"]


@pytest.mark.parametrize(
    "message", [b"", b"\x00", b"\x02", b"4a", "", "abc", "7", "bAQID", "b4A", "b2AQID", "0", "5", "6"]
)
def test_a_broken_message_ends_the_session(serve: Serve, message: str | bytes) -> None:
    site = serve(allow_eio3=True)
    peer = websocket(site)
    peer.send(frame(2, message) if isinstance(message, bytes) else frame(1, message.encode()))
    assert peer.receive_all() == ([], 1000)
    assert site.ending() is DisconnectReason.PARSE_ERROR
    assert site.messages == []


def test_compressed_messages(serve: Serve) -> None:
    site = serve(allow_eio3=True, per_message_deflate=150)
    extension = (("Sec-WebSocket-Extensions", "permessage-deflate"),)
    peer = site.keep(WebSocketPeer(site.address, f"{PATH}&transport=websocket", extension)).open()
    message = b"\x04" + bytes(200)
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
    peer.send(bytes((frame(2)[0] | 0x40,)) + frame(2, data[:-4])[1:])
    assert site.session().is_open
    first, length = peer.read(2)
    assert first == 0xC2
    assert zlib.decompressobj(-15).decompress(peer.read(length) + b"\x00\x00\xff\xff") == message
    assert site.messages == [bytes(200)]


# Upgrades


@pytest.mark.parametrize("query", ["", "&b64=1"])
def test_an_upgrade(serve: Serve, query: str) -> None:
    site = serve(allow_eio3=True)
    peer = polling(site, query)
    peer.start_poll()
    until(lambda: is_polled(site.session()))
    upgraded = site.keep(WebSocketPeer(site.address, peer.target("websocket")))
    upgraded.send("2probe")
    assert upgraded.receive() == "3probe"
    assert peer.gets.answer().body == b"1:6"
    assert [peer.poll() for _ in range(5)] == [b"1:6"] * 5
    for message in ("waits€", b"\x01"):
        site.session().send(message)
    assert peer.poll() == b"1:6"
    upgraded.send("5")
    upgraded.say("behind it")
    assert [upgraded.receive() for _ in range(3)] == ["4waits€", b"\x04\x01", "4behind it"]
    assert peer.get().error_code == 3
    assert peer.post(b"1:2").error_code == 3
    upgraded.close()
    assert site.ending() is DisconnectReason.TRANSPORT_CLOSE


def test_an_upgrade_that_fails(site: Site) -> None:
    peer = polling(site)
    upgraded = site.keep(WebSocketPeer(site.address, peer.target("websocket")))
    upgraded.send("2probe")
    assert upgraded.receive() == "3probe"
    upgraded.send("4not yet")
    with pytest.raises(Closed):
        upgraded.receive()
    peer.send(HELLO)
    assert peer.poll() == HELLO


# Heartbeats


def test_a_ping_is_answered(site: Site) -> None:
    peer, other = polling(site), websocket(site)
    for _ in range(3):
        peer.send(b"1:2")
        assert peer.poll() == b"1:3"
        other.send("2")
        assert other.receive() == "3"
    peer.send(b"1:2" * 3)
    assert peer.poll() == b"1:3" * 3


def test_the_server_sends_no_pings(serve: Serve) -> None:
    site = serve(allow_eio3=True, ping_interval=0.03, ping_timeout=20)
    peer = websocket(site)
    clock = site.websocket()
    for _ in range(5):
        assert clock.receive() == "2"
        clock.send("3")
    peer.say("what else")
    assert peer.hear() == "what else"


@pytest.mark.parametrize("kind", ["polling", "websocket"])
def test_a_silent_client_is_given_up(serve: Serve, kind: str) -> None:
    site = serve(allow_eio3=True, ping_interval=0.1, ping_timeout=0.1)
    opened = time.monotonic()
    if kind == "polling":
        peer = polling(site)
        assert peer.poll() == b"1:1"
        assert peer.get().error_code == 1
    else:
        other = websocket(site)
        assert other.receive_all() == ([], 1000)
    assert site.ending() is DisconnectReason.PING_TIMEOUT
    assert time.monotonic() - opened >= 0.2


def test_pings_keep_a_client_alive(serve: Serve) -> None:
    site = serve(allow_eio3=True, ping_interval=0.2, ping_timeout=0.8)
    peer = websocket(site)
    silent = websocket(site)
    ended = gevent.spawn(silent.receive_all)
    while not ended.ready():
        peer.send("2")
        assert peer.receive() == "3"
        gevent.sleep(0.02)
    assert [session for session, _ in site.endings] == [site.sessions[1]]


def test_messages_do_not_stand_in_for_a_ping(serve: Serve) -> None:
    site = serve(allow_eio3=True, ping_interval=0.05, ping_timeout=0.1, on_message=lambda session, data: None)
    peer = websocket(site)
    while not site.endings:
        try:
            peer.say("still here")
        except OSError:
            break
        gevent.sleep(0.005)
    assert site.ending() is DisconnectReason.PING_TIMEOUT


def test_a_hub_that_was_blocked_excuses_clients(serve: Serve) -> None:
    site = serve(allow_eio3=True, ping_interval=0.2, ping_timeout=0.2)
    peer = websocket(site)
    until(lambda: site.sessions)
    time.sleep(0.6)  # nobody could be heard
    peer.send("2")
    assert peer.receive() == "3"
    assert site.endings == []


def test_a_client_that_is_not_read_is_not_given_up(serve: Serve) -> None:
    site = serve(allow_eio3=True, ping_interval=0.05, ping_timeout=0.05)
    peer, silent = websocket(site), websocket(site)
    until(lambda: len(site.sessions) == 2)
    site.sessions[0].pause()
    assert silent.receive_all() == ([], 1000)
    assert site.sessions[0].is_open
    site.sessions[0].resume()
    assert peer.receive_all() == ([], 1000)


# Both versions together


def test_one_emit_for_all(serve: Serve) -> None:
    joined: list[Session] = []
    site = serve(joined.append, allow_eio3=True)
    four, frames = site.polling(), site.websocket()
    binary, text, frames3 = polling(site), polling(site, "&b64=1"), websocket(site)
    until(lambda: len(joined) == 5)
    for message in ("hello€", b"\x01\x02\x03\x04"):
        for session in joined:
            session.send(message)
    assert four.poll() == ["4hello€", "bAQIDBA=="]
    assert [frames.receive(), frames.receive()] == ["4hello€", b"\x01\x02\x03\x04"]
    assert binary.poll() == FRAMED
    assert text.poll() == HELLO + b"10:b4AQIDBA=="
    assert [frames3.receive(), frames3.receive()] == ["4hello€", b"\x04\x01\x02\x03\x04"]


def test_a_client_that_does_not_read_is_closed(serve: Serve) -> None:
    site = serve(allow_eio3=True, max_buffer_size=10)
    peer = polling(site)
    peer.send(b"1:2" * 50)
    assert site.ending() is DisconnectReason.SLOW_CONSUMER


def test_the_option_belongs_to_the_engine() -> None:
    assert EngineServer().options.allow_eio3 is False
    assert EngineServer(allow_eio3=True).options.allow_eio3 is True
