"""The chat's handlers. They may use the ORM like views do; `DjangoUser` is the user of the connection's session."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from examples.django_chat.models import Message, Room
from examples.django_chat.sockets import io
from geventsio import ConnectRefused, Socket
from geventsio.integrations.django import DjangoUser

__all__ = ["chat"]

PAGE = 30  # messages of the history at a time

chat = io.ns("/chat").answer_errors()


@chat.use
def check(socket: Socket, user: DjangoUser) -> None:
    """Let in who is logged in."""
    if not user.is_authenticated:
        raise ConnectRefused("Log in first.", {"location": "/accounts/login/"})
    socket.join(f"user {user.pk}")


@chat.on("enter")
def enter(socket: Socket, slug: str) -> dict[str, Any]:
    """Enter a room, and leave the one before; the answer is its newest messages."""
    room = Room.objects.filter(slug=slug).first()
    if room is None:
        return {"error": "There is no such room."}
    if before := socket.data.get("room"):
        socket.leave(f"room {before}")
    socket.data["room"] = room.pk
    socket.join(f"room {room.pk}")
    return history(room.pk)


@chat.on("older")
def older(socket: Socket, before: int) -> dict[str, Any]:
    """Messages of the room before one that the browser has."""
    return history(socket.data.get("room"), before)


@chat.on("message")
def message(
    socket: Socket, user: DjangoUser, text: Annotated[str, Meta(pattern=r"\S", max_length=1_000)]
) -> dict[str, Any]:
    """Keep a message and tell the room; the answer is the message."""
    room = socket.data.get("room")
    if not user.is_authenticated or room is None:  # logged out in another tab
        return {"error": "You are not in a room."}
    said: dict[str, Any] = Message.objects.create(room_id=room, author=user, text=text.strip()).public()
    socket.to(f"room {room}").emit("message", said)
    return said


def history(room: int | None, before: int | None = None) -> dict[str, Any]:
    """A page of a room's messages, oldest first, and whether there are older ones."""
    messages = Message.objects.filter(room_id=room).select_related("author").order_by("-id")
    if before is not None:
        messages = messages.filter(id__lt=before)
    found = list(messages[: PAGE + 1])
    return {"messages": [one.public() for one in reversed(found[:PAGE])], "more": len(found) > PAGE}
