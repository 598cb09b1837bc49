"""Each row of the table gets its answer, and nothing else happens: see `Arena.check_undisturbed`."""

from __future__ import annotations

import base64

import pytest

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
    rows,
)
from tests.live.ws_client import Closing, WebSocket


def test_the_table_is_long() -> None:
    tables = (REQUESTS, HANDSHAKES, PAYLOADS, ENGINE_PACKETS, SOCKET_PACKETS, FRAMES, PROBES)
    assert sum(len(table) for table in tables) >= 200


@pytest.mark.parametrize("row", rows(REQUESTS))
def test_a_request(arena: Arena, row: Http) -> None:
    session = arena.open_polling()
    answer = arena.send(row, session.sid)
    _check_answer(row, answer)
    if row.ends:
        arena.check_ended(session)
    else:
        arena.check_alive(session)
        session.send("1")


@pytest.mark.parametrize("row", rows(HANDSHAKES))
def test_a_handshake(arena: Arena, row: Http) -> None:
    answer = arena.send(row, "")
    if arena.kind == "gevent-websocket":
        # Its handler answers before the application is called, also what it should not: see docs/decisions.md.
        if answer is not None and answer.status in (101, 500):
            return
        assert answer is None or 400 <= answer.status < 500
        return
    _check_answer(row, answer)
    assert answer is None or answer.headers["connection"] == "close" or row.status == 0


@pytest.mark.parametrize("body", rows(PAYLOADS))
def test_a_payload(arena: Arena, body: bytes) -> None:
    session = arena.open_polling()
    reply = session.post(body)
    assert (reply.status, reply.json) == (400, {"code": 3, "message": "Bad request"})
    arena.check_ended(session)


@pytest.mark.parametrize("packet", rows(ENGINE_PACKETS))
def test_an_engine_packet(arena: Arena, packet: str) -> None:
    with arena.open_websocket() as websocket:
        websocket.send(packet)
        assert websocket.closing() == Closing(1000)


@pytest.mark.parametrize("messages", rows(SOCKET_PACKETS))
def test_a_socket_packet_on_a_websocket(arena: Arena, messages: tuple[str | bytes, ...]) -> None:
    with arena.open_websocket() as websocket:
        for message in messages:
            websocket.send(message)
        ending = websocket.closing()
    assert ending.code == 1000
    assert "1" not in ending.messages  # Engine.IO's own goodbye is for polling


@pytest.mark.parametrize("messages", rows(SOCKET_PACKETS))
def test_a_socket_packet_by_polling(arena: Arena, messages: tuple[str | bytes, ...]) -> None:
    session = arena.open_polling()
    reply = session.post("\x1e".join(_as_packet(message) for message in messages))
    assert (reply.status, reply.json) == (400, {"code": 3, "message": "Bad request"})
    arena.check_ended(session)


@pytest.mark.parametrize("row", rows(FRAMES))
def test_a_frame(arena: Arena, row: tuple[bytes, int]) -> None:
    data, code = row
    with arena.open_websocket() as websocket:
        websocket.send_raw(data)
        ending = websocket.closing()
    assert (ending.code, ending.messages) == (code, [])


@pytest.mark.parametrize("messages", rows(PROBES))
def test_a_probe(arena: Arena, messages: tuple[str | bytes, ...]) -> None:
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
