"""What clients, events and broadcasts cost, in counts that are the same on any machine: no time is taken."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar

import gevent
import pytest

from tests import tools
from tests.conformance.servers import SERVERS
from tests.live.harness import DEADLINE, Server
from tests.live.http_client import request
from tests.socketio.harness import wait_until
from tests.socketio.peer import PollingPeer, WebSocketPeer

CLIENTS = 40
ROUNDS = 1_000

#: Blocks of memory by which a process may grow in `ROUNDS`: dicts and lists of its own that are due for more room. Less
#: than one for each.
SPARE_BLOCKS = ROUNDS // 2

#: Greenlets and descriptors that may be at work, or idle for a while, at one moment and not at another.
SPARE_WORKERS = ROUNDS // 100

SOCKET = "geventsio.socket.Socket"

P = TypeVar("P", WebSocketPeer, PollingPeer)


class Connect(Protocol):
    """Opens a client; see the fixture."""

    def __call__(self, kind: type[P]) -> P:
        """Open one."""
        ...


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param != "pywsgi":
        tools.gunicorn()
    with Server([sys.executable, "-m", "tests.live.counting_server", "--server", request.param]) as server:
        yield server


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    with gevent.Timeout(4 * DEADLINE):
        yield


@pytest.fixture
def connect(server: Server) -> Iterator[Connect]:
    """Opens clients that are in `/`; at the end of the test all are closed, and the server has forgotten them."""
    with ExitStack() as stack:

        def connect(kind: type[P]) -> P:
            peer = kind(server.address)
            stack.callback(peer.close)
            peer.connect()
            # What follows the CONNECT packet is kept back for a moment; this answer ends that.
            assert peer.ask("echo", "x") == ["x"]
            return peer

        yield connect
    wait_until(lambda: _state(server)["objects"].get(SOCKET, 0) == 0)


def _state(server: Server) -> dict[str, Any]:
    state: dict[str, Any] = request(server.address, "GET", "/state").json
    return state


def _own(state: dict[str, Any]) -> dict[str, int]:
    """How many objects of each of our types there are."""
    return {name: count for name, count in state["objects"].items() if name.startswith("geventsio.")}


def test_an_idle_client_has_no_greenlet(server: Server, connect: Connect) -> None:
    connect(WebSocketPeer)
    before = _state(server)
    for _ in range(CLIENTS):
        connect(WebSocketPeer)
    after = _state(server)
    assert after["objects"][SOCKET] - before["objects"][SOCKET] == CLIENTS
    assert after["greenlets"] <= before["greenlets"]


@pytest.mark.parametrize("times", [1, 10])
def test_a_broadcast_is_encoded_once_framed_once_and_sent_at_once(times: int, connect: Connect) -> None:
    asking, *_ = clients = [connect(WebSocketPeer) for _ in range(CLIENTS)]
    asking.emit("count", times)
    for client in clients:
        assert [client.event() for _ in range(times)] == [["news", "x"]] * times
    [counted] = asking.ask("counted")
    assert (counted["encodings"], counted["frames"]) == (times, times)
    # The first message of a tick goes out at once, and all that follow go out together when it ends.
    assert counted["sends"] == [min(times, 2)] * CLIENTS


def test_clients_of_both_transports_share_what_is_encoded(connect: Connect) -> None:
    websockets = [connect(WebSocketPeer) for _ in range(3)]
    polling = [connect(PollingPeer) for _ in range(3)]
    websockets[0].emit("count", 1)
    for client in [*websockets, *polling]:
        assert client.event() == ["news", "x"]
    [counted] = websockets[0].ask("counted")
    assert (counted["encodings"], counted["frames"]) == (1, 1)


def test_a_delivery_costs_the_same_in_a_room_of_any_size(connect: Connect) -> None:
    asking = connect(WebSocketPeer)
    calls = {}
    clients = [asking]
    for size in (10, 20, 40):
        clients += [connect(WebSocketPeer) for _ in range(size - len(clients))]
        asking.emit("calls")
        for client in clients:
            assert client.event() == ["news", "x"]
        [counted] = asking.ask("counted")
        calls[size] = counted["all"]
    assert calls[40] - calls[20] == 2 * (calls[20] - calls[10]) > 0


def test_nothing_grows_with_the_number_of_messages(server: Server, connect: Connect) -> None:
    client = connect(WebSocketPeer)

    def talk() -> dict[str, Any]:
        for _ in range(ROUNDS):
            assert client.ask("echo", "x") == ["x"]
        return _state(server)

    talk()
    _compare(talk(), talk())


def test_nothing_grows_with_the_number_of_clients(server: Server) -> None:
    def come_and_go() -> dict[str, Any]:
        for _ in range(ROUNDS):
            peer = WebSocketPeer(server.address)
            peer.connect()
            peer.close()
        wait_until(lambda: _state(server)["objects"].get(SOCKET, 0) == 0)
        return _state(server)

    come_and_go()
    _compare(come_and_go(), come_and_go())


def _compare(before: dict[str, Any], after: dict[str, Any]) -> None:
    for what in ("greenlets", "descriptors"):
        assert after[what] <= before[what] + SPARE_WORKERS
    assert _own(after) == _own(before)
    assert after["blocks"] - before["blocks"] < SPARE_BLOCKS
