"""What type checkers must make of extractors: mypy and pyright check it, and nobody runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
from typing_extensions import assert_type

from geventsio import (
    AckSender,
    Data,
    Event,
    Extension,
    Extensions,
    Extract,
    ExtractError,
    HttpExtension,
    MaybeExtension,
    MaybeHttpExtension,
    Socket,
    SocketIO,
    State,
    TryData,
    http_extensions,
)


class Database:
    def find(self, name: str) -> list[str]:
        return [name]


@dataclass
class User:
    name: str


@dataclass
class Auth:
    token: str


class Point(NamedTuple):
    x: int
    y: int


class Options(TypedDict, total=False):
    volume: int


class Struct(msgspec.Struct):
    name: str


class Color(Enum):
    RED = "red"


io = SocketIO(state=[Database(), 5])
chat = io.ns("/chat")
chat.answer_errors()
chat.answer_errors(False)


# Each is the type that it names


@chat.on("state")
def state(db: State[Database], number: State[int]) -> list[str]:
    assert_type(db, Database)
    assert_type(number, int)
    return db.find("x")


@chat.on("extensions")
def extensions(
    user: Extension[User],
    maybe: MaybeExtension[User],
    visitor: HttpExtension[User],
    maybe_visitor: MaybeHttpExtension[User],
) -> str:
    assert_type(user, User)
    assert_type(visitor, User)
    assert_type(maybe, "User | None")
    assert_type(maybe_visitor, "User | None")
    if maybe is None:
        return user.name
    return maybe.name


@chat.on("try")
def tried(msg: TryData[Auth], pair: TryData[tuple[int, str]], union: TryData[int | None], raw: TryData[Any]) -> str:
    assert_type(msg, "Auth | ExtractError")
    assert_type(pair, "tuple[int, str] | ExtractError")
    assert_type(union, "int | None | ExtractError")
    if isinstance(msg, ExtractError):
        assert_type(msg.path, "str | None")
        assert_type(msg.parameter, "str | None")
        return msg.reason
    assert_type(msg, Auth)
    return msg.token


@chat.on_fallback
def fallback(name: Event, ack: AckSender, *args: Any) -> None:
    assert_type(name, str)
    ack.send(name.upper())


@chat.on("types")
def types(
    union: Data[str | bytes],
    literal: Data[Literal["a", "b"]],
    time: Data[datetime | None],
    ids: Data[list[UUID]],
    prices: Data[Mapping[str, Decimal]],
    point: Data[Point],
    options: Data[Options],
    struct: Data[Struct],
    color: Data[Color],
    positive: Data[Annotated[int, msgspec.Meta(ge=0)]],
) -> None:
    assert_type(union, "str | bytes")
    assert_type(literal, Literal["a", "b"])
    assert_type(time, "datetime | None")
    assert_type(ids, list[UUID])
    assert_type(prices, Mapping[str, Decimal])
    assert_type(point, Point)
    assert_type(point.y, int)
    assert_type(options, Options)
    assert_type(struct, Struct)
    assert_type(color, Color)
    assert_type(positive, int)


# The user's own


def load_user(socket: Socket, auth: Data[Auth], db: State[Database]) -> User:
    return User(db.find(auth.token)[0])


CurrentUser = Annotated[User, Extract(load_user)]
Admin = Annotated[User, Extract(load_user, allowed_in=["connect", "middleware"])]


class Account:
    @classmethod
    def from_call(cls, user: Extension[User]) -> Account:
        assert_type(user, User)
        return cls()


class Header:
    def __init__(self, name: str) -> None:
        self.name = name

    def from_call(self, socket: Socket) -> str:
        return str(socket.environ[self.name])


@chat
def connect(user: CurrentUser, admin: Admin, account: Account, host: Annotated[str, Header("HTTP_HOST")]) -> None:
    assert_type(user, User)
    assert_type(admin, User)
    assert_type(account, Account)
    assert_type(host, str)


def uses(socket: Socket, environ: dict[str, Any]) -> None:
    # A handler can be called like any function.
    assert_type(state(Database(), 5), list[str])
    assert_type(extensions(User("a"), None, User("a"), None), str)
    assert_type(tried(ExtractError("no"), (1, "a"), None, 5), str)
    fallback("event", AckSender(socket, None), 1)
    connect(User("a"), User("b"), Account(), "host")

    # Typed maps
    assert_type(socket.extensions, Extensions)
    assert_type(socket.extensions.insert(User("a")), "User | None")
    assert_type(socket.extensions.get(User), "User | None")
    assert_type(socket.extensions.remove(User), "User | None")
    assert_type(len(socket.extensions), int)
    assert_type(User in socket.extensions, bool)
    assert_type(http_extensions(environ), Extensions)
    socket.extensions.clear()
