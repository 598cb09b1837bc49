"""A project of a user of the library, whose tests are run in a process of their own."""

from __future__ import annotations

__all__ = ["Project", "Result"]

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_PYTEST = "import pytest, sys; sys.exit(pytest.main())"
_PATCH = "from gevent import monkey; monkey.patch_all(); "


class Result(NamedTuple):
    """What came out of a run: how many tests did what, and what was printed."""

    outcomes: dict[str, int]
    output: str


class Project:
    """A folder of Python files.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, source: str) -> None:
        """Make a file; common indentation is taken out."""
        (self._folder / name).write_text(dedent(source), encoding="utf-8")

    def run(self, is_patched: bool = False) -> Result:
        """Run its tests, with all warnings as errors.

        Args:
            is_patched: whether gevent patches the standard library first.
        """
        program = _PATCH + _PYTEST if is_patched else _PYTEST
        done = subprocess.run(
            [sys.executable, "-c", program, "-q", "-W", "error", "-p", "no:cacheprovider", "--rootdir", "."],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        *_, last = done.stdout.strip().splitlines() or [""]
        counts = re.findall(r"(\d+) (passed|failed|errors?|warnings?|skipped)", last)
        return Result({name.removesuffix("s"): int(count) for count, name in counts}, done.stdout)
