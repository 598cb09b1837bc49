"""Connecting to Socket.IO namespaces and leaving them, packet by packet."""

from __future__ import annotations

import json

import pytest

from tests.live.endpoint import Endpoint, error
from tests.live.sio_client import CONNECTED, check_alive, check_closed, connect
from tests.live.ws_client import ConnectionClosed, WebSocket


@pytest.mark.parametrize("payload", ["", '{"token":"123"}', '{"a":[1,{"b":null}],"€":"𝕊"}'])
@pytest.mark.parametrize("namespace", ["", "/custom,"])
def test_connecting(socketio: Endpoint, namespace: str, payload: str) -> None:
    with socketio.open_websocket_session() as socket:
        connect(socket, namespace, payload)
        check_alive(socket, namespace)


# The query is what clients of Socket.IO v2 send instead of a payload.
@pytest.mark.parametrize(
    ("packet", "auth"), [("40/custom", "{}"), ("40/custom,", "{}"), ("40/custom?token=1,", '{"token":"1"}')]
)
def test_ways_to_write_a_namespace(socketio: Endpoint, packet: str, auth: str) -> None:
    with socketio.open_websocket_session() as socket:
        socket.send(packet)
        assert CONNECTED.fullmatch(socket.receive_text())
        assert socket.receive() == f'42/custom,["auth",{auth}]'


def test_socket_ids_differ_by_namespace_and_from_the_session_id(socketio: Endpoint) -> None:
    with socketio.open_websocket() as socket:
        session_id = json.loads(socket.receive_text()[1:])["sid"]
        ids = {session_id, connect(socket), connect(socket, "/custom,")}
    assert len(ids) == 3


@pytest.mark.parametrize("packet", ["40/random", "40/random,", '40/random,{"token":"123"}'])
def test_an_unknown_namespace_is_refused(socketio: Endpoint, packet: str) -> None:
    with socketio.open_websocket_session() as socket:
        socket.send(packet)
        assert socket.receive() == '44/random,{"message":"Invalid namespace"}'
        connect(socket)


@pytest.mark.parametrize(
    "packet",
    ["4abc", "4", "49", "40abc", "40[]", '40"x"', "41", '42["message"]', '44{"message":"x"}', b"\x01"],
)
def test_an_invalid_first_packet_closes_the_connection(socketio: Endpoint, packet: str | bytes) -> None:
    with socketio.open_websocket_session() as socket:
        socket.send(packet)
        check_closed(socket)


def _answer_pings(socket: WebSocket) -> list[str | bytes]:
    """Answer pings until the server closes the connection; return what it sent."""
    received: list[str | bytes] = []
    while True:
        try:
            received.append(socket.receive())
        except ConnectionClosed as closed:
            assert closed.closing.code == 1000
            return received
        if received[-1] == "2":
            socket.send("3")


@pytest.mark.parametrize("refused", [False, True], ids=["no connect", "refused connect"])
def test_a_client_that_joins_no_namespace_is_closed(beating_socketio: Endpoint, refused: bool) -> None:
    with beating_socketio.open_websocket_session() as socket:
        if refused:
            socket.send("40/random")
            assert socket.receive() == '44/random,{"message":"Invalid namespace"}'
        packets = _answer_pings(socket)
    # A second ping shows that it isn't the ping timeout that closed it.
    assert packets[:2] == ["2", "2"]
    assert set(packets) == {"2"}


def test_a_polling_client_that_joins_no_namespace_is_closed(beating_socketio: Endpoint) -> None:
    session = beating_socketio.open_polling()
    packets: list[str] = []
    while "1" not in packets:
        packets += session.receive().split("\x1e")
        if packets[-1] == "2":
            session.send("3")
    assert packets[:2] == ["2", "2"]
    assert error(session.poll()) == 1


def test_connecting_in_time_stops_the_connect_timeout(beating_socketio: Endpoint) -> None:
    with beating_socketio.open_websocket_session() as socket:
        connect(socket, "/custom,")
        for _ in range(5):
            assert socket.receive() == "2"
            socket.send("3")


def test_connecting_twice_closes_the_connection(connected: WebSocket) -> None:
    connected.send("40")
    check_closed(connected)


def test_disconnecting_from_the_main_namespace_keeps_the_session(connected: WebSocket) -> None:
    connect(connected, "/custom,")
    connected.send("41")
    check_alive(connected, "/custom,")


def test_disconnecting_from_a_custom_namespace_keeps_the_main_one(connected: WebSocket) -> None:
    connect(connected, "/custom,")
    connected.send("41/custom")
    check_alive(connected)


def test_disconnecting_from_the_only_namespace_keeps_the_session(beating_socketio: Endpoint) -> None:
    with beating_socketio.open_websocket_session() as socket:
        connect(socket)
        socket.send("41")
        # No answer; the heartbeat goes on, and so does the connection.
        for _ in range(2):
            assert socket.receive() == "2"
            socket.send("3")
        connect(socket)


def test_connecting_again_after_disconnecting(connected: WebSocket) -> None:
    first = connect(connected, "/custom,")
    connected.send("41/custom,")
    assert connect(connected, "/custom,") != first


def test_an_event_for_a_namespace_that_was_left_closes_the_connection(connected: WebSocket) -> None:
    connected.send("41")
    connected.send('42["message","late"]')
    check_closed(connected)
