"""Fixtures of the engine's tests. Every test fails that leaves a session, a running callback or an unexpected error."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from tests.engine.harness import DEADLINE, Site

Serve = Callable[..., Site]


@pytest.fixture
def hub_errors() -> Iterator[io.StringIO]:
    """What the hub and the WSGI server print; a test that expects an error takes it with `harness.take`."""
    hub = gevent.get_hub()
    stream = io.StringIO()
    hub.exception_stream = stream  # type: ignore[assignment, misc, unused-ignore]
    yield stream
    del hub.exception_stream


@pytest.fixture(autouse=True)
def quiet(hub_errors: io.StringIO, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Ends a test that hangs, and fails one in which something went wrong unnoticed.

    A test that expects something in the log takes it with `caplog.clear()`.
    """
    with gevent.Timeout(2 * DEADLINE):
        yield
    assert hub_errors.getvalue() == ""
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture
def serve(quiet: None, hub_errors: io.StringIO) -> Iterator[Serve]:
    """Starts engines; takes what `Site` takes. All of them must be empty when the test's peers have left."""
    sites: list[Site] = []

    def start(*callbacks: Any, **options: Any) -> Site:
        site = Site(hub_errors, *callbacks, **options)
        sites.append(site)
        return site

    yield start
    for site in sites:
        site.close()
