"""Where a request comes from: the same-origin check behind all sorts of proxies, and what the log says about it."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from geventsio.config import EngineOptions
from geventsio.engine.origins import OriginPolicy
from geventsio.engine.proxies import ProxyPolicy
from tests.engine.conftest import Serve

DIRECT = {"REMOTE_ADDR": "198.51.100.7", "HTTP_HOST": "app.example:3000", "wsgi.url_scheme": "http"}
PROXY = {"REMOTE_ADDR": "10.0.0.1", "HTTP_HOST": "backend:8000", "wsgi.url_scheme": "http"}
FORWARDED = {
    **PROXY,
    "HTTP_X_FORWARDED_FOR": "203.0.113.9",
    "HTTP_X_FORWARDED_HOST": "app.example",
    "HTTP_X_FORWARDED_PROTO": "https",
}
STANDARD = {**PROXY, "HTTP_FORWARDED": 'for="[2001:db8::1]:4711";host=app.example;proto=https'}


def resolve(environ: dict[str, Any], trusted: Any) -> dict[str, Any]:
    return ProxyPolicy(EngineOptions(trusted_proxies=trusted).trusted_proxies).resolve(environ)


@pytest.mark.parametrize(
    ("environ", "origin", "rule", "trusted", "allowed"),
    [
        # No proxy.
        (DIRECT, None, None, None, True),
        (DIRECT, "http://app.example:3000", None, None, True),
        (DIRECT, "HTTP://APP.EXAMPLE:3000", None, None, True),
        (DIRECT, "http://app.example", None, None, False),
        (DIRECT, "https://app.example:3000", None, None, False),
        (DIRECT, "http://app.example:3000.evil.example", None, None, False),
        (DIRECT, "null", None, None, False),
        (DIRECT, "", None, None, False),
        ({**DIRECT, "HTTP_HOST": "app.example:80"}, "http://app.example", None, None, True),
        ({**DIRECT, "HTTP_HOST": "[::1]:3000"}, "http://[::1]:3000", None, None, True),
        ({**DIRECT, "HTTP_HOST": "[::1]"}, "http://[::1]", None, None, True),
        ({**DIRECT, "HTTP_HOST": "[::1]"}, "http://[::2]", None, None, False),
        (
            {**DIRECT, "HTTP_HOST": "app.example:443", "wsgi.url_scheme": "https"},
            "https://app.example",
            None,
            None,
            True,
        ),
        # A proxy that ends TLS: believed only if it is trusted.
        (FORWARDED, "https://app.example", None, None, False),
        (FORWARDED, "https://app.example", None, 1, True),
        (FORWARDED, "https://app.example", None, ["10.0.0.0/8"], True),
        (FORWARDED, "https://app.example", None, "10.0.0.1", True),
        (FORWARDED, "https://app.example", None, ["192.0.2.0/24"], False),
        (FORWARDED, "http://app.example", None, 1, False),
        (FORWARDED, "https://evil.example", None, 1, False),
        (FORWARDED, None, None, 1, True),
        (STANDARD, "https://app.example", None, 1, True),
        (STANDARD, "https://app.example", None, None, False),
        ({**FORWARDED, "HTTP_X_FORWARDED_HOST": "app.example:8443"}, "https://app.example:8443", None, 1, True),
        ({**FORWARDED, "HTTP_X_FORWARDED_HOST": "evil.example, app.example"}, "https://app.example", None, 1, True),
        ({**FORWARDED, "HTTP_X_FORWARDED_HOST": "evil.example, app.example"}, "https://evil.example", None, 1, False),
        # Rules.
        (DIRECT, "https://other.example", "https://other.example", None, True),
        (DIRECT, "https://other.example", ["https://other.example/", "null"], None, True),
        (DIRECT, "null", ["https://other.example", "null"], None, True),
        (DIRECT, "https://third.example", ["https://other.example"], None, False),
        (DIRECT, "https://a.other.example", re.compile(r"https://\w+\.other\.example"), None, True),
        (DIRECT, "https://a.other.example.evil", re.compile(r"https://\w+\.other\.example"), None, False),
        (DIRECT, "https://other.example", lambda origin: origin.endswith(".example"), None, True),
        (DIRECT, "https://other.evil", lambda origin: origin.endswith(".example"), None, False),
        (DIRECT, "null", "*", None, True),
        (DIRECT, "https://other.example", [], None, False),
    ],
)
def test_the_origin(environ: dict[str, Any], origin: str | None, rule: Any, trusted: Any, allowed: bool) -> None:
    request = environ if origin is None else {**environ, "HTTP_ORIGIN": origin}
    assert OriginPolicy(rule, True).allows(resolve(request, trusted)) is allowed


@pytest.mark.parametrize(
    ("chain", "trusted", "address"),
    [
        ("203.0.113.9", None, "10.0.0.1"),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9", 1, "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "10.0.0.1"),
        ("1.1.1.1, 203.0.113.9, 10.0.0.2", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.3, 10.0.0.2", ["10.0.0.0/8"], "10.0.0.3"),
        ("203.0.113.9:4711", 1, "203.0.113.9"),
        ("[2001:db8::1]:4711", 1, "2001:db8::1"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
        ("unknown", 1, "10.0.0.1"),
        ("203.0.113.9, ", 1, "203.0.113.9"),
        ("", 1, "10.0.0.1"),
        (", ".join(["10.0.0.9"] * 500), ["10.0.0.0/8"], "10.0.0.9"),
    ],
)
def test_the_clients_address(chain: str, trusted: Any, address: str) -> None:
    environ = {**PROXY, "HTTP_X_FORWARDED_FOR": chain}
    assert resolve(environ, trusted)["REMOTE_ADDR"] == address
    assert environ["REMOTE_ADDR"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("header", "address", "host"),
    [
        ('For="[2001:db8::1]:4711";Host=app.example', "2001:db8::1", "app.example"),
        ("for=1.1.1.1, for=203.0.113.9;host=app.example", "203.0.113.9", "app.example"),
        ("for=_hidden;host=app.example", "10.0.0.1", "app.example"),
        ('for="203.0.113.9', "10.0.0.1", "backend:8000"),
        ("for=203.0.113.9;host=a b", "10.0.0.1", "backend:8000"),
        ('for=203.0.113.9;host="a, b"', "203.0.113.9", "backend:8000"),
        (";;;,,,", "10.0.0.1", "backend:8000"),
    ],
)
def test_the_standard_header(header: str, address: str, host: str) -> None:
    resolved = resolve({**PROXY, "HTTP_FORWARDED": header}, 1)
    assert (resolved["REMOTE_ADDR"], resolved["HTTP_HOST"]) == (address, host)


def test_a_star_in_a_list_allows_no_credentials() -> None:
    environ = {**DIRECT, "HTTP_ORIGIN": "https://other.example"}
    assert OriginPolicy(["*"], True).headers(environ) == [("Access-Control-Allow-Origin", "*")]


def test_a_refusal_is_logged_once_with_its_cure(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    site = serve()
    for origin in ("https://other.example", "https://other.example", "https://third.example"):
        connection = site.connect()
        headers = [("Origin", origin), ("X-Forwarded-Host", "other.example")]
        connection.request("GET", "/engine.io/?EIO=4&transport=polling", headers)
        assert connection.answer().status == 403
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    for part in ("'https://other.example'", "'http://localhost'", "cors_allowed_origins", "trusted_proxies"):
        assert part in warnings[0]


def test_a_rule_that_fails_refuses(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    site = serve(cors_allowed_origins=lambda origin: 1 / 0)
    connection = site.connect()
    connection.request("GET", "/engine.io/?EIO=4&transport=polling", [("Origin", "https://other.example")])
    answer = connection.answer()
    assert (answer.status, answer.error_code) == (403, 4)
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()
