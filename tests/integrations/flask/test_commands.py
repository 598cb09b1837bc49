"""Tests of the command `flask socketio run`, and of how servers that can't serve are refused."""

from __future__ import annotations

import signal
import socket as plain_socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import requests
import socketio

from tests.integrations.flask.command import DEADLINE, ROOT, FlaskCommand, Start, environment

PROGRAM = """
from flask import Flask, current_app
from geventsio import Socket, SocketIO
from geventsio.integrations.flask import FlaskIntegration

app = Flask("sample")
io = SocketIO()
FlaskIntegration(io, app)

@app.get("/")
def index():
    return "hello"

@app.get("/fail")
def fail():
    return 1 / 0

@io.ns("/").on("version")
def version():
    return [current_app.name, 1]
"""

PATCHED = "from gevent import monkey\nmonkey.patch_all()\n" + PROGRAM

#: A client that says each time that it connects what the program answers.
RECONNECTING = """
import sys, socketio

client = socketio.Client(reconnection_delay=0.01, reconnection_delay_max=0.1)

@client.event
def connect():
    client.emit("version", callback=lambda answer: print(answer, flush=True))

client.connect(sys.argv[1])
client.wait()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the program `app.py`."""
    (tmp_path / "app.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def client() -> Iterator[socketio.SimpleClient]:
    """A client that is not connected yet."""
    client = socketio.SimpleClient(request_timeout=DEADLINE)
    yield client
    client.disconnect()


def version(client: Any, url: str, transports: list[str] | None = None) -> Any:
    """Connect, and ask the program for its name and version."""
    client.connect(url, transports=transports, wait_timeout=DEADLINE)
    return client.call("version", timeout=DEADLINE)


@pytest.mark.parametrize("debug", [[], ["--debug"]], ids=["plain", "debug"])
def test_flask_run_is_refused(flask_command: Start, folder: Path, debug: list[str]) -> None:
    command = flask_command(folder, *debug, "run", "--port", "0")
    assert command.end() == 1
    (line,) = command.output().splitlines()
    assert line.startswith("Error: ")
    assert "`flask socketio run`" in line


@pytest.mark.parametrize("transports", [["polling"], ["websocket"]], ids=["polling", "websocket"])
def test_flask_run_serves_when_it_is_patched(
    flask_command: Start, folder: Path, client: socketio.SimpleClient, transports: list[str]
) -> None:
    (folder / "app.py").write_text(PATCHED)
    command = flask_command(folder, "run", "--port", "0")
    url = command.writes(r"Running on (http://127.0.0.1:[1-9]\d*)")
    assert version(client, url, transports) == ["sample", 1]


def test_app_run_serves_the_app_and_refuses_clients(folder: Path) -> None:
    (folder / "app.py").write_text(f'{PROGRAM}\nif __name__ == "__main__":\n    app.run(port=0)\n')
    process = subprocess.Popen(
        [sys.executable, "-u", "app.py"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        url = next(line.split()[-1] for line in process.stdout if "Running on" in line)
        assert requests.get(url, timeout=DEADLINE).text == "hello"
        for _ in range(2):
            answer = requests.get(f"{url}/socket.io/?EIO=4&transport=polling", timeout=DEADLINE)
            assert (answer.status_code, answer.text.count("\n")) == (500, 1)
            assert "`flask socketio run`" in answer.text
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=DEADLINE)
    # It is logged once, and nothing else is wrong.
    assert output.count("`flask socketio run`") == 1
    assert "Traceback" not in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(
    flask_command: Start, folder: Path, client: socketio.SimpleClient, number: int
) -> None:
    command = flask_command(folder, "socketio", "run", "--port", "0")
    url = command.listening()
    assert requests.get(url, timeout=DEADLINE).text == "hello"
    assert requests.get(f"{url}/fail", timeout=DEADLINE).text.startswith("<!doctype html>")
    assert version(client, url) == ["sample", 1]
    client.disconnect()
    assert command.stop(number) == 0


def test_a_port_that_is_taken(flask_command: Start, folder: Path) -> None:
    with plain_socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = flask_command(folder, "socketio", "run", "--port", str(port))
        assert command.end() == 1
    (line,) = command.output().splitlines()
    assert line == f"Error: can't listen: Address already in use: ('127.0.0.1', {port})"


def test_a_certificate_needs_its_key(flask_command: Start, folder: Path) -> None:
    command = flask_command(folder, "socketio", "run", "--cert", "app.py")
    assert command.end() == 2
    assert "--cert and --key belong together" in command.output()


def test_it_speaks_tls(flask_command: Start, folder: Path) -> None:
    certificate = ROOT / "tests" / "engine" / "localhost.pem"
    options = ["--cert", str(certificate), "--key", str(certificate)]
    command = flask_command(folder, "socketio", "run", "--port", "0", *options)
    url = command.listening()
    assert url.startswith("https://")
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    with urlopen(f"{url}/socket.io/?EIO=4&transport=polling", context=context, timeout=DEADLINE) as answer:
        assert answer.read().startswith(b"0{")


def test_the_debugger_shows_exceptions(flask_command: Start, folder: Path, client: socketio.SimpleClient) -> None:
    command = flask_command(folder, "--debug", "socketio", "run", "--port", "0", "--no-reload")
    url = command.listening()
    assert "the debugger is active, with the PIN" in command.output()
    answer = requests.get(f"{url}/fail", timeout=DEADLINE)
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.text and "__debugger__" in answer.text
    assert version(client, url, ["polling", "websocket"]) == ["sample", 1]


def reloading(flask_command: Start, folder: Path, *options: str) -> FlaskCommand:
    """The command with its reloader, on a port that the next child finds free."""
    with plain_socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return flask_command(folder, "--debug", "socketio", "run", "--port", str(port), *options)


def test_clients_come_back_when_a_file_has_changed(flask_command: Start, folder: Path) -> None:
    command = reloading(flask_command, folder)
    # In a process of its own, for when it loses its connection that client leaves sockets open.
    client = subprocess.Popen(
        [sys.executable, "-c", RECONNECTING, command.listening()], stdout=subprocess.PIPE, text=True
    )
    assert client.stdout is not None
    try:
        assert client.stdout.readline() == "['sample', 1]\n"
        (folder / "app.py").write_text(PROGRAM.replace("[current_app.name, 1]", "[current_app.name, 22]"))
        assert client.stdout.readline() == "['sample', 22]\n"
    finally:
        client.kill()
        client.communicate()
    assert command.stop() == 0
    assert "Traceback" not in command.output()


def test_a_mistake_is_waited_for(flask_command: Start, folder: Path, client: socketio.SimpleClient) -> None:
    command = reloading(flask_command, folder)
    command.listening()
    (folder / "app.py").write_text(PROGRAM + "\n1 +\n")
    command.writes("waiting for a change, to try it again")
    assert "SyntaxError" in command.output()
    (folder / "app.py").write_text(PROGRAM)
    assert version(client, command.listening(2)) == ["sample", 1]
    client.disconnect()
    assert command.stop(signal.SIGINT) == 130


def test_other_files_are_watched(flask_command: Start, folder: Path) -> None:
    extra = folder / "words.txt"
    extra.write_text("one")
    command = reloading(flask_command, folder, "--extra-files", str(extra))
    command.listening()
    extra.write_text("two, and more")
    command.listening(2)
    (folder / "beside.py").write_text("a module that nobody imports yet")
    command.listening(3)
