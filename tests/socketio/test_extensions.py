"""Tests of typed maps: those of sockets, and those that WSGI middlewares leave with a request."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass
from typing import Any

import pytest

from geventsio import Extension, Extensions, HttpExtension, MaybeExtension, Socket, SocketIO, http_extensions
from tests.socketio.harness import Serve, wait_until
from tests.socketio.peer import Peer


@dataclass
class User:
    name: str


class Admin(User):
    """Of another type, though it is a User too."""


# The map


def test_a_map_has_one_value_of_each_type() -> None:
    extensions = Extensions()
    assert (len(extensions), extensions.get(User), User in extensions) == (0, None, False)
    ann, bob = User("ann"), User("bob")
    assert extensions.insert(ann) is None
    assert extensions.get(User) is ann
    assert extensions.insert(bob) is ann
    assert (extensions.get(User), len(extensions), User in extensions) == (bob, 1, True)
    assert repr(extensions) == "<Extensions: User>"


def test_a_type_is_exactly_that_type() -> None:
    extensions = Extensions()
    extensions.insert(Admin("root"))
    assert extensions.get(User) is None
    assert extensions.insert(User("ann")) is None
    assert extensions.get(Admin) == Admin("root")
    assert len(extensions) == 2


def test_values_are_taken_out() -> None:
    extensions = Extensions()
    extensions.insert(User("ann"))
    extensions.insert(5)
    assert extensions.remove(User) == User("ann")
    assert extensions.remove(User) is None
    assert extensions.get(int) == 5
    extensions.clear()
    assert (len(extensions), extensions.get(int), repr(extensions)) == (0, None, "<Extensions: none>")


# Of a socket


def test_a_socket_s_values_live_as_long_as_it_does(serve: Serve) -> None:
    io = SocketIO()
    seen: list[str] = []
    values: list[weakref.ref[User]] = []

    @io.ns("/").use
    def middleware(socket: Socket) -> None:
        user = User("ann")
        values.append(weakref.ref(user))
        assert socket.extensions.insert(user) is None

    @io.ns("/")
    def connect(user: Extension[User], number: MaybeExtension[int], socket: Socket) -> None:
        seen.append(f"connect {user.name} {number}")
        socket.extensions.insert(5)

    @io.ns("/").on("event")
    def event(user: Extension[User], number: MaybeExtension[int]) -> str:
        return f"event {user.name} {number}"

    @io.ns("/").on_disconnect
    def disconnect(user: Extension[User], number: Extension[int]) -> None:
        seen.append(f"disconnect {user.name} {number}")

    peer = serve(io).connect()
    assert peer.ask("event") == ["event ann 5"]
    peer.say_goodbye()
    wait_until(lambda: len(seen) == 2)
    assert seen == ["connect ann None", "disconnect ann 5"]
    wait_until(lambda: not io.engine.sessions)
    gc.collect()
    assert [value() for value in values] == [None]


def test_each_namespace_has_its_own(serve: Serve) -> None:
    io = SocketIO()

    @io.ns("/").use
    def middleware(socket: Socket) -> None:
        socket.extensions.insert(1)

    for path in ("/", "/other"):

        @io.ns(path).on("get")
        def get(number: MaybeExtension[int]) -> list[int | None]:
            return [number]

    peer = serve(io).connect()
    peer.connect("/other")
    assert peer.ask("get") == [[1]]
    assert peer.ask("get", namespace="/other") == [[None]]


def test_a_refused_socket_s_values_go_with_it(serve: Serve) -> None:
    io = SocketIO()
    values: list[weakref.ref[User]] = []

    @io.ns("/").use
    def middleware(socket: Socket) -> None:
        user = User("ann")
        values.append(weakref.ref(user))
        socket.extensions.insert(user)

    @io.ns("/")
    def connect(missing: Extension[Admin]) -> None: ...

    peer = serve(io).websocket()
    assert peer.refused() == {"message": "parameter 'missing': Extension[Admin] is missing"}
    wait_until(lambda: gc.collect() >= 0 and values[0]() is None)


# Of an HTTP request


def authenticated(io: SocketIO) -> Any:
    """A middleware around the server, which knows users by a header's number of the request."""
    service = io.service()
    requests: list[int] = []

    def outer(environ: dict[str, Any], start_response: Any) -> Any:
        requests.append(1)
        http_extensions(environ).insert(User(f"of request {len(requests)}"))
        return service(environ, start_response)

    return outer


def asking(peer: Peer) -> list[Any]:
    """What the server says who the peer is."""
    return peer.ask("who")


@pytest.fixture
def io() -> SocketIO:
    """A server that says who its clients are."""
    server = SocketIO()

    @server.ns("/").on("who")
    def who(user: HttpExtension[User], socket: Socket) -> list[object]:
        return [user.name, http_extensions(socket.environ).get(User) is user]

    return server


def test_the_request_that_opens_the_connection_counts(serve: Serve, io: SocketIO, transport: str) -> None:
    site = serve(io, authenticated(io))
    first = site.peer(transport)
    first.connect()
    assert asking(first) == [["of request 1", True]]
    assert asking(first) == [["of request 1", True]]


def test_an_upgrade_changes_nothing(serve: Serve, io: SocketIO) -> None:
    site = serve(io, authenticated(io))
    polling = site.polling()
    polling.connect()
    websocket = site.websocket(sid=polling.handshake["sid"])
    websocket.upgrade()
    assert asking(websocket) == [["of request 1", True]]


def test_all_namespaces_of_a_client_share_them(serve: Serve, io: SocketIO) -> None:
    @io.ns("/other").on("who")
    def who(user: HttpExtension[User]) -> str:
        return user.name

    peer = serve(io, authenticated(io)).connect()
    peer.connect("/other")
    assert peer.ask("who", namespace="/other") == ["of request 1"]


def test_allow_request_may_insert_values_too(serve: Serve) -> None:
    def allow(environ: dict[str, Any]) -> bool:
        http_extensions(environ).insert(User("allowed"))
        return True

    io = SocketIO(allow_request=allow)

    @io.ns("/").on("who")
    def who(user: HttpExtension[User]) -> str:
        return user.name

    site = serve(io)
    assert site.connect().ask("who") == ["allowed"]
    polling = site.polling()
    polling.connect()
    assert polling.ask("who") == ["allowed"]


def test_they_go_with_the_connection(serve: Serve, io: SocketIO) -> None:
    values: list[weakref.ref[User]] = []
    service = io.service()

    def outer(environ: dict[str, Any], start_response: Any) -> Any:
        user = User("ann")
        values.append(weakref.ref(user))
        http_extensions(environ).insert(user)
        return service(environ, start_response)

    peer = serve(io, outer).connect()
    gc.collect()
    assert values[0]() == User("ann")
    peer.say_goodbye()
    wait_until(lambda: not io.engine.sessions)
    wait_until(lambda: gc.collect() >= 0 and values[0]() is None)


def test_a_request_has_one_map() -> None:
    environ: dict[str, Any] = {}
    extensions = http_extensions(environ)
    assert http_extensions(environ) is extensions is environ["geventsio.extensions"]


def test_what_is_no_map_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"^environ\['geventsio.extensions'\] must be a geventsio.Extensions, not 5$"):
        http_extensions({"geventsio.extensions": 5})
