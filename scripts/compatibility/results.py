"""Prepares and tests cells, and shows what came of them."""

from __future__ import annotations

__all__ = ["Outcome", "Result", "prepare", "table", "test"]

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from xml.etree import ElementTree

from scripts.compatibility.cells import Cell
from scripts.compatibility.environments import FOLDER, Environment, find_python
from scripts.compatibility.requirements import ROOT

#: Whose versions the table shows.
_SHOWN = ("python", "django", "flask", "werkzeug", "gunicorn", "gevent", "websockets", "orjson", "msgspec")

_COUNTS = ("passed", "failed", "skipped")


class Outcome(Enum):
    """What came of a cell."""

    PASSED = "passed"
    FAILED = "FAILED"
    PREPARED = "prepared"
    NO_PYTHON = "untested: its Python is not here"


@dataclass(frozen=True)
class Result:
    """What came of one cell, and how.

    Attributes:
        versions: of Python and all packages.
        counts: the tests by `_COUNTS`.
        seconds: that the tests took.
    """

    cell: Cell
    outcome: Outcome
    versions: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0


def prepare(environment: Environment) -> Result:
    """Make the environment of a cell."""
    cell = environment.cell
    python = find_python(cell.python)
    if python is None:
        print(f"No Python {cell.python}, neither on PATH nor among pyenv's.", flush=True)
        return Result(cell, Outcome.NO_PYTHON)
    try:
        environment.prepare(python)
    except subprocess.CalledProcessError as error:
        print(f"{cell}: {error}", flush=True)
        return Result(cell, Outcome.FAILED)
    return Result(cell, Outcome.PREPARED, environment.versions())


def test(environment: Environment, arguments: Sequence[str]) -> Result:
    """Run tests in the environment of a cell, which is made if need be.

    Args:
        environment: the cell's.
        arguments: pytest's.
    """
    prepared = prepare(environment)
    if prepared.outcome is not Outcome.PREPARED:
        return prepared
    print(f"\n+ {environment.cell}", flush=True)
    report = FOLDER / f"{environment.cell.name}.xml"
    report.unlink(missing_ok=True)
    command = [str(environment.python), "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments]
    start = time.monotonic()
    status = subprocess.run(command, cwd=ROOT).returncode
    seconds = time.monotonic() - start
    outcome = Outcome.FAILED if status else Outcome.PASSED
    counts = _counts(ElementTree.parse(report).getroot()) if report.is_file() else {}
    return Result(environment.cell, outcome, prepared.versions, counts, seconds)


def table(results: Sequence[Result]) -> str:
    """One line for each cell."""
    rows = [["cell", *_SHOWN, *_COUNTS, "seconds", ""]]
    for result in results:
        versions = [result.versions.get(name, "-") for name in _SHOWN]
        counts = [str(result.counts.get(name, "-")) for name in _COUNTS]
        rows.append([result.cell.name, *versions, *counts, f"{result.seconds:.0f}", result.outcome.value])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(["", *lines])


def _counts(report: ElementTree.Element) -> dict[str, int]:
    suites = list(report.iter("testsuite"))

    def total(attribute: str) -> int:
        return sum(int(suite.get(attribute, "0")) for suite in suites)

    failed = total("failures") + total("errors")
    return {"passed": total("tests") - failed - total("skipped"), "failed": failed, "skipped": total("skipped")}
