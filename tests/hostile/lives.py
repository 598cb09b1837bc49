"""The lives that clients of a live server lead, from their first request to their last: a function per way to go."""

from __future__ import annotations

__all__ = ["LIVES", "Address", "Life"]

import random
import struct
from collections.abc import Callable

import gevent
from gevent import socket

from tests.socketio.peer import Address, Ended, PollingPeer, WebSocketPeer, encode, http_request
from tests.socketio.peer import Packet as P

Life = Callable[[Address, random.Random], None]

_PATH = "/socket.io/"
_EVENT, _DISCONNECT = 2, 1

_WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

#: Handshakes that are refused: query, headers, status.
_REFUSED: tuple[tuple[str, dict[str, str], int], ...] = (
    ("EIO=4&transport=polling&sid=unknown", {}, 400),
    ("EIO=4&transport=nothing", {}, 400),
    ("EIO=2&transport=polling", {}, 400),
    ("EIO=4&transport=polling", {"Origin": "https://evil.test"}, 403),
    ("EIO=4&transport=websocket", {}, 400),
)

#: Those that a handler in front of the application may answer itself, with 101 or an error of its own.
_REFUSED_UPGRADES: tuple[tuple[str, dict[str, str]], ...] = (
    ("EIO=4&transport=websocket&sid=unknown", _WEBSOCKET),
    ("EIO=4&transport=websocket", {**_WEBSOCKET, "Origin": "https://evil.test"}),
    ("EIO=4&transport=websocket", {**_WEBSOCKET, "Sec-WebSocket-Version": "12"}),
    ("EIO=4&transport=websocket", {**_WEBSOCKET, "Sec-WebSocket-Key": "short"}),
)


def _websocket(address: Address, rng: random.Random) -> WebSocketPeer:
    """A websocket that is in `/`, and has perhaps done something there."""
    peer = WebSocketPeer(address)
    peer.connect()
    if rng.random() < 0.3:
        peer.emit("message", rng.choice(("hello", b"hello", {"a": [1, b"2"]})))
        peer.event()
    return peer


def _polling(address: Address) -> PollingPeer:
    peer = PollingPeer(address)
    peer.connect()
    return peer


