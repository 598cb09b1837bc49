"""The upgrade of an Engine.IO session from HTTP long-polling to WebSocket."""

from __future__ import annotations

import json

import pytest

from tests.live.endpoint import Endpoint, error
from tests.live.http_client import PollingSession
from tests.live.ws_client import WebSocket


def _probe(endpoint: Endpoint, session: PollingSession) -> WebSocket:
    """Open the second transport and probe it; the upgrade packet is still to be sent."""
    socket = endpoint.open_websocket(session.sid)
    socket.send("2probe")
    assert socket.receive() == "3probe"
    return socket


def _check_closed(socket: WebSocket) -> None:
    closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, [])


def _check_echo(endpoint: Endpoint, socket: WebSocket) -> None:
    if endpoint.path == "/engine.io/":
        socket.send("4hello")
        assert socket.receive() == "4hello"
    else:
        socket.send("40")
        assert socket.receive_text().startswith("40{")
        assert socket.receive() == '42["auth",{}]'


def test_a_session_upgrades(either: Endpoint) -> None:
    session = either.open_polling()
    with _probe(either, session) as socket:
        # Noop, so that the client's poll ends and no packet travels on both transports.
        assert session.receive() == "6"
        socket.send("5")
        _check_echo(either, socket)


def test_a_poll_parked_before_the_probe_is_released(either: Endpoint) -> None:
    session = either.open_polling()
    with session.start_poll() as poll, _probe(either, session) as socket:
        assert poll.reply().text == "6"
        socket.send("5")
        _check_echo(either, socket)


def test_every_poll_while_upgrading_is_answered_with_noop(either: Endpoint) -> None:
    session = either.open_polling()
    with _probe(either, session) as socket:
        assert [session.receive() for _ in range(5)] == ["6"] * 5
        socket.send("5")
        _check_echo(either, socket)


def test_the_packets_of_an_upgrade_may_come_in_one_segment(engine: Endpoint) -> None:
    session = engine.open_polling()
    with engine.open_websocket(session.sid) as socket:
        for packet in ("2probe", "5", "4one", "4two"):
            socket.send(packet)
        assert [socket.receive() for _ in range(3)] == ["3probe", "4one", "4two"]


def test_what_waited_for_a_poll_goes_over_the_websocket(engine: Endpoint) -> None:
    session = engine.open_polling()
    session.send("4one\x1ebAQI=\x1e4three")
    with _probe(engine, session) as socket:
        socket.send("5")
        assert [socket.receive() for _ in range(3)] == ["4one", b"\x01\x02", "4three"]


def test_what_is_posted_while_upgrading_is_handled_in_order(engine: Endpoint) -> None:
    session = engine.open_polling()
    with _probe(engine, session) as socket:
        for number in range(10):
            session.send(f"4{number}")
        socket.send("5")
        for number in range(10, 20):
            socket.send(f"4{number}")
        assert [socket.receive() for _ in range(20)] == [f"4{number}" for number in range(20)]


def test_polling_an_upgraded_session_is_refused_and_harmless(either: Endpoint) -> None:
    session = either.open_polling()
    with _probe(either, session) as socket:
        socket.send("5")
        assert socket.ping() == b""
        assert error(session.poll()) == 3
        assert error(session.post("4hello")) == 3
        _check_echo(either, socket)


def test_another_websocket_for_an_upgraded_session_is_closed(either: Endpoint) -> None:
    session = either.open_polling()
    with _probe(either, session) as socket:
        socket.send("5")
        assert socket.ping() == b""
        either.check_closes_second_websocket(session.sid)
        _check_echo(either, socket)


def test_another_websocket_for_a_session_that_began_as_one_is_closed(either: Endpoint) -> None:
    with either.open_websocket() as socket:
        sid = json.loads(socket.receive_text()[1:])["sid"]
        either.check_closes_second_websocket(sid)
        _check_echo(either, socket)


def test_another_websocket_while_upgrading_is_closed(either: Endpoint) -> None:
    session = either.open_polling()
    with _probe(either, session) as socket:
        either.check_closes_second_websocket(session.sid)
        socket.send("5")
        _check_echo(either, socket)


@pytest.mark.parametrize("packet", ["4hello", "2", "2other", "5", "1", "", "abc", b"\x01"])
def test_a_wrong_probe_leaves_the_session_on_polling(engine: Endpoint, packet: str | bytes) -> None:
    session = engine.open_polling()
    with engine.open_websocket(session.sid) as socket:
        socket.send(packet)
        _check_closed(socket)
    session.send("4still here")
    assert session.receive() == "4still here"


@pytest.mark.parametrize("packet", ["4hello", "3", "1", "abc", b"\x01"])
def test_a_wrong_packet_behind_the_probe_leaves_the_session_on_polling(engine: Endpoint, packet: str | bytes) -> None:
    session = engine.open_polling()
    with _probe(engine, session) as socket:
        socket.send(packet)
        _check_closed(socket)
    session.send("4still here")
    assert session.receive() == "4still here"


@pytest.mark.parametrize("abrupt", [False, True], ids=["close frame", "reset"])
def test_a_client_that_gives_up_its_upgrade_stays_on_polling(engine: Endpoint, abrupt: bool) -> None:
    session = engine.open_polling()
    with _probe(engine, session) as socket:
        session.send("4meanwhile")
        if abrupt:
            socket.abort()
        else:
            assert socket.close(1000).code == 1000
    packets = []
    while "4meanwhile" not in packets:
        # A poll that overtakes the news is still answered with noop.
        packets += session.receive().split("\x1e")
    assert packets[-1] == "4meanwhile"
    assert set(packets[:-1]) <= {"6"}
    with _probe(engine, session) as again:
        again.send("5")
        _check_echo(engine, again)


def test_an_upgraded_session_ends_with_its_websocket(engine: Endpoint) -> None:
    session = engine.open_polling()
    with _probe(engine, session) as socket:
        socket.send("5")
        socket.send("abc")
        closing = socket.closing()
    assert (closing.code, closing.messages) == (1000, [])
    assert error(session.poll()) == 1
