"""The log tells no secrets, at no level: what clients send stays out of it, on every path that refuses or fails.

What an exception of the application's says is the application's: its text and traceback are logged as they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from geventsio.protocol.websocket import Opcode
from tests import tools
from tests.conformance.servers import SERVERS
from tests.live.harness import Server
from tests.live.http_client import Reply, request
from tests.live.ws_client import ConnectionClosed, Refused, WebSocket, frame

#: Stands where a secret may be; no line of a log may hold it.
MARK = "hunter2"

PATH = "/socket.io/"
HEADERS = {
    "Authorization": f"Bearer {MARK}",
    "Cookie": f"session={MARK}",
    "X-Api-Key": MARK,
    "User-Agent": MARK,
    "Referer": f"https://example.com/?token={MARK}",
}


class Arena:
    """Talks to a server, with a mark in every place, and keeps the session ids that it is given."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sids: list[str] = []

    def request(self, method: str, query: str, body: str | bytes | None = None, **headers: str) -> Reply:
        """Send a request."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        target = f"{PATH}?token={MARK}&{query}"
        return request(self.server.address, method, target, body, {**HEADERS, **more})

    def polling(self) -> str:
        """Open a session over polling; return the query of its requests."""
        opened = self.request("GET", "EIO=4&transport=polling")
        assert opened.status == 200, opened
        self.sids.append(json.loads(opened.text[1:])["sid"])
        return f"EIO=4&transport=polling&sid={self.sids[-1]}"

    def websocket(self, query: str = "EIO=4&transport=websocket", **headers: str) -> WebSocket:
        """Open a websocket."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        target = f"{PATH}?token={MARK}&{query}"
        return WebSocket(self.server.address, target, {**HEADERS, **more}.items())

    def opened(self) -> WebSocket:
        """Open a session over a websocket."""
        socket = self.websocket()
        self.sids.append(json.loads(socket.receive_text()[1:])["sid"])
        return socket

    def connected(self) -> WebSocket:
        """The same, connected to `/` with an auth payload."""
        socket = self.opened()
        socket.send(f'40{{"token":"{MARK}"}}')
        assert socket.receive_text().startswith("40{")
        return socket


def _send(arena: Arena, *messages: str | bytes) -> None:
    """Send messages as a connected client, and wait until they have been dealt with or the server has had enough."""
    with arena.connected() as socket, suppress(ConnectionClosed, ConnectionError):
        for message in messages:
            socket.send(message)
        socket.close()


def _post(arena: Arena, body: str | bytes) -> None:
    query = arena.polling()
    arena.request("POST", query, body)


def _refused(arena: Arena, query: str, **headers: str) -> None:
    arena.request("GET", query.replace("websocket", "polling"), **headers)
    with suppress(Refused, ConnectionClosed), arena.websocket(query, **headers) as socket:
        socket.closing()


def _connect(arena: Arena, packet: str) -> None:
    with arena.opened() as socket:
        socket.send(packet)
        with suppress(ConnectionClosed):
            socket.receive()
        socket.close()


def _answer(arena: Arena, event: str, *values: object) -> None:
    with arena.connected() as socket:
        socket.send(f'42["{event}"]')
        question = socket.receive_text()
        assert question.startswith("42"), question
        socket.send(f"43{question[2 : question.index('[')]}{json.dumps(values)}")
        socket.close()


def _fragments(arena: Arena) -> None:
    with arena.connected() as socket:
        socket.send_raw(frame(Opcode.TEXT, MARK.encode(), rsv=4))
        socket.closing()


def _close(arena: Arena) -> None:
    with arena.connected() as socket:
        socket.close(3000, MARK)


