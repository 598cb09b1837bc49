"""The chat as a client sees it, with python-socketio's client, on each server and over each transport."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import socketio
from socketio.exceptions import ConnectionError as Refused

from tests.examples.demo import DEADLINE, SERVERS, Demo, running

TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}


class Visitor:
    """Someone in the chat, who hears what he is told in order."""

    def __init__(self, url: str, name: str, transports: list[str], secret: str) -> None:
        # Names are taken until the server has noticed that their owner is gone: no two tests use the same.
        self.name = f"{name} {uuid.uuid4().hex[:8]}"
        self.client = socketio.SimpleClient()
        auth = {"name": self.name, "secret": secret}
        self.client.connect(url, auth=auth, transports=transports, wait_timeout=DEADLINE)

    def hears(self, event: str) -> Any:
        """The payload of the next such event; others before it are passed over."""
        while True:
            name, payload = self.client.receive(timeout=DEADLINE)
            if name == event:
                return payload

    def asks(self, event: str, **payload: object) -> Any:
        """Send an event, and return the answer."""
        return self.client.call(event, payload, timeout=DEADLINE)

    def tells(self, event: str, **payload: object) -> None:
        """Send an event that has no answer."""
        self.client.emit(event, payload)


@pytest.fixture(scope="module", params=SERVERS)
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    """The running chat."""
    with running("examples.chat", server=request.param) as demo:
        yield demo


Visit = Callable[..., Visitor]


@pytest.fixture(params=TRANSPORTS)
def visit(demo: Demo, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Let somebody into the chat: `visit(name)`."""
    visitors: list[Visitor] = []

    def visit(name: str, secret: str = "") -> Visitor:
        visitors.append(Visitor(demo.url, name, TRANSPORTS[request.param], secret or uuid.uuid4().hex))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        visitor.client.disconnect()


@pytest.fixture
def room() -> str:
    """The name of a room that no other test uses."""
    return f"room-{uuid.uuid4().hex[:12]}"


def names(people: list[dict[str, Any]]) -> list[str]:
    return [person["name"] for person in people]


def test_two_people_talk(visit: Visit, room: str) -> None:
    ann, bob = visit("Ann"), visit("Bob")
    me = ann.hears("welcome")["me"]
    assert me["name"] == ann.name
    assert ann.asks("join", room=room)["people"] == [me]
    assert names(bob.asks("join", room=room)["people"]) == [ann.name, bob.name]
    assert ann.hears("joined")["person"]["name"] == bob.name

    answer = ann.asks("message", room=room, id="message-1", text=" Grüße 🎉 ")
    assert answer.pop("time") > 0
    assert answer == {"id": "message-1", "room": room, "author": me, "text": "Grüße 🎉"}
    heard = bob.hears("message")
    assert {**answer, "time": heard["time"]} == heard


def test_the_sender_and_other_rooms_do_not_hear_a_message(visit: Visit, room: str) -> None:
    ann, bob, cleo = visit("Ann"), visit("Bob"), visit("Cleo")
    for person in (ann, bob):
        person.asks("join", room=room)
    cleo.asks("join", room=f"{room}-2")
    ann.asks("message", room=room, id="message-1", text="first")
    bob.hears("message")
    # Anything sent astray would come before these, which each of the two does hear.
    bob.asks("message", room=room, id="message-2", text="second")
    assert ann.hears("message")["id"] == "message-2"
    bob.asks("join", room=f"{room}-2")
    bob.asks("message", room=f"{room}-2", id="message-3", text="third")
    assert cleo.hears("message")["id"] == "message-3"


def test_who_comes_later_gets_the_history(visit: Visit, room: str) -> None:
    ann, bob = visit("Ann"), visit("Bob")
    ann.asks("join", room=room)
    for number in range(3):
        ann.asks("message", room=room, id=f"message-{number}", text=f"text {number}")
    history = bob.asks("join", room=room)["history"]
    assert [message["text"] for message in history] == ["text 0", "text 1", "text 2"]


