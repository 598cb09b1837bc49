"""Fixtures of the tests of metrics pages and recipes: those of the Socket.IO layer, and a project of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.socketio.conftest import deadline, log, serve, stderr
from tests.testing.project import Project

__all__ = ["deadline", "log", "project", "serve", "stderr"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of a user of the library."""
    return Project(tmp_path)
