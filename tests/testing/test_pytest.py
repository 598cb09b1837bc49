"""Tests of the fixtures, in a run of pytest of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing.project import Project

ROOT = Path(__file__).parents[2]

CONFTEST = """
import pytest
from geventsio import Socket, SocketIO
pytest_plugins = ["geventsio.testing.pytest"]

server = SocketIO()
server.ns("/").on("echo", lambda *args: args)
server.ns("/").on("fail", lambda: 1 / 0)

@pytest.fixture
def {fixture}():
    return server
"""


@pytest.mark.parametrize("fixture", ["sio_app", "io"])
def test_the_server_comes_from_a_fixture(project: Project, fixture: str) -> None:
    project.write("conftest.py", CONFTEST.format(fixture=fixture))
    project.write(
        "test_it.py",
        """
        def test_one(sio_client):
            assert sio_client.connect().call("echo", 1) == 1
            assert len(sio_client.io.engine.sessions) == 1

        def test_another(make_sio_client):
            clients = [make_sio_client(query={"n": str(n)}) for n in range(3)]
            sockets = [client.connect() for client in clients]
            assert [socket.call("echo", n) for n, socket in enumerate(sockets)] == [0, 1, 2]
            assert len(clients[0].io.engine.sessions) == 3

        def test_nothing_is_left(sio_app):
            assert not sio_app.engine.sessions and not sio_app.engine.has_started

        def test_live(sio_live_server):
            import requests
            assert requests.get(sio_live_server.url + "/socket.io/?EIO=4&transport=polling").status_code == 200
        """,
    )
    result = project.run()
    assert result.outcomes == {"passed": 4}, result.output


def test_an_error_of_a_handler_that_nobody_saw_fails_the_test(project: Project) -> None:
    project.write("conftest.py", CONFTEST.format(fixture="io"))
    project.write(
        "test_it.py",
        """
        def test_it(make_sio_client):
            first, second = make_sio_client(raise_handler_errors=False), make_sio_client()
            first.connect().emit("fail")

        def test_nothing_is_left(io):
            assert not io.engine.sessions and not io.engine.has_started
        """,
    )
    result = project.run()
    assert result.outcomes == {"passed": 2, "error": 1}, result.output
    assert "ZeroDivisionError: division by zero" in result.output


def test_a_project_without_a_server_is_told_what_to_do(project: Project) -> None:
    project.write("conftest.py", 'pytest_plugins = ["geventsio.testing.pytest"]')
    project.write("test_it.py", "def test_it(sio_client): pass")
    result = project.run()
    assert result.outcomes == {"error": 1}, result.output
    assert "define a fixture `sio_app` (or `io`) that returns your SocketIO or your WSGI app" in result.output


def test_pytest_is_not_needed_without_the_fixtures() -> None:
    source = "import sys; sys.modules['pytest'] = None; import geventsio.testing"
    subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True, timeout=60)
