"""Runs the command `flask` in a process of its own."""

from __future__ import annotations

__all__ = ["DEADLINE", "ROOT", "FlaskCommand", "Start", "environment", "eventually"]

from pathlib import Path
from typing import Protocol

from tests.integrations.command import DEADLINE, ROOT, Command, environment, eventually


class FlaskCommand(Command):
    """A `flask` command that runs.

    Args:
        folder: the working directory.
        arguments: of the command.
        environ: variables of its environment.
    """

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        super().__init__(environ, "-m", "flask", *arguments, folder=folder)


class Start(Protocol):
    """Starts commands; the fixture `flask_command` ends them when the test is over."""

    def __call__(self, folder: Path, *arguments: str, **environ: str) -> FlaskCommand:
        """Start one; see `FlaskCommand`."""
        ...
