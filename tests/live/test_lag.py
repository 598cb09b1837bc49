"""A handler that blocks the whole process: nobody is timed out for it, and the log names it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.harness import Server
from tests.live.http_client import PollingSession
from tests.live.ws_client import WebSocket

PATH = "/socket.io/"

_PROGRAM = """
import logging
import os
import sys
import time

import gevent
from geventsio import SocketIO

logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
io = SocketIO(ping_interval=0.2, ping_timeout=0.5, blocked_threshold=THRESHOLD)
chat = io.ns("/chat")

@chat.on("block")
def block(seconds: float) -> str:
    time.sleep(seconds)  # not gevent's
    return "done"

@chat.on("late")
def late(seconds: float) -> str:
    gevent.sleep(0.001)
    time.sleep(seconds)
    return "done"

reader, writer = os.pipe()

@chat.on("wait", threadpool=True)
def wait() -> str:
    os.read(reader, 1)  # without gevent
    return "done"

@chat.on("release")
def release() -> None:
    os.write(writer, b"x")

io.run(port=0)
"""


def _server(threshold: float | None) -> Server:
    return Server([sys.executable, "-c", _PROGRAM.replace("THRESHOLD", repr(threshold))])


def _open(server: Server) -> WebSocket:
    socket = WebSocket(server.address, f"{PATH}?EIO=4&transport=websocket")
    assert socket.receive_text().startswith("0{")
    socket.send("40/chat,")
    _until(socket, lambda message: message.startswith("40/chat,{"))
    return socket


def _until(socket: WebSocket, is_it: Callable[[str], bool]) -> None:
    """Answer pings until a message comes."""
    while not is_it(message := socket.receive_text()):
        assert message == "2"
        socket.send("3")


@pytest.mark.parametrize("event", ["block", "late"])
def test_nobody_is_timed_out_for_a_blocked_hub(event: str) -> None:
    with _server(None) as server, _open(server) as socket, _open(server) as other, ThreadPoolExecutor(3) as threads:
        polling = PollingSession(server.address, PATH)
        polling.send("40/chat,")
        assert polling.receive().startswith("40/chat,{")
        # Some pongs are sent while the process is blocked, and can't be read for longer than `ping_timeout`.
        socket.send(f'42/chat,1["{event}",2]')
        running = [threads.submit(_beat, other), threads.submit(_beat_by_polling, polling)]
        _until(socket, lambda message: message == '43/chat,1["done"]')
        running.append(threads.submit(_beat, socket))
        for beating in running:
            beating.result()


def test_nobody_is_timed_out_for_a_handler_that_blocks_a_native_thread() -> None:
    with _server(0.5) as server, _open(server) as socket, _open(server) as other, ThreadPoolExecutor(2) as threads:
        polling = PollingSession(server.address, PATH)
        polling.send("40/chat,")
        assert polling.receive().startswith("40/chat,{")
        socket.send('42/chat,1["wait"]')
        # So many heartbeats take longer than `ping_timeout`.
        running = [threads.submit(_beat, other, 5), threads.submit(_beat_by_polling, polling, 5)]
        _beat(socket, 5)
        for beating in running:
            beating.result()
        other.send('42/chat,["release"]')
        _until(socket, lambda message: message == '43/chat,1["done"]')


def _beat(socket: WebSocket, count: int = 20) -> None:
    for _ in range(count):
        _until_ping(socket)


def _beat_by_polling(session: PollingSession, count: int = 20) -> None:
    for _ in range(count):
        assert session.receive() == "2"
        session.send("3")


def _until_ping(socket: WebSocket) -> None:
    assert socket.receive_text() == "2"
    socket.send("3")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ("block", "WARNING geventsio.engine: the handler block of 'block' in /chat blocked the hub for "),
        ("late", "WARNING geventsio.engine: something else than the beginning of a handler blocked the hub for "),
    ],
)
def test_the_log_names_what_blocked(event: str, line: str) -> None:
    with _server(0.5) as server, _open(server) as socket:
        for count in (1, 2):  # said once: the second time is too soon
            socket.send(f'42/chat,{count}["{event}",1.2]')
            _until(socket, lambda message: message == f'43/chat,{count}["done"]')  # noqa: B023
        for _ in range(10):
            _until_ping(socket)
        # A busy machine may have blocked it once more.
        [written] = [error for error in server.take_errors(lag=True).splitlines() if error.startswith(line)]
        assert written.endswith(": no client was served meanwhile")
