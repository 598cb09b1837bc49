"""docs/django.md is true: its code blocks are files of one site, whose tests are run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import blocks, files
from tests.integrations.django.command import ROOT

BLOCKS = blocks("docs/django.md")

MANAGE = """
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
execute_from_command_line(sys.argv)
"""


def test_every_block_is_a_file() -> None:
    assert all(block.file for block in BLOCKS if block.language == "python")


def test_the_page_s_tests_pass(tmp_path: Path) -> None:
    made = {"manage.py": MANAGE, "mysite/__init__.py": "", "chat/__init__.py": ""}
    for name, source in {**files(BLOCKS), **made}.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", "test"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and re.search(r"Ran 3 tests in .*\n\nOK", done.stdout), done.stdout
