"""The lives that clients lead, each from its first request to its last, one function per way to go."""

from __future__ import annotations

__all__ = ["LIVES", "answer"]

import random
from collections.abc import Callable

import gevent
import pytest

from geventsio.engine import Session
from tests.engine.harness import Site, until
from tests.engine.peer import Refused, WebSocketPeer, frame


def answer(session: Session, data: str | bytes) -> None:
    """Do what a client asks for: the server's part in these lives."""
    if data == "quit":
        session.close()
    elif data == "block":
        gevent.sleep(0.005)
    elif data == "flood":
        for _ in range(200):
            session.send(b"x" * 1000)
    else:
        session.send(data)


def ws_close_frame(site: Site, rng: random.Random) -> None:
    peer = site.websocket()
    peer.say("hello")
    peer.send_close()
    peer.receive_all()
    peer.close()


def ws_fin(site: Site, rng: random.Random) -> None:
    peer = site.websocket()
    if rng.random() < 0.5:
        peer.say("hello")
    peer.close()


def ws_reset(site: Site, rng: random.Random) -> None:
    peer = site.websocket()
    peer.say(*["hello"] * rng.randrange(5))
    peer.reset()


def ws_closed_by_the_server(site: Site, rng: random.Random) -> None:
    peer = site.websocket()
    peer.say("quit")
    peer.receive_all()
    if rng.random() < 0.5:
        peer.send_close()
    peer.close()


def ws_garbage(site: Site, rng: random.Random) -> None:
    peer = site.websocket()
    peer.send(rng.choice((frame(1, b"?"), frame(3), frame(2, bytes(2000)))))
    peer.receive_all()
    peer.close()


def ws_flood(site: Site, rng: random.Random) -> None:
    peer = site.websocket()
    peer.say("flood")
    if rng.random() < 0.5:
        peer.receive()
    peer.close()


def ws_blocks(site: Site, rng: random.Random) -> None:
    peer = site.websocket()
    peer.say("block", "hello")
    peer.close()


def polling_close(site: Site, rng: random.Random) -> None:
    peer = site.polling()
    peer.say("hello")
    assert peer.poll() == ["4hello"]
    peer.close()


def polling_abort(site: Site, rng: random.Random) -> None:
    peer = site.polling()
    peer.start_poll()
    gevent.sleep(0)
    peer.gets.reset() if rng.random() < 0.5 else peer.gets.close()
    peer.posts.close()


def polling_closed_by_the_server(site: Site, rng: random.Random) -> None:
    peer = site.polling()
    peer.say("quit")
    if rng.random() < 0.5:
        assert peer.poll() == ["1"]
    peer.gets.close()
    peer.posts.close()


def polling_garbage(site: Site, rng: random.Random) -> None:
    peer = site.polling()
    assert peer.post(rng.choice(("?", "4" * 2000))).status in (400, 413)
    peer.gets.close()
    peer.posts.close()


def polling_twice(site: Site, rng: random.Random) -> None:
    peer = site.polling()
    session = site.engine.sessions[peer.sid]
    peer.start_poll()
    until(lambda: session.polling is not None and session.polling.is_polled)
    peer.posts.request("GET", peer.target)
    assert peer.posts.answer().status == 400
    assert peer.gets.answer().packets == ["1"]
    peer.gets.close()
    peer.posts.close()


def upgraded(site: Site, rng: random.Random) -> None:
    peer = site.polling()
    websocket = peer.upgrade()
    websocket.say("hello")
    assert websocket.hear() == "hello"
    rng.choice((websocket.close, websocket.reset))()
    websocket.close()
    peer.gets.close()
    peer.posts.close()


def upgrade_given_up(site: Site, rng: random.Random) -> None:
    peer = site.polling()
    websocket = WebSocketPeer(site.address, peer.websocket_target)
    if rng.random() < 0.7:
        websocket.send("2probe")
        assert websocket.receive() == "3probe"
    rng.choice((websocket.close, websocket.reset))()
    peer.close()


def upgrade_closed_by_post(site: Site, rng: random.Random) -> None:
    peer = site.polling()
    websocket = peer.probe()
    assert peer.post("1").status == 200
    websocket.receive_all()
    websocket.close()
    peer.gets.close()
    peer.posts.close()


def refused(site: Site, rng: random.Random) -> None:
    with pytest.raises(Refused):
        WebSocketPeer(site.address, "/engine.io/?EIO=4&transport=websocket&sid=unknown")


LIVES: tuple[Callable[[Site, random.Random], None], ...] = (
    ws_close_frame,
    ws_fin,
    ws_reset,
    ws_closed_by_the_server,
    ws_garbage,
    ws_flood,
    ws_blocks,
    polling_close,
    polling_abort,
    polling_closed_by_the_server,
    polling_garbage,
    polling_twice,
    upgraded,
    upgrade_given_up,
    upgrade_closed_by_post,
    refused,
)
