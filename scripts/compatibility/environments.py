"""A virtual environment for each cell, under .matrix/."""

from __future__ import annotations

__all__ = ["FOLDER", "Environment", "find_python"]

import json
import os
import shutil
import subprocess
from pathlib import Path

from scripts.compatibility.cells import Cell
from scripts.compatibility.requirements import ROOT, pins, requirements

FOLDER = ROOT / ".matrix"


def find_python(version: str) -> str | None:
    """The program of a Python, such as 3.12: on PATH, or else among pyenv's; None if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    installed = sorted(pyenv.glob(f"versions/{version}.*/bin/python"), key=_patch_release, reverse=True)
    for candidate in (shutil.which(f"python{version}"), *map(str, installed)):
        # pyenv puts a program on PATH for each version, which refuses to run unless that version is switched on.
        if candidate and _succeeds(candidate, "-c", "import ensurepip, venv"):
            return candidate
    return None


class Environment:
    """The environment of a cell.

    Args:
        cell: what is to be in it.
        pinned: whether "newest" is what newest.txt says; else it is what is newest today.
    """

    def __init__(self, cell: Cell, *, pinned: bool = True) -> None:
        self.cell = cell
        self.python = FOLDER / cell.name / "bin" / "python"
        self._pins = pins(cell) if pinned else []
        self._installed = FOLDER / cell.name / "installed.txt"

    def prepare(self, python: str) -> None:
        """Make it, unless it is there as it is wanted; without pins, anew each time.

        Args:
            python: the program of the cell's Python.

        Raises:
            subprocess.CalledProcessError: the versions can't be had, or not together.
        """
        wanted = "\n".join([str(ROOT), *requirements(), *self._pins])
        # What is newest today may be newer than what was when it was made.
        is_kept = bool(self._pins) and self._installed.is_file() and self._installed.read_text() == wanted
        if is_kept and _succeeds(str(self.python), "-V"):
            return
        subprocess.run([python, "-m", "venv", "--clear", str(FOLDER / self.cell.name)], check=True)
        constraints = FOLDER / f"{self.cell.name}.txt"
        constraints.write_text("\n".join(self._pins))
        pip = [str(self.python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--prefer-binary"]
        subprocess.run([*pip, "-c", str(constraints), *requirements()], check=True)
        # As an editable installation would: pip can't make two of one folder at the same time.
        packages = next((FOLDER / self.cell.name).glob("lib/python*/site-packages"))
        (packages / "geventsio.pth").write_text(f"{ROOT}\n")
        self._installed.write_text(wanted)

    def versions(self) -> dict[str, str]:
        """The versions of Python and of all packages that are in it."""
        command = [str(self.python), "-m", "pip", "list", "--disable-pip-version-check", "--format=json"]
        listed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        found = {package["name"].lower(): package["version"] for package in listed}
        version = subprocess.run([str(self.python), "-V"], check=True, capture_output=True, text=True).stdout
        return {**found, "python": version.split()[1]}


def _patch_release(program: Path) -> int:
    number = program.parents[1].name.split(".")[2]
    return int(number) if number.isdecimal() else -1


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False