def ws_goodbye(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    if rng.random() < 0.5:
        peer.send_packet(P(_DISCONNECT))
    peer.say_goodbye()


def ws_fin(address: Address, rng: random.Random) -> None:
    _websocket(address, rng).close()


def ws_reset(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    if rng.random() < 0.5:
        peer.emit("message", "hello")
    peer.reset()


def ws_never_connects(address: Address, rng: random.Random) -> None:
    peer = WebSocketPeer(address)
    peer.reset() if rng.random() < 0.5 else peer.close()


def ws_amid_a_frame(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    peer.socket.sendall(rng.choice((b"\x81", b"\x81\xfe\x10", b"\x01\x85\0\0\0\x004hel", b'\x01\x85\0\0\0\x0042["m')))
    peer.close()


def ws_amid_attachments(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    peer.send(*encode(P(_EVENT, data=["message", b"one", b"two"]))[: rng.choice((1, 2))])
    peer.reset() if rng.random() < 0.5 else peer.close()


def ws_garbage(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    peer.socket.sendall(
        rng.choice((b"\x81\x00", b"\x83\x80\0\0\0\0", b"\x81\x81\0\0\0\0\xff", b"\x81\x82\0\0\0\x004?"))
    )
    peer.end()


def ws_sent_away(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    peer.emit("leave")
    if rng.random() < 0.5:
        peer.end()
    peer.close()


def ws_quits_a_namespace(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    peer.emit("quit")
    assert peer.packet().type == _DISCONNECT
    peer.connect("/custom")
    peer.close()


def ws_owes_an_answer(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    peer.emit("ask")
    if rng.random() < 0.5:
        peer.question()
    peer.close()


def ws_leaves_a_handler(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    for _ in range(3):
        peer.emit("block")
    peer.emit("message", "to nobody")
    peer.reset() if rng.random() < 0.5 else peer.close()


def ws_does_not_read(address: Address, rng: random.Random) -> None:
    peer = _websocket(address, rng)
    peer.emit("flood")
    if rng.random() < 0.5:
        peer.event()
    peer.reset() if rng.random() < 0.5 else peer.close()


def ws_refused_by_namespaces(address: Address, rng: random.Random) -> None:
    peer = WebSocketPeer(address)
    assert peer.refused("/closed") == {"message": "closed", "data": {"for": "ever"}}
    assert peer.refused("/unknown") == {"message": "Invalid namespace"}
    if rng.random() < 0.5:
        peer.connect("/custom")
    peer.close()


def polling_goodbye(address: Address, rng: random.Random) -> None:
    peer = _polling(address)
    peer.emit("message", b"hello")
    assert peer.event() == ["message", b"hello"]
    if rng.random() < 0.5:
        peer.send_packet(P(_DISCONNECT))
    peer.close()


def polling_refused_by_namespaces(address: Address, rng: random.Random) -> None:
    peer = PollingPeer(address)
    peer.refused("/closed")
    peer.refused("/unknown")
    peer.close()


def polling_gives_up_a_poll(address: Address, rng: random.Random) -> None:
    peer = _polling(address)
    connection = socket.create_connection(address)
    target = f"{_PATH}?EIO=4&transport=polling&sid={peer.handshake['sid']}"
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    gevent.sleep(rng.choice((0, 0.0005, 0.002)))
    if rng.random() < 0.5:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    peer.close()


def polling_sent_away(address: Address, rng: random.Random) -> None:
    peer = _polling(address)
    peer.emit("leave")
    if rng.random() < 0.5:
        ended, _ = peer.end()
        assert ended.orderly
    else:
        peer.close()


def polling_garbage(address: Address, rng: random.Random) -> None:
    peer = _polling(address)
    assert peer.post(rng.choice(("?", "4?", "42[", "4" * 60_000))).status in (400, 413)
    peer.close()


def upgraded(address: Address, rng: random.Random) -> None:
    peer = _polling(address)
    websocket = WebSocketPeer(address, sid=peer.handshake["sid"])
    websocket.upgrade()
    websocket.emit("message", 1)
    assert websocket.event() == ["message", 1]
    rng.choice((websocket.close, websocket.reset, websocket.say_goodbye))()


def upgrade_given_up(address: Address, rng: random.Random) -> None:
    peer = _polling(address)
    websocket = WebSocketPeer(address, sid=peer.handshake["sid"])
    if rng.random() < 0.7:
        websocket.send_engine("2probe")
    rng.choice((websocket.close, websocket.reset))()
    peer.close()


def upgrade_with_nonsense(address: Address, rng: random.Random) -> None:
    peer = _polling(address)
    websocket = WebSocketPeer(address, sid=peer.handshake["sid"])
    websocket.send_engine(rng.choice(("?", "2", "5", "4hello")))
    websocket.close()
    peer.close()


def upgrade_overtaken_by_the_end(address: Address, rng: random.Random) -> None:
    peer = _polling(address)
    websocket = WebSocketPeer(address, sid=peer.handshake["sid"])
    websocket.send_engine("2probe")
    peer.close()
    try:
        websocket.end()
    except AssertionError:
        pass  # "3probe" is no packet that this peer takes, but it has been read
    websocket.close()


def upgrade_tried_twice(address: Address, rng: random.Random) -> None:
    peer = _polling(address)
    first = WebSocketPeer(address, sid=peer.handshake["sid"])
    second = WebSocketPeer(address, sid=peer.handshake["sid"])
    try:
        second.receive()
    except Ended as ended:
        assert ended.code == 1008
    second.close()
    first.close()
    peer.close()


def refused(address: Address, rng: random.Random) -> None:
    query, headers, status = rng.choice(_REFUSED)
    assert http_request(address, "GET", f"{_PATH}?{query}", headers=headers).status == status


def refused_upgrade(address: Address, rng: random.Random) -> None:
    query, headers = rng.choice(_REFUSED_UPGRADES)
    connection = socket.create_connection(address)
    head = [f"GET {_PATH}?{query} HTTP/1.1", "Host: localhost", *(f"{name}: {headers[name]}" for name in headers)]
    connection.sendall("\r\n".join([*head, "", ""]).encode())
    assert connection.recv(4096).startswith(b"HTTP/1.1 ")
    connection.close()


LIVES: tuple[Life, ...] = (
    ws_goodbye,
    ws_fin,
    ws_reset,
    ws_never_connects,
    ws_amid_a_frame,
    ws_amid_attachments,
    ws_garbage,
    ws_sent_away,
    ws_quits_a_namespace,
    ws_owes_an_answer,
    ws_leaves_a_handler,
    ws_does_not_read,
    ws_refused_by_namespaces,
    polling_goodbye,
    polling_refused_by_namespaces,
    polling_gives_up_a_poll,
    polling_sent_away,
    polling_garbage,
    upgraded,
    upgrade_given_up,
    upgrade_with_nonsense,
    upgrade_overtaken_by_the_end,
    upgrade_tried_twice,
    refused,
    refused_upgrade,
)
