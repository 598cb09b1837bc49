"""Fixtures of the test client's tests: a server, and a watch on what a client leaves behind."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gevent
import pytest

from geventsio import SocketIO
from geventsio.testing import TestClient
from tests.testing.project import Project

NewClient = Callable[..., TestClient]

DEADLINE = 20.0  # seconds after which a test that waits for something is given up


class Hung(BaseException):
    """What a test waits for does not happen."""


def greenlets() -> set[int]:
    """The greenlets of gevent that have not ended."""
    return {id(found) for found in gc.get_objects() if issubclass(type(found), gevent.Greenlet) and not found.dead}


@pytest.fixture(autouse=True)
def tidy(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """End a test that hangs; fail one that leaves greenlets behind, or something in the log or on stderr."""
    before = greenlets()
    timeout = gevent.Timeout.start_new(DEADLINE, Hung(f"still waiting after {DEADLINE} seconds"))
    yield
    timeout.close()
    if not greenlets() <= before:
        gc.collect()  # some that never began may lie about
        assert greenlets() <= before
    records = [record for record in caplog.get_records("call") if _is_ours(record)]
    assert [record.getMessage() for record in records] == []
    assert capsys.readouterr().err == ""


@pytest.fixture(params=["polling", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    """Both transports in turn."""
    name: str = request.param
    return name


@pytest.fixture
def new(transport: str) -> NewClient:
    """Make test clients."""
    return partial(TestClient, transport=transport)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A user's project, without any files yet."""
    return Project(tmp_path)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING and record.name.startswith("geventsio")


@pytest.fixture
def io() -> Iterator[SocketIO]:
    """A server; afterwards it has no clients, and has let go of the hub."""
    io = SocketIO()
    yield io
    assert io.engine.sessions == {}
    assert not io.engine.has_started
    assert [namespace for namespace in io.nsps() if namespace.sockets] == []
    assert io.error_hooks == []
