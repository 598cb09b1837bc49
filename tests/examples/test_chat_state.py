"""The chat's memory: names, rooms, presence, and its bounds."""

from __future__ import annotations

import pytest

from examples.chat.state import HISTORY, MAX_NAME, MAX_ROOM_NAME, MAX_ROOMS, MAX_TEXT, Chat, ChatError, Person

ANN, BOB = "secret-of-ann", "secret-of-bob"


@pytest.fixture
def chat() -> Chat:
    """A chat with Ann's socket a1 connected."""
    chat = Chat()
    chat.arrive("a1", chat.identify("Ann", ANN))
    return chat


def arrive(chat: Chat, socket_id: str, name: str, secret: str) -> Person:
    person = chat.identify(name, secret)
    chat.arrive(socket_id, person)
    return person


def test_a_person_is_known_by_the_secret_which_the_id_does_not_show(chat: Chat) -> None:
    first, renamed = chat.identify("Ann", ANN), chat.identify(" Anna  B. ", ANN)
    other = chat.identify("Bob", BOB)
    assert first.id == renamed.id != other.id
    assert (renamed.name, renamed.hue) == ("Anna B.", first.hue)
    assert ANN not in first.id


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "x" * (MAX_NAME + 1), "a\x00b", "a\u202eb", "\ud800a"], ids=repr)
def test_an_unusable_name_is_refused(chat: Chat, name: str) -> None:
    with pytest.raises(ChatError):
        chat.identify(name, BOB)


@pytest.mark.parametrize("secret", ["", "short", "x" * 41, "with spaces in it", "ümlaut-ümlaut"])
def test_an_unusable_secret_is_refused(chat: Chat, secret: str) -> None:
    with pytest.raises(ChatError):
        chat.identify("Bob", secret)


def test_a_name_is_taken_while_its_owner_is_connected(chat: Chat) -> None:
    with pytest.raises(ChatError, match="already called aNN"):
        chat.identify("aNN", BOB)
    chat.depart("a1")
    assert chat.identify("aNN", BOB).name == "aNN"


def test_a_second_tab_is_no_second_person(chat: Chat) -> None:
    arrive(chat, "a2", "Ann", ANN)
    room, ann, news = chat.join("a1", "lobby")
    assert news
    assert not chat.join("a2", "lobby")[2]
    assert room.people == [ann]
    assert room.info.online == 1
    assert chat.depart("a1") == []
    assert chat.depart("a2") == [(room, ann)]
    assert room.people == []


def test_a_new_name_is_news(chat: Chat) -> None:
    room, _, _ = chat.join("a1", "lobby")
    anna = arrive(chat, "a2", "Anna", ANN)
    assert chat.join("a2", "lobby")[2]
    assert room.people == [anna]


def test_departing_empties_every_room_once(chat: Chat) -> None:
    rooms = {chat.join("a1", name)[0].name for name in ("lobby", "music", " #Own  Room ")}
    assert rooms == {"lobby", "music", "own-room"}
    assert {room.name for room, _ in chat.depart("a1")} == rooms
    assert chat.depart("a1") == []
    assert all(info.online == 0 for info in chat.rooms)


def test_leaving_is_for_those_who_are_in(chat: Chat) -> None:
    room, person, _ = chat.join("a1", "lobby")
    assert chat.leave("a1", "lobby") == (room, person, True)
    with pytest.raises(ChatError):
        chat.leave("a1", "lobby")
    with pytest.raises(ChatError):
        chat.here("never connected", "lobby")


@pytest.mark.parametrize("name", ["", "#", "a/b", "-a", "x" * (MAX_ROOM_NAME + 1), "a\nb\x00"], ids=repr)
def test_an_unusable_name_of_a_room_is_refused(chat: Chat, name: str) -> None:
    with pytest.raises(ChatError):
        chat.join("a1", name)


def test_rooms_are_bounded_and_the_longest_unused_makes_way(chat: Chat) -> None:
    permanent = {info.name for info in chat.rooms}
    for number in range(MAX_ROOMS - len(permanent)):
        chat.join("a1", f"room-{number}")
    with pytest.raises(ChatError, match="too many rooms"):
        chat.join("a1", "one-more")
    chat.leave("a1", "room-7")
    chat.leave("a1", "room-3")
    chat.join("a1", "one-more")
    names = {info.name for info in chat.rooms}
    assert len(names) == MAX_ROOMS
    assert names >= permanent | {"one-more", "room-3"}
    assert "room-7" not in names


def test_the_history_keeps_the_last_messages(chat: Chat) -> None:
    room, ann, _ = chat.join("a1", "lobby")
    for number in range(HISTORY + 5):
        chat.say("a1", "lobby", f"message-{number}", f" text {number}\n")
    assert [message.text for message in room.history] == [f"text {number}" for number in range(5, HISTORY + 5)]
    assert {message.author for message in room.history} == {ann}


def test_a_message_sent_twice_is_one(chat: Chat) -> None:
    room, _, _ = chat.join("a1", "lobby")
    _, first, is_new = chat.say("a1", "lobby", "message-1", "hello")
    assert is_new
    assert chat.say("a1", "lobby", "message-1", "hello") == (room, first, False)
    assert list(room.history) == [first]


@pytest.mark.parametrize(
    ("room", "message_id", "text"),
    [
        ("lobby", "message-1", " \n "),
        ("lobby", "message-1", "x" * (MAX_TEXT + 1)),
        ("lobby", "no id!", "hello"),
        ("music", "message-1", "hello"),
    ],
)
def test_an_unusable_message_is_refused(chat: Chat, room: str, message_id: str, text: str) -> None:
    lobby, _, _ = chat.join("a1", "lobby")
    with pytest.raises(ChatError):
        chat.say("a1", room, message_id, text)
    assert not lobby.history


def test_the_longest_text_is_accepted(chat: Chat) -> None:
    chat.join("a1", "lobby")
    assert chat.say("a1", "lobby", "message-1", "x" * MAX_TEXT)[2]
