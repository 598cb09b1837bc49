"""Tests of binary packets whose attachments do not come: how long, and for whom, they are waited for."""

from __future__ import annotations

from typing import Any

from geventsio import DisconnectReason, Socket, SocketIO
from tests.socketio.harness import Serve, wait_until

HEADER = '51-["echo",{"_placeholder":true,"num":0}]'


def server() -> tuple[SocketIO, list[str]]:
    """A server that echoes, and the reasons of those who left."""
    io = SocketIO()
    reasons: list[str] = []
    io.ns("/").on("echo", lambda *args: args)
    io.ns("/other")

    @io.ns("/").on_disconnect
    def bye(socket: Socket, reason: DisconnectReason) -> None:
        reasons.append(str(reason))

    return io, reasons


def test_attachments_that_do_not_come_end_the_connection(serve: Serve, transport: str) -> None:
    io, reasons = server()
    site = serve(io)
    io.engine.runtime.assembling.seconds = 0.05
    peer = site.peer(transport)
    peer.connect()
    peer.send(HEADER)
    wait_until(lambda: reasons)
    assert reasons == ["parse error"]


def test_a_packet_in_time_leaves_no_deadline(serve: Serve, transport: str) -> None:
    io, reasons = server()
    peer = serve(io).peer(transport)
    peer.connect()
    assert peer.ask("echo", b"\x01") == [b"\x01"]
    assert len(io.engine.runtime.assembling) == 0
    assert reasons == []


def test_a_client_that_leaves_leaves_no_deadline(serve: Serve) -> None:
    io, reasons = server()
    peer = serve(io).connect()
    peer.send(HEADER)
    wait_until(lambda: len(io.engine.runtime.assembling) == 1)
    peer.close()
    wait_until(lambda: len(io.engine.runtime.assembling) == 0)
    wait_until(lambda: reasons)


def test_a_client_that_is_not_read_is_given_more_time(serve: Serve) -> None:
    io, reasons = server()
    peer = serve(io).connect()
    peer.send(HEADER)
    assembling = io.engine.runtime.assembling
    wait_until(lambda: len(assembling) == 1)
    (session,) = io.engine.sessions.values()
    client: Any = session.data
    session.pause()
    client.give_up()
    assert session.is_open and len(assembling) == 1
    session.resume()
    client.give_up()
    wait_until(lambda: reasons)
    assert reasons == ["parse error"]


def test_attachments_are_kept_for_no_stranger(serve: Serve) -> None:
    io, _ = server()
    peer = serve(io).websocket()
    peer.send(HEADER)
    ended, _messages = peer.end()
    assert ended.orderly
