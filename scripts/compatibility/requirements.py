"""What is installed for a cell: setup.cfg's requirements, each at the version that the cell wants."""

from __future__ import annotations

__all__ = ["FLASK", "NEWEST", "lowest", "newest", "pins", "requirements"]

import re
from configparser import ConfigParser
from functools import cache
from pathlib import Path

from scripts.compatibility.cells import Cell

ROOT = Path(__file__).parents[2]

#: The versions that "newest" stands for, and that the lowest ones' tests take where setup.cfg names no lowest.
NEWEST = Path(__file__).with_name("newest.txt")

#: What goes by the axis `flask`.
FLASK = ("flask", "werkzeug")

#: Extras whose packages are an axis.
_EXTRAS = ("flask", "django", "gunicorn")

#: In the extra `dev` for scripts/test alone.
_CHECKERS = re.compile(r"mypy|pyright|ruff|types-")


def requirements() -> list[str]:
    """What setup.cfg asks for, without the checkers of style and types."""
    tools = [line for line in _lines("options.extras_require", "dev") if not _CHECKERS.match(line)]
    extras = [line for extra in _EXTRAS for line in _lines("options.extras_require", extra)]
    return [*_lines("options", "install_requires"), *extras, *tools]


def lowest() -> dict[str, str]:
    """The lowest version that setup.cfg allows for each package that geventsio and its extras need."""
    extras = [line for extra in _EXTRAS for line in _lines("options.extras_require", extra)]
    return dict(_split(line) for line in [*_lines("options", "install_requires"), *extras])


def newest() -> dict[str, str]:
    """The version in newest.txt of each of these packages."""
    lines = NEWEST.read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def pins(cell: Cell) -> list[str]:
    """Constraints for pip: one version for each package of an axis."""
    named = {"lowest": lowest(), "newest": newest()}
    chosen = []
    for package in named["lowest"]:
        wanted = cell.values[_axis(package)]
        if wanted in named:
            chosen.append(f"{package}=={named[wanted][package]}")
        else:
            chosen.append(f"{package}=={wanted}.*")
    return chosen


def _axis(package: str) -> str:
    if package in FLASK:
        return "flask"
    return package if package in ("django", "gunicorn", "gevent") else "libraries"


def _split(requirement: str) -> tuple[str, str]:
    """`gunicorn[gevent] >= 22.0.0` gives `gunicorn` and `22.0.0`."""
    match = re.fullmatch(r"([\w-]+)(?:\[\w+\])? >= ([\w.]+)", requirement)
    assert match, f"setup.cfg: {requirement!r} names no lowest version"
    return match[1], match[2]


def _lines(section: str, option: str) -> list[str]:
    lines = _metadata()[section][option].splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@cache
def _metadata() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser
