"""Engine.IO messages over HTTP long-polling, against the echo server."""

from __future__ import annotations

import socket
from http.client import HTTPConnection

import pytest

from tests.live.endpoint import Endpoint, error
from tests.live.harness import DEADLINE
from tests.live.http_client import PollingSession, request

MAX_PAYLOAD = 1_000_000


def _receive_all(session: PollingSession, count: int) -> list[str]:
    """Poll until that many packets have come; a server may split what it has over several answers."""
    packets: list[str] = []
    while len(packets) < count:
        packets += session.receive().split("\x1e")
    return packets


@pytest.mark.parametrize(
    "payload",
    [
        "4hello",
        "4",
        "4€ 𝕊 日本語 \u2028 é",
        "4\x00\x1f\x7f",
        "bAQIDBA==",
        "b",
        "b+/8=",
        "4test1\x1e4test2\x1e4test3",
        "4hello\x1ebAQIDBA==",
        "bAQIDBA==\x1e4\x1ebBQ==\x1e4€",
    ],
)
def test_a_payload_comes_back(engine: Endpoint, payload: str) -> None:
    session = engine.open_polling()
    posted = session.post(payload)
    assert (posted.status, posted.body) == (200, b"ok")
    assert posted.content_type.startswith("text/")
    packets = payload.split("\x1e")
    reply = session.poll()
    assert reply.status == 200
    assert reply.content_type == "text/plain;charset=utf-8"
    assert reply.headers["Content-Length"] == str(len(reply.body))
    received = reply.text.split("\x1e")
    assert received + _receive_all(session, len(packets) - len(received)) == packets


def test_a_parked_poll_is_answered_by_a_later_message(engine: Endpoint) -> None:
    session = engine.open_polling()
    with session.start_poll() as poll:
        session.send("4hello")
        assert poll.reply().text == "4hello"


def test_packets_keep_their_order_over_many_posts(engine: Endpoint) -> None:
    session = engine.open_polling()
    expected = []
    for number in range(50):
        packets = [f"4{number}.{index}" for index in range(number % 4 + 1)]
        session.send("\x1e".join(packets))
        expected += packets
    assert _receive_all(session, len(expected)) == expected


def test_a_connection_is_kept_for_the_next_request(engine: Endpoint) -> None:
    connection = HTTPConnection(*engine.address, timeout=DEADLINE)

    def exchange(method: str, target: str, body: str | None = None) -> tuple[int, str]:
        connection.request(method, target, body)
        with connection.getresponse() as response:
            return response.status, response.read().decode()

    session = engine.open_polling()
    assert exchange("GET", f"{engine.path}?EIO=4&transport=polling")[0] == 200
    local_port = connection.sock.getsockname()[1]
    for number in range(10):
        assert exchange("POST", session.target(), f"4{number}") == (200, "ok")
        assert exchange("GET", session.target()) == (200, f"4{number}")
        assert exchange("GET", f"{engine.path}?EIO=4")[0] == 400
    assert connection.sock.getsockname()[1] == local_port
    connection.close()


@pytest.mark.parametrize(
    "body",
    [
        b"abc",
        b"x",
        b"9",
        b"4ok\x1eabc",
        b"b***",
        b"bAQ",
        b"4\xff\xfe",
        b"0{}",
    ],
)
def test_an_invalid_packet_closes_the_session(engine: Endpoint, body: bytes) -> None:
    session = engine.open_polling()
    posted = session.post(body)
    assert posted.status == 400
    assert error(session.poll()) == 1
    assert error(session.post("4hello")) == 1


def test_an_invalid_packet_ends_the_parked_poll(engine: Endpoint) -> None:
    session = engine.open_polling()
    with session.start_poll() as poll:
        assert session.post("abc").status == 400
        reply = poll.reply()
    assert (reply.status, reply.text) == (200, "1")
    assert error(session.poll()) == 1


def test_a_second_poll_closes_the_session(engine: Endpoint) -> None:
    session = engine.open_polling()
    with session.start_poll() as first:
        second = session.poll()
        reply = first.reply()
    assert (reply.status, reply.text) == (200, "1")
    assert second.status == 400
    assert error(session.poll()) == 1


def test_a_second_post_closes_the_session(engine: Endpoint) -> None:
    session = engine.open_polling()
    with socket.create_connection(engine.address, timeout=DEADLINE) as first:
        # Its body is never completed, so that this POST lasts as long as the test wants.
        head = f"POST {session.target()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n"
        first.sendall(head.encode() + b"4he")
        second = session.post("4hello")
    assert second.status == 400
    assert error(session.poll()) == 1


def test_a_message_of_the_largest_size_passes(engine: Endpoint) -> None:
    session = engine.open_polling()
    payload = "4" + "x" * (MAX_PAYLOAD - 1)
    session.send(payload)
    assert session.receive() == payload


def test_an_oversize_body_is_refused(engine: Endpoint) -> None:
    session = engine.open_polling()
    assert session.post("4" + "x" * MAX_PAYLOAD).status == 413
    assert error(session.poll()) == 1


def test_the_size_limit_counts_bytes(engine: Endpoint) -> None:
    session = engine.open_polling()
    assert session.post("4" + "€" * (MAX_PAYLOAD // 2)).status == 413
    assert error(session.poll()) == 1


def _post_chunked(session: PollingSession, chunks: list[bytes]) -> int:
    connection = HTTPConnection(*session.address, timeout=DEADLINE)
    connection.request("POST", session.target(), iter(chunks), encode_chunked=True)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_chunked_body_is_read(engine: Endpoint) -> None:
    session = engine.open_polling()
    assert _post_chunked(session, [b"4he", b"llo\x1e4", b"\xe2\x82", b"\xac"]) == 200
    assert _receive_all(session, 2) == ["4hello", "4€"]


def test_an_oversize_chunked_body_is_refused(engine: Endpoint) -> None:
    session = engine.open_polling()
    # Just over the limit, so that the server's answer can't be lost behind unread input.
    assert _post_chunked(session, [b"4", b"x" * (MAX_PAYLOAD - 1), b"x"]) == 413
    assert error(session.poll()) == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_and_changes_nothing(engine: Endpoint, method: str) -> None:
    session = engine.open_polling()
    assert request(engine.address, method, session.target(), "4no").status == 400
    session.send("4hello")
    assert session.receive() == "4hello"


def test_sessions_are_apart(engine: Endpoint) -> None:
    sessions = [engine.open_polling() for _ in range(10)]
    for number, session in enumerate(sessions):
        session.send(f"4{number}")
    assert [session.receive() for session in sessions] == [f"4{number}" for number in range(10)]


def test_another_protocol_version_for_a_session_is_refused(engine: Endpoint) -> None:
    session = engine.open_polling()
    target = session.target().replace("EIO=4", "EIO=3")
    assert request(engine.address, "GET", target).status == 400
    session.send("4hello")
    assert session.receive() == "4hello"
