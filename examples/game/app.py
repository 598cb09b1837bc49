"""The game's server: a greenlet moves the world on 30 times a second and tells everybody where everybody is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

import gevent
from flask import Flask, render_template
from msgspec import Meta

from examples.game.world import HEIGHT, WIDTH, World
from examples.shared import shared
from geventsio import ConnectRefused, Data, Socket, SocketIO

__all__ = ["app", "io"]

TICK = 1 / 30  # seconds
MAX_PLAYERS = 500

io = SocketIO(transports=["websocket"], rate_limit=100)
root = io.ns("/")
app = Flask(__name__)
app.register_blueprint(shared)
app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]
world = World()
loop: gevent.Greenlet[..., object] | None = None


@dataclass
class Hello:
    """What a browser connects with."""

    name: Annotated[str, Meta(min_length=1, max_length=16)]


@app.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html")


def run() -> None:
    """Tick. A tick that comes late does not make the following ones late: they are due by the clock."""
    due = before = reported = time.monotonic()
    ticks, busy = 0, 0.0
    while True:
        due = max(due + TICK, time.monotonic() - TICK)  # but ticks that were missed are not made up for
        gevent.sleep(max(0.0, due - time.monotonic()))
        begin = time.monotonic()
        taken, before = world.step(begin - before), begin
        for index in taken:
            coin = world.coins[index]
            root.emit("coin", index, coin.x, coin.y)
        root.volatile().emit("state", world.state())  # encoded once for all; who can't keep up gets the newest only
        ticks, busy = ticks + 1, busy + time.monotonic() - begin
        if begin - reported >= 1:
            root.emit("stats", round(ticks / (begin - reported), 1), round(busy / ticks * 1_000, 2), len(world.players))
            reported, ticks, busy = begin, 0, 0.0


@root.use
def check(hello: Data[Hello]) -> None:
    """Refuse who has no name, or comes when it is full."""
    if len(world.players) >= MAX_PLAYERS:
        raise ConnectRefused("The game is full.")


@root
def connect(socket: Socket, hello: Data[Hello]) -> None:
    """Someone plays; the first one starts the clock."""
    global loop
    if loop is None:
        loop = io.spawn(run)
    player = socket.data["player"] = world.enter(hello.name)
    socket.broadcast().emit("joined", player.number, player.name)
    socket.emit(
        "welcome",
        {
            "me": player.number,
            "size": [WIDTH, HEIGHT],
            "names": [[one.number, one.name] for one in world.players.values()],
            "coins": [[coin.x, coin.y] for coin in world.coins],
        },
    )


@root.on("steer")
def steer(socket: Socket, x: float, y: float) -> None:
    """A player runs to another place from now on."""
    socket.data["player"].goal = (min(max(x, 0), WIDTH), min(max(y, 0), HEIGHT))


@root.on_disconnect
def disconnect(socket: Socket) -> None:
    """A player is gone."""
    player = socket.data["player"]
    del world.players[player.number]
    socket.broadcast().emit("left", player.number)
