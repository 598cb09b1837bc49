"""Fixtures of the hostile tests: one server of each kind for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

# Its assertions are those of the tests that call it.
pytest.register_assert_rewrite("tests.hostile.attacks")

from tests import tools  # noqa: E402
from tests.conformance.servers import SERVERS  # noqa: E402
from tests.hostile.arena import Arena  # noqa: E402


def _serve(kind: str, **options: float) -> Iterator[Arena]:
    if kind != "pywsgi":
        tools.gunicorn()
    arena = Arena(kind, **options)
    yield arena
    arena.close()


@pytest.fixture(scope="session", params=SERVERS)
def shared_arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """The server of each kind."""
    yield from _serve(request.param)


@pytest.fixture(params=SERVERS)
def own_arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """A server of each kind that nobody has used before."""
    yield from _serve(request.param)


@pytest.fixture(params=SERVERS)
def patient_arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """The same, for clients that mean to be in time on a machine that may be busy."""
    yield from _serve(request.param, timeout=60)


@pytest.fixture
def arena(shared_arena: Arena) -> Iterator[Arena]:
    """The same; afterwards its bystanders must have noticed nothing, and nothing may be left."""
    yield shared_arena
    shared_arena.check_undisturbed()
