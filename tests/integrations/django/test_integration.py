"""Tests of what the integration says when something is missing, and of its options; in a process of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integrations.django.command import Command

PROGRAM = """
from geventsio import SocketIO
from geventsio.integrations.django import *
from geventsio.testing import TestClient

io = SocketIO()
application = get_wsgi_application(io, middleware={middleware})

@io.ns("/").on("event")
def event():
    {body}

with TestClient(application, raise_handler_errors=False) as client:
    socket = client.connect()
    for _ in range(2):
        socket.emit("event")
"""

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"


def output(folder: Path, program: str) -> str:
    """Run a program, and return what it has written."""
    command = Command({"DJANGO_DATABASE": str(folder / "empty.sqlite")}, "-W", "error", "-c", program)
    try:
        assert command.end() == 0, command.output()
        return command.output()
    finally:
        command.close()


@pytest.mark.parametrize(
    ("middleware", "body", "lines"),
    [
        pytest.param(
            [],
            "current_user()",
            ["requests have no user: is django.contrib.auth.middleware.AuthenticationMiddleware in MIDDLEWARE?"],
            id="no user",
        ),
        pytest.param(
            [SESSIONS],
            "current_session()['color'] = 'red'",
            ["the session was changed for 'event' in /"],
            id="lost once",
        ),
        pytest.param([SESSIONS], "current_session().get('color')", [], id="only read"),
        pytest.param(
            [SESSIONS, "tests.integrations.django.project.middleware.unused"], "current_session()", [], id="not used"
        ),
        pytest.param(
            ["tests.integrations.django.project.middleware.broken"],
            "current_request()",
            ["the middleware factory tests.integrations.django.project.middleware.broken returned None"],
            id="no middleware",
        ),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, middleware: list[str], body: str, lines: list[str]) -> None:
    written = output(tmp_path, PROGRAM.format(middleware=middleware, body=body))
    for line in lines:
        # An exception is logged each time, a warning is given once.
        assert written.count(line) == (1 if line.startswith("the session") else 2), written
    assert bool(written) == bool(lines), written


def test_outside_of_handlers_there_is_no_request(tmp_path: Path) -> None:
    program = """
from geventsio.integrations.django import current_user
try:
    current_user()
except RuntimeError as error:
    print(error)
"""
    assert output(tmp_path, program).startswith("there is no request here: this code was not called by a handler")


def test_middlewares_are_several(tmp_path: Path) -> None:
    program = """
from geventsio import SocketIO
from geventsio.integrations.django import DjangoIntegration
try:
    DjangoIntegration(SocketIO(), middleware="django.middleware.common.CommonMiddleware")
except TypeError as error:
    print(error)
"""
    assert output(tmp_path, program) == "middleware must be a sequence of dotted names, not one string\n"
