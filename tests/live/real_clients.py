"""Runs a client's program once for each server and transport, and gives its results check by check."""

from __future__ import annotations

__all__ = ["MODES", "check_result", "names"]

import functools
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.live.harness import ROOT

#: How a client travels: by HTTP long-polling, by WebSocket, or from the one to the other.
MODES = ("polling", "websocket", "upgrade")

# Seconds after which a whole program hangs: each of its checks has a guard of 20 seconds.
_GUARD = 400


def names(program: Path, pattern: str) -> list[str]:
    """The names of a program's checks: the first group of a pattern, wherever it matches in its source."""
    return re.findall(pattern, program.read_text(encoding="utf-8"), re.MULTILINE)


def check_result(command: Sequence[str | Path], check: str, expected: Sequence[str]) -> None:
    """Fail with what went wrong if a check of a client's program failed.

    The program runs at the first of its checks, and only then.
    """
    results = _run(tuple(str(part) for part in command))
    assert sorted(results) == sorted(expected)
    if results[check] is not None:
        raise AssertionError(results[check])


@functools.cache
def _run(command: tuple[str, ...]) -> dict[str, str | None]:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_GUARD)
    assert (ended.returncode, ended.stderr) == (0, ""), f"{ended.stdout}\n{ended.stderr}"
    results: dict[str, str | None] = json.loads(ended.stdout)
    return results
