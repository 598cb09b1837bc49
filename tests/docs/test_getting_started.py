"""docs/getting-started.md is true: its files are written down, its commands are run, and real clients say hello."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import socketio

from tests import tools
from tests.docs.pages import blocks, files, read
from tests.docs.serving import DEADLINE, arguments, commands, serve
from tests.examples.browser import Browser

PAGE = "docs/getting-started.md"

COMMANDS = commands(blocks(PAGE))
SERVERS = [line for line in COMMANDS if not line.startswith("django-admin")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which somebody has followed the page."""
    folder = tmp_path_factory.mktemp("project")
    [start] = [line for line in COMMANDS if line not in SERVERS]
    subprocess.run([sys.executable, *arguments(start)], cwd=folder, check=True, timeout=DEADLINE)
    for name, text in files(blocks(PAGE)).items():
        file = folder / name
        added = f"# {name}, at the end\n" in text
        file.write_text((file.read_text(encoding="utf-8") if added else "") + text, encoding="utf-8")
    [page] = [block.code for block in blocks(PAGE) if block.language == "html"]
    (folder / "index.html").write_text(page, encoding="utf-8")
    return folder


def test_nobody_is_left_out() -> None:
    """Three ways, each with a server for development and gunicorn."""
    sections = re.split(r"^## ", read(PAGE), flags=re.MULTILINE)
    served = {section.partition("\n")[0]: [line for line in SERVERS if line in section] for section in sections}
    assert {name: len(lines) for name, lines in served.items() if lines} == {"Flask": 3, "Django": 2, "Bare WSGI": 3}


@pytest.mark.parametrize("line", SERVERS)
def test_a_client_says_hello(project: Path, line: str) -> None:
    with serve(project, line) as url, socketio.SimpleClient() as ann, socketio.SimpleClient() as bob:
        ann.connect(url, transports=["websocket"])
        bob.connect(url)
        assert ann.call("message", "hello", timeout=DEADLINE) == 2
        assert ann.receive(timeout=DEADLINE) == bob.receive(timeout=DEADLINE) == ["message", "hello"]


def test_two_browsers_say_hello(project: Path) -> None:
    # Where nobody has installed the client, browsers load it from a host that tests don't need.
    bundles = tools.js_package("socket.io-client")
    shutil.copytree(bundles / "dist", project / "node_modules/socket.io-client/dist")
    browser = Browser(tools.chromium())
    try:
        with serve(project, SERVERS[0]) as url:
            ann, bob = browser.page(), browser.page()
            for page in (ann, bob):
                page.open(url)
                page.wait("said.innerText === 'connected'")
            ann.click("#text")
            ann.type("hello")
            ann.press("Enter")
            ann.wait("said.innerText.includes('2 have got it')")
            bob.wait("said.innerText.includes('hello')")
            assert ann.problems == bob.problems == []
    finally:
        browser.close()
