"""Fixtures of the hostile tests: one server of each kind for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import tools
from tests.conformance.servers import SERVERS
from tests.hostile.arena import Arena


@pytest.fixture(scope="session", params=SERVERS)
def shared_arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """The server of each kind."""
    if request.param != "pywsgi":
        tools.gunicorn()
    arena = Arena(request.param)
    yield arena
    arena.close()


@pytest.fixture
def arena(shared_arena: Arena) -> Iterator[Arena]:
    """The same; afterwards its bystanders must have noticed nothing, and nothing may be left."""
    yield shared_arena
    shared_arena.check_undisturbed()
