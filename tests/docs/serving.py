"""Starts servers as the command lines of a page say."""

from __future__ import annotations

__all__ = ["DEADLINE", "arguments", "commands", "serve"]

import re
import shlex
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import tools
from tests.docs.pages import Block
from tests.integrations.command import DEADLINE, Command

#: The programs of command lines, as arguments of this Python.
PROGRAMS = {"python": (), "flask": ("-m", "flask"), "gunicorn": ("-m", "gunicorn"), "django-admin": ("-m", "django")}


def commands(found: Iterable[Block]) -> list[str]:
    """The command lines that run something of the page's: not those that make an environment."""
    lines = [line for block in found if block.language == "sh" for line in block.code.splitlines()]
    return [line for line in lines if line.partition(" ")[0] in PROGRAMS]


def arguments(line: str, port: int = 0) -> list[str]:
    """The arguments of Python that a command line means, with another port than 3000."""
    program, *rest = shlex.split(line.replace("3000", str(port)))
    return [*PROGRAMS[program], *rest]


@contextmanager
def serve(folder: Path, line: str) -> Iterator[str]:
    """Start a server in a folder as a page says, and give its address; it must end well when it is told to."""
    if line.startswith("gunicorn"):
        tools.gunicorn()
    port = _free_port()
    for file in folder.glob("*.py"):  # some name their port themselves
        file.write_text(re.sub(r"port=\d+", f"port={port}", file.read_text(encoding="utf-8")), encoding="utf-8")
    command = Command({}, *arguments(line, port), folder=folder)
    try:
        assert command.writes(r"[Ll]istening (?:on|at):? (http://127.0.0.1:\d+)") == f"http://127.0.0.1:{port}"
        yield f"http://127.0.0.1:{port}"
        assert command.stop() == 0, command.output()
        assert "Traceback" not in command.output(), command.output()
    finally:
        command.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
