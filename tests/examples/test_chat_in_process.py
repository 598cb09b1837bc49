"""The chat by test clients: what depends on time, and on who is told what, without a server to start."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from examples.chat.app import app, io
from geventsio.testing import ConnectError, Event, TestClient, TestSocket


@pytest.fixture
def clients() -> Iterator[list[TestClient]]:
    """The clients of a test, which are closed after it."""
    clients: list[TestClient] = []
    yield clients
    for client in clients:
        client.close()
    assert not io.engine.has_started


def enter(clients: list[TestClient], name: str, *rooms: str, secret: str = "") -> TestSocket:
    """Someone comes and goes into rooms; what he is told at that is not looked at."""
    clients.append(TestClient(app))
    socket = clients[-1].connect(auth={"name": name, "secret": secret or uuid.uuid4().hex})
    for room in rooms:
        assert "error" not in socket.call("join", {"room": room})
    socket.received()
    return socket


def say(socket: TestSocket, room: str, text: str) -> Any:
    """Say something, and return the answer."""
    return socket.call("message", {"room": room, "id": uuid.uuid4().hex, "text": text})


def test_only_the_others_in_the_room_hear_a_message(clients: list[TestClient]) -> None:
    ann, bob = enter(clients, "Ann", "lobby"), enter(clients, "Bob", "lobby")
    cleo = enter(clients, "Cleo", "music")
    for socket in (ann, bob, cleo):
        socket.received()
    said = say(ann, "lobby", "hello")
    assert bob.received() == [Event("message", said)]
    ann.assert_nothing()
    cleo.assert_nothing()


def test_a_name_is_taken_until_its_owner_has_been_timed_out(clients: list[TestClient]) -> None:
    enter(clients, "Ann", "lobby")
    bob = enter(clients, "Bob", "lobby")
    clients[0].vanish()
    with pytest.raises(ConnectError, match="already called ann"):
        enter(clients, "ann")
    options = io.engine.options
    clients[0].clock.advance(options.ping_interval + options.ping_timeout)
    assert [left.data["person"]["name"] for left in bob.received("left")] == ["Ann"]
    enter(clients, "ann")


def test_two_tabs_are_one_person(clients: list[TestClient]) -> None:
    secret = uuid.uuid4().hex
    watcher = enter(clients, "Watcher", "help")
    first, second = (enter(clients, "Dora", "help", secret=secret) for _ in range(2))
    assert len(watcher.received("joined")) == 1
    first.disconnect()
    watcher.assert_nothing("left")
    second.disconnect()
    assert len(watcher.received("left")) == 1


def test_the_page_and_the_chat_are_one_app(clients: list[TestClient]) -> None:
    client = TestClient(app)
    clients.append(client)
    page = client.http.get("/")
    assert page.status_code == 200
    assert "Content-Security-Policy" in page.headers
    with pytest.raises(ConnectError, match="Please choose a name"):
        client.connect(auth={"name": "  ", "secret": uuid.uuid4().hex})
