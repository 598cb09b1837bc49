"""The package reads no clock that somebody may set: a step of the wall clock must not time clients out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "geventsio"

#: What may be taken from the module `time`.
ALLOWED = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}

#: Modules that tell the time to users, and time nothing.
SHOWN = {"handshake.py"}


def wall_clocks(source: str) -> Iterator[str]:
    """The uses of clocks that can be set, by line."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.asname or alias.name for alias in node.names if alias.name == "time")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            for alias in node.names:
                if alias.name not in ALLOWED:
                    yield f"{node.lineno}: {node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
            if node.attr not in ALLOWED:
                yield f"{node.lineno}: time.{node.attr}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node).endswith(("loop.now", "datetime.now", "date.today")):
            yield f"{node.lineno}: {ast.unparse(node)}"


def loops(source: str) -> Iterator[str]:
    """Deadlines that are given the loop, whose `now` is the wall clock, instead of the server's clock; by line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Timeouts", "RateLimit") and node.args:
            if ast.unparse(node.args[0]).endswith("loop"):
                yield f"{node.lineno}: {ast.unparse(node)}"


def test_deadlines_are_kept_by_the_clock_of_the_server() -> None:
    found = [f"{path.name}:{use}" for path in sorted(PACKAGE.rglob("*.py")) for use in loops(path.read_text())]
    assert found == []
    assert len(list(loops("Timeouts(self.runtime.loop, 5, f)\nTimeouts(runtime.clock, 5, f)\nRateLimit(loop)"))) == 2


def test_the_package_has_none() -> None:
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name not in SHOWN]
    assert [f"{path.name}:{use}" for path in files for use in wall_clocks(path.read_text())] == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "import time as t\nt.time()",
        "from time import time",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\ndatetime.now()",
        "hub.loop.now()",
    ],
)
def test_they_are_found(source: str) -> None:
    assert len(list(wall_clocks(source))) == 1


def test_monotonic_clocks_are_not() -> None:
    assert list(wall_clocks("import time\nfrom time import monotonic\ntime.monotonic()")) == []
