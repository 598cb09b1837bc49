"""docs/testing.md is true: its code blocks are files of one project, whose tests are run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.testing.project import Project

DOCS = Path(__file__).parents[2] / "docs" / "testing.md"

BLOCKS = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_every_block_is_a_file() -> None:
    assert len(BLOCKS) == DOCS.read_text(encoding="utf-8").count("```python")


@pytest.mark.parametrize("is_patched", [False, True])
def test_the_page_s_tests_pass(project: Project, is_patched: bool) -> None:
    for name, source in BLOCKS:
        project.write(name, source)
    result = project.run(is_patched)
    assert result.outcomes == {"passed": 11}, result.output
    assert sum(len(re.findall(r"^def test_", source, re.MULTILINE)) for _, source in BLOCKS) == 11
