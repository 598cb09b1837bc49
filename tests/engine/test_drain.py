"""Tests of the end of a process: clients hear of it, callbacks run, and nothing waits for ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import gevent
import pytest
from gevent import subprocess as green
from gevent.event import Event

from geventsio.engine import EngineServer
from geventsio.engine.drain import WaitGroup, drain_all, in_turns
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import until
from tests.engine.peer import PollingPeer, WebSocketPeer


class TestWaitGroup:
    def test_nothing_to_wait_for(self) -> None:
        assert WaitGroup().wait(None) is True

    def test_waiting_for_all(self) -> None:
        group = WaitGroup()
        for _ in range(3):
            group.add()
        waiting = [gevent.spawn(group.wait, None) for _ in range(2)]
        for _ in range(3):
            gevent.sleep(0)
            assert not any(greenlet.ready() for greenlet in waiting)
            group.done()
        assert [greenlet.get() for greenlet in waiting] == [True, True]

    def test_giving_up(self) -> None:
        group = WaitGroup()
        group.add()
        assert group.wait(0.001) is False
        group.done()
        assert group.wait(0) is True

    def test_it_can_be_used_again(self) -> None:
        group = WaitGroup()
        for _ in range(2):
            group.add()
            assert group.wait(0) is False
            group.done()
            assert group.wait(0) is True


class TestInTurns:
    def test_all_at_once(self) -> None:
        acted: list[int] = []
        in_turns(range(1000), 0, acted.append)
        assert acted == list(range(1000))

    def test_nothing_to_do(self) -> None:
        in_turns([], 5, print)
        in_turns([], 0, print)

    def test_spread_over_a_while(self) -> None:
        acted: list[int] = []
        sizes: list[int] = []
        acting = gevent.spawn(in_turns, range(200), 0.4, acted.append)
        while not acting.ready():
            gevent.sleep(0.005)
            sizes.append(len(acted))
        assert acted == list(range(200))
        assert len(set(sizes)) > 2, "all at once"

    def test_few_take_less(self) -> None:
        """One is not worth waiting an hour for."""
        acted: list[int] = []
        in_turns([1], 3600, acted.append)
        assert acted == [1]


class TestDrainAll:
    def test_every_server_of_the_process_is_drained(self, serve: Serve) -> None:
        sites = [serve(), serve()]
        peers = [site.open(kind) for site in sites for kind in ("websocket", "polling")]
        draining = gevent.spawn(drain_all)
        for peer in peers:
            if isinstance(peer, PollingPeer):
                assert peer.poll() == ["1"]
            else:
                assert peer.receive_all() == ([], 1001)
                peer.close()
        draining.get()
        for site in sites:
            assert [reason for _, reason in site.endings] == [DisconnectReason.SERVER_SHUTTING_DOWN] * 2

    def test_clients_that_are_waiting_for_their_turn_are_served(self, serve: Serve) -> None:
        site = serve(drain_timeout=0.6)
        peers = [site.websocket() for _ in range(60)]
        until(lambda: len(site.sessions) == 60)
        draining = gevent.spawn(drain_all)
        until(lambda: site.endings)
        peers[-1].say("hello")
        assert peers[-1].hear() == "hello"
        for peer in peers:
            assert peer.receive_all() == ([], 1001)
            peer.close()
        draining.get()

    def test_nobody_may_connect_meanwhile(self, serve: Serve) -> None:
        site = serve()
        peer = site.websocket()
        site.session()
        draining = gevent.spawn(drain_all)
        assert peer.receive_all() == ([], 1001)
        connection = site.connect()
        connection.request("GET", "/engine.io/?EIO=4&transport=polling")
        assert connection.answer().status == 503
        peer.close()
        draining.get()

    def test_called_twice_at_once(self, serve: Serve) -> None:
        go = Event()
        site = serve(on_close=lambda session, reason: go.wait())
        peer = site.websocket()
        site.session()
        draining = [gevent.spawn(drain_all) for _ in range(2)]
        assert peer.receive_all() == ([], 1001)
        peer.close()
        gevent.sleep(0.01)
        assert not any(greenlet.ready() for greenlet in draining)
        go.set()
        gevent.joinall(draining, raise_error=True)
        assert len(site.endings) == 1

    def test_callbacks_that_never_return_hold_nothing_up(self, serve: Serve) -> None:
        go = Event()
        sites = [serve(on_close=lambda session, reason: go.wait(), close_timeout=0.1) for _ in range(2)]
        for site in sites:
            site.websocket()
            site.session()
        drain_all()
        for site in sites:
            assert site.ending() is DisconnectReason.SERVER_SHUTTING_DOWN
        go.set()

    def test_the_time_that_all_of_it_may_take(self, serve: Serve) -> None:
        go = Event()
        site = serve(on_close=lambda session, reason: go.wait(), drain_timeout=600, close_timeout=600)
        for _ in range(30):
            site.websocket()
        until(lambda: len(site.sessions) == 30)
        assert site.engine.drain(limit=0.2) is False
        until(lambda: len(site.endings) == 30)
        go.set()
        for peer in site.forget_peers():
            peer.close()
        assert site.engine.drain(limit=0.2) is True

    def test_before_the_first_request(self) -> None:
        assert EngineServer().drain() is True


# Says each line at once; ends when its standard input does, in one of several ways.
PROGRAM = """
import sys
import gevent
from gevent import pywsgi
from gevent.fileobject import FileObjectThread
from geventsio.engine import EngineServer

how = sys.argv[1]

def on_close(session, reason):
    gevent.sleep(0.01)
    print("closed:", reason, flush=True)

def on_message(session, data):
    if data == "exit":
        sys.exit(3)
    session.send(data)

engine = EngineServer(None, on_message, on_close)
server = pywsgi.WSGIServer(("127.0.0.1", 0), engine, log=None)
server.start()
print(server.server_port, flush=True)
if how == "return":
    FileObjectThread(sys.stdin).read()
    if len(sys.argv) > 2:
        server.stop()
else:
    server.serve_forever()
"""


class Program:
    """The program above in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = green.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.address = ("127.0.0.1", int(self.process.stdout.readline()))

    def finish(self) -> tuple[int, str]:
        """Close its input, wait for its end, and return its exit code and the rest of what it printed."""
        output, errors = self.process.communicate()
        assert errors == b""
        return self.process.returncode, output.decode()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    started: list[Program] = []
    yield started
    for program in started:
        program.close()


class TestExit:
    @pytest.mark.parametrize(
        ("how", "code"),
        [
            (["return"], 0),
            (["return", "stopped"], 0),
            (["system exit"], 3),
        ],
        ids=lambda value: str(value),
    )
    def test_clients_hear_of_it(self, programs: list[Program], how: list[str], code: int) -> None:
        program = Program(*how)
        programs.append(program)
        websocket = WebSocketPeer(program.address).open()
        polling = PollingPeer(program.address)
        polling.start_poll()
        websocket.say("hello")
        assert websocket.hear() == "hello"
        if how == ["system exit"]:
            websocket.say("exit")
        ending = gevent.spawn(program.finish)
        messages, close_code = websocket.receive_all()
        assert (messages, close_code) == ([], 1001)
        websocket.close()
        if how != ["return", "stopped"]:  # or the parked request has been stopped before
            assert polling.gets.answer().packets == ["1"]
        polling.gets.close()
        polling.posts.close()
        assert ending.get() == (code, "closed: server shutting down\n" * 2)
