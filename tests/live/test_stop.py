"""What clients and handlers see when a server stops: nobody is forgotten, nobody is told to stay away."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import tools
from tests.conformance.servers import ALL_SERVERS
from tests.live.harness import Server
from tests.live.http_client import Pending, PollingSession, request
from tests.live.reconnecting import Clients
from tests.live.ws_client import Closing, Refused, WebSocket

PATH = "/socket.io/"
WEBSOCKET = f"{PATH}?EIO=4&transport=websocket"
GUNICORN = ("gunicorn", "gunicorn-pywsgi", "gevent-websocket")

Start = Callable[..., Server]


class Site:
    """A stopping server with its clients, and the file that tells what it ran."""

    def __init__(self, server: Server, record: Path) -> None:
        self.server = server
        self._record = record
        self.websockets: list[WebSocket] = []
        self.polls: list[Pending] = []

    def open(self, websockets: int, polls: int) -> None:
        """Connect clients; the polling ones are parked when this returns."""
        for _ in range(websockets):
            self.websockets.append(self.websocket())
        for _ in range(polls):
            session = PollingSession(self.server.address, PATH)
            session.send("40")
            assert session.receive().startswith("40{")
            self.polls.append(session.start_poll())
        # The server accepts connections in order: when it has answered this one, it has those polls.
        assert request(self.server.address, "GET", "/").status == 404

    def websocket(self) -> WebSocket:
        """Connect one client by websocket."""
        socket = WebSocket(self.server.address, WEBSOCKET)
        assert socket.receive_text().startswith("0{")
        socket.send("40")
        assert socket.receive_text().startswith("40{")
        return socket

    def check_goodbye(self) -> None:
        """Wait until all clients have been sent away, and fail unless each was as it should be."""
        count = len(self.websockets) + len(self.polls)
        with ThreadPoolExecutor(count) as threads:
            closings = list(threads.map(_closing, self.websockets))
            replies = list(threads.map(Pending.reply, self.polls))
        assert Counter(closing.code for closing in closings) == Counter({1001: len(self.websockets)})
        # No Socket.IO DISCONNECT ("41"): the official clients would not come back by themselves.
        assert all(closing.messages == [] for closing in closings), closings
        assert [(reply.status, reply.body) for reply in replies] == [(200, b"1")] * len(self.polls)

    def check_record(self, reason: str = "server shutting down") -> None:
        """Fail unless a disconnect handler ran for each socket that connected, once, with this reason."""
        connected, ended, reasons = self.record()
        assert sorted(ended) == sorted(connected)
        assert set(reasons) <= {reason}

    def record(self) -> tuple[list[str], list[str], list[str]]:
        """The ids that connected, those that were disconnected, and why."""
        lines = [line.split(" ", 2) for line in self._record.read_text().splitlines()]
        ended = [line for line in lines if line[0] == "disconnect"]
        return [line[1] for line in lines if line[0] == "connect"], [line[1] for line in ended], [x[2] for x in ended]


def _closing(socket: WebSocket) -> Closing:
    with socket:
        return socket.closing()


def _command(record: Path, kind: str, port: int = 0, settings: str = "{}", **options: object) -> list[str]:
    if kind in GUNICORN:
        tools.gunicorn()
    more = ["--port", str(port), "--settings", settings, "--options", json.dumps(options)]
    return [sys.executable, "-m", "tests.live.stopping_server", str(record), "--server", kind, *more]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The file that servers write to."""
    return tmp_path / "record"


def _check_stops(kind: str, record: Path, websockets: int, polls: int, number: signal.Signals) -> None:
    with Server(_command(record, kind)) as server:
        site = Site(server, record)
        site.open(websockets, polls)
        server.send_signal(number)
        site.check_goodbye()
        ended = server.wait()  # within DEADLINE, which is gunicorn's graceful_timeout, or it raises
        assert (ended.code, ended.output, ended.errors) == (0, "", "")
    assert len(site.record()[0]) == websockets + polls
    site.check_record()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", ALL_SERVERS)
def test_everybody_is_sent_away(kind: str, number: signal.Signals, record: Path) -> None:
    _check_stops(kind, record, 50, 10, number)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ALL_SERVERS)
def test_many_are_sent_away(kind: str, record: Path) -> None:
    _check_stops(kind, record, 500, 50, signal.SIGTERM)


def test_hangup_stops_the_embedded_server(record: Path) -> None:
    _check_stops("embedded", record, 5, 2, signal.SIGHUP)


@pytest.mark.parametrize("kind", GUNICORN)
def test_new_handshakes_are_refused_meanwhile(kind: str, record: Path) -> None:
    # 600 websockets would take this long; the worker listens for a second more, and on connections that it has, longer.
    with Server(_command(record, kind, drain_timeout=5)) as server:
        site = Site(server, record)
        site.open(120, 0)
        server.send_signal(signal.SIGTERM)
        first = _closing(site.websockets.pop(0))
        assert first.code == 1001
        _check_refused(server, kind)
        site.check_goodbye()
        assert server.wait().code == 0
    site.check_record()


