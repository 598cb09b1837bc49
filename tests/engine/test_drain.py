"""Tests of the end of a process: clients hear of it, callbacks run, and nothing waits for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import gevent
import pytest
from gevent import subprocess as green
from gevent.event import Event

from geventsio.engine.drain import WaitGroup, drain_all
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
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


class TestDrainAll:
    def test_every_server_of_the_process_is_closed(self, serve: Serve) -> None:
        sites = [serve(), serve()]
        peers = [site.websocket() for site in sites]
        for site in sites:
            site.session()
        drain_all(timeout=5)
        for site in sites:
            assert site.ending() is DisconnectReason.SERVER_SHUTTING_DOWN
        for peer in peers:
            assert peer.receive_all()[1] is not None
            peer.send_close()

    def test_callbacks_that_block_hold_nothing_up(self, serve: Serve) -> None:
        go = Event()
        sites = [serve(on_close=lambda session, reason: go.wait()) for _ in range(2)]
        for site in sites:
            site.websocket().say("hello")
            site.session()
        drain_all(timeout=0.05)
        for site in sites:
            assert site.ending() is DisconnectReason.SERVER_SHUTTING_DOWN
        go.set()


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
elif how == "interrupt":
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
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
        self.address = ("127.0.0.1", int(self.process.stdout.readline()))

    def finish(self) -> tuple[int, str]:
        """Close its input, wait for its end, and return its exit code and the rest of what it printed."""
        output, errors = self.process.communicate()
        assert b"Traceback" not in errors  # of a KeyboardInterrupt gevent prints the name
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
        ("how", "code", "said"),
        [
            (["return"], 0, ""),
            (["return", "stopped"], 0, ""),
            (["interrupt"], 0, "interrupted\n"),
            (["system exit"], 3, ""),
        ],
        ids=lambda value: str(value),
    )
    def test_clients_hear_of_it(self, programs: list[Program], how: list[str], code: int, said: str) -> None:
        program = Program(*how)
        programs.append(program)
        websocket = WebSocketPeer(program.address).open()
        polling = PollingPeer(program.address)
        polling.start_poll()
        websocket.say("hello")
        assert websocket.hear() == "hello"
        if how == ["interrupt"]:
            program.process.send_signal(signal.SIGINT)
        elif how == ["system exit"]:
            websocket.say("exit")
        ending = gevent.spawn(program.finish)
        messages, close_code = websocket.receive_all()
        assert (messages, close_code) in (([], 1000), ([], 1001))
        websocket.close()
        if how != ["return", "stopped"]:  # or the parked request has been stopped before
            assert polling.gets.answer().packets == ["1"]
        polling.gets.close()
        polling.posts.close()
        assert ending.get() == (code, said + "closed: server shutting down\n" * 2)