def test_a_message_sent_again_is_answered_but_not_repeated(visit: Visit, room: str) -> None:
    ann, bob = visit("Ann"), visit("Bob")
    for person in (ann, bob):
        person.asks("join", room=room)
    first = ann.asks("message", room=room, id="message-1", text="once")
    assert ann.asks("message", room=room, id="message-1", text="once") == first
    ann.asks("message", room=room, id="message-2", text="then")
    assert [bob.hears("message")["text"] for _ in range(2)] == ["once", "then"]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"text": "  "}, "The message is empty."),
        ({"text": "x" * 2_001}, "Messages have at most 2,000 characters; this one has 2,001."),
        ({"room": "lobby"}, "You are not in this room."),
    ],
)
def test_what_the_server_refuses_is_answered_with_the_reason(
    visit: Visit, room: str, message: dict[str, str], error: str
) -> None:
    ann = visit("Ann")
    ann.asks("join", room=room)
    answer = ann.asks("message", **{"room": room, "id": "message-1", "text": "hello", **message})
    assert answer == {"error": error}


def test_typing_is_heard_by_the_others_in_the_room(visit: Visit, room: str) -> None:
    ann, bob = visit("Ann"), visit("Bob")
    for person in (ann, bob):
        person.asks("join", room=room)
    ann.tells("typing", room=room, active=True)
    heard = bob.hears("typing")
    assert (heard["room"], heard["person"]["name"], heard["active"]) == (room, ann.name, True)
    ann.tells("typing", room=room, active=False)
    assert bob.hears("typing")["active"] is False


def test_leaving_and_disconnecting_are_heard(visit: Visit, room: str) -> None:
    ann, bob, cleo = visit("Ann"), visit("Bob"), visit("Cleo")
    for person in (ann, bob, cleo):
        person.asks("join", room=room)
    left = bob.asks("leave", room=room)
    assert (left["name"], left["online"]) == (room, 2)
    assert ann.hears("left")["person"]["name"] == bob.name
    cleo.client.disconnect()
    assert ann.hears("left")["person"]["name"] == cleo.name
    assert ann.asks("message", room=room, id="message-1", text="alone?")["text"] == "alone?"
    assert names(bob.asks("join", room=room)["people"]) == [ann.name, bob.name]


def test_everybody_sees_a_new_room(visit: Visit, room: str) -> None:
    ann, bob = visit("Ann"), visit("Bob")
    bob.hears("welcome")
    ann.asks("join", room=f" #{room.upper()} ")
    heard = bob.hears("room")
    while heard["name"] != room:
        heard = bob.hears("room")
    assert heard == {"name": room, "topic": "", "online": 1}


def test_a_second_tab_is_the_same_person(visit: Visit, room: str) -> None:
    secret = uuid.uuid4().hex
    first, second = visit("Ann", secret), visit("Anna", secret)
    assert names(first.asks("join", room=room)["people"]) == [first.name]
    assert names(second.asks("join", room=room)["people"]) == [second.name]
    first.asks("message", room=room, id="message-1", text="from the first")
    author = second.asks("message", room=room, id="message-2", text="from the second")["author"]
    assert second.hears("message")["author"]["id"] == author["id"]


def refusal(demo: Demo, name: str) -> object:
    """What a browser is told that wants in by this name."""
    client = socketio.Client(reconnection=False)
    heard: list[object] = []
    client.on("connect_error", heard.append)
    auth = {"name": name, "secret": "another-secret"}
    with pytest.raises(Refused):
        client.connect(demo.url, auth=auth, transports=["websocket"], wait_timeout=DEADLINE)
    client.disconnect()
    return heard


@pytest.mark.parametrize(
    ("name", "reason"), [(" ", "Please choose a name."), ("x" * 25, "Names have at most 24 characters.")]
)
def test_an_unusable_name_is_refused_with_the_reason(demo: Demo, name: str, reason: str) -> None:
    assert refusal(demo, name) == [{"message": reason}]


def test_a_taken_name_is_refused_with_the_reason(visit: Visit, demo: Demo) -> None:
    ann = visit("Ann")
    ann.hears("welcome")  # from then on her name is known to be in use
    assert refusal(demo, ann.name.upper()) == [{"message": f"Someone here is already called {ann.name.upper()}."}]


def test_the_page_and_its_files_are_served(demo: Demo) -> None:
    page = requests.get(demo.url, timeout=DEADLINE)
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for path in ("static/chat.js", "static/model.js", "static/view.js", "static/chat.css", "shared/style.css"):
        assert requests.get(demo.url + path, timeout=DEADLINE).status_code == 200
    assert requests.get(f"{demo.url}nothing", timeout=DEADLINE).status_code == 404
