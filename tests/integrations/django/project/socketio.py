"""The site's handlers, found by its name."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.signals import request_finished, request_started
from django.db import connection, transaction
from django.urls import reverse
from django.utils.translation import gettext

from geventsio import ConnectRefused, DisconnectReason, Socket
from geventsio.integrations.django import (
    DjangoRequest,
    DjangoSession,
    DjangoUser,
    current_request,
    current_session,
    current_user,
)
from tests.integrations.django.project.sockets import io

root = io.ns("/")
members = io.ns("/members")

#: What the signals around jobs have told.
signals: list[str] = []


def _count() -> int:
    """Open a connection, if there is none, and count the users."""
    count: int = get_user_model().objects.count()
    return count


@root
def connect(socket: Socket) -> None:
    """Ask the database already here."""
    socket.data["users"] = _count()


@root.on_disconnect
def disconnect(reason: DisconnectReason) -> None:
    """Ask the database once more."""
    _count()


@root.on_error
def failed(error: Exception) -> None:
    """Ask the database in an error handler."""
    _count()


@members.use
def check(user: DjangoUser) -> None:
    """Let those in who have logged in."""
    if not user.is_authenticated:
        raise ConnectRefused("log in first")


@root.on("count in a thread", threadpool=True)
def count_in_thread(number: int) -> list[Any]:
    """Ask the database in a native thread."""
    users = _count()
    return [number, users, current_user().is_authenticated]


@root.on("who")
def who(user: DjangoUser) -> list[Any]:
    """Tell who the user is, in both ways to ask."""
    return [user.get_username(), current_user().get_username(), user.is_authenticated]


@root.on("request")
def request(request: DjangoRequest) -> list[Any]:
    """Tell of the request, which is the same for the whole job."""
    return [request.path, request.method, request.META["HTTP_X_TEST"], request is current_request()]


@root.on("words")
def words(request: DjangoRequest) -> list[str]:
    """Tell a word in the user's language, and an address."""
    return [request.LANGUAGE_CODE, gettext("Yes"), reverse("read", args=["color"])]


@root.on("read")
def read(name: str) -> list[Any]:
    """Read a value of the session."""
    return [current_session().get(name)]


@root.on("write")
def write(session: DjangoSession, name: str, value: str) -> str:
    """Put a value into the session."""
    session[name] = value
    if value == "bad":
        raise ValueError(value)
    return "written"


@root.on("count")
def count(number: int) -> list[int]:
    """Ask the database, and fail now and then."""
    users = _count()
    if number % 5 == 0:
        raise LookupError(number)
    return [number, users]


@root.on("add")
def add(socket: Socket, name: str) -> str:
    """Add a user, but not before the client has agreed."""
    with transaction.atomic():
        get_user_model().objects.create(username=name)
        if socket.emit_with_ack("sure?").result(timeout=10) != "yes":
            raise ValueError("not sure")
    return name


@root.on("exists")
def exists(name: str) -> bool:
    """Tell whether a user is there for others to see."""
    return bool(get_user_model().objects.filter(username=name).exists())


@root.on("background")
def background(socket: Socket) -> None:
    """Ask the database in a greenlet."""
    io.spawn(lambda: socket.emit("done", _count(), current_user().get_username()))


@root.on("ask")
def ask(socket: Socket) -> None:
    """Ask the database in an acknowledgement's callback."""
    socket.emit_with_ack("question").add_done_callback(lambda future: socket.emit("done", _count()))


@root.on("silent")
def silent() -> bool:
    """Ask nothing; tell whether there is a connection all the same."""
    return connection.connection is not None


@root.on("signals")
def told() -> list[str]:
    """Tell which signals came before."""
    return list(signals)


request_started.connect(lambda environ, **_: signals.append(f"started {environ['PATH_INFO']}"), weak=False)
request_finished.connect(lambda **_: signals.append("finished"), weak=False)
