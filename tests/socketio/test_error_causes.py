"""What went wrong underneath is the `__cause__` of the exceptions that users see."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from geventsio import (
    AckDecodeError,
    AckError,
    AckSender,
    AdapterError,
    BufferFullError,
    Data,
    ExtractError,
    ProtocolError,
    SendError,
    SerializeError,
    Socket,
    SocketClosedError,
    SocketIO,
)
from geventsio.adapters.local import LocalAdapter
from geventsio.protocol.common_parser import CommonParser
from geventsio.protocol.msgpack_parser import MsgpackParser
from tests.socketio.harness import Log, Serve, wait_until


class Unsendable:
    """A model that fails when it is sent."""

    def model_dump(self) -> object:
        raise KeyError("missing")


def test_of_what_can_not_be_sent(serve: Serve) -> None:
    io = SocketIO()
    caught: list[SendError] = []

    @io.ns("/").on("event")
    def event(socket: Socket, ack: AckSender) -> None:
        for send in (
            lambda: socket.emit("event", Unsendable()),
            lambda: socket.emit_with_ack("event", Unsendable()),
            lambda: io.emit("event", [Unsendable()]),
            lambda: io.emit_with_ack("event", Unsendable()),
            lambda: ack.send(Unsendable()),
        ):
            try:
                send()
            except SendError as error:
                caught.append(error)

    peer = serve(io).connect()
    peer.send('21["event"]')
    wait_until(lambda: len(caught) == 5)
    assert {type(error) for error in caught} == {SerializeError}
    assert {type(error.__cause__) for error in caught} == {KeyError}
    # Nothing of the failed questions remains.
    (socket,) = io.sockets()
    assert not socket.owes_ack


def test_of_an_answer_that_does_not_fit(serve: Serve) -> None:
    io = SocketIO()
    caught: list[AckError] = []

    @io.ns("/").on("event")
    def event(socket: Socket) -> None:
        try:
            socket.emit_with_ack("question", returns=dict[str, int]).result()
        except AckError as error:
            caught.append(error)

    peer = serve(io).connect()
    peer.emit("event")
    peer.answer(peer.question()[0], {"a": "b"})
    wait_until(lambda: caught)
    (error,) = caught
    assert type(error) is AckDecodeError
    assert "$[...]" in str(error)
    assert type(error.__cause__) is ExtractError
    assert isinstance(error.__cause__.__cause__, msgspec.ValidationError)


def test_of_a_parameter_that_does_not_fit(serve: Serve, log: Log) -> None:
    io = SocketIO()
    io.ns("/")

    @io.ns("/").on("event")
    def event(value: Data[dict[str, int]]) -> None:
        raise AssertionError("called")

    peer = serve(io).connect()
    peer.emit("event", {"a": "b"})
    assert "$[...]" in log.take_one().getMessage()


class Broken(LocalAdapter):
    """An adapter whose way to the others is interrupted."""

    def broadcast(self, packet: Any, options: Any) -> None:
        raise ConnectionError("interrupted")


def test_of_an_adapter_that_failed() -> None:
    io = SocketIO(adapter=Broken)
    io.ns("/")
    with pytest.raises(AdapterError, match="interrupted") as caught:
        io.emit("event")
    assert type(caught.value.__cause__) is ConnectionError


def test_of_what_a_decoder_refuses() -> None:
    with pytest.raises(ProtocolError, match="^invalid JSON$") as caught:
        CommonParser().decoder().add_text("2[")
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(ProtocolError, match="^invalid msgpack: ") as caught:
        MsgpackParser().decoder().add_binary(b"\x80")
    assert isinstance(caught.value.__cause__, msgspec.ValidationError)


def test_an_emit_fails_with_one_of_three(serve: Serve, log: Log) -> None:
    """Why an emit can fail: the data, the client who does not read, the client who is gone."""
    io = SocketIO(max_buffer_size=1)
    caught: list[type[Exception]] = []
    io.ns("/")
    site = serve(io)
    peer = site.polling()
    peer.connect()
    (socket,) = io.sockets()
    with pytest.raises(SendError) as failed:
        socket.emit("event", 1j)
    caught.append(failed.type)
    # A poller that does not poll.
    socket.emit("event")
    with pytest.raises(SendError) as failed:
        for _ in range(3):
            socket.emit("event")
    caught.append(failed.type)
    wait_until(lambda: not socket.connected)
    with pytest.raises(SendError) as failed:
        socket.emit("event")
    caught.append(failed.type)
    assert caught == [SerializeError, BufferFullError, SocketClosedError]
    log.take()
