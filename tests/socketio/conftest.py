"""Fixtures of the Socket.IO layer's tests: servers in this process, and a watch on what they leave behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from geventsio import SocketIO
from tests.socketio.harness import Log, Program, Run, Serve, Site, WSGIApp

#: Seconds after which a test that waits for something is given up; never a measure of speed.
DEADLINE = 15.0


class Hung(BaseException):
    """What a test waits for does not happen. Not an Exception, so that nothing takes it for one of its own."""


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """End a test that hangs."""
    timeout = gevent.Timeout.start_new(DEADLINE, Hung(f"still waiting after {DEADLINE} seconds"))
    yield
    timeout.close()


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    """What the library logs; whatever a test does not take is a failure."""
    handler = Log()
    logger = logging.getLogger("geventsio")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    assert [record.getMessage() for record in handler.take()] == []


@pytest.fixture(autouse=True)
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Fail when something is printed to stderr, as gevent's hub and pywsgi do with exceptions that nobody handled."""
    yield
    assert capsys.readouterr().err == ""


@pytest.fixture
def serve(deadline: None, log: Log, stderr: None) -> Iterator[Serve]:
    """Start servers; afterwards send their clients away and look for what remains."""
    sites: list[Site] = []

    def start(io: SocketIO, app: WSGIApp | None = None) -> Site:
        sites.append(Site(io, app))
        return sites[-1]

    yield start
    for site in sites:
        site.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run programs with the embedded server."""
    programs: list[Program] = []

    def start(source: str) -> Program:
        file = tmp_path / "program.py"
        file.write_text(source)
        programs.append(Program(tmp_path, str(file)))
        return programs[-1].listening()

    yield start
    for program in programs:
        program.close()


@pytest.fixture(params=["websocket", "polling"])
def transport(request: pytest.FixtureRequest) -> str:
    """Both transports in turn, for what must not depend on them."""
    name: str = request.param
    return name