def _check_refused(server: Server, kind: str) -> None:
    try:
        reply = request(server.address, "GET", f"{PATH}?EIO=4&transport=polling")
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
        with WebSocket(server.address, WEBSOCKET) as socket:
            assert kind == "gevent-websocket"  # which has answered the upgrade by then
            assert socket.closing().code == 1013
    except Refused as refused:
        assert refused.status == 503
    except ConnectionRefusedError:
        pass  # it has stopped to listen


@pytest.mark.parametrize("kind", ["gunicorn", "gevent-websocket"])
def test_websockets_are_closed_a_few_at_a_time(kind: str, record: Path) -> None:
    with Server(_command(record, kind, drain_timeout=2)) as server:
        site = Site(server, record)
        site.open(60, 0)
        last = site.websockets[-1]
        server.send_signal(signal.SIGTERM)
        assert _closing(site.websockets.pop(0)).code == 1001
        # The last one is still served when the first one has been closed.
        last.send('420["pid"]')
        assert last.receive_text().startswith("430[")
        site.check_goodbye()
        assert server.wait().code == 0
    site.check_record()


def test_a_handler_that_never_ends_does_not_stop_the_others(record: Path) -> None:
    with Server(_command(record, "gunicorn", close_timeout=1)) as server:
        site = Site(server, record)
        site.open(5, 1)
        site.websockets[0].send('42["sleep"]')
        server.send_signal(signal.SIGTERM)
        site.check_goodbye()
        assert server.wait().code == 0
    connected, ended, _ = site.record()
    assert len(connected) == 6 and len(ended) == 5 and len(set(ended)) == 5


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("preload", [False, True])
def test_workers_of_gunicorn(workers: int, preload: bool, record: Path) -> None:
    settings = json.dumps({"workers": workers, "preload_app": preload})
    with Server(_command(record, "gunicorn", settings=settings, transports=["websocket"])) as server:
        site = Site(server, record)
        pids: set[str] = set()
        # gunicorn forgets to stop a worker that has not started yet.
        while len(pids) < workers:
            site.open(1, 0)
            site.websockets[-1].send('420["pid"]')
            pids.add(site.websockets[-1].receive_text())
        server.send_signal(signal.SIGTERM)
        site.check_goodbye()
        ended = server.wait()
        assert (ended.code, ended.errors) == (0, "")
    site.check_record()


# The clients that bring all this about by themselves


@pytest.fixture
def open_clients() -> Iterator[Callable[..., Clients]]:
    """Start clients; takes what `Clients` takes."""
    opened: list[Clients] = []

    def start(package: str, url: str, count: int, mode: str) -> Clients:
        opened.append(Clients(package, url, count, mode))
        return opened[-1]

    yield start
    for clients in opened:
        clients.kill()


@pytest.mark.parametrize(
    ("package", "mode"),
    [
        ("socket.io-client", "polling"),
        ("socket.io-client", "websocket"),
        ("socket.io-client", "upgrade"),
        ("socket.io-client-3", "polling"),
        ("socket.io-client-3", "websocket"),
    ],
)
@pytest.mark.parametrize("kind", ["embedded", *GUNICORN])
def test_official_clients_reconnect_by_themselves(
    kind: str, package: str, mode: str, record: Path, open_clients: Callable[..., Clients]
) -> None:
    server = Server(_command(record, kind))
    with server:
        clients = open_clients(package, server.url, 10, mode)
        assert clients.report()[0] == {}
        ended = server.stop()
        assert (ended.code, ended.errors) == (0, "")
    with Server(_command(record, kind, server.address[1])) as successor:
        reasons, _ = clients.report()
        assert reasons.pop("transport close") == 10
        clients.close()
        assert reasons == {}
        successor.close()
    connected, gone, why = Site(server, record).record()
    assert sorted(gone) == sorted(connected) and len(connected) == 20
    assert Counter(why)["server shutting down"] == 10


@pytest.mark.parametrize("mode", ["websocket", "upgrade"])
@pytest.mark.parametrize("how", ["reload", "max_requests"])
def test_official_clients_move_to_the_next_worker(
    how: str, mode: str, record: Path, open_clients: Callable[..., Clients]
) -> None:
    # As many requests as the clients make before they have settled, and one more.
    settings = {"max_requests": 0 if how == "reload" else 100}
    with Server(_command(record, "gunicorn", settings=json.dumps(settings))) as server:
        clients = open_clients("socket.io-client", server.url, 5, mode)
        _, [before] = clients.report()
        if how == "reload":
            server.send_signal(signal.SIGHUP)
        else:
            for _ in range(100):
                request(server.address, "GET", "/")
        reasons, pids = clients.report()
        assert before not in pids
        assert reasons.pop("transport close") >= 5
        # While both workers listen, requests of one polling session may go to both.
        assert mode == "upgrade" or reasons == {}
        assert set(reasons) <= {"transport error"}
        clients.close()
    site = Site(server, record)
    connected, gone, _ = site.record()
    assert sorted(gone) == sorted(connected)
