"""Clients that come and go, in every way there is: nothing of them stays in the server."""

from __future__ import annotations

import os
import random

import gevent
import pytest
from gevent.pool import Pool

from tests.hostile.arena import Arena
from tests.hostile.lives import LIVES
from tests.live.harness import DEADLINE

#: Lives on each server; `-m soak` takes this many.
CYCLES = 500
SOAK_CYCLES = int(os.environ.get("GEVENTSIO_SOAK_CYCLES", "100000"))

#: Clients at a time.
CLIENTS = 20

#: Lives after which caches and pools are as large as they will be.
WARM_UP = 2_000


def _live(arena: Arena, number: int, rng: random.Random) -> None:
    """Let clients lead so many lives, and check that none of them is left."""
    clients = Pool(CLIENTS)
    done: list[gevent.Greenlet[..., None]] = []
    try:
        for index in range(number):
            done.append(clients.spawn(LIVES[index % len(LIVES)], arena.address, random.Random(rng.random())))
            if len(done) == 1_000 or index == number - 1:
                with gevent.Timeout(10 * DEADLINE):
                    gevent.joinall(done, raise_error=True)
                done.clear()
                arena.check_undisturbed()
    except (Exception, gevent.Timeout) as error:
        raise AssertionError(f"stderr of the server: {arena.server.take_errors()}") from error
    finally:
        clients.kill()


def test_lives(patient_arena: Arena) -> None:
    rng = random.Random(1)
    _live(patient_arena, 2 * len(LIVES), rng)
    before = patient_arena.gauge()
    _live(patient_arena, CYCLES, rng)
    patient_arena.check_flat(before)


@pytest.mark.soak
def test_very_many_lives(patient_arena: Arena) -> None:
    rng = random.Random(2)
    _live(patient_arena, WARM_UP, rng)
    before = patient_arena.gauge()
    _live(patient_arena, SOAK_CYCLES, rng)
    print(patient_arena.check_flat(before))
