"""Opening an Engine.IO session, and being refused one, on both protocols' paths."""

from __future__ import annotations

import base64
import json
import re
import socket
from typing import Any

import pytest

from tests.live.endpoint import UNKNOWN_SID, Endpoint, error
from tests.live.harness import DEADLINE
from tests.live.http_client import request
from tests.live.ws_client import WebSocket


def _check_handshake(handshake: dict[str, Any], upgrades: list[str]) -> None:
    sid = handshake.pop("sid")
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,64}", sid)
    assert handshake == {"upgrades": upgrades, "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1000000}


def test_polling_opens_a_session(either_official: Endpoint) -> None:
    session = either_official.open_polling()
    reply = session.opened
    assert reply.content_type == "text/plain;charset=utf-8"
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers["Cache-Control"] == "no-store"
    _check_handshake(session.handshake, ["websocket"])


def test_websocket_opens_a_session(either_official: Endpoint) -> None:
    with either_official.open_websocket() as connection:
        packet = connection.receive_text()
    assert packet.startswith("0")
    _check_handshake(json.loads(packet[1:]), [])


def test_session_ids_differ(either: Endpoint) -> None:
    assert len({either.open_polling().sid for _ in range(20)}) == 20


def test_the_path_works_without_its_last_slash(either: Endpoint) -> None:
    reply = request(either.address, "GET", f"{either.path.rstrip('/')}?EIO=4&transport=polling")
    assert (reply.status, reply.body[:1]) == (200, b"0")


@pytest.mark.parametrize("path", ["/", "/other", "{}x", "/x{}", "{}x/"])
def test_other_paths_are_not_found(either: Endpoint, path: str) -> None:
    target = path.format(either.path.rstrip("/"))
    assert request(either.address, "GET", f"{target}?EIO=4&transport=polling").status == 404


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "transport=polling", 5),
        ("GET", "EIO=abc&transport=polling", 5),
        ("GET", "EIO=3&transport=polling", 5),
        ("GET", "EIO=5&transport=polling", 5),
        ("GET", "EIO=&transport=polling", 5),
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=", 0),
        ("GET", "EIO=4&transport=abc", 0),
        ("GET", "EIO=4&transport=POLLING", 0),
        ("GET", "", 0),
        ("POST", "EIO=4&transport=polling", 2),
        ("PUT", "EIO=4&transport=polling", 2),
        ("DELETE", "EIO=4&transport=polling", 2),
        ("GET", f"EIO=4&transport=polling&sid={UNKNOWN_SID}", 1),
        ("POST", f"EIO=4&transport=polling&sid={UNKNOWN_SID}", 1),
        ("GET", "EIO=4&transport=polling&sid=%00", 1),
        ("GET", "EIO=4&transport=polling&sid=%E2%82%AC", 1),
        # Not an upgrade: a plain request can't speak this transport.
        ("GET", "EIO=4&transport=websocket", 3),
    ],
)
def test_a_bad_request_is_answered_with_its_code(either: Endpoint, method: str, query: str, code: int) -> None:
    body = "4hello" if method in ("POST", "PUT") else None
    assert error(request(either.address, method, f"{either.path}?{query}", body)) == code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("transport=websocket", 5),
        ("EIO=abc&transport=websocket", 5),
        ("EIO=3&transport=websocket", 5),
        ("EIO=4", 0),
        ("EIO=4&transport=abc", 0),
        (f"EIO=4&transport=websocket&sid={UNKNOWN_SID}", 1),
    ],
)
def test_a_bad_websocket_handshake_is_refused(either: Endpoint, query: str, code: int) -> None:
    either.refuse_websocket(query, code)


def _shake_hands(endpoint: Endpoint, replaced: dict[str, str | None]) -> tuple[int, dict[str, str]]:
    """Send a handshake with some headers replaced, or left out if None; return the answer's status and headers."""
    headers: dict[str, str | None] = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        **replaced,
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    head = "\r\n".join([f"GET {endpoint.path}?EIO=4&transport=websocket HTTP/1.1", *lines, "", ""])
    with socket.create_connection(endpoint.address, timeout=DEADLINE) as connection:
        connection.sendall(head.encode())
        with connection.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            answer = {}
            while line := stream.readline().decode("latin-1").strip():
                name, _, value = line.partition(":")
                answer[name.lower()] = value.strip()
    return status, answer


# On the third server the handshake is checked by its handler, before the application is called.
@pytest.mark.parametrize("fleet", ["pywsgi", "gunicorn"], indirect=True, scope="session")
@pytest.mark.parametrize(
    ("replaced", "status"),
    [
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Version": None}, 426),
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Upgrade": "h2c"}, 400),
        ({"Upgrade": None}, 400),
        ({"Connection": "keep-alive"}, 400),
        ({"Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"}, 101),
    ],
)
def test_a_handshake_that_breaks_rfc_6455(either: Endpoint, replaced: dict[str, str | None], status: int) -> None:
    answered, headers = _shake_hands(either, replaced)
    assert answered == status
    if status == 426:
        assert headers["sec-websocket-version"] == "13"


def test_any_origin_is_allowed(either: Endpoint) -> None:
    origin = {"Origin": "https://example.org"}
    session = either.open_polling()
    for reply in (
        request(either.address, "GET", session.target(sid=None), headers=origin),
        request(either.address, "POST", session.target(), "4hello", headers=origin),
        request(either.address, "GET", f"{either.path}?EIO=4", headers=origin),
    ):
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in reply.headers


def test_a_preflight_request_is_answered(either: Endpoint) -> None:
    headers = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-token",
    }
    reply = request(either.address, "OPTIONS", f"{either.path}?EIO=4&transport=polling", headers=headers)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert "x-token" in reply.headers["Access-Control-Allow-Headers"]


def test_a_websocket_from_any_origin_is_accepted(either: Endpoint) -> None:
    target = f"{either.path}?EIO=4&transport=websocket"
    with WebSocket(either.address, target, [("Origin", "https://example.org")]) as connection:
        assert connection.receive_text().startswith("0{")
