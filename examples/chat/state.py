"""The chat's memory: who is here, in which rooms, and what was said last. It knows nothing of sockets.

All of it belongs to one process and none of its methods can switch greenlets, so handlers need no locks.
"""

from __future__ import annotations

import hashlib
import re
import time
import unicodedata
from collections import deque
from dataclasses import dataclass, field

__all__ = [
    "HISTORY",
    "MAX_NAME",
    "MAX_ROOMS",
    "MAX_ROOM_NAME",
    "MAX_TEXT",
    "Chat",
    "ChatError",
    "Message",
    "Person",
    "Room",
    "RoomInfo",
]

HISTORY = 50  # messages that a room remembers
MAX_ROOMS = 50
MAX_NAME = 24  # these three in characters
MAX_ROOM_NAME = 24
MAX_TEXT = 2_000

PERMANENT_ROOMS = {
    "lobby": "Say hello",
    "music": "What are you listening to?",
    "help": "Questions and answers",
}
HUES = 12  # few and far apart, so that two people's colours differ or are the same, but never nearly the same

_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,40}")
_ROOM_NAME = re.compile(r"\w[\w-]*")
# They turn the reading direction of all that follows on the line: a name could disguise its neighbours.
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class ChatError(Exception):
    """Someone asked for what can't be done; the message is for his eyes."""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in the chat, as everybody may see him.

    Attributes:
        id: the same for all tabs of one browser, also after a restart of the server.
        hue: the colour of the name, in degrees.
    """

    id: str
    name: str
    hue: int


@dataclass(frozen=True, slots=True)
class Message:
    """What someone said.

    Attributes:
        id: made up by the sender, so that a message sent again after a lost connection is still one message.
        time: milliseconds since 1970, by the server's clock.
    """

    id: str
    room: str
    author: Person
    text: str
    time: int


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A line of the list of rooms; `online` counts people, not connections."""

    name: str
    topic: str
    online: int


class Room:
    """One room: the people in it and its last messages.

    Args:
        name: what it is called.
        topic: a line below its name.
    """

    def __init__(self, name: str, topic: str = "") -> None:
        self.name = name
        self.topic = topic
        self.history: deque[Message] = deque(maxlen=HISTORY)
        self.active = time.monotonic()
        self._people: dict[str, Person] = {}
        self._sockets: dict[str, set[str]] = {}

    @property
    def info(self) -> RoomInfo:
        """Its line in the list of rooms."""
        return RoomInfo(self.name, self.topic, len(self._people))

    @property
    def people(self) -> list[Person]:
        """Who is here, by name."""
        return sorted(self._people.values(), key=lambda person: person.name.casefold())

    def enter(self, socket_id: str, person: Person) -> bool:
        """Let a person's connection in; True if others have to hear of it (not for the same person's second tab)."""
        self._sockets.setdefault(person.id, set()).add(socket_id)
        news = self._people.get(person.id) != person
        self._people[person.id] = person
        return news

    def leave(self, socket_id: str, person: Person) -> bool:
        """Let a person's connection out; True if it was his last one here."""
        sockets = self._sockets[person.id]
        sockets.discard(socket_id)
        self.active = time.monotonic()
        if sockets:
            return False
        del self._sockets[person.id], self._people[person.id]
        return True

    def add(self, message: Message) -> tuple[Message, bool]:
        """Remember a message; False beside it if it was known, which happens when its sender missed our answer."""
        for known in self.history:
            if known.id == message.id:
                return known, False
        self.history.append(message)
        self.active = time.monotonic()
        return message, True


@dataclass(slots=True)
class _Session:
    person: Person
    rooms: dict[str, Room] = field(default_factory=dict)


