"""What type checkers must make of registering handlers, of the current socket and of class-based namespaces."""

from __future__ import annotations

from typing import Any

from gevent import Greenlet
from typing_extensions import assert_type

from geventsio import (
    AckSender,
    ClassNamespace,
    Data,
    DisconnectReason,
    EventCall,
    Namespace,
    Next,
    Socket,
    SocketIO,
    copy_current_context,
    event,
)
from geventsio import globals as proxies
from geventsio.context import current

io = SocketIO(concurrent_handlers=True)
chat = io.ns("/chat")


def plain(text: str) -> int:
    return len(text)


# Decorators keep the function's type, of a namespace and of a socket


@chat.once("event")
def once(socket: Socket, text: str) -> str:
    @socket.once("event", concurrent=True)
    def own(number: int) -> int:
        return number

    assert_type(own(1), int)
    return text


@chat.on("event", concurrent=True)
def overlaps(text: str) -> str:
    return text


@chat.on("event", threadpool=True)
def in_thread(text: str) -> str:
    return text


@chat(threadpool=True)
def connects_in_thread(socket: Socket) -> int:
    return 1


@chat.on_disconnect(threadpool=True)
def leaves_in_thread(socket: Socket) -> int:
    return 1


assert_type(in_thread("text"), str)
assert_type(connects_in_thread(io.sockets()[0]), int)
assert_type(leaves_in_thread(io.sockets()[0]), int)
assert_type(chat.on_disconnect(plain)("text"), int)


@chat.on_any
def listen(event: str, *args: Any) -> None: ...


@chat.use_event
def middleware(call: EventCall, next: Next, io: SocketIO) -> Any:
    assert_type(call.socket, Socket)
    assert_type(call.event, str)
    assert_type(call.args, list[Any])
    assert_type(call.ack_id, "int | None")
    assert_type(call.ack, AckSender)
    call.args = [*call.args, 1]
    return next()


@chat.on_error
def failed(error: BaseException, socket: Socket) -> None:
    socket.emit("failed", str(error))


def registers(socket: Socket) -> None:
    assert_type(once(socket, "text"), str)
    assert_type(overlaps("text"), str)
    assert_type(chat.once("event", plain)("text"), int)
    assert_type(chat.once("event", plain, concurrent=None)("text"), int)
    assert_type(chat.on("event", plain, concurrent=False)("text"), int)
    assert_type(socket.on("event", concurrent=True)(plain)("text"), int)
    assert_type(socket.on_any(plain)("text"), int)
    assert_type(socket.use_event(plain)("text"), int)
    assert_type(socket.on_error(plain)("text"), int)
    assert_type(chat.off("event"), bool)
    assert_type(socket.off("event", plain), bool)
    assert_type(chat.off_any(), bool)
    assert_type(socket.off_any(listen), bool)
    listen("event", 1, None)
    failed(ValueError(), socket)


# The current socket


def current_things() -> None:
    assert_type(current.socket, Socket)
    assert_type(current.event, str)
    assert_type(current.args, list[Any])
    assert_type(current.ack_id, "int | None")
    assert_type(current.namespace, Namespace)
    assert_type(current.io, SocketIO)
    assert_type(current.environ, dict[str, Any])
    assert_type(bool(current), bool)
    assert_type(proxies.socket, Socket)
    assert_type(proxies.event, str)
    assert_type(proxies.args, list[Any])
    assert_type(proxies.namespace, Namespace)
    assert_type(proxies.io, SocketIO)
    assert_type(proxies.environ, dict[str, Any])


@copy_current_context
def carried(number: int, *, text: str = "") -> str:
    return text * number


def greenlets() -> None:
    assert_type(carried(1, text="a"), str)
    assert_type(io.spawn(plain, "text"), Greenlet[..., Any])
    io.spawn(carried, 1, text="a").kill()
    io.spawn_later(0.5, carried, 1, text="a").get()


# Class-based namespaces


class Chat(ClassNamespace):
    def __init__(self, path: str, limit: int) -> None:
        super().__init__(path)
        self.limit = limit

    def on_connect(self, socket: Socket, auth: Data[dict[str, str]]) -> None:
        assert_type(auth, dict[str, str])

    def on_message(self, socket: Socket, text: str, ack: AckSender) -> None:
        ack.send(text[: self.limit])
        assert_type(self.namespace, Namespace)
        assert_type(self.io, SocketIO)
        assert_type(self.path, str)

    @event("my-event", concurrent=True)
    @event("my event")
    def both(self, number: int) -> int:
        return number + self.limit

    def on_disconnect(self, reason: DisconnectReason) -> None: ...

    def on_error(self, error: BaseException) -> None: ...

    def on_any(self, event: str, *args: Any) -> None: ...

    def on_fallback(self, *args: Any) -> Any:
        return args


class Derived(Chat):
    path = "/derived"

    def on_message(self, socket: Socket, text: str, ack: AckSender) -> None:
        super().on_message(socket, text.strip(), ack)


def classes() -> None:
    assert_type(io.register(Chat("/chat", 3)), Namespace)
    assert_type(Chat("/chat", 3).both(1), int)
    io.register(Derived("/derived", limit=4)).use(plain)
