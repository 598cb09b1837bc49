"""What type checkers must make of the test client; like `accepted.py`, nobody runs it."""

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from geventsio import SocketIO
from geventsio.testing import Answer, ConnectError, Event, FakeClock, LiveServer, NotReceived, TestClient, TestSocket
from geventsio.testing.pytest import MakeClient

io = SocketIO()


def with_clients() -> None:
    with TestClient(io, headers={"Origin": "http://localhost"}, transport="websocket", timeout=2) as client:
        assert_type(client, TestClient)
        assert_type(client.io, SocketIO)
        assert_type(client.http.get("/").status_code, int)
        assert_type(client.clock, FakeClock)
        assert_type(client.clock.elapsed, float)
        assert_type(client.handler_errors, list[BaseException])
        with client.connect("/chat", auth={"token": "x"}, timeout=5) as socket:
            assert_type(socket, TestSocket)
            assert_type(socket.call("event", 1, b"2", [3], timeout=1), Any)
            assert_type(socket.emit_with_ack("event"), Answer)
            assert_type(socket.emit_with_ack("event").done(), bool)
            assert_type(socket.receive("event", timeout=0.5), Event)
            assert_type(socket.receive().args, tuple[Any, ...])
            assert_type(socket.received("event"), list[Event])
            assert_type(socket.disconnected, str | None)
            assert_type(socket.wait_disconnected(), str)
            socket.receive().ack("an", "answer")
            socket.assert_nothing()


def with_fixtures(sio_client: TestClient, make_sio_client: MakeClient, sio_live_server: LiveServer) -> None:
    assert_type(make_sio_client(headers={}), TestClient)
    assert_type(sio_live_server.url, str)
    port: int = sio_live_server.port
    print(port)
    try:
        sio_client.connect()
    except ConnectError as error:
        assert_type(error.status, int | None)
        assert_type(error.data, object)
    except NotReceived as missing:
        as_both: tuple[AssertionError, TimeoutError] = (missing, missing)
        print(as_both)
