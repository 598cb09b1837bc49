"""What a server writes to stderr when all is well: nothing, however its clients come and go.

The process's stderr, not a logger, is read: tracebacks of gevent, pywsgi and gunicorn are noise as well.
"""

from __future__ import annotations

import socket as sockets
import struct
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from tests import tools
from tests.conformance.servers import SERVERS
from tests.live.harness import DEADLINE, Server
from tests.live.http_client import PollingSession, request
from tests.live.ws_client import WebSocket

#: Connects and closes, in all.
CYCLES = 1000

PATH = "/socket.io/"
WEBSOCKET = f"{PATH}?EIO=4&transport=websocket"

Address = tuple[str, int]


def _polling(address: Address) -> PollingSession:
    session = PollingSession(address, PATH)
    session.send("40")
    assert session.receive().startswith("40{")
    return session


def _websocket(address: Address) -> WebSocket:
    socket = WebSocket(address, WEBSOCKET)
    assert socket.receive_text().startswith("0{")
    socket.send("40")
    assert socket.receive_text().startswith("40{")
    return socket


def _upgraded(address: Address) -> WebSocket:
    session = _polling(address)
    socket = WebSocket(address, f"{WEBSOCKET}&sid={session.sid}")
    socket.send("2probe")
    assert socket.receive() == "3probe"
    with session.start_poll() as poll:
        assert poll.reply().text == "6"
    socket.send("5")
    return socket


def _raw(address: Address, head: str) -> sockets.socket:
    connection = sockets.create_connection(address, timeout=DEADLINE)
    connection.sendall(head.replace("\n", "\r\n").encode())
    return connection


def _reset(connection: sockets.socket) -> None:
    connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def polling_closes_well(address: Address) -> None:
    """It parks a poll, and says goodbye."""
    session = _polling(address)
    with session.start_poll() as poll:
        session.send("1")
        # On a busy machine the server may read the goodbye first, and know the session no more.
        assert poll.reply().status in (200, 400)


def polling_disconnects_and_closes(address: Address) -> None:
    """As the official client does."""
    session = _polling(address)
    session.send("41\x1e1")


def tab_closed_in_a_poll(address: Address) -> None:
    """A browser closes the connection of a request that it gives up."""
    with _polling(address).start_poll():
        pass


def poll_reset(address: Address) -> None:
    """The same with RST."""
    session = _polling(address)
    _reset(_raw(address, f"GET {session.target()} HTTP/1.1\nHost: x\n\n"))


def post_broken_off(address: Address) -> None:
    """A page is left while it sends."""
    session = _polling(address)
    _raw(address, f"POST {session.target()} HTTP/1.1\nHost: x\nContent-Length: 1000\n\n42").close()


def post_reset(address: Address) -> None:
    """The same with RST."""
    session = _polling(address)
    _reset(_raw(address, f"POST {session.target()} HTTP/1.1\nHost: x\nContent-Length: 1000\n\n42"))


def connection_without_a_request(address: Address) -> None:
    """A health check of a load balancer."""
    sockets.create_connection(address, timeout=DEADLINE).close()


def handshake_broken_off(address: Address) -> None:
    """A client is gone when its websocket is answered."""
    head = f"GET {WEBSOCKET} HTTP/1.1\nHost: x\nUpgrade: websocket\nConnection: Upgrade\n"
    _reset(_raw(address, head + "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n"))


def websocket_closes_well(address: Address) -> None:
    """With its close frame."""
    with _websocket(address) as socket:
        assert socket.close(1000).code == 1000


def tab_closed_on_a_websocket(address: Address) -> None:
    """Browsers send 1001."""
    with _websocket(address) as socket:
        assert socket.close(1001).code == 1001


def websocket_drops_tcp(address: Address) -> None:
    """Without a close frame."""
    _websocket(address).socket.close()


def websocket_reset(address: Address) -> None:
    """With RST, and an answer on its way."""
    socket = _websocket(address)
    socket.send('420["message-with-ack","x"]')
    socket.abort()


def upgraded_closes_well(address: Address) -> None:
    """After polling."""
    with _upgraded(address) as socket:
        assert socket.close(1000).code == 1000


def upgraded_reset(address: Address) -> None:
    """After polling."""
    _upgraded(address).abort()


def probe_broken_off(address: Address) -> None:
    """The websocket of an upgrade is lost, and polling goes on."""
    session = _polling(address)
    with WebSocket(address, f"{WEBSOCKET}&sid={session.sid}") as socket:
        socket.send("2probe")
        assert socket.receive() == "3probe"
        socket.abort()
    session.send("1")


WAYS: list[Callable[[Address], None]] = [
    polling_closes_well,
    polling_disconnects_and_closes,
    tab_closed_in_a_poll,
    poll_reset,
    post_broken_off,
    post_reset,
    connection_without_a_request,
    handshake_broken_off,
    websocket_closes_well,
    tab_closed_on_a_websocket,
    websocket_drops_tcp,
    websocket_reset,
    upgraded_closes_well,
    upgraded_reset,
    probe_broken_off,
]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose loggers are as they come."""
    if request.param != "pywsgi":
        tools.gunicorn()
    with Server([sys.executable, "-m", "tests.proxies.site", "--server", str(request.param)]) as started:
        yield started


def _settle(server: Server) -> None:
    """Wait until the server has dealt with all that came before: it is answered last."""
    assert request(server.address, "GET", f"{PATH}?EIO=4&transport=polling").status == 200


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_a_way_to_leave_is_silent(server: Server, way: Callable[[Address], None]) -> None:
    way(server.address)
    _settle(server)
    assert server.take_errors() == ""


def test_a_thousand_clients_come_and_go_in_silence(server: Server) -> None:
    def leave(ways: list[Callable[[Address], None]]) -> int:
        for way in ways:
            way(server.address)
        return len(ways)

    many = list(islice((way for _ in range(CYCLES) for way in WAYS), CYCLES))
    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(leave, (many[start::4] for start in range(4)))) == CYCLES
    _settle(server)
    assert server.take_errors() == ""
