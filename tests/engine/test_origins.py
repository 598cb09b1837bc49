"""Tests of the origins that may connect, and of what browsers are told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.conftest import Serve
from tests.engine.harness import Site
from tests.engine.peer import Answer, Headers, Refused, WebSocketPeer

OPEN = "/engine.io/?EIO=4&transport=polling"

OWN = None
ANY = "*"
ONE = "https://app.example"
LIST = ["https://app.example", re.compile(r"https://[a-z]+\.example\.org"), "null"]
PATTERN = re.compile(r"https?://localhost(:\d+)?")


def is_app(origin: str) -> bool:
    return origin.startswith("app://")


TABLE = [
    # rule, scheme, Host, Origin, allowed
    (OWN, "http", "example.com", "http://example.com", True),
    (OWN, "http", "example.com", "HTTP://Example.COM", True),
    (OWN, "http", "example.com", "http://example.org", False),
    (OWN, "http", "example.com", "http://sub.example.com", False),
    (OWN, "http", "example.com", "http://example.com.evil.org", False),
    (OWN, "http", "example.com", "https://example.com", False),
    (OWN, "https", "example.com", "https://example.com", True),
    (OWN, "https", "example.com", "http://example.com", False),
    (OWN, "http", "example.com:3000", "http://example.com:3000", True),
    (OWN, "http", "example.com:3000", "http://example.com", False),
    (OWN, "http", "example.com", "http://example.com:3000", False),
    (OWN, "http", "example.com:80", "http://example.com", True),
    (OWN, "https", "example.com:443", "https://example.com", True),
    (OWN, "http", "example.com:443", "http://example.com:443", True),
    (OWN, "http", "example.com:443", "http://example.com", False),
    (OWN, "http", "[::1]:3000", "http://[::1]:3000", True),
    (OWN, "http", "[::1]", "http://[::1]", True),
    (OWN, "http", "[::1]:80", "http://[::1]", True),
    (OWN, "http", "[::80]", "http://[::80]", True),
    (OWN, "http", "[::1]", "http://[::2]", False),
    (OWN, "http", "example.com", "null", False),
    (OWN, "http", "example.com", "", False),
    (OWN, "http", "example.com", None, True),
    (ANY, "http", "example.com", "https://anything.org", True),
    (ANY, "http", "example.com", "null", True),
    (ONE, "http", "example.com", "https://app.example", True),
    (ONE, "http", "example.com", "https://APP.example", True),
    (ONE, "http", "example.com", "https://app.example:8443", False),
    (ONE, "http", "example.com", "http://app.example", False),
    (ONE, "http", "example.com", "http://example.com", False),
    (ONE, "http", "example.com", None, True),
    (LIST, "http", "example.com", "https://app.example", True),
    (LIST, "http", "example.com", "https://sub.example.org", True),
    (LIST, "http", "example.com", "https://sub.example.org.evil.com", False),
    (LIST, "http", "example.com", "null", True),
    (LIST, "http", "example.com", "http://example.com", False),
    ([], "http", "example.com", "http://example.com", False),
    (PATTERN, "http", "example.com", "http://localhost:5173", True),
    (PATTERN, "http", "example.com", "http://localhost:5173.evil.com", False),
    (PATTERN, "http", "example.com", "evil http://localhost", False),
    (is_app, "http", "example.com", "app://anything", True),
    (is_app, "http", "example.com", "https://app.example", False),
    (is_app, "http", "example.com", None, True),
]


def behind(scheme: str) -> Callable[[Any], Any]:
    """Return a middleware that sets the scheme, as one for proxies does."""

    def middleware(app: Any) -> Any:
        def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
            environ["wsgi.url_scheme"] = scheme
            return app(environ, start_response)

        return wrapped

    return middleware


def request(site: Site, method: str, target: str, headers: Headers) -> Answer:
    """Send a request on a connection of its own."""
    connection = site.connect()
    connection.request(method, target, headers)
    return connection.answer()


@pytest.mark.parametrize(("rule", "scheme", "host", "origin", "allowed"), TABLE)
def test_the_table(serve: Serve, rule: Any, scheme: str, host: str, origin: str | None, allowed: bool) -> None:
    site = serve(wrap=behind(scheme), cors_allowed_origins=rule, close_timeout=0.01)
    headers = [("Host", host)] + ([] if origin is None else [("Origin", origin)])
    answer = request(site, "GET", OPEN, headers)
    assert answer.status == (200 if allowed else 403)
    if not allowed:
        assert answer.error_code == 4
        assert "access-control-allow-origin" not in answer.headers
        with pytest.raises(Refused) as refused:
            WebSocketPeer(site.address, headers=headers)
        assert refused.value.answer.status == 403
        assert site.open_sessions() == 0
        return
    site.websocket(headers=headers)
    peer = site.polling(headers=headers)
    peer.posts.request("POST", peer.target, headers, b"1")
    assert peer.posts.answer().status == 200
    # The first request's session has to end as well.
    for sid in list(site.engine.sessions):
        site.engine.sessions[sid].close()


def test_every_request_is_looked_at(serve: Serve) -> None:
    site = serve(cors_allowed_origins=ONE)
    peer = site.polling(headers=[("Origin", ONE)])
    evil = [("Origin", "https://evil.test")]
    assert request(site, "GET", peer.target, evil).status == 403
    peer.posts.request("POST", peer.target, evil, b"4x")
    assert peer.posts.answer().status == 403
    with pytest.raises(Refused) as refused:
        WebSocketPeer(site.address, peer.websocket_target, evil)
    assert refused.value.answer.status == 403
    # The session is not the attacker's to close.
    site.session().send("unharmed")
    assert peer.poll() == ["4unharmed"]
    assert site.messages == []


class TestHeaders:
    def test_an_allowed_origin(self, serve: Serve) -> None:
        site = serve(cors_allowed_origins=ONE)
        answer = request(site, "GET", "/engine.io/?EIO=4&transport=nothing", [("Origin", ONE)])
        # Errors have them too, or browsers hide what they say.
        assert answer.status == 400
        assert answer.headers["access-control-allow-origin"] == ONE
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"

    def test_any_origin_goes_without_credentials(self, serve: Serve) -> None:
        site = serve(cors_allowed_origins=ANY)
        peer = site.polling(headers=[("Origin", ONE)])
        peer.gets.request("POST", peer.target, [("Origin", ONE)], b"4x")
        answer = peer.gets.answer()
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers

    def test_credentials_switched_off(self, serve: Serve) -> None:
        site = serve(cors_allowed_origins=ONE, cors_credentials=False)
        answer = request(site, "GET", "/engine.io/?EIO=4&transport=nothing", [("Origin", ONE)])
        assert answer.headers["access-control-allow-origin"] == ONE
        assert "access-control-allow-credentials" not in answer.headers

    @pytest.mark.parametrize("rule", [OWN, ANY, ONE])
    def test_no_origin_no_headers(self, serve: Serve, rule: Any) -> None:
        site = serve(cors_allowed_origins=rule)
        answer = request(site, "GET", "/engine.io/?EIO=4&transport=nothing", [])
        assert not [name for name in answer.headers if name.startswith("access-control")]

    def test_a_refused_origin_is_told_nothing(self, serve: Serve) -> None:
        site = serve(cors_allowed_origins=ONE)
        answer = request(site, "GET", OPEN, [("Origin", "https://evil.test")])
        assert answer.status == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]

    @pytest.mark.parametrize("status", [400, 413])
    def test_a_session_that_goes_wrong(self, serve: Serve, status: int) -> None:
        site = serve(cors_allowed_origins=ONE, max_payload=10)
        peer = site.polling(headers=[("Origin", ONE)])
        body = b"?" if status == 400 else b"4" * 11
        peer.posts.request("POST", peer.target, [("Origin", ONE)], body)
        answer = peer.posts.answer()
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == ONE


class TestPreflight:
    ASKED = [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-token, content-type")]

    def test_an_allowed_origin(self, serve: Serve) -> None:
        answer = request(serve(cors_allowed_origins=ONE), "OPTIONS", OPEN, [("Origin", ONE), *self.ASKED])
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == ONE
        assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))
        assert answer.headers["access-control-allow-headers"] == "x-token, content-type"

    def test_a_refused_origin(self, serve: Serve) -> None:
        site = serve(cors_allowed_origins=ONE)
        answer = request(site, "OPTIONS", OPEN, [("Origin", "https://evil.test"), *self.ASKED])
        assert not [name for name in answer.headers if name.startswith("access-control")]

    def test_strange_headers_are_not_repeated(self, serve: Serve) -> None:
        site = serve(cors_allowed_origins=ANY)
        asked = [("Origin", ONE), ("Access-Control-Request-Headers", "x\x00y<script>")]
        answer = request(site, "OPTIONS", OPEN, asked)
        assert "access-control-allow-headers" not in answer.headers

    def test_it_opens_nothing(self, serve: Serve) -> None:
        site = serve(cors_allowed_origins=ANY)
        request(site, "OPTIONS", OPEN, [("Origin", ONE)])
        assert site.open_sessions() == 0
