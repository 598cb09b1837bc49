"""A client that closes its Engine.IO session."""

from __future__ import annotations

from tests.live.endpoint import Endpoint, error
from tests.live.http_client import Pending


def test_a_close_packet_ends_the_parked_poll(either: Endpoint) -> None:
    session = either.open_polling()
    with session.start_poll() as poll:
        session.send("1")
        reply = poll.reply()
    assert (reply.status, reply.text) == (200, "6")
    assert error(session.poll()) == 1
    assert error(session.post("4hello")) == 1


def test_a_close_packet_without_a_poll(either: Endpoint) -> None:
    session = either.open_polling()
    session.send("1")
    assert error(session.poll()) == 1


def test_packets_before_a_close_packet_are_handled_and_those_behind_it_are_not(engine: Endpoint) -> None:
    session = engine.open_polling()
    with session.start_poll() as poll:
        session.send("4before\x1e1\x1e4behind")
        reply = poll.reply()
    assert reply.status == 200
    # The echo may find the session closed; what must not come is an echo of what followed.
    assert reply.text in ("6", "4before", "4before\x1e6")
    assert error(session.poll()) == 1


def test_a_close_packet_closes_the_websocket(either: Endpoint) -> None:
    with either.open_websocket_session() as socket:
        socket.send("1")
        closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, [])


def test_a_close_packet_closes_an_upgraded_session(either: Endpoint) -> None:
    session = either.open_polling()
    with either.open_websocket(session.sid) as socket:
        socket.send("2probe")
        assert socket.receive() == "3probe"
        socket.send("5")
        socket.send("1")
        closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, [])
    assert error(session.poll()) == 1


def test_a_close_frame_ends_an_upgraded_session(either: Endpoint) -> None:
    session = either.open_polling()
    with either.open_websocket(session.sid) as socket:
        socket.send("2probe")
        assert socket.receive() == "3probe"
        socket.send("5")
        assert socket.close(1000).code == 1000
    assert error(session.poll()) == 1


def test_a_close_packet_does_not_overtake_a_poll(either: Endpoint) -> None:
    """A client may fire both at once; a busy server finds both to read, and its event loop may turn them round."""
    session = either.open_polling()
    with Pending(either.address) as poll, Pending(either.address) as post:
        # Answered later than both connections were made, and so accepted.
        either.open_polling()
        with either.server.stopped():
            poll.send("GET", session.target())
            post.send("POST", session.target(), "1")
        assert [(reply.status, reply.text) for reply in (poll.reply(), post.reply())] == [(200, "6"), (200, "ok")]
