"""The chat's Socket.IO handlers: what browsers may ask, and what they are told.

A browser sends `join` and `leave` (a room), `message` and `typing`; all but the last are acknowledged, with the result
or with a `Refusal`. It hears `welcome` once, then `room` (its line in the list has changed), `joined`, `left`,
`message` and `typing`.
"""

from __future__ import annotations

from dataclasses import dataclass

from examples.chat.state import Chat, ChatError, Message, Person, Room, RoomInfo
from geventsio import ConnectRefused, Data, Socket, SocketIO

__all__ = ["io"]

io = SocketIO()
root = io.ns("/")
chat = Chat()


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a browser connects with; the secret is its own, and stays the same when the name changes."""

    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class RoomName:
    """Payload of `join` and `leave`."""

    room: str


@dataclass(frozen=True, slots=True)
class NewMessage:
    """Payload of `message` from a browser."""

    room: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Typing:
    """Payload of `typing` from a browser; `active` ends when the text was deleted again."""

    room: str
    active: bool


@dataclass(frozen=True, slots=True)
class Welcome:
    """Payload of `welcome`."""

    me: Person
    rooms: list[RoomInfo]


@dataclass(frozen=True, slots=True)
class Entered:
    """Answer to `join`."""

    room: RoomInfo
    people: list[Person]
    history: list[Message]


@dataclass(frozen=True, slots=True)
class Presence:
    """Payload of `joined` and `left`."""

    room: str
    person: Person


@dataclass(frozen=True, slots=True)
class SomeoneTypes:
    """Payload of `typing` to browsers."""

    room: str
    person: Person
    active: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Answer to anything that can't be done."""

    error: str


def sign_in(auth: Data[SignIn]) -> None:
    """Refuse names that are unusable or taken; the page shows why and asks again."""
    try:
        chat.identify(auth.name, auth.secret)
    except ChatError as error:
        raise ConnectRefused(str(error)) from None


root.use(sign_in)


@root
def connect(socket: Socket, auth: Data[SignIn]) -> None:
    """Someone is here; which rooms he goes to is up to his browser."""
    try:
        person = chat.identify(auth.name, auth.secret)
    except ChatError:
        # Two of one name passed `sign_in` at the same moment. The browser comes back, and is told there.
        socket.disconnect()
        return
    chat.arrive(socket.id, person)
    socket.emit("welcome", Welcome(person, chat.rooms))


@root.on("join")
def join(socket: Socket, wanted: Data[RoomName]) -> Entered | Refusal:
    """Enter a room, or make one."""
    try:
        room, person, news = chat.join(socket.id, wanted.room)
    except ChatError as error:
        return Refusal(str(error))
    socket.join(channel(room))
    if news:
        socket.to(channel(room)).emit("joined", Presence(room.name, person))
        io.emit("room", room.info)
    return Entered(room.info, room.people, list(room.history))


@root.on("leave")
def leave(socket: Socket, left: Data[RoomName]) -> RoomInfo | Refusal:
    """Leave a room; it stays, also when it is empty."""
    try:
        room, person, news = chat.leave(socket.id, left.room)
    except ChatError as error:
        return Refusal(str(error))
    socket.leave(channel(room))
    if news:
        tell_left(room, person)
    return room.info


@root.on("message")
def message(socket: Socket, new: Data[NewMessage]) -> Message | Refusal:
    """Say something in a room; the answer is the message with its time."""
    try:
        room, said, is_new = chat.say(socket.id, new.room, new.id, new.text)
    except ChatError as error:
        return Refusal(str(error))
    if is_new:
        socket.to(channel(room)).emit("message", said)
    return said


@root.on("typing")
def typing(socket: Socket, notice: Data[Typing]) -> None:
    """Pass the notice on to the others in the room; browsers let it expire."""
    try:
        room, person = chat.here(socket.id, notice.room)
    except ChatError:
        return
    socket.to(channel(room)).emit("typing", SomeoneTypes(room.name, person, notice.active))


@root.on_disconnect
def disconnect(socket: Socket) -> None:
    """Tell the rooms in which the person is no longer seen."""
    for room, person in chat.depart(socket.id):
        tell_left(room, person)


def tell_left(room: Room, person: Person) -> None:
    """Tell those who are still in the room, and correct everybody's list of rooms."""
    io.to(channel(room)).emit("left", Presence(room.name, person))
    io.emit("room", room.info)


def channel(room: Room) -> str:
    """The Socket.IO room that carries a chat room; the prefix keeps users' words apart from ids of sockets."""
    return f"room:{room.name}"
