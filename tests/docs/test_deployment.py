"""docs/deployment.md is true: its server runs and drains, and the programs of its files are those of the page."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import signal
import socket
from pathlib import Path

import pytest
import socketio
import socketio.exceptions
from socketio.exceptions import DisconnectedError

from tests.docs.pages import blocks, files
from tests.docs.serving import DEADLINE, commands, free_port
from tests.integrations.command import Command, eventually

BLOCKS = blocks("docs/deployment.md")
[GUNICORN] = [line for line in commands(BLOCKS) if line.startswith("gunicorn")]


def listens(port: int) -> bool:
    """Whether somebody accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
    except OSError:
        return False
    return True


def test_a_server_of_one_s_own_sends_its_clients_away(tmp_path: Path) -> None:
    port = free_port()
    app = files(blocks("docs/getting-started.md"))["server.py"]
    (tmp_path / "app.py").write_text(app, encoding="utf-8")
    (tmp_path / "serve.py").write_text(files(BLOCKS)["serve.py"].replace("3000", str(port)), encoding="utf-8")
    command = Command({}, "serve.py", folder=tmp_path)
    try:
        eventually(lambda: listens(port), "serve.py listens")
        with socketio.SimpleClient(reconnection=False) as client:
            client.connect(f"http://127.0.0.1:{port}", transports=["polling"])
            assert client.call("message", "hello", timeout=DEADLINE) == 1
            assert client.receive(timeout=DEADLINE) == ["message", "hello"]
            assert command.stop(signal.SIGTERM) == 0, command.output()
            with pytest.raises(DisconnectedError):
                client.receive(timeout=DEADLINE)
    finally:
        command.close()


def test_systemd_and_containers_start_what_the_page_starts() -> None:
    unit = configparser.ConfigParser(strict=True)
    unit.read_string(next(block.code for block in BLOCKS if block.language == "ini"))
    assert unit["Service"]["ExecStart"].endswith(f"/bin/{GUNICORN}")
    container = next(block.code for block in BLOCKS if block.code.startswith("FROM "))
    started = re.search(r"^CMD (\[.*\])$", container, re.MULTILINE)
    assert started is not None
    assert json.loads(started[1]) == shlex.split(GUNICORN.replace("127.0.0.1", "0.0.0.0"))