#: What clients do wrong, with the mark in it, by name.
WRONGS: dict[str, Callable[[Arena], object]] = {
    "nothing": lambda arena: _send(arena, f'42["unhandled","{MARK}"]'),
    "unknown sid": lambda arena: _refused(arena, f"EIO=4&transport=websocket&sid={MARK}"),
    "unknown transport": lambda arena: arena.request("GET", f"EIO=4&transport={MARK}"),
    "unknown version": lambda arena: arena.request("GET", "EIO=3&transport=polling"),
    "no upgrade": lambda arena: arena.request("GET", "EIO=4&transport=websocket"),
    "wrong method": lambda arena: arena.request("DELETE", arena.polling()),
    "denied": lambda arena: _refused(arena, "EIO=4&transport=websocket", X_Test="deny"),
    "refused": lambda arena: _refused(arena, "EIO=4&transport=websocket", X_Test="refuse"),
    "allow_request raises": lambda arena: _refused(arena, "EIO=4&transport=websocket", X_Test="raise"),
    "foreign origin": lambda arena: _refused(arena, "EIO=4&transport=websocket", Origin="https://evil.example"),
    "malformed payload": lambda arena: _post(arena, f"x{MARK}"),
    "malformed base64": lambda arena: _post(arena, f"b{MARK}!"),
    "no UTF-8": lambda arena: _post(arena, f"4{MARK}".encode() + b"\xff"),
    "too large": lambda arena: _post(arena, "4" + MARK * 20_000),
    "too large a message": lambda arena: _send(arena, "4" + MARK * 20_000),
    "malformed packet": lambda arena: _send(arena, f"4{MARK}"),
    "malformed JSON": lambda arena: _send(arena, f'42["typed",{{{MARK}'),
    "no event": lambda arena: _send(arena, f'42[{{"a":"{MARK}"}}]'),
    "malformed auth": lambda arena: _connect(arena, f'40["{MARK}"'),
    "auth that does not fit": lambda arena: _connect(arena, f'40/typed,{{"a":"{MARK}"}}'),
    "no namespace": lambda arena: _connect(arena, f'40/none?token={MARK},{{"a":"{MARK}"}}'),
    "refused by a middleware": lambda arena: _connect(arena, f'40/refused,{{"a":"{MARK}"}}'),
    "a middleware raises": lambda arena: _connect(arena, f'40/failing,{{"a":"{MARK}"}}'),
    "not connected": lambda arena: _connect(arena, f'42/none,["typed","{MARK}"]'),
    "an argument that does not fit": lambda arena: _send(arena, f'42["typed","{MARK}"]'),
    "no value of an enum": lambda arena: _send(arena, f'42["colour","{MARK}"]'),
    "a handler raises": lambda arena: _send(arena, f'42["fail",{{"password":"{MARK}"}}]'),
    "answered twice": lambda arena: _send(arena, f'421["twice","{MARK}"]'),
    "binary that was not announced": lambda arena: _send(arena, MARK.encode()),
    "too many attachments": lambda arena: _send(arena, f'4599-["fail","{MARK}"]'),
    "an attachment is missing": lambda arena: _send(
        arena, '451-["fail",{"_placeholder":true,"num":0}]', f'42["{MARK}"]'
    ),
    "an answer that does not fit": lambda arena: _answer(arena, "ask", MARK),
    "an answer's callback raises": lambda arena: _answer(arena, "callback", MARK),
    "an answer to nothing": lambda arena: _send(arena, f'4377["{MARK}"]'),
    "too many events": lambda arena: _send(arena, *[f'42["wait","{MARK}"]'] * 40),
    "a frame that is none": _fragments,
    "a close reason": _close,
    "a lost client": lambda arena: arena.connected().abort(),
}


@pytest.fixture(scope="module", params=SERVERS)
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """A server in which everything goes wrong."""
    if request.param != "pywsgi":
        tools.gunicorn()
    with Server([sys.executable, "-m", "tests.live.secrets_server", "--server", str(request.param)]) as server:
        yield Arena(server)
        server.stop()


def _records(arena: Arena) -> list[dict[str, Any]]:
    # When it answers this, it has dealt with what came before.
    assert arena.request("GET", "EIO=4&transport=none").status == 400
    return [json.loads(line) for line in arena.server.take_errors().splitlines()]


@pytest.mark.parametrize("wrong", list(WRONGS))
def test_no_secret_is_logged(arena: Arena, wrong: str) -> None:
    WRONGS[wrong](arena)
    records = _records(arena)
    assert records, "the log is not read"
    text = json.dumps(records)
    assert MARK not in text
    for sid in arena.sids:
        assert sid not in text
    assert {record["name"] for record in records} <= {"geventsio", "geventsio.engine", "geventsio.engine.complaints"}
    for record in records:
        if record["levelname"] != "DEBUG":
            assert record["remote_addr"] == "127.0.0.1", record
        # Formatted when a handler asks for it, and not before.
        assert "%" in record["msg"] or not record["args"]


def test_what_goes_wrong_is_logged_with_its_place(arena: Arena) -> None:
    _send(arena, f'42["colour","{MARK}"]', f'42["fail","{MARK}"]')
    records = {(record["levelname"], record["message"]): record for record in _records(arena)}
    skipped = records["WARNING", "skipped the event 'colour' in /: parameter 'value': Invalid enum value"]
    failed = records["ERROR", "exception in the handler of 'fail' in /"]
    for record, event in ((skipped, "colour"), (failed, "fail")):
        assert (record["event"], record["namespace"], record["remote_addr"]) == (event, "/", "127.0.0.1")
        assert len(record["socket_id"]) == 20


def test_names_that_clients_choose_are_shortened(arena: Arena) -> None:
    _connect(arena, "40/" + "x" * 1000)
    _send(arena, '42["' + "x" * 50_000 + '",1]')
    assert all(len(json.dumps(record)) < 10_000 for record in _records(arena))
