"""docs/testing.md is true: its code blocks are files of one project, whose tests are run as they stand there."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import blocks, files
from tests.testing.project import Project

BLOCKS = blocks("docs/testing.md")


def test_every_block_is_a_file() -> None:
    assert all(block.file for block in BLOCKS if block.language == "python")


@pytest.mark.parametrize("is_patched", [False, True])
def test_the_page_s_tests_pass(project: Project, is_patched: bool) -> None:
    for name, source in files(BLOCKS).items():
        project.write(name, source)
    result = project.run(is_patched)
    assert result.outcomes == {"passed": 11}, result.output
    assert sum(len(re.findall(r"^def test_", source, re.MULTILINE)) for source in files(BLOCKS).values()) == 11
