"""A client on its way from polling to websocket, in an order of events that chance decides."""

from __future__ import annotations

__all__ = ["RandomClient"]

import random

import gevent

from tests.engine.harness import Site, until
from tests.engine.peer import Closed, WebSocketPeer


class RandomClient:
    """A client that follows the protocol, for one session.

    Like the official one it keeps a poll under way all the time, posts while it polls, and sends the upgrade packet
    when its last poll has ended. It gives up some of its probes.
    """

    def __init__(self, site: Site, seed: int) -> None:
        self.rng = random.Random(seed)
        self.peer = site.polling()
        self.session = site.sessions[-1]
        self.received: list[str] = []
        self.sent = 0
        self.said = 0
        self.websocket: WebSocketPeer | None = None
        self._pausing = False
        self._poller: gevent.Greenlet[..., None] = gevent.spawn(self._poll)

    def run(self) -> None:
        """Do thirty things, then wait until everything has arrived."""
        for _ in range(30):
            self.rng.choice((self._server_sends, self._server_sends, self._client_says, self._turn, self._upgrade))()
        self._client_says()
        if self.websocket is None:
            self._upgrade(give_up=False)
        until(lambda: len(self.received) >= self.sent)
        assert self.websocket is not None
        self.websocket.send_close()
        self._poller.get()
        self.websocket.close()

    def _server_sends(self) -> None:
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            self.session.send(f"{self.sent}" + "x" * self.rng.choice((0, 10, 400)))
            self.sent += 1

    def _client_says(self) -> None:
        messages = [f"{self.said + index}" for index in range(self.rng.choice((1, 3)))]
        self.said += len(messages)
        if self.websocket is not None:
            self.websocket.say(*messages)
        else:
            self.peer.say(*messages)

    def _turn(self) -> None:
        gevent.sleep(self.rng.choice((0, 0, 0.001)))

    def _upgrade(self, give_up: bool | None = None) -> None:
        if self.websocket is not None:
            return
        if give_up is None:
            give_up = self.rng.random() < 0.6
        websocket = WebSocketPeer(self.peer.address, self.peer.websocket_target)
        if give_up and self.rng.random() < 0.3:
            self._abandon(websocket)
            return
        websocket.send("2probe")
        self._some_events()
        assert websocket.receive() == "3probe"
        self._pausing = True
        self._some_events()
        self._poller.get()
        self._pausing = False
        if give_up:
            self._abandon(websocket)
            self._poller = gevent.spawn(self._poll)
            return
        self.websocket = websocket
        websocket.send("5")
        self._poller = gevent.spawn(self._listen, websocket)

    def _abandon(self, websocket: WebSocketPeer) -> None:
        self.rng.choice((websocket.close, websocket.reset, websocket.send_close))()
        self._some_events()
        until(lambda: self.session.can_upgrade)
        websocket.close()

    def _some_events(self) -> None:
        for _ in range(self.rng.choice((0, 1, 3))):
            self.rng.choice((self._server_sends, self._client_says, self._turn))()

    def _poll(self) -> None:
        while not self._pausing:
            self._take(self.peer.poll())

    def _listen(self, websocket: WebSocketPeer) -> None:
        try:
            while True:
                packet = websocket.receive()
                assert isinstance(packet, str)
                self._take([packet])
        except Closed:
            pass

    def _take(self, packets: list[str]) -> None:
        self.received += [packet[1:].rstrip("x") for packet in packets if packet != "6"]
        assert all(packet[0] in "46" for packet in packets), packets
