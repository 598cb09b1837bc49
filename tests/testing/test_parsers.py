"""The test client speaks with the server's own parser, whichever that is."""

from __future__ import annotations

from typing import Any

import pytest

from geventsio import AckSender, ConnectRefused, Data, Socket, SocketIO
from geventsio.testing import ConnectError, Event
from tests.socketio.header_parser import HeaderParser
from tests.testing.conftest import NewClient

BINARY = {"bytes": [b"\x00\xff", b""], "text": "Grüße", "number": 1.5}
PLAIN = {"text": "Grüße", "number": [1.5]}


@pytest.mark.parametrize(
    ("parser", "value"),
    [("common", BINARY), ("msgpack", BINARY), (HeaderParser(), PLAIN)],
    ids=["common", "msgpack", "user's"],
)
def test_all_kinds_of_packets(new: NewClient, parser: Any, value: object) -> None:
    io = SocketIO(parser=parser)

    @io.ns("/chat").use
    def check(auth: Data[dict[str, str]]) -> None:
        if "user" not in auth:
            raise ConnectRefused("who are you?", {"login": ["/login"]})

    @io.ns("/chat").on("ask")
    def ask(socket: Socket, value: Any, ack: AckSender) -> None:
        answer = socket.emit_with_ack("question", value).result()
        socket.emit("answered", answer)
        ack.send(answer, value)
        socket.disconnect()

    with new(io) as client:
        with pytest.raises(ConnectError, match=r"who are you\?") as refused:
            client.connect("/chat")
        assert refused.value.data == {"login": ["/login"]}
        with pytest.raises(ConnectError, match="Invalid namespace"):
            client.connect("/nowhere")
        socket = client.connect("/chat", auth={"user": "Ann"})
        answer = socket.emit_with_ack("ask", value)
        question = socket.receive()
        assert question == Event("question", value)
        question.ack([value] * 3)
        assert answer.result() == ([value] * 3, value)
        assert socket.received() == [Event("answered", [value] * 3)]
        assert socket.disconnected == "io server disconnect"
