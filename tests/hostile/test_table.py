"""Each row of the table gets its answer, and nothing else happens: see `Arena.check_undisturbed`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hostile.arena import Arena
from tests.hostile.attacks import ATTACKS, Attack


def test_the_table_is_long() -> None:
    assert len({id(row) for _, row in ATTACKS.values()}) >= 200


@pytest.mark.parametrize(("attack", "row"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack(arena: Arena, attack: Attack, row: Any) -> None:
    attack(arena, row)
