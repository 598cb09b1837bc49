"""Tests of the record that is kept of the request that opened a session."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from geventsio.engine import handshake
from geventsio.engine.handshake import Handshake


@pytest.fixture(autouse=True)
def nothing_shared_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a test makes common away from the others."""
    monkeypatch.setattr(handshake, "_shared_keys", {})
    monkeypatch.setattr(handshake, "_shared_values", {})


def fresh(text: str) -> str:
    """Return a str of its own with this text, as a server makes one for each request."""
    return "".join(text)[:0] + "".join(list(text))


def environ(**more: Any) -> dict[str, Any]:
    """A WSGI environ as servers make it."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/engine.io/",
        "QUERY_STRING": fresh("EIO=4&transport=polling"),
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": fresh("45678"),
        "HTTP_USER_AGENT": fresh("Mozilla/5.0 (a browser)"),
        "HTTP_COOKIE": fresh("session=secret"),
        "HTTP_AUTHORIZATION": fresh("Bearer secret"),
        "HTTP_SEC_WEBSOCKET_KEY": fresh("dGhlIHNhbXBsZSBub25jZQ=="),
        "wsgi.input": object(),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "gunicorn.socket": object(),
        **more,
    }


def test_the_environ_is_rebuilt() -> None:
    original = environ(HTTP_X_EMPTY="", HTTP_X_LATIN="\xe9")
    kept = Handshake(original).environ
    strings = {key: value for key, value in original.items() if isinstance(value, str)}
    del strings["HTTP_SEC_WEBSOCKET_KEY"]
    assert kept == strings


def test_nothing_of_the_server_is_kept() -> None:
    assert all(type(value) is str for value in Handshake(environ()).environ.values())


def test_what_middlewares_left_is_kept() -> None:
    extensions: dict[type, object] = {int: 7}
    record = Handshake(environ(**{"geventsio.extensions": extensions}))
    assert record.environ["geventsio.extensions"] is extensions
    assert record.extensions is extensions
    assert Handshake(environ()).extensions is None


def test_every_call_makes_a_new_environ() -> None:
    record = Handshake(environ())
    record.environ["REQUEST_METHOD"] = "changed"
    assert record.environ["REQUEST_METHOD"] == "GET"


def test_the_original_may_change() -> None:
    original = environ()
    record = Handshake(original)
    original.clear()
    assert record.environ["HTTP_COOKIE"] == "session=secret"


@pytest.mark.parametrize("key", ["HTTP_USER_AGENT", "PATH_INFO"])
def test_clients_share_what_is_common(key: str) -> None:
    first, second = (Handshake(environ(**{key: fresh(f"the same {key}")})).environ[key] for _ in range(2))
    assert first is second


@pytest.mark.parametrize("key", ["HTTP_COOKIE", "HTTP_AUTHORIZATION", "QUERY_STRING"])
def test_clients_share_no_secret(key: str) -> None:
    """What is shared is kept after its client has left."""
    first, second = (Handshake(environ(**{key: fresh(f"the same {key}")})).environ[key] for _ in range(2))
    assert first == second
    assert first is not second


def test_a_flood_of_different_values_fills_no_memory() -> None:
    Handshake(environ())
    records = [Handshake(environ(HTTP_X_ID=f"{number}", **{f"HTTP_X_{number}": "x"})) for number in range(5000)]
    assert [record.environ["HTTP_X_ID"] for record in records] == [str(number) for number in range(5000)]
    first, second = (Handshake(environ(HTTP_X_ID=fresh("99999x"))).environ["HTTP_X_ID"] for _ in range(2))
    assert first is not second
    # What was common before still is.
    first, second = (Handshake(environ()).environ["HTTP_USER_AGENT"] for _ in range(2))
    assert first is second


def test_a_record_is_small() -> None:
    """Of a browser's thirty entries, those that other clients have as well cost no more than their place."""
    headers = {f"HTTP_X_HEADER_{number}": f"value {number}" for number in range(10)}
    Handshake(environ(**headers))
    record = Handshake(environ(**headers))
    parts = [getattr(record, name) for name in Handshake.__slots__]
    assert sys.getsizeof(record) + sum(sys.getsizeof(part) for part in parts) < 600
