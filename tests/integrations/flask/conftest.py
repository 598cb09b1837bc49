"""Fixtures of the Flask integration's tests: those of the Socket.IO layer, and an app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.integrations.flask.command import FlaskCommand, Start
from tests.socketio.conftest import deadline, log, serve, stderr, transport

__all__ = ["app", "deadline", "flask_command", "log", "serve", "stderr", "transport"]


@pytest.fixture
def app() -> Flask:
    """An app that can sign its sessions."""
    app = Flask("sample")
    app.secret_key = "not a secret"
    return app


@pytest.fixture
def flask_command() -> Iterator[Start]:
    """Run the command `flask`."""
    commands: list[FlaskCommand] = []

    def start(folder: Path, *arguments: str, **environ: str) -> FlaskCommand:
        commands.append(FlaskCommand(folder, *arguments, **environ))
        return commands[-1]

    yield start
    for command in commands:
        command.close()
