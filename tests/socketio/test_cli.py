"""Tests of `python -m geventsio module:app`."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.socketio.harness import Program
from tests.socketio.peer import http_request

SOURCE = """
from geventsio import Socket, SocketIO

io = SocketIO()

@io.ns("/")
def connect(socket: Socket) -> None:
    socket.emit("hello")

@io.ns("/").on_disconnect
def bye(reason) -> None:
    print("bye:", reason)

def plain(environ, start_response):
    start_response("200 OK", [])
    return [b"app"]

app = io.layer(plain)

class holder:
    inner = app

number = 5
"""

Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command, in a folder that has the module."""
    (tmp_path / "module.py").write_text(SOURCE)
    programs: list[Program] = []

    def run(*arguments: str, folder: Path = tmp_path) -> Program:
        programs.append(Program(folder, "-m", "geventsio", *arguments))
        return programs[-1]

    yield run
    for program in programs:
        program.close()


@pytest.mark.parametrize(
    ("name", "status"), [("module:app", 200), ("module", 200), ("module:io", 404), ("module:holder.inner", 200)]
)
def test_a_module_s_app_is_served(start: Start, name: str, status: int) -> None:
    program = start(name, "--port", "0").listening()
    assert http_request(program.address, "GET", "/").status == status
    assert program.websocket().event() == ["hello"]
    assert program.stop(signal.SIGTERM) == (0, "bye: server shutting down\n", "")


def test_an_interrupt_ends_it_cleanly(start: Start) -> None:
    program = start("module:app", "--port", "0").listening()
    assert program.websocket().event() == ["hello"]
    assert program.stop(signal.SIGINT) == (0, "bye: server shutting down\n", "")


def test_the_module_is_found_in_another_folder(start: Start, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = start("module:app", "--port", "0", "--chdir", str(tmp_path), folder=elsewhere).listening()
    assert http_request(program.address, "GET", "/").body == b"app"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing:app", "No module named 'missing'"),
        ("module:missing", "module 'module' has no attribute 'missing'"),
        ("module:number", "int is not a WSGI app"),
    ],
)
def test_what_can_not_be_served(start: Start, name: str, complaint: str) -> None:
    assert start(name, "--port", "0").end() == (2, "", f"geventsio: {name}: {complaint}\n")


@pytest.mark.parametrize(
    "failure",
    ["import missing", "from os import missing", "None.missing", "len(5)"],
    ids=["module", "name", "attribute", "type"],
)
def test_what_fails_inside_of_the_module_is_shown_with_its_place(start: Start, tmp_path: Path, failure: str) -> None:
    (tmp_path / "failing.py").write_text(f"def make():\n    {failure}\n\nmake()\n")
    code, output, errors = start("failing:app", "--port", "0").end()
    assert (code, output) == (1, "")
    assert errors.startswith("Traceback") and 'failing.py", line 2, in make' in errors


def test_a_port_that_is_none(start: Start) -> None:
    code, output, errors = start("module:app", "--port", "65536").end()
    assert (code, output) == (2, "")
    assert "argument --port: 65536 is not a port: 0 to 65535" in errors


def test_a_port_that_is_taken(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output, errors = start("module:app", "--port", str(port)).end()
    assert (code, output) == (1, "")
    assert errors.startswith(f"geventsio: can't listen on 127.0.0.1:{port}: Address already in use")
    assert errors.count("\n") == 1


def test_without_an_app_it_says_what_it_wants(start: Start) -> None:
    code, output, errors = start().end()
    assert (code, output) == (2, "")
    assert "usage: python -m geventsio" in errors
