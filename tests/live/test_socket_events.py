"""Socket.IO events and acks, packet by packet."""

from __future__ import annotations

import re

import pytest

from tests.live.endpoint import Endpoint, error
from tests.live.sio_client import CONNECTED, check_alive, check_closed, connect, placeholders
from tests.live.ws_client import WebSocket


@pytest.mark.parametrize("namespace", ["", "/custom,"])
@pytest.mark.parametrize(
    "arguments",
    [
        '1,"2",{"3":[true]}',
        "null",
        '[],{},"",0,-1.5,false',
        '"€𝕊\\u0000\\"\\\\"',
        '{"_placeholder":"text","num":"x"}',
        '["message","nested"]',
        '9007199254740991,"' + "x" * 5000 + '"',
    ],
)
def test_an_event_comes_back(connected: WebSocket, namespace: str, arguments: str) -> None:
    if namespace:
        connect(connected, namespace)
    connected.send(f'42{namespace}["message",{arguments}]')
    assert connected.receive() == f'42{namespace}["message-back",{arguments}]'
    connected.send(f'42{namespace}7["message-with-ack",{arguments}]')
    assert connected.receive() == f"43{namespace}7[{arguments}]"


def test_an_event_without_arguments(connected: WebSocket) -> None:
    connected.send('42["message"]')
    assert connected.receive() == '42["message-back"]'
    connected.send('420["message-with-ack"]')
    assert connected.receive() == "430[]"


def test_an_event_that_nobody_handles_is_ignored(connected: WebSocket) -> None:
    connected.send('42["unheard-of",1]')
    connected.send('425["unheard-of",1]')
    check_alive(connected)


def _receive_all(socket: WebSocket, count: int) -> list[str | bytes]:
    return [socket.receive() for _ in range(count)]


@pytest.mark.parametrize("namespace", ["", "/custom,"])
def test_a_binary_event_comes_back(connected: WebSocket, namespace: str) -> None:
    if namespace:
        connect(connected, namespace)
    connected.send(f'452-{namespace}["message",{placeholders(0, 1)}]')
    connected.send(bytes([1, 2, 3]))
    connected.send(bytes([4, 5, 6]))
    expected = [f'452-{namespace}["message-back",{placeholders(0, 1)}]', bytes([1, 2, 3]), bytes([4, 5, 6])]
    assert _receive_all(connected, 3) == expected


def test_a_nested_binary_event_comes_back(connected: WebSocket) -> None:
    arguments = f'{{"a":[{placeholders(0)},"x"]}},{placeholders(1)},{{"b":{{"c":{placeholders(2)}}}}}'
    attachments = [b"", b"\x00\xff", b"x" * 5000]
    connected.send(f'453-["message",{arguments}]')
    for attachment in attachments:
        connected.send(attachment)
    assert _receive_all(connected, 4) == [f'453-["message-back",{arguments}]', *attachments]


def test_a_binary_event_with_an_ack(connected: WebSocket) -> None:
    connected.send(f'452-789["message-with-ack",{placeholders(0, 1)}]')
    connected.send(bytes([1, 2, 3]))
    connected.send(bytes([4, 5, 6]))
    expected = [f"462-789[{placeholders(0, 1)}]", bytes([1, 2, 3]), bytes([4, 5, 6])]
    assert _receive_all(connected, 3) == expected


def _receive_question(socket: WebSocket, arguments: str) -> str:
    """Read the event by which the server asks for an ack; return the ack's id."""
    match = re.fullmatch(r'42(\d+)\["emit-with-ack"(.*)\]', socket.receive_text())
    assert match is not None
    assert match[2] == arguments
    return match[1]


def test_the_server_asks_for_an_ack(connected: WebSocket) -> None:
    connected.send('42["emit-with-ack",1,{"a":"b"}]')
    number = _receive_question(connected, ',1,{"a":"b"}')
    connected.send(f'43{number}["got",[2],null]')
    assert connected.receive() == '42["emit-with-ack","got",[2],null]'


def test_the_server_asks_for_several_acks_at_a_time(connected: WebSocket, socketio: Endpoint) -> None:
    """An ack that is waited for in a handler must get through while that socket's later events wait."""
    with socketio.open_websocket_session() as other:
        connect(other)
        connected.send('42["emit-with-ack",1]')
        other.send('42["emit-with-ack",2]')
        first = _receive_question(connected, ",1")
        second = _receive_question(other, ",2")
        connected.send('42["message","later"]')
        other.send(f'43{second}["b"]')
        assert other.receive() == '42["emit-with-ack","b"]'
        connected.send(f'43{first}["a"]')
        assert _receive_all(connected, 2) == ['42["emit-with-ack","a"]', '42["message-back","later"]']


