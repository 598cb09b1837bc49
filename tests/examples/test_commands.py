"""How examples are found and started."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.examples.demo import ROOT

EXAMPLES = re.findall(r"^\| \[(\w+)\]\(\1\) \|", (ROOT / "examples" / "README.md").read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_has_a_page_with_its_command(name: str) -> None:
    folder = ROOT / "examples" / name
    assert (folder / "__main__.py").is_file()
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^    (python -m|flask --app) examples\.{name}\b", page, re.M)
    for file in re.findall(r"`((?:static/)?\w+\.(?:py|js))`", page):
        assert (folder / file).is_file(), file


def test_the_script_tells_which_there_are() -> None:
    done = subprocess.run([ROOT / "scripts" / "demo", "nothing"], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert set(EXAMPLES) <= set(done.stderr.split())
    assert len(EXAMPLES) > 10
