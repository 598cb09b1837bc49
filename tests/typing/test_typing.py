"""The types of the public API, checked by mypy: what must be accepted, and what must not."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACCEPTED = sorted(HERE.glob("accepted*.py"))
REJECTED = sorted(HERE.glob("rejected*.py.txt"))  # not .py: whoever checks all files would find their errors


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
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Error]]:
    """What mypy says about all files, in one run."""
    folder = tmp_path_factory.mktemp("typing")
    copies = [folder / file.stem for file in REJECTED]
    for file, copy in zip(REJECTED, copies, strict=True):
        copy.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    return check(*ACCEPTED, *copies)


def test_what_must_be_accepted_is(errors: dict[str, list[Error]]) -> None:
    assert {file.name: errors[file.name] for file in ACCEPTED} == {file.name: [] for file in ACCEPTED}
    # And nothing is wrong with the package itself.
    assert set(errors) == {*(file.name for file in ACCEPTED), *(file.stem for file in REJECTED)}


@pytest.mark.parametrize("file", REJECTED, ids=lambda file: file.stem)
def test_what_must_be_rejected_is(errors: dict[str, list[Error]], file: Path) -> None:
    announced = sorted(expected_errors(file.read_text(encoding="utf-8")))
    given = sorted(errors[file.stem])
    assert len(announced) > 15
    assert [(error.line, error.code) for error in given] == [(error.line, error.code) for error in announced]
    for is_given, is_announced in zip(given, announced, strict=True):
        assert is_announced.text in is_given.text, is_given


def test_announcements_are_read() -> None:
    source = 'x = 1\ny: int = ""  # E: [assignment] expression has type "str"\nf(1)  # E: [a] b # E: [c-d] e f\n'
    assert list(expected_errors(source)) == [
        Error(2, "assignment", 'expression has type "str"'),
        Error(3, "a", "b"),
        Error(3, "c-d", "e f"),
    ]