def test_the_server_asks_for_a_binary_ack(connected: WebSocket) -> None:
    connected.send(f'451-["emit-with-ack",{placeholders(0)}]')
    connected.send(b"question")
    match = re.fullmatch(r'451-(\d+)\["emit-with-ack",(.*)\]', connected.receive_text())
    assert match is not None
    assert (match[2], connected.receive()) == (placeholders(0), b"question")
    connected.send(f'461-{match[1]}[{placeholders(0)},"x"]')
    connected.send(b"answer")
    assert _receive_all(connected, 2) == [f'451-["emit-with-ack",{placeholders(0)},"x"]', b"answer"]


def test_an_ack_that_nobody_asked_for_is_ignored(connected: WebSocket) -> None:
    connected.send('43999["stray"]')
    check_alive(connected)


@pytest.mark.parametrize(
    "packet",
    [
        "4abc",
        "42{}",
        '42"message"',
        "42",
        "42[",
        "42[]",
        "42[1]",
        "42[null]",
        '42["message"',
        '42abc["message-with-ack",1,"2",{"3":[false]}]',
        '42["connect"]',
        '42["disconnect"]',
        '42["connect_error"]',
        '42["disconnecting"]',
        '42["newListener"]',
        '42["removeListener"]',
        "43[]x",
        "431{}",
        '44{"message":"x"}',
        "45",
        '45["message"]',
        '45-["message"]',
        '451["message"]',
        "4999999999999-[]",
        '4511-["message"]',
        '42/unknown,["message",1]',
        "47",
        b"\x01",
    ],
)
def test_an_invalid_packet_closes_the_connection(connected: WebSocket, packet: str | bytes) -> None:
    connected.send(packet)
    check_closed(connected)


@pytest.mark.parametrize(
    "arguments",
    [
        placeholders(1),
        placeholders(-1),
        placeholders(0, 0),
        '{"_placeholder":true,"num":"0"}',
        '{"_placeholder":true,"num":0.5}',
        '{"_placeholder":true}',
    ],
)
def test_an_invalid_placeholder_closes_the_connection(connected: WebSocket, arguments: str) -> None:
    connected.send(f'451-["message",{arguments}]')
    connected.send(b"x")
    check_closed(connected)


def test_text_where_an_attachment_is_due_closes_the_connection(connected: WebSocket) -> None:
    connected.send(f'451-["message",{placeholders(0)}]')
    connected.send('42["message"]')
    check_closed(connected)


def test_a_heartbeat_may_stand_between_attachments(beating_socketio: Endpoint) -> None:
    with beating_socketio.open_websocket_session() as socket:
        connect(socket)
        socket.send(f'452-["message",{placeholders(0, 1)}]')
        socket.send(b"a")
        assert socket.receive() == "2"
        socket.send("3")
        socket.send(b"b")
        assert _receive_all(socket, 3) == [f'452-["message-back",{placeholders(0, 1)}]', b"a", b"b"]


def test_polling_carries_the_same_packets(socketio: Endpoint) -> None:
    session = socketio.open_polling()

    def receive(count: int) -> list[str]:
        packets: list[str] = []
        while len(packets) < count:
            packets += session.receive().split("\x1e")
        return packets

    session.send('40{"token":"123"}\x1e40/custom,\x1e40/random,')
    packets = receive(5)
    assert sorted(packet for packet in packets if '"sid"' not in packet) == [
        '42/custom,["auth",{}]',
        '42["auth",{"token":"123"}]',
        '44/random,{"message":"Invalid namespace"}',
    ]
    assert len([packet for packet in packets if CONNECTED.fullmatch(packet)]) == 2
    session.send(f'42["message",1,"2",{{"3":[true]}}]\x1e452-["message",{placeholders(0, 1)}]\x1ebAQID\x1ebBAUG')
    assert receive(4) == [
        '42["message-back",1,"2",{"3":[true]}]',
        f'452-["message-back",{placeholders(0, 1)}]',
        "bAQID",
        "bBAUG",
    ]
    session.send('42/custom,3["message-with-ack",1]')
    assert receive(1) == ["43/custom,3[1]"]
    session.send('42["emit-with-ack","x"]')
    match = re.fullmatch(r'42(\d+)\["emit-with-ack","x"\]', receive(1)[0])
    assert match is not None
    session.send(f'43{match[1]}["y"]')
    assert receive(1) == ['42["emit-with-ack","y"]']
    session.send("41/custom,")
    session.send('42["message"]')
    assert receive(1) == ['42["message-back"]']


@pytest.mark.parametrize("packet", ["4abc", "42{}", '42abc["message"]', "bAQID"])
def test_an_invalid_packet_closes_a_polling_session(socketio: Endpoint, packet: str) -> None:
    session = socketio.open_polling()
    session.send("40")
    received = session.receive().split("\x1e")
    while len(received) < 2:
        received += session.receive().split("\x1e")
    with session.start_poll() as poll:
        assert error(session.post(packet)) == 3
        reply = poll.reply()
    assert (reply.status, reply.text) == (200, "1")
    assert error(session.poll()) == 1


def test_an_invalid_packet_between_two_polls_ends_the_next_one(socketio: Endpoint) -> None:
    session = socketio.open_polling()
    assert error(session.post("4abc")) == 3
    assert session.receive() == "1"
    assert error(session.poll()) == 1
