"""The example app before and after its move from Flask-SocketIO: its clients see no difference."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import socketio

from tests.examples.demo import Demo
from tests.integrations.flask.command import DEADLINE, ROOT, FlaskCommand, environment

#: Its own server can take a free port, but does not tell it to its caller, nor does it like to be used.
BEFORE = """
from tests.integrations.flask.before import app, socketio

socketio.run(app, port=0, allow_unsafe_werkzeug=True)
"""

TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}


class Visitor:
    """A client of the app, who has been greeted.

    Args:
        url: of the app.
        transports: that the client may use.
    """

    def __init__(self, url: str, transports: list[str]) -> None:
        self.client = socketio.SimpleClient(request_timeout=DEADLINE)
        self.client.connect(url, transports=transports, wait_timeout=DEADLINE)
        assert self.hears() == ("Connected", 0)

    def tells(self, event: str, **message: str) -> None:
        """Send an event."""
        self.client.emit(event, message)

    def hears(self) -> tuple[str, int]:
        """What comes next, but for what the background greenlet sends."""
        while True:
            event, message = self.client.receive(timeout=DEADLINE)
            assert event == "my_response"
            if message["data"] != "Server generated event":
                return message["data"], message["count"]

    def rooms(self) -> set[str]:
        """The rooms that are told next; Flask-SocketIO's have one with the name of the client's id."""
        told = self.hears()[0].removeprefix("In rooms:").replace(",", " ").split()
        return set(told) - {self.client.sid}


@contextmanager
def served_before() -> Iterator[str]:
    """The app before the move, as Flask-SocketIO runs it without gevent."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", BEFORE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()
    )
    assert process.stdout is not None
    try:
        lines = (line.decode() for line in process.stdout)
        yield next(line.split()[-1] for line in lines if "Running on" in line)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def served_by_flask() -> Iterator[str]:
    """The app, as its own command runs it."""
    command = FlaskCommand(ROOT, "--app", "examples.flask_events.app", "socketio", "run", "--port", "0")
    try:
        yield command.listening()
        assert command.stop() == 0
        assert "Traceback" not in command.output()
    finally:
        command.close()


@contextmanager
def served_by_gunicorn() -> Iterator[str]:
    """The app under gunicorn."""
    demo = Demo("examples.flask_events", "gunicorn")
    try:
        yield demo.url.rstrip("/")
    except BaseException:
        demo.kill()
        raise
    demo.close()


SERVED = {"before": served_before, "flask": served_by_flask, "gunicorn": served_by_gunicorn}


#: All of that, but for other transports than the first where each goodbye takes that client seconds.
everywhere = pytest.mark.parametrize(
    ("url", "visit"),
    [("before", "polling"), *((server, name) for server in ("flask", "gunicorn") for name in TRANSPORTS)],
    indirect=True,
    scope="module",  # or each test would start a server
)
on_each_server = pytest.mark.parametrize("url", SERVED, indirect=True, scope="module")


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The app, before and after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLASK_SECONDS", "0.1")
        with SERVED[request.param]() as url:
            yield url


@pytest.fixture
def visit(request: pytest.FixtureRequest, url: str) -> Iterator[Callable[[], Visitor]]:
    """Lets clients come, which go when the test is over."""
    visitors: list[Visitor] = []

    def come() -> Visitor:
        visitors.append(Visitor(url, TRANSPORTS[request.param]))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.client.disconnect()


Visit = Callable[[], Visitor]


@everywhere
def test_an_echo_and_its_count(visit: Visit) -> None:
    first, second = visit(), visit()
    first.tells("my_event", data="one")
    assert first.hears() == ("one", 1)
    first.tells("my_event", data="two")
    assert first.hears() == ("two", 2)
    second.tells("my_event", data="three")
    assert second.hears() == ("three", 1)


@everywhere
def test_a_broadcast(visit: Visit) -> None:
    first, second = visit(), visit()
    first.tells("my_broadcast_event", data="all")
    assert first.hears() == second.hears() == ("all", 1)


@everywhere
def test_rooms(visit: Visit) -> None:
    first, second, outside = visit(), visit(), visit()
    for visitor in (first, second):
        visitor.tells("join", room="den")
        assert visitor.rooms() == {"den"}
    outside.tells("my_room_event", room="den", data="knock")
    assert first.hears() == second.hears() == ("knock", 1)
    second.tells("leave", room="den")
    assert second.rooms() == set()
    outside.tells("close_room", room="den")
    assert first.hears() == ("Room den is closing.", 2)
    outside.tells("my_room_event", room="den", data="nobody is here")
    for visitor in (first, second, outside):
        visitor.tells("my_event", data="the end")
        assert visitor.hears()[0] == "the end"


@on_each_server
def test_a_disconnect_after_the_answer(url: str) -> None:
    client = socketio.Client(reconnection=False, request_timeout=DEADLINE)
    seen: list[Any] = []

    @client.on("my_response")  # type: ignore[untyped-decorator]
    def answer(message: Any) -> None:
        seen.append(message["data"])

    client.connect(url, wait_timeout=DEADLINE)
    client.emit("disconnect_request")
    client.wait()
    assert not client.connected
    assert "Disconnected!" in seen


@everywhere
def test_a_ping(visit: Visit) -> None:
    visitor = visit()
    visitor.client.emit("my_ping")
    while (received := visitor.client.receive(timeout=DEADLINE)) != ["my_pong"]:
        assert received[0] == "my_response"


@everywhere
def test_events_that_nobody_asked_for(visit: Visit) -> None:
    visitor = visit()
    counts = [visitor.client.receive(timeout=DEADLINE)[1]["count"] for _ in range(3)]
    assert counts == list(range(counts[0], counts[0] + 3))


@everywhere
def test_a_view_that_emits(visit: Visit, url: str) -> None:
    visitor = visit()
    assert requests.post(f"{url}/announce", data={"data": "lunch"}, timeout=DEADLINE).text == "done"
    assert visitor.hears() == ("lunch", 0)


@on_each_server
def test_the_page_and_its_client(url: str) -> None:
    page = requests.get(url, timeout=DEADLINE)
    assert page.status_code == 200
    assert "/socket.io/socket.io.js" in page.text
