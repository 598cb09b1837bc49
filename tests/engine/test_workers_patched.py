"""Runs tests in a process in which gevent has patched the standard library, as gunicorn's gevent worker does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

PYTEST = "from gevent import monkey; monkey.patch_all(); import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.parametrize("module", ["patched_isolation.py", "test_session.py", "test_polling.py"])
def test_in_a_patched_process(module: str) -> None:
    command = [sys.executable, "-c", PYTEST, "-q", "-p", "no:cacheprovider", str(HERE / module)]
    ended = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"\n\d\d+ passed in ", ended.stdout), ended.stdout
