"""What type checkers must make of the public API: mypy and pyright check it, and nobody runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_type

from geventsio import (
    AckError,
    AckFuture,
    AckSender,
    AckStream,
    BroadcastOperator,
    ConnectRefused,
    Data,
    DisconnectReason,
    Namespace,
    ProtocolVersion,
    RemoteSocket,
    Socket,
    SocketIO,
    SocketRef,
    TransportType,
)
from geventsio.adapters import LocalAdapter
from geventsio.sending.operators import SocketOperator


@dataclass
class Message:
    room: str
    text: str


io = SocketIO(ping_interval=5, transports=["websocket"], adapter=LocalAdapter)
root = io.ns("/")
chat = io.ns("/chat")
assert_type(root, Namespace)
assert_type(io.of("/"), Namespace)
assert_type(io.nsps(), list[Namespace])


# Data[T] is T


@chat.on("message")
def message(socket: Socket, msg: Data[Message], more: Data[tuple[int, str]], raw: Data[Any]) -> str:
    assert_type(msg, Message)
    assert_type(msg.text, str)
    assert_type(more, tuple[int, str])
    assert_type(raw, Any)
    socket.to(msg.room).emit("message", msg)
    return "ok"


@chat.on("numbers")
def numbers(values: Data[list[int]], flag: Data[bool | None], *rest: Any) -> int:
    assert_type(values, list[int])
    assert_type(flag, "bool | None")
    assert_type(rest, tuple[Any, ...])
    return sum(values)


# Decorators keep the function's type


@io.ns("/")
def connect(socket: Socket, auth: Data[dict[str, str]]) -> None:
    assert_type(auth, dict[str, str])

    @socket.on("private")
    def private(text: str, ack: AckSender) -> None:
        assert_type(ack.expected, bool)
        assert_type(ack.sent, bool)
        ack.send("got", len(text))

    @socket.on_fallback
    def fallback(*args: Any) -> bytes:
        return b""

    result: bytes = fallback(1)
    assert_type(result, bytes)


@chat.use
def check(socket: Socket) -> None:
    raise ConnectRefused("no", data={"code": 1})


@chat.on_disconnect
def bye(socket: Socket, reason: DisconnectReason) -> None:
    assert_type(reason.upper(), str)
    plain(reason)


@chat.on_fallback
def fallback(io: SocketIO, transport: TransportType, protocol: ProtocolVersion) -> None:
    assert_type(protocol + 1, int)
    plain(transport)


def plain(text: str) -> int:
    return len(text)


def uses(socket: SocketRef, operator: BroadcastOperator) -> None:
    assert_type(socket, Socket)
    assert_type(message(socket, Message("a", "b"), (1, "2"), None), str)
    assert_type(numbers([1], None), int)
    connect(socket, {})
    check(socket)
    bye(socket, DisconnectReason.PING_TIMEOUT)
    fallback(socket.io, socket.transport, socket.protocol)

    # on() registers, or makes a decorator
    assert_type(socket.on("event", plain)("text"), int)
    assert_type(chat.on("event", plain)("text"), int)
    assert_type(socket.on("event")(plain)("text"), int)
    assert_type(io.ns("/other", plain)("text"), int)
    assert_type(chat.on_connect(plain)("text"), int)
    chat.on("lambda", lambda text: text)
    io.ns("/lambda", lambda socket: None)

    # What a socket has
    assert_type(socket.id, str)
    assert_type(socket.ns, str)
    assert_type(socket.namespace, Namespace)
    assert_type(socket.connected, bool)
    assert_type(socket.io, SocketIO)
    assert_type(socket.rooms, frozenset[str])
    assert_type(socket.data, dict[str, Any])
    assert_type(socket.environ, dict[str, Any])
    assert_type(socket.transport, TransportType)
    assert_type(socket.protocol, ProtocolVersion)

    # Rooms are a str or several
    names: Iterable[str] = (name for name in ("a", "b"))
    socket.join(names)
    socket.join("a")
    socket.join(["a"])
    socket.leave(("a",))
    socket.leave_all()

    # Chains
    assert_type(socket.to("a"), BroadcastOperator)
    assert_type(socket.within({"a"}).except_(["b"]).local().broadcast().timeout(1), BroadcastOperator)
    assert_type(socket.timeout(1.5), SocketOperator)
    assert_type(socket.timeout(1).to("a"), BroadcastOperator)
    assert_type(io.to("a"), BroadcastOperator)
    assert_type(io.timeout(1), BroadcastOperator)
    assert_type(chat.except_("a"), BroadcastOperator)
    assert_type(operator.sockets(), list[Socket])
    assert_type(operator.rooms(), frozenset[str])
    assert_type(operator.path, str)
    assert_type(io.sockets(), list[Socket])
    assert_type(io.rooms(), frozenset[str])
    assert_type(io.get_socket("id"), "Socket | None")
    assert_type(chat.sockets, dict[str, Socket])
    operator.join("a")
    operator.leave(["a"])
    operator.disconnect(close=True)

    # Emitting
    socket.emit("event", 1, None, b"2", {"3": [b"4"]}, Message("a", "b"), object())
    operator.emit("event")
    io.emit("event", *[1, 2])
    socket.disconnect()
    socket.disconnect(close=True)


def answers(socket: Socket, operator: BroadcastOperator) -> None:
    # One socket answers with a future, a choice of sockets with a stream
    assert_type(socket.emit_with_ack("question", 1), AckFuture)
    assert_type(socket.timeout(1).emit_with_ack("question"), AckFuture)
    assert_type(operator.emit_with_ack("question"), AckStream)
    assert_type(io.emit_with_ack("question"), AckStream)
    assert_type(chat.timeout(1).emit_with_ack("question"), AckStream)
    future = socket.emit_with_ack("question")
    assert_type(future.result(), Any)
    assert_type(future.result(timeout=1), Any)
    assert_type(future.get(), Any)
    assert_type(future.done(), bool)
    future.add_done_callback(lambda done: done.result())
    stream = io.emit_with_ack("question")
    for socket_id, answer in stream:
        assert_type(socket_id, str)
        assert_type(answer, "Any | AckError")
        if isinstance(answer, AckError):
            raise answer
    assert_type(len(stream), int)
    assert_type(stream.result(), Any)
    stream.close()

    # The answer's type can be told
    assert_type(socket.emit_with_ack("question", returns=int), AckFuture[int])
    assert_type(socket.emit_with_ack("question", 1, returns=Message).result(), Message)
    assert_type(socket.volatile().emit_with_ack("question", returns=tuple[int, str]).get(), tuple[int, str])
    assert_type(io.emit_with_ack("question", returns=list[int]), AckStream[list[int]])
    assert_type(operator.volatile().emit_with_ack("question", returns=str).result(), str)
    assert_type(chat.emit_with_ack("question", returns=dict[str, int]), AckStream[dict[str, int]])
    for _, number in io.to("a").emit_with_ack("question", returns=int):
        assert_type(number, "int | AckError")
    for remote in io.fetch_sockets():
        assert_type(remote, RemoteSocket)
        assert_type(remote.timeout(1).emit_with_ack("question", returns=bytes).result(), bytes)
        assert_type(remote.emit_with_ack("question"), AckFuture[Any])
        assert_type(remote.rooms, frozenset[str])
        assert_type(remote.data, dict[str, Any])
        assert_type(remote.handshake["address"], str)
        remote.disconnect(close=True)
    assert_type(socket.handshake["headers"], dict[str, str])
    assert_type(socket.volatile(), SocketOperator)
    assert_type(socket.volatile().to("a"), BroadcastOperator)
    assert_type(io.volatile(), BroadcastOperator)
    assert_type(operator.get_socket("id"), "Socket | None")


def serving(app: Callable[..., list[bytes]]) -> None:
    layer = io.layer(app)
    layer({}, lambda status, headers: lambda data: None)
    io.service()({}, lambda status, headers: lambda data: None)
    io.run(app, host="0.0.0.0", port=0, keyfile="key")
    io.run()
    assert_type(io.close(), bool)
    assert_type(io.close(timeout=1.5), bool)
