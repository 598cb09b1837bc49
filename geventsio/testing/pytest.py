"""Fixtures for pytest: put `pytest_plugins = ["geventsio.testing.pytest"]` into the root conftest.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from geventsio.testing.client import TestClient
from geventsio.testing.live import LiveServer

__all__ = ["MakeClient", "make_sio_client", "sio_app", "sio_client", "sio_live_server"]


class MakeClient(Protocol):
    """Makes test clients; the fixture `make_sio_client` closes them when the test is over."""

    def __call__(self, **options: Any) -> TestClient:
        """Make one, with options of `TestClient`."""
        ...


@pytest.fixture
def sio_app(request: pytest.FixtureRequest) -> Any:
    """What is tested: a `SocketIO`, or a WSGI app that holds one. Define a fixture of this name, or one named `io`."""
    try:
        return request.getfixturevalue("io")
    except pytest.FixtureLookupError as error:
        if error.argname != "io":
            raise
        return pytest.fail(
            "define a fixture `sio_app` (or `io`) that returns your SocketIO or your WSGI app", pytrace=False
        )


@pytest.fixture
def make_sio_client(sio_app: Any) -> Iterator[MakeClient]:
    """Make test clients of `sio_app`: `make_sio_client(headers=...)`."""
    clients: list[TestClient] = []

    def make(**options: Any) -> TestClient:
        clients.append(TestClient(sio_app, **options))
        return clients[-1]

    yield make
    _close(clients)


@pytest.fixture
def sio_client(make_sio_client: MakeClient) -> TestClient:
    """A test client of `sio_app`, in no namespace yet."""
    return make_sio_client()


@pytest.fixture
def sio_live_server(sio_app: Any) -> Iterator[LiveServer]:
    """`sio_app` on a port of its own, for clients that need a network."""
    with LiveServer(sio_app) as server:
        yield server


def _close(clients: list[TestClient]) -> None:
    """Close all clients, also when one of them brings a handler's error to light."""
    try:
        while clients:
            clients.pop().close()
    finally:
        if clients:
            _close(clients)
