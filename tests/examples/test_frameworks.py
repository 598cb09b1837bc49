"""The examples of frameworks: their requests in handlers, with real clients of gunicorn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
from socketio.exceptions import ConnectionError as SocketConnectionError

from tests import tools
from tests.integrations.command import DEADLINE, Command

FRAMEWORKS = ("bottle", "falcon", "pyramid")
SETTINGS = str(Path(__file__).with_name("gunicorn_conf.py"))

Connect = Callable[[requests.Session], Any]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where an example runs; it must have written nothing when it ends."""
    _, *gunicorn = tools.gunicorn()
    options = ["-c", SETTINGS, "-k", "gevent", "-b", "127.0.0.1:0", "--log-level", "info"]
    command = Command({}, *gunicorn, *options, f"examples.frameworks.{request.param}_app:app")
    try:
        yield command.writes(r"Listening at: (http://\S+)")
        assert command.stop() == 0
        assert [line for line in command.output().splitlines() if "[INFO]" not in line] == []
    finally:
        command.close()


@pytest.fixture(params=["polling", "websocket"])
def connect(url: str, request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connects real clients, with the cookies of a browser."""
    with ExitStack() as stack:

        def connect(browser: requests.Session) -> Any:
            client = stack.enter_context(socketio.SimpleClient())
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
            client.connect(url, headers={"Cookie": cookies}, transports=[request.param], wait_timeout=DEADLINE)
            return client

        yield connect


def browse(url: str, name: str) -> requests.Session:
    """A browser in which someone has logged in."""
    browser = requests.Session()
    assert browser.get(f"{url}/login/{name}", timeout=DEADLINE).status_code == 200
    return browser


def test_handlers_know_who_is_logged_in(url: str, connect: Connect) -> None:
    clients = {name: connect(browse(url, name)) for name in ("Ann", "Bob")}
    for name, client in clients.items():
        client.emit("say", f"I am {name}")
        for listener in clients.values():
            assert listener.receive(timeout=DEADLINE) == ["said", name, f"I am {name}"]
    assert requests.post(f"{url}/announce", {"text": "bye"}, timeout=DEADLINE).status_code == 200
    for listener in clients.values():
        assert listener.receive(timeout=DEADLINE) == ["said", "everybody", "bye"]


def test_strangers_are_refused(url: str, connect: Connect) -> None:
    browser = browse(url, "Ann")
    assert "/socket.io/socket.io.js" in browser.get(f"{url}/logout", timeout=DEADLINE).text
    for nobody in (browser, requests.Session()):
        with pytest.raises(SocketConnectionError, match="failed to connect"):
            connect(nobody)
