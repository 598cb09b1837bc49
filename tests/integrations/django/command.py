"""Runs commands of Django's, for the site in `tests.integrations.django.project`."""

from __future__ import annotations

__all__ = ["DEADLINE", "ROOT", "Command", "Run", "eventually"]

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.integrations import command
from tests.integrations.command import DEADLINE, ROOT, eventually

_SETTINGS = "tests.integrations.django.project.settings"


class Command(command.Command):
    """A command that runs with the site's settings, unless its environment names others."""

    def __init__(self, environ: Mapping[str, str], *arguments: str, folder: Path = ROOT) -> None:
        super().__init__({"DJANGO_SETTINGS_MODULE": _SETTINGS, **environ}, *arguments, folder=folder)


class Run(Protocol):
    """Runs commands; the fixture `run` ends them when the test is over."""

    def __call__(self, *arguments: str, **environ: str) -> Command:
        """Run `python -m django` with these arguments."""
        ...
