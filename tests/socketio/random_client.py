"""A client that polls, upgrades, gives up, leaves and comes again, in an order that chance decides."""

from __future__ import annotations

__all__ = ["STEPS", "Life", "RandomClient", "Step"]

import base64
import json
from collections.abc import Sequence
from itertools import count
from typing import Any

import gevent
from hypothesis import strategies as st

from geventsio import Socket, SocketClosedError
from tests.engine.peer import Closed, PollingPeer, WebSocketPeer
from tests.socketio.harness import wait_until

#: What to do, and a number that decides how.
Step = tuple[str, int]

_PATH = "/socket.io/?EIO=4"

STEPS: st.SearchStrategy[Step] = st.tuples(
    st.sampled_from(
        ["emit", "emit", "broadcast", "say", "say", "turn", "upgrade", "give up", "abort", "leave", "come by websocket"]
    ),
    st.integers(0, 11),
)


class Life:
    """What the server knows of one connection to a namespace."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        #: The numbers that were sent to the client, and those that it has said.
        self.sent: list[int] = []
        self.heard: list[int] = []


class RandomClient:
    """A client that follows the protocol, and is connected again after each of its ends.

    Like the official one it keeps a poll under way all the time, posts while it polls, and sends the upgrade packet
    when its last poll has ended.

    Args:
        address: of the server.
        lives: of all connections, by the public id; its connect handler adds them.
        numbers: that tell apart what is sent.
    """

    def __init__(self, address: tuple[str, int], lives: dict[str, Life], numbers: count[int]) -> None:
        self._address = address
        self._lives = lives
        self._numbers = numbers
        self._polling: PollingPeer | None = None
        self._websocket: WebSocketPeer | None = None
        self._reader: gevent.Greenlet[..., None] | None = None
        self._pausing = False
        self._life: Life | None = None

    def run(self, steps: Sequence[Step]) -> None:
        """Take steps; then leave, when all has arrived."""
        for step, number in steps:
            if self._life is None:
                self._come(step == "come by websocket")
            if step == "emit":
                self._emit(number)
            elif step == "broadcast":
                self._broadcast(number)
            elif step == "say":
                self._say(number)
            elif step == "turn":
                gevent.sleep(0.001 * (number % 3))
            elif step == "upgrade":
                self._upgrade(number)
            elif step == "give up":
                self._give_up(number)
            elif step == "abort":
                self._abort(number)
            elif step == "leave":
                self._leave(number)
        if self._life is not None:
            self._leave(0)

    # What the server does

    def _emit(self, number: int) -> None:
        life = self._open_life()
        for _ in range(number + 1):
            sent = next(self._numbers)
            try:
                life.socket.emit("news", sent, *_data(number))
            except SocketClosedError:
                return
            life.sent.append(sent)

    def _broadcast(self, number: int) -> None:
        life = self._open_life()
        sent = next(self._numbers)
        for other in self._lives.values():
            if other.socket.connected:
                other.sent.append(sent)
        life.socket.io.emit("news", sent, *_data(number))

    # What the client does

    def _come(self, by_websocket: bool) -> None:
        self._received: list[int] = []
        self._said: list[int] = []
        self._due = 0
        self._sid = ""
        if by_websocket:
            self._websocket = WebSocketPeer(self._address, f"{_PATH}&transport=websocket").open()
            self._websocket.say("0")
            self._reader = gevent.spawn(self._listen, self._websocket)
        else:
            self._polling = PollingPeer(self._address, _PATH)
            self._reader = gevent.spawn(self._poll, self._polling)
            self._polling.say("0")
        wait_until(lambda: self._sid in self._lives)
        self._life = self._lives[self._sid]

    def _say(self, number: int) -> None:
        packets: list[tuple[str, list[bytes]]] = []
        for _ in range(number % 4 + 1):
            said = next(self._numbers)
            self._said.append(said)
            packets.append(_event(said, _data(number)))
        if self._websocket is not None:
            for text, attachments in packets:
                self._websocket.say(text)
                for attachment in attachments:
                    self._websocket.send_binary(attachment)
            return
        assert self._polling is not None
        parts = []
        for text, attachments in packets:
            parts += [f"4{text}", *(f"b{base64.b64encode(attachment).decode()}" for attachment in attachments)]
        answer = self._polling.post(*parts)
        assert (answer.status, answer.body) == (200, b"ok"), answer

    def _upgrade(self, number: int) -> None:
        if self._websocket is not None or self._polling is None:
            return
        websocket = self._probe(self._polling, number)
        self._websocket, polling, self._polling = websocket, self._polling, None
        websocket.send("5")
        self._reader = gevent.spawn(self._listen, websocket)
        polling.gets.close()
        polling.posts.close()

    def _give_up(self, number: int) -> None:
        """Begin to upgrade, and stay with polling."""
        if self._websocket is not None or self._polling is None:
            return
        if number % 3 == 0:
            websocket = WebSocketPeer(self._address, self._polling.websocket_target)
        else:
            websocket = self._probe(self._polling, number)
        websocket.reset() if number % 2 else websocket.close()
        if self._reader is not None and number % 3:
            self._reader = gevent.spawn(self._poll, self._polling)
        # The server must have noticed, or the next attempt would be one too many.
        session = self._open_life().socket.client.session
        wait_until(lambda: session.can_upgrade)

    def _probe(self, polling: PollingPeer, number: int) -> WebSocketPeer:
        """Probe, and let the last poll end."""
        websocket = WebSocketPeer(self._address, polling.websocket_target)
        websocket.send("2probe")
        self._something(number)
        assert websocket.receive() == "3probe"
        self._pausing = True
        self._something(number // 2)
        assert self._reader is not None
        self._reader.get()
        self._pausing = False
        self._something(number // 3)
        return websocket

    def _something(self, number: int) -> None:
        """What else may happen in the middle of an upgrade."""
        if number % 4 == 1:
            self._emit(number)
        elif number % 4 == 2:
            self._say(number)
        elif number % 4 == 3:
            self._broadcast(number)
        gevent.sleep(0)

    def _abort(self, number: int) -> None:
        """Vanish: what is under way may be lost, but nothing else."""
        assert self._reader is not None
        life = self._open_life()
        self._reader.kill()
        if self._websocket is not None:
            self._websocket.reset() if number % 2 else self._websocket.close()
        else:
            assert self._polling is not None
            self._polling.gets.reset() if number % 2 else self._polling.gets.close()
            self._polling.close()  # if there was no poll that could be given up
        wait_until(lambda: not life.socket.connected)
        assert self._received == life.sent[: len(self._received)]
        assert life.heard == self._said[: len(life.heard)]
        self._forget()

    def _leave(self, number: int) -> None:
        """Say goodbye when everything has arrived."""
        assert self._reader is not None
        life = self._open_life()
        wait_until(lambda: len(self._received) >= len(life.sent) and len(life.heard) >= len(self._said))
        assert self._received == life.sent
        assert life.heard == self._said
        if self._websocket is not None:
            if number % 2:
                self._websocket.say("1")
            self._websocket.send_close()
            self._reader.get()
            self._websocket.close()
        else:
            assert self._polling is not None
            self._pausing = True
            assert self._polling.post("1").status == 200
            self._reader.get()
            self._pausing = False
            self._polling.gets.close()
            self._polling.posts.close()
        wait_until(lambda: not life.socket.connected)
        self._forget()

    # What it reads

    def _poll(self, polling: PollingPeer) -> None:
        while not self._pausing:
            answer = polling.get()
            if self._pausing and answer.status == 400:
                return  # the CLOSE packet was faster than this poll
            for packet in answer.packets:
                if packet[0] == "b":
                    self._due -= 1
                elif packet != "6":
                    assert packet[0] == "4", packet
                    self._take(packet[1:])

    def _listen(self, websocket: WebSocketPeer) -> None:
        try:
            while True:
                message = websocket.receive()
                if isinstance(message, bytes):
                    self._due -= 1
                else:
                    self._take(message[1:])
        except Closed:
            pass

    def _take(self, text: str) -> None:
        assert self._due == 0, f"{text} in the place of an attachment"
        if text[0] == "0":
            self._sid = json.loads(text[1:])["sid"]
            return
        head, _, data = text.partition("[")
        if head[0] == "5":
            self._due = int(head[1:-1])
        event: list[Any] = json.loads("[" + data)
        assert event[0] == "news"
        self._received.append(event[1])

    def _open_life(self) -> Life:
        assert self._life is not None
        return self._life

    def _forget(self) -> None:
        self._polling = self._websocket = self._reader = self._life = None


def _data(number: int) -> list[str | bytes]:
    """Arguments of several kinds and sizes."""
    kinds: tuple[list[str | bytes], ...] = ([], ["x" * 400], [b"one"], [b"y" * 900, "between", b""])
    return kinds[number % len(kinds)]


def _event(number: int, arguments: list[str | bytes]) -> tuple[str, list[bytes]]:
    """The text and the attachments of an event of the client."""
    attachments = [argument for argument in arguments if isinstance(argument, bytes)]
    numbers = count()
    lifted = [
        {"_placeholder": True, "num": next(numbers)} if isinstance(argument, bytes) else argument
        for argument in arguments
    ]
    head = f"5{len(attachments)}-" if attachments else "2"
    return head + json.dumps(["say", number, *lifted]), attachments
