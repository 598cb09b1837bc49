"""Heartbeats: a ping every 200 ms, and a second to answer it."""

from __future__ import annotations

from tests.live.endpoint import Endpoint, error
from tests.live.ws_client import WebSocket

# By then a client that does not answer has been closed for long.
_PINGS = 10


def _connect(endpoint: Endpoint, socket: WebSocket) -> None:
    """Where the server speaks Socket.IO, connect to `/`: it closes a session that doesn't."""
    if endpoint.path == "/socket.io/":
        socket.send("40")
        assert socket.receive_text().startswith("40{")
        assert socket.receive() == '42["auth",{}]'


def _upgrade(endpoint: Endpoint) -> WebSocket:
    socket = endpoint.open_websocket(endpoint.open_polling().sid)
    socket.send("2probe")
    assert socket.receive() == "3probe"
    socket.send("5")
    return socket


def test_clients_are_pinged_as_long_as_they_answer(either_beating: Endpoint) -> None:
    polling = either_beating.open_polling()
    with either_beating.open_websocket_session() as websocket, _upgrade(either_beating) as upgraded:
        _connect(either_beating, websocket)
        _connect(either_beating, upgraded)
        if either_beating.path == "/socket.io/":
            polling.send("40")
            packets = ""
            while "auth" not in packets:
                packets = polling.receive()
        for _ in range(_PINGS):
            assert polling.receive() == "2"
            polling.send("3")
            for socket in (websocket, upgraded):
                assert socket.receive() == "2"
                socket.send("3")


def test_polling_without_a_pong_is_closed(either_beating: Endpoint) -> None:
    session = either_beating.open_polling()
    assert session.receive() == "2"
    assert session.receive() == "1"
    assert error(session.poll()) == 1
    assert error(session.post("3")) == 1


def test_websockets_without_a_pong_are_closed(either_beating: Endpoint) -> None:
    with either_beating.open_websocket_session() as websocket, _upgrade(either_beating) as upgraded:
        for socket in (websocket, upgraded):
            closing = socket.closing()
            assert (closing.code, closing.messages) == (1000, ["2"])


def test_a_session_that_never_polls_is_closed(either_beating: Endpoint) -> None:
    session = either_beating.open_polling()
    if either_beating.path == "/socket.io/":
        session.send("40")
    with either_beating.open_websocket_session() as later:
        _connect(either_beating, later)
        # Younger, and closed by its own ping timeout: by then the older session is over its time too.
        later.closing()
    assert error(session.poll()) == 1


def test_other_packets_do_not_stand_in_for_a_pong(either_beating: Endpoint) -> None:
    with either_beating.open_websocket_session() as socket:
        _connect(either_beating, socket)
        assert socket.receive() == "2"
        engine = either_beating.path == "/engine.io/"
        socket.send("4hello" if engine else '42["message"]')
        closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, ["4hello" if engine else '42["message-back"]'])
