"""Heartbeats with the official suites' timings: a ping after 300 ms, 200 ms to answer it."""

from __future__ import annotations

from tests.live.endpoint import Endpoint, error
from tests.live.ws_client import ConnectionClosed, WebSocket


def _connect(endpoint: Endpoint, socket: WebSocket) -> None:
    """Where the server speaks Socket.IO, connect to `/`: it closes a session that doesn't."""
    if endpoint.path == "/socket.io/":
        socket.send("40")
        assert socket.receive_text().startswith("40{")
        assert socket.receive() == '42["auth",{}]'


def test_polling_is_pinged_as_long_as_it_answers(either_fast: Endpoint) -> None:
    session = either_fast.open_polling()
    if either_fast.path == "/socket.io/":
        session.send("40")
        assert session.receive().startswith("40{")
    # Beyond the second after which the Socket.IO server would close a session without a namespace.
    pings = 0
    while pings < 4:
        for packet in session.receive().split("\x1e"):
            if packet == "2":
                pings += 1
                session.send("3")
            else:
                assert packet == '42["auth",{}]'


def test_websocket_is_pinged_as_long_as_it_answers(either_fast: Endpoint) -> None:
    with either_fast.open_websocket_session() as socket:
        _connect(either_fast, socket)
        for _ in range(4):
            assert socket.receive() == "2"
            socket.send("3")


def test_polling_without_a_pong_is_closed(either_fast: Endpoint) -> None:
    session = either_fast.open_polling()
    assert session.receive() == "2"
    assert session.receive() == "1"
    assert error(session.poll()) == 1
    assert error(session.post("3")) == 1


def test_websocket_without_a_pong_is_closed(either_fast: Endpoint) -> None:
    with either_fast.open_websocket_session() as socket:
        closing = socket.closing()
    assert closing.messages in (["2"], ["2", "1"])
    assert closing.code is not None


def test_a_session_that_never_polls_is_closed(either_fast: Endpoint) -> None:
    session = either_fast.open_polling()
    with either_fast.open_websocket_session() as later:
        # Younger, and closed by its own ping timeout: by then the older session is over its time too.
        later.closing()
    assert error(session.poll()) == 1


def test_other_packets_do_not_stand_in_for_a_pong(either_fast: Endpoint) -> None:
    with either_fast.open_websocket_session() as socket:
        _connect(either_fast, socket)
        assert socket.receive() == "2"
        message = "4hello" if either_fast.path == "/engine.io/" else '42["message"]'
        socket.send(message)
        received = []
        try:
            while True:
                received.append(socket.receive())
        except ConnectionClosed as error:
            assert error.closing.code is not None
        answer = "4hello" if either_fast.path == "/engine.io/" else '42["message-back"]'
        assert received[0] == answer
        assert received[1:] in ([], ["1"])


def test_pings_go_on_after_the_upgrade(either_fast: Endpoint) -> None:
    session = either_fast.open_polling()
    with either_fast.open_websocket(session.sid) as socket:
        socket.send("2probe")
        assert socket.receive() == "3probe"
        socket.send("5")
        if either_fast.path == "/socket.io/":
            socket.send("40")
        pings = 0
        while pings < 3:
            if socket.receive() == "2":
                pings += 1
                socket.send("3")


def test_an_upgraded_session_without_a_pong_is_closed(either_fast: Endpoint) -> None:
    session = either_fast.open_polling()
    with either_fast.open_websocket(session.sid) as socket:
        socket.send("2probe")
        assert socket.receive() == "3probe"
        socket.send("5")
        closing = socket.closing()
    assert closing.messages in (["2"], ["2", "1"])
    assert closing.code is not None
    assert error(session.poll()) == 1
