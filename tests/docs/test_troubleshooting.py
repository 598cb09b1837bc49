"""Each heading of docs/troubleshooting.md that is set as code is what a program really says: ours or another."""

from __future__ import annotations

import ast
import errno
import inspect
import os
import re
from collections.abc import Iterator
from functools import cache

import gevent.monkey
import gunicorn.util
import pytest

from tests import tools
from tests.docs.pages import ROOT, read

#: By section, the headings that are code.
HEADINGS = [
    (section.partition("\n")[0], heading)
    for section in re.split(r"^## ", read("docs/troubleshooting.md"), flags=re.MULTILINE)[1:]
    for heading in re.findall(r"^### `(.+)`$", section, re.MULTILINE)
]


def texts_of(source: str) -> Iterator[str]:
    """The texts in a module's code, with "..." for what is filled in; docstrings are none."""
    tree = ast.parse(source)
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [value.value if isinstance(value, ast.Constant) else "..." for value in node.values]
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield re.sub(r"%(?:\.\d)?[srdf]", "...", node.value)


@cache
def said_by_the_server() -> tuple[str, ...]:
    files = sorted((ROOT / "geventsio").rglob("*.py"))
    return tuple(text for file in files for text in texts_of(file.read_text(encoding="utf-8")))


@cache
def said_by_others() -> tuple[str, ...]:
    texts = (text for module in (gevent.monkey, gunicorn.util) for text in texts_of(inspect.getsource(module)))
    return (os.strerror(errno.EADDRINUSE), *texts)


@cache
def said_by_the_client() -> tuple[str, ...]:
    bundle = tools.js_package("socket.io-client") / "dist" / "socket.io.js"
    return tuple(re.findall(r'"([^"\n]+)"', bundle.read_text(encoding="utf-8")))


def is_said(heading: str, texts: tuple[str, ...]) -> bool:
    """Whether one text has all parts of a heading, in their order; where it has more text, that may be left out."""
    parts = [re.escape(part.strip()) for part in heading.split("...") if part.strip()]
    pattern = re.compile(".*".join(parts), re.DOTALL)
    return any(pattern.search(text) for text in texts)


def test_there_are_headings() -> None:
    assert len(HEADINGS) > 40


@pytest.mark.parametrize(("section", "heading"), HEADINGS, ids=[heading for _, heading in HEADINGS])
def test_a_heading_is_really_said(section: str, heading: str) -> None:
    texts = said_by_others() if "other programs" in section else said_by_the_server()
    if "client" in section:  # it passes on what the server says, too
        texts += said_by_the_client()
    assert is_said(heading, texts)


def test_an_invented_heading_would_be_found_out() -> None:
    assert not is_said("the socket is not ... collected", said_by_the_server())
