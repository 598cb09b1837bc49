"""What is done with each row of the table, and how the server must answer."""

from __future__ import annotations

__all__ = ["ATTACKS", "Attack"]

import base64
from collections.abc import Callable
from typing import Any

from tests.hostile.arena import Answer, Arena
from tests.hostile.table import (
    ENGINE_PACKETS,
    FRAMES,
    HANDSHAKES,
    PAYLOADS,
    PROBES,
    REQUESTS,
    SOCKET_PACKETS,
    Http,
)
from tests.live.ws_client import Closing, WebSocket

#: Sends a row to the server, and checks its answer.
Attack = Callable[[Arena, Any], None]


def _send_request(arena: Arena, row: Http) -> None:
    session = arena.open_polling()
    answer = arena.send(row, session.sid)
    _check_answer(row, answer)
    if row.ends:
        arena.check_ended(session)
    else:
        arena.check_alive(session)
        session.send("1")


def _send_handshake(arena: Arena, row: Http) -> None:
    answer = arena.send(row, "")
    if arena.kind == "gevent-websocket":
        # Its handler answers before the application is called, also what it should not: see docs/decisions.md.
        if answer is not None and answer.status in (101, 500):
            return
        assert answer is None or 400 <= answer.status < 500
        return
    _check_answer(row, answer)
    assert answer is None or answer.headers["connection"] == "close" or row.status == 0


def _send_payload(arena: Arena, body: bytes) -> None:
    session = arena.open_polling()
    reply = session.post(body)
    assert (reply.status, reply.json) == (400, {"code": 3, "message": "Bad request"})
    arena.check_ended(session)


def _send_engine_packet(arena: Arena, packet: str) -> None:
    with arena.open_websocket() as websocket:
        websocket.send(packet)
        assert websocket.closing() == Closing(1000)


def _send_socket_packet_on_a_websocket(arena: Arena, messages: tuple[str | bytes, ...]) -> None:
    with arena.open_websocket() as websocket:
        for message in messages:
            websocket.send(message)
        ending = websocket.closing()
    assert ending.code == 1000
    assert "1" not in ending.messages  # Engine.IO's own goodbye is for polling


def _send_socket_packet_by_polling(arena: Arena, messages: tuple[str | bytes, ...]) -> None:
    session = arena.open_polling()
    reply = session.post("\x1e".join(_as_packet(message) for message in messages))
    assert (reply.status, reply.json) == (400, {"code": 3, "message": "Bad request"})
    arena.check_ended(session)


def _send_frame(arena: Arena, row: tuple[bytes, int]) -> None:
    data, code = row
    with arena.open_websocket() as websocket:
        websocket.send_raw(data)
        ending = websocket.closing()
    assert (ending.code, ending.messages) == (code, [])


def _send_probe(arena: Arena, messages: tuple[str | bytes, ...]) -> None:
    session = arena.open_polling()
    with WebSocket(arena.address, session.target("websocket")) as websocket:
        for message in messages:
            websocket.send(message)
        ending = websocket.closing()
    assert ending.code == 1000
    assert set(ending.messages) <= {"3probe"}
    arena.check_alive(session)
    session.send("1")


def _check_answer(row: Http, answer: Answer | None) -> None:
    if row.status == 0:
        assert answer is None or 400 <= answer.status < 500, answer
        return
    assert answer is not None, "the server closed without an answer"
    assert answer.status == row.status, answer
    assert answer.behind == b""
    if row.method != "HEAD":
        assert answer.headers["content-type"] == "application/json"
        assert answer.error_code == row.code, answer
    if row.status in (408, 413):
        assert answer.headers["connection"] == "close"


def _as_packet(message: str | bytes) -> str:
    if isinstance(message, str):
        return message
    return "b" + base64.b64encode(message).decode()


_TABLES: tuple[tuple[str, Attack, dict[str, Any]], ...] = (
    ("a request", _send_request, REQUESTS),
    ("a handshake", _send_handshake, HANDSHAKES),
    ("a payload", _send_payload, PAYLOADS),
    ("an engine packet", _send_engine_packet, ENGINE_PACKETS),
    ("a packet on a websocket", _send_socket_packet_on_a_websocket, SOCKET_PACKETS),
    ("a packet by polling", _send_socket_packet_by_polling, SOCKET_PACKETS),
    ("a frame", _send_frame, FRAMES),
    ("a probe", _send_probe, PROBES),
)

#: All that is in the table, each with its name: what to do, and with which row.
ATTACKS: dict[str, tuple[Attack, Any]] = {
    f"{kind}: {name}": (attack, row) for kind, attack, table in _TABLES for name, row in table.items()
}
