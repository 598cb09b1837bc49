"""Requests of HTTP/2 and HTTP/3, as WSGI servers hand them on: polling works, websockets are refused in plain words."""

from __future__ import annotations

import json
from typing import Any

import gevent
import pytest
from werkzeug.test import Client, EnvironBuilder, TestResponse

from geventsio.engine import EngineServer, Session
from tests.engine.harness import until

PATH = "/engine.io/"
POLLING = f"{PATH}?EIO=4&transport=polling"
WEBSOCKET = f"{PATH}?EIO=4&transport=websocket"

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(params=["HTTP/2", "HTTP/2.0", "HTTP/3"])
def protocol(request: pytest.FixtureRequest) -> str:
    """As servers write it."""
    return str(request.param)


def ask(app: EngineServer, protocol: str, method: str, target: str, **options: Any) -> TestResponse:
    """Call the application with a request of this protocol."""
    builder = EnvironBuilder(target, method=method, environ_overrides={"SERVER_PROTOCOL": protocol}, **options)
    return Client(app).open(builder)


@pytest.mark.parametrize("headers", [{}, HANDSHAKE], ids=["without", "with"])
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_websockets_are_refused(protocol: str, method: str, headers: dict[str, str]) -> None:
    app = EngineServer()
    answer = ask(app, protocol, method, WEBSOCKET, headers=headers)
    assert (answer.status_code, answer.json) == (400, {"code": 3, "message": "WebSockets need HTTP/1.1"})
    # RFC 9113 section 8.2.2 forbids it, and other requests are under way on the connection.
    assert "Connection" not in answer.headers
    assert app.sessions == {}


def test_an_upgrade_is_refused_and_polling_goes_on(protocol: str) -> None:
    app = EngineServer(on_message=lambda session, data: session.send(data))
    opened = json.loads(ask(app, protocol, "GET", POLLING).data[1:])
    target = f"{POLLING}&sid={opened['sid']}"
    assert ask(app, protocol, "GET", f"{WEBSOCKET}&sid={opened['sid']}", headers=HANDSHAKE).status_code == 400
    assert ask(app, protocol, "POST", target, data="4hello").data == b"ok"
    assert ask(app, protocol, "GET", target).data == b"4hello"
    assert ask(app, protocol, "POST", target, data="1").data == b"ok"
    assert app.sessions == {}


def test_a_poll_waits(protocol: str) -> None:
    sessions: list[Session] = []
    app = EngineServer(on_connect=sessions.append)
    opened = json.loads(ask(app, protocol, "GET", POLLING).data[1:])
    until(lambda: sessions)
    poll = gevent.spawn(ask, app, protocol, "GET", f"{POLLING}&sid={opened['sid']}")
    until(lambda: sessions[0].polling is not None and sessions[0].polling.is_polled)
    sessions[0].send("news")
    assert poll.get().data == b"4news"
    sessions[0].close()
    sessions[0].forget()


def test_a_body_that_is_too_large_ends_the_session_and_not_the_connection(protocol: str) -> None:
    app = EngineServer(max_payload=100)
    opened = json.loads(ask(app, protocol, "GET", POLLING).data[1:])
    answer = ask(app, protocol, "POST", f"{POLLING}&sid={opened['sid']}", data="4" * 101)
    assert (answer.status_code, answer.json) == (413, {"message": "Payload too large"})
    assert "Connection" not in answer.headers
    assert app.sessions == {}
