"""Polls, probes, upgrades, emits, aborts and reconnects in any order: nothing is lost, repeated or out of order."""

from __future__ import annotations

from itertools import count

import gevent
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from geventsio import Socket, SocketIO
from tests.socketio.harness import Serve, wait_until
from tests.socketio.random_client import STEPS, Life, RandomClient, Step

#: A failing example may take long to fail, so it is not made smaller.
_SETTINGS = settings(
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_CLIENTS = st.lists(st.lists(STEPS, min_size=5, max_size=25), min_size=1, max_size=3)


def _play(serve: Serve, clients: list[list[Step]]) -> None:
    lives: dict[str, Life] = {}
    # Small payloads, so that what waits takes several polls.
    io = SocketIO(max_payload=6_000, ping_interval=3600, blocked_threshold=None)
    namespace = io.ns("/")

    @namespace
    def connect(socket: Socket) -> None:
        lives[socket.id] = Life(socket)

    @namespace.on("say")
    def say(socket: Socket, number: int) -> None:
        lives[socket.id].heard.append(number)
        if number % 5 == 0:
            gevent.sleep(0)  # the next one waits, and may not overtake

    site = serve(io)
    numbers = count()
    players = [gevent.spawn(RandomClient(site.address, lives, numbers).run, steps) for steps in clients]
    gevent.joinall(players, raise_error=True)
    wait_until(lambda: not io.engine.sessions)
    site.close()


@settings(_SETTINGS, max_examples=30)
@given(clients=_CLIENTS)
def test_any_interleaving(serve: Serve, clients: list[list[Step]]) -> None:
    _play(serve, clients)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(200))
def test_very_many_interleavings(serve: Serve, number: int) -> None:
    @seed(number)
    @settings(_SETTINGS, max_examples=30, derandomize=False)
    @given(clients=_CLIENTS)
    def play(clients: list[list[Step]]) -> None:
        _play(serve, clients)

    play()
