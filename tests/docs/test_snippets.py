"""Every Python block of the README and the docs is run as it stands there; see `tests.docs.pages` for the rules."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from geventsio import SocketIO
from geventsio.testing import ConnectError, NotReceived, TestClient
from tests.docs.pages import NAMES, ROOT, Block, blocks, files, groups

#: Pages whose blocks are files. They have tests of their own.
PROJECTS = [page for page in NAMES if files(blocks(page))]

GROUPS = [
    pytest.param(group, id=f"{page.removeprefix('docs/')}-{number}")
    for page in NAMES
    for number, group in enumerate(groups(page), start=1)
]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Blocks may set up logging; other tests of this process must not notice."""
    names = ["", *(name for name in logging.root.manager.loggerDict if name.startswith("geventsio"))]
    before = [(logger, logger.level, logger.handlers[:]) for logger in map(logging.getLogger, names)]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """Where a group runs: a module that can be found by its name, as dataclasses want it."""
    module = ModuleType("snippet")
    sys.modules["snippet"] = module
    yield module
    del sys.modules["snippet"]
    for io in [value for value in vars(module).values() if isinstance(value, SocketIO)]:
        io.close(timeout=0)


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """What a page does to loggers is for its block alone."""
    names = [None, *(name for name in logging.root.manager.loggerDict if name.startswith("geventsio"))]
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    yield
    for logger, level in before:
        logger.setLevel(level)


def run(block: Block, names: dict[str, Any]) -> None:
    """Run one block; a traceback shows its line of the page."""
    code = "\n" * (block.line - 1) + block.code
    exec(compile(code, str(ROOT / block.page), "exec", dont_inherit=True), names)


@pytest.mark.parametrize("group", GROUPS)
def test_blocks_run(group: list[Block], module: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    raised = ""
    for block in group:
        if block.language == "check":
            tools = {"TestClient": TestClient, "ConnectError": ConnectError, "NotReceived": NotReceived}
            run(block, {**tools, "pytest": pytest, "caplog": caplog, **vars(module)})
        elif block.language == "text":
            assert not raised or block.code.strip() in raised
            raised = ""
        elif block.note.startswith("raises "):
            with pytest.raises(Exception) as error:
                run(block, vars(module))
            assert error.type.__name__ == block.note.removeprefix("raises ")
            raised = str(error.value)
        else:
            run(block, vars(module))


def test_blocks_that_are_files_have_a_test_that_names_their_page() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
    assert [page for page in PROJECTS if page not in tests] == []


@pytest.mark.parametrize("page", sorted(set(NAMES) - set(PROJECTS)))
def test_no_check_stands_where_nothing_has_run(page: str) -> None:
    run = [block for group in groups(page) for block in group if block.language == "check"]
    assert len(run) == sum(block.language == "check" for block in blocks(page))


@pytest.mark.parametrize("page", NAMES)
def test_no_block_patches_this_process(page: str) -> None:
    for block in blocks(page):
        assert block.file or block.language != "python" or "patch_all()" not in block.code, block


@pytest.mark.parametrize("page", NAMES)
def test_no_block_hides_from_the_tests(page: str) -> None:
    """A fence without a language, or with one that nobody looks at, may hold anything."""
    known = {"check", "css", "diff", "html", "ini", "js", "json", "nginx", "python", "sh", "text", "toml", "yaml"}
    assert {block.language for block in blocks(page)} <= known
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * sum(b.language != "check" for b in blocks(page))
