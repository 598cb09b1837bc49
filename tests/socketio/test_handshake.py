"""Tests of `Socket.handshake`: the request that opened the connection, in the official server's shape."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from geventsio import Socket, SocketIO
from geventsio.handshake import describe_request, pack_auth
from tests.socketio.harness import Serve
from tests.socketio.peer import PollingPeer


def now() -> float:
    """The wall clock, in milliseconds."""
    return datetime.now(timezone.utc).timestamp() * 1000


def test_what_a_handshake_tells(serve: Serve, transport: str) -> None:
    io = SocketIO()
    root = io.ns("/")
    before = now()
    peer = serve(io).peer(transport)
    after = now()
    socket = root.sockets[peer.connect(auth={"token": "secret", "n": [1, None]})]
    handshake = socket.handshake
    headers: Any = handshake.pop("headers")  # type: ignore[misc]
    assert headers["x-test"] == "yes"
    assert headers["host"].startswith("127.0.0.1:")
    assert all(name == name.lower() and "_" not in name for name in headers)
    assert before - 1 <= handshake.pop("issued") <= after + 1  # type: ignore[misc]
    assert handshake == {
        "query": {"EIO": "4", "transport": transport},
        "auth": {"token": "secret", "n": [1, None]},
        "address": "127.0.0.1",
        "secure": False,
        "xdomain": False,
        "url": f"/socket.io/?EIO=4&transport={transport}",
    }
    assert peer.handshake["sid"] not in str(socket.handshake)


def test_each_namespace_has_its_auth(serve: Serve) -> None:
    io = SocketIO()
    io.ns("/")
    io.ns("/chat")
    peer = serve(io).websocket()
    root = io.of("/").sockets[peer.connect(auth={"a": 1})]
    chat = io.of("/chat").sockets[peer.connect("/chat")]
    assert (root.handshake["auth"], chat.handshake["auth"]) == ({"a": 1}, {})
    assert root.handshake["issued"] == pytest.approx(chat.handshake["issued"], abs=5)


def test_it_is_there_in_middlewares_and_in_the_disconnect_handler(serve: Serve) -> None:
    io = SocketIO()
    seen: list[Any] = []

    @io.ns("/").use
    @io.ns("/").on_disconnect
    def note(socket: Socket) -> None:
        seen.append(socket.handshake["auth"])

    site = serve(io)
    site.connect(auth={"name": "größe"})
    site.close()
    assert seen == [{"name": "größe"}] * 2


def test_what_is_told_can_be_changed_without_harm(serve: Serve) -> None:
    io = SocketIO()
    root = io.ns("/")

    @root
    def connect(socket: Socket, auth: dict[str, Any]) -> None:
        auth["added"] = True

    socket = root.sockets[serve(io).websocket().connect(auth={"a": {"b": 1}})]
    socket.handshake["auth"]["a"]["b"] = 2
    socket.handshake["headers"].clear()
    assert socket.handshake["auth"] == {"a": {"b": 1}}
    assert socket.handshake["headers"]


def test_queries_and_origins(serve: Serve) -> None:
    io = SocketIO(cors_allowed_origins="*")
    root = io.ns("/")
    site = serve(io)
    peer = site.websocket("/socket.io/")
    plain = root.sockets[peer.connect()].handshake
    environ = {
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/socket.io/\xc3\xa9",
        "QUERY_STRING": "room=a&room=b&empty=&name=%C3%A9",
        "HTTP_ORIGIN": "https://example.org",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "",
        "REMOTE_ADDR": "::1",
        "wsgi.url_scheme": "https",
    }
    told = describe_request(environ, 0.0, None)
    assert set(told) == set(plain)
    assert told["query"] == {"room": ["a", "b"], "empty": "", "name": "é"}
    assert told["headers"] == {"origin": "https://example.org", "content-type": "text/plain"}
    assert told["url"] == "/app/socket.io/%C3%A9?room=a&room=b&empty=&name=%C3%A9"
    assert (told["secure"], told["xdomain"], told["address"], told["auth"]) == (True, True, "::1", {})


@pytest.mark.parametrize(
    "auth",
    ['{"n":123456789012345678901234567890}', '{"s":"\\ud800"}', '{"\\ud800":1}', '{"f":1e308,"deep":[[[[{"a":[]}]]]]}'],
)
def test_any_auth_that_a_client_can_send(serve: Serve, auth: str) -> None:
    io = SocketIO()
    seen: list[Any] = []

    @io.ns("/")
    def connect(socket: Socket, payload: dict[str, Any]) -> None:
        seen.append(payload)

    peer = serve(io).polling()
    assert isinstance(peer, PollingPeer)
    peer.send("0" + auth)
    socket = io.of("/").sockets[peer.packet().data["sid"]]
    assert socket.handshake["auth"] == seen[0]


def test_no_auth_costs_nothing() -> None:
    assert pack_auth({}) is None
    packed = pack_auth({"token": "x" * 20})
    assert type(packed) is bytes
    assert len(packed) < 32


def test_an_auth_payload_of_an_own_parser_may_hold_anything() -> None:
    auth = {"token": object()}
    assert describe_request({}, 0.0, pack_auth(auth))["auth"] == auth
