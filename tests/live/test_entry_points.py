"""The command `python -m tests.conformance.server`: how it starts, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests import tools
from tests.conformance.servers import SERVERS
from tests.live.endpoint import Endpoint
from tests.live.harness import DEADLINE, ROOT, Exit, conformance_server
from tests.live.http_client import request
from tests.live.sio_client import connect
from tests.live.ws_client import WebSocket


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of a server that the test starts and stops itself."""
    if request.param != "pywsgi":
        tools.gunicorn()
    return str(request.param)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_without_a_word(kind: str, number: signal.Signals) -> None:
    with conformance_server("engine", kind) as server:
        assert request(server.address, "GET", "/engine.io/?EIO=4&transport=polling").status == 200
        server.send_signal(number)
        assert server.wait() == Exit(0, "", "")


def test_it_says_goodbye_to_its_clients(kind: str) -> None:
    # gunicorn waits for requests that are under way, and a poll is one until the next ping.
    with conformance_server("socket", kind, "--ping-interval", "1", "--ping-timeout", "20") as server:
        endpoint = Endpoint(server, kind, "/socket.io/")
        session = endpoint.open_polling()
        with endpoint.open_websocket_session() as socket, session.start_poll() as poll:
            connect(socket)
            server.terminate()
            assert poll.reply().status == 200
            closing = socket.closing()
            assert closing.code == 1001
            assert set(closing.messages) <= {"2"}
            assert server.wait() == Exit(0, "", "")


def test_a_plain_websocket_does_not_keep_it(kind: str) -> None:
    with conformance_server("websocket", kind) as server, WebSocket(server.address, "/") as socket:
        socket.send("hello")
        assert socket.receive() == "hello"
        server.terminate()
        assert server.wait() == Exit(0, "", "")


def test_the_port_is_the_one_that_was_asked_for(kind: str) -> None:
    with conformance_server("engine", kind) as server:
        port = server.address[1]
    # Free again: nobody else is given a port so soon after it was let go.
    with conformance_server("engine", kind, "--port", str(port)) as server:
        assert server.address == ("127.0.0.1", port)


@pytest.mark.parametrize("arguments", [["nonsense"], [], ["engine", "--server", "apache"]])
def test_nonsense_is_refused(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tests.conformance.server", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "usage:" in ended.stderr