class Chat:
    """All rooms, and everyone connected."""

    def __init__(self) -> None:
        self._rooms = {name: Room(name, topic) for name, topic in PERMANENT_ROOMS.items()}
        self._sessions: dict[str, _Session] = {}

    @property
    def rooms(self) -> list[RoomInfo]:
        """The list of rooms."""
        return [room.info for room in self._rooms.values()]

    def identify(self, name: str, secret: str) -> Person:
        """The person who knows this secret, under the name he wants.

        Raises:
            ChatError: the name is not usable, or someone else goes by it.
        """
        if not _TOKEN.fullmatch(secret):
            raise ChatError("This browser sent no valid key.")
        name = " ".join(name.split())
        if not any(char.isprintable() for char in name):
            raise ChatError("Please choose a name.")
        if len(name) > MAX_NAME:
            raise ChatError(f"Names have at most {MAX_NAME} characters.")
        if any(unicodedata.category(char) in ("Cc", "Cs") or char in _BIDI_CONTROLS for char in name):
            raise ChatError("This name contains characters that can't be shown.")
        digest = hashlib.blake2b(secret.encode("ascii"), digest_size=8).digest()
        person = Person(digest.hex(), name, digest[0] % HUES * (360 // HUES))
        if any(self._same_name(session.person, person) for session in self._sessions.values()):
            raise ChatError(f"Someone here is already called {name}.")
        return person

    def arrive(self, socket_id: str, person: Person) -> None:
        """A connection has been made."""
        self._sessions[socket_id] = _Session(person)

    def depart(self, socket_id: str) -> list[tuple[Room, Person]]:
        """A connection has ended: the rooms in which its person is no longer seen."""
        session = self._sessions.pop(socket_id, None)
        if session is None:
            return []
        rooms = list(session.rooms.values())
        return [(room, session.person) for room in rooms if room.leave(socket_id, session.person)]

    def join(self, socket_id: str, name: str) -> tuple[Room, Person, bool]:
        """Enter a room, made now if there is none of that name; True if others have to hear of it.

        Raises:
            ChatError: the name is not usable, or there are too many rooms.
        """
        session = self._session(socket_id)
        room = self._get_or_create(name)
        session.rooms[room.name] = room
        return room, session.person, room.enter(socket_id, session.person)

    def leave(self, socket_id: str, name: str) -> tuple[Room, Person, bool]:
        """Leave a room; True if its others have to hear of it.

        Raises:
            ChatError: the connection is not in that room.
        """
        room, person = self.here(socket_id, name)
        del self._session(socket_id).rooms[room.name]
        return room, person, room.leave(socket_id, person)

    def here(self, socket_id: str, name: str) -> tuple[Room, Person]:
        """A room that the connection is in, and its person.

        Raises:
            ChatError: it is not in that room.
        """
        session = self._session(socket_id)
        room = session.rooms.get(name)
        if room is None:
            raise ChatError("You are not in this room.")
        return room, session.person

    def say(self, socket_id: str, room_name: str, message_id: str, text: str) -> tuple[Room, Message, bool]:
        """Add a message to a room; False if it had been added before.

        Raises:
            ChatError: the connection is not in the room, or the text is empty or too long.
        """
        room, person = self.here(socket_id, room_name)
        text = text.strip()
        if not text:
            raise ChatError("The message is empty.")
        if len(text) > MAX_TEXT:
            raise ChatError(f"Messages have at most {MAX_TEXT:,} characters; this one has {len(text):,}.")
        if not _TOKEN.fullmatch(message_id):
            raise ChatError("The message has no valid id.")
        message, is_new = room.add(Message(message_id, room.name, person, text, time.time_ns() // 1_000_000))
        return room, message, is_new

    def _session(self, socket_id: str) -> _Session:
        session = self._sessions.get(socket_id)
        if session is None:
            raise ChatError("You are not signed in.")
        return session

    def _get_or_create(self, name: str) -> Room:
        name = "-".join(name.lower().strip().removeprefix("#").split())
        if not _ROOM_NAME.fullmatch(name):
            raise ChatError("Names of rooms consist of letters, digits and hyphens.")
        if len(name) > MAX_ROOM_NAME:
            raise ChatError(f"Names of rooms have at most {MAX_ROOM_NAME} characters.")
        if name not in self._rooms:
            if len(self._rooms) >= MAX_ROOMS:
                self._forget_one()
            self._rooms[name] = Room(name)
        return self._rooms[name]

    def _forget_one(self) -> None:
        empty = [room for room in self._rooms.values() if room.name not in PERMANENT_ROOMS and not room.people]
        if not empty:
            raise ChatError("There are too many rooms already.")
        del self._rooms[min(empty, key=lambda room: room.active).name]

    @staticmethod
    def _same_name(one: Person, other: Person) -> bool:
        return one.id != other.id and one.name.casefold() == other.name.casefold()
