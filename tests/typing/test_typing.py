"""The types of the public API, checked by mypy and pyright: what must be accepted, and what must not."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.tools import node, require

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACCEPTED = sorted(HERE.glob("accepted*.py"))
REJECTED = sorted(HERE.glob("rejected*.py.txt"))  # not .py: whoever checks all files would find their errors

#: What pyright lets pass, as the project has set it.
MYPY_ONLY = frozenset({"func-returns-value", "type-arg", "untyped-decorator"})


class Error(NamedTuple):
    """An error that mypy gives, or is to give."""

    line: int
    code: str
    text: str


def expected_errors(source: str) -> Iterator[Error]:
    """The errors that a file's comments announce."""
    for number, line in enumerate(source.splitlines(), 1):
        for code, text in re.findall(r"# E: \[([a-z-]+)\] (.*?)(?=\s*# E:|$)", line):
            yield Error(number, code, text)


def check(*files: Path) -> dict[str, list[Error]]:
    """Run mypy as the project does, and return the errors by the file's name."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--no-pretty", "--hide-error-context"]
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors: dict[str, list[Error]] = {file.name: [] for file in files}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"(.*?):(\d+): error: (.*?)(?:  \[([a-z-]+)\])?", line)
        if match is not None:
            errors.setdefault(Path(match[1]).name, []).append(Error(int(match[2]), match[4] or "", match[3]))
    return errors


@pytest.fixture(scope="module")
def rejected(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files with what must be rejected, under names that checkers take."""
    folder = tmp_path_factory.mktemp("typing")
    files = [folder / file.name.removesuffix(".txt") for file in REJECTED]
    for file, source in zip(files, REJECTED, strict=True):
        file.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    return files


@pytest.fixture(scope="module")
def errors(rejected: list[Path]) -> dict[str, list[Error]]:
    """What mypy says about all files, in one run."""
    return check(*ACCEPTED, *rejected)


def test_what_must_be_accepted_is(errors: dict[str, list[Error]]) -> None:
    assert [errors[file.name] for file in ACCEPTED] == [[]] * len(ACCEPTED)
    # Nothing is wrong with the package itself.
    assert set(errors) == {file.name.removesuffix(".txt") for file in [*ACCEPTED, *REJECTED]}


@pytest.mark.parametrize("file", REJECTED, ids=lambda file: file.name)
def test_what_must_be_rejected_is(errors: dict[str, list[Error]], file: Path) -> None:
    announced = sorted(expected_errors(file.read_text(encoding="utf-8")))
    given = sorted(errors[file.name.removesuffix(".txt")])
    assert len(announced) > 20
    assert [(error.line, error.code) for error in given] == [(error.line, error.code) for error in announced]
    for is_given, is_announced in zip(given, announced, strict=True):
        assert is_announced.text in is_given.text, is_given


def test_pyright_says_the_same(rejected: list[Path]) -> None:
    node()
    require(importlib.util.find_spec("pyright"), "pyright is not installed")
    config = {
        "include": [str(file) for file in [*ACCEPTED, *rejected]],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "standard",
        "pythonVersion": "3.10",
    }
    folder = rejected[0].parent
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "-p", str(folder), "--outputjson"],
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines: dict[str, set[int]] = {file.name: set() for file in [*ACCEPTED, *rejected]}
    for message in json.loads(done.stdout)["generalDiagnostics"]:
        if message["severity"] == "error":
            lines[Path(message["file"]).name].add(message["range"]["start"]["line"] + 1)
    assert [lines[file.name] for file in ACCEPTED] == [set()] * len(ACCEPTED)
    for file in rejected:
        announced = list(expected_errors(file.read_text(encoding="utf-8")))
        needed = {error.line for error in announced if error.code not in MYPY_ONLY}
        assert needed <= lines[file.name] <= {error.line for error in announced}


def test_announcements_are_read() -> None:
    source = 'x = 1\ny: int = ""  # E: [assignment] expression has type "str"\nf(1)  # E: [a] b # E: [c-d] e f\n'
    assert list(expected_errors(source)) == [
        Error(2, "assignment", 'expression has type "str"'),
        Error(3, "a", "b"),
        Error(3, "c-d", "e f"),
    ]
