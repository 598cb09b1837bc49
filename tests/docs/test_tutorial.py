"""docs/tutorial.md is true: the files are checked after each of its steps, its own tests pass, and browsers chat."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import tools
from tests.docs.pages import Block, blocks, files
from tests.docs.serving import DEADLINE, commands, serve
from tests.examples.browser import Browser, Page
from tests.integrations.command import environment

BLOCKS = blocks("docs/tutorial.md")
STEPS = [BLOCKS[: number + 1] for number, block in enumerate(BLOCKS) if block.language == "check"]
SERVERS = [line for line in commands(BLOCKS) if "pytest" not in line]

#: What the checks of the page may use.
PRELUDE = """
import pytest
from app import app, io
from geventsio.testing import ConnectError, TestClient
"""


def write(found: Iterable[Block], folder: Path) -> None:
    """Write what these blocks are into a folder."""
    for name, text in files(found).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def run(folder: Path, *arguments: str) -> str:
    """Run Python in a folder, and return what it writes."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("step", STEPS, ids=range(1, len(STEPS) + 1))
def test_each_step_does_what_it_says(step: list[Block], tmp_path: Path) -> None:
    write(step, tmp_path)
    (tmp_path / "check.py").write_text(PRELUDE + step[-1].code, encoding="utf-8")
    run(tmp_path, "check.py")


def test_the_page_s_tests_pass(tmp_path: Path) -> None:
    write(BLOCKS, tmp_path)
    assert "3 passed" in run(tmp_path, "-m", "pytest", "-p", "no:cacheprovider")


def test_two_browsers_chat(tmp_path: Path) -> None:
    write(BLOCKS, tmp_path)
    shutil.copytree(tools.js_package("socket.io-client") / "dist", tmp_path / "node_modules/socket.io-client/dist")
    browser = Browser(tools.chromium())
    try:
        with serve(tmp_path, SERVERS[-1]) as url:
            ann, bob = (log_in(browser, url, name) for name in ("Ann", "Bob"))
            for page, other in ((ann, "Bob"), (bob, "Ann")):
                page.wait(f"people.innerText.includes('{other}')")
                page.evaluate(f"[...people.children].find((button) => button.innerText === '{other}').click()")
            ann.click("#text")
            ann.type("hello")
            bob.wait("document.getElementById('typing').innerText === 'Ann is typing'")
            ann.press("Enter")
            for page in (ann, bob):
                page.wait("lines.innerText === 'Ann: hello'")
            ann.evaluate("document.querySelector('form').submit()")
            bob.wait("people.innerText === 'Bob'")
            assert ann.problems == bob.problems == []
    finally:
        browser.close()


def log_in(browser: Browser, url: str, name: str) -> Page:
    """Open the page in a profile of its own, and log in."""
    page = browser.page()
    page.open(url)
    page.click("input")
    page.type(name)
    page.press("Enter")
    page.wait("document.getElementById('state')?.innerText === 'connected'")
    return page
