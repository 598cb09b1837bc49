"""Fixtures of the live tests: one server process per server kind and suite, shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import tools
from tests.conformance.servers import SERVERS
from tests.live.endpoint import Endpoint
from tests.live.harness import Server, conformance_server
from tests.live.sio_client import connect
from tests.live.ws_client import WebSocket

# Servers that no heartbeat or timeout disturbs while a test runs, so that it can name every packet it expects.
_CALM = ("--ping-interval", "25", "--ping-timeout", "20", "--connect-timeout", "45")

# Heartbeats so quick that a test can wait for them, with an answer due so late that a busy machine is not punished.
_BEATING = ("--ping-interval", "0.2", "--ping-timeout", "1")

_PATHS = {
    "engine": "/engine.io/",
    "engine3": "/engine.io/",
    "socket": "/socket.io/",
    "socket4": "/socket.io/",
    "socket-msgpack": "/socket.io/",
    "websocket": "/",
}


class Fleet:
    """The servers of one kind, each started when a test first asks for it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._servers: dict[tuple[str, ...], Server] = {}

    def get(self, suite: str, *options: str) -> Server:
        """Return the running server of a suite with these options."""
        key = (suite, *options)
        if key not in self._servers:
            self._servers[key] = conformance_server(suite, self.kind, *options)
        return self._servers[key]

    def endpoint(self, suite: str, *options: str) -> Iterator[Endpoint]:
        """Yield a suite's server; afterwards fail if it wrote to stderr meanwhile."""
        server = self.get(suite, *options)
        yield Endpoint(server, self.kind, _PATHS[suite])
        assert server.take_errors() == ""

    def close(self) -> None:
        """Stop all servers; fail if one of them does not end as it should."""
        problems = []
        for server in self._servers.values():
            server.terminate()
        for server in self._servers.values():
            try:
                server.close()
            except (AssertionError, TimeoutError) as error:
                problems.append(str(error))
        assert not problems, "\n".join(problems)


@pytest.fixture(scope="session", params=SERVERS)
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """The servers of one kind; tests that use it run once for each kind."""
    if request.param != "pywsgi":
        tools.gunicorn()
    servers = Fleet(request.param)
    yield servers
    servers.close()


@pytest.fixture
def engine(fleet: Fleet) -> Iterator[Endpoint]:
    """The Engine.IO echo server, with heartbeats far apart."""
    yield from fleet.endpoint("engine", *_CALM)


@pytest.fixture
def socketio(fleet: Fleet) -> Iterator[Endpoint]:
    """The Socket.IO server, with heartbeats far apart."""
    yield from fleet.endpoint("socket", *_CALM)


@pytest.fixture
def connected(socketio: Endpoint) -> Iterator[WebSocket]:
    """A WebSocket that is connected to the namespace `/` and has read its `auth` event."""
    with socketio.open_websocket_session() as socket:
        connect(socket)
        yield socket


@pytest.fixture
def websocket(fleet: Fleet) -> Iterator[Endpoint]:
    """The plain WebSocket echo server."""
    yield from fleet.endpoint("websocket")


@pytest.fixture(params=["engine", "socket"])
def either(fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """The Engine.IO server and the Socket.IO server in turn, with heartbeats far apart."""
    yield from fleet.endpoint(request.param, *_CALM)


@pytest.fixture(params=["engine", "socket"])
def either_official(fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """The same with the timings of the official suites."""
    yield from fleet.endpoint(request.param)


@pytest.fixture(params=["engine", "socket"])
def either_beating(fleet: Fleet, request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """The same with quick heartbeats."""
    yield from fleet.endpoint(request.param, *_BEATING)


@pytest.fixture
def beating_socketio(fleet: Fleet) -> Iterator[Endpoint]:
    """The Socket.IO server with quick heartbeats, and 1 s to connect to a namespace."""
    yield from fleet.endpoint("socket", *_BEATING)


@pytest.fixture
def clients(fleet: Fleet) -> Iterator[Endpoint]:
    """The Socket.IO server for real clients: it pings often, and forgives a client that is slow to answer."""
    yield from fleet.endpoint("socket", "--ping-timeout", "20", "--connect-timeout", "45")


@pytest.fixture
def legacy_clients(fleet: Fleet) -> Iterator[Endpoint]:
    """The same for real clients of Socket.IO v4 as well."""
    yield from fleet.endpoint("socket4", "--ping-timeout", "20", "--connect-timeout", "45")


@pytest.fixture
def msgpack_clients(fleet: Fleet) -> Iterator[Endpoint]:
    """The same with the msgpack parser."""
    yield from fleet.endpoint("socket-msgpack", "--ping-timeout", "20", "--connect-timeout", "45")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of a certificate that signs itself, and of its key: see `tools.certificate`."""
    return tools.certificate(tmp_path_factory.mktemp("certificate"))
