"""Fixtures of the Flask integration's tests: those of the Socket.IO layer, and an app."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.socketio.conftest import deadline, log, serve, stderr, transport

__all__ = ["app", "deadline", "log", "serve", "stderr", "transport"]


@pytest.fixture
def app() -> Flask:
    """An app that can sign its sessions."""
    app = Flask("sample")
    app.secret_key = "not a secret"
    return app
