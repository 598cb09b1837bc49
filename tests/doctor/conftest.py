"""Fixtures of the doctor's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doctor.harness import Doctor, Examination, examine


class _Doctor:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, source: str = "", **environ: str) -> Examination:
        if source:
            (self.folder / "site_app.py").write_text(source)
        return examine(self.folder, *arguments, **environ)


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Examine what is in a folder of its own; see `Doctor`."""
    return _Doctor(tmp_path)
