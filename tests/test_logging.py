"""Every call of a logger in the package: its logger is one that docs/logging.md names, its message is formatted when a
handler asks for it, and the page tells what to do about it.
"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import geventsio  # noqa: F401
from tests.docs.pages import ROOT, read

LOGGERS = {"geventsio", "geventsio.engine", "geventsio.engine.complaints"}

METHODS = {"debug", "info", "warning", "warn", "error", "exception", "critical", "log"}
#: Those whose lines an administrator is to read.
LOUD = {"warning", "warn", "error", "exception", "critical"}

_PLACEHOLDER = re.compile(r"%(?:\.\d)?[a-z]")


class LogCall(NamedTuple):
    """A call of a logger.

    Attributes:
        place: file and line.
        method: its name.
        message: the node of its first argument that may be a message.
    """

    place: str
    method: str
    message: ast.expr

    @property
    def texts(self) -> list[str]:
        """What the message says between its placeholders; nothing where it is not written there."""
        if not isinstance(self.message, ast.Constant):
            return []
        return [part for part in _PLACEHOLDER.split(str(self.message.value)) if len(part.strip(" :,()'")) > 3]


def _sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "geventsio").rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def _calls() -> Iterator[LogCall]:
    for path, tree in _sources():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            target = ast.unparse(node.func.value)
            if node.func.attr in METHODS and (target.endswith("logger") or target in ("self._log", "self._logger")):
                # SparseLog's come behind a key, and those of `log` behind a level.
                first = 1 if target.endswith("_log") or node.func.attr == "log" else 0
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                yield LogCall(place, node.func.attr, node.args[first])


CALLS = list(_calls())


def test_the_calls_are_found() -> None:
    assert len(CALLS) > 30


def test_there_are_these_loggers() -> None:
    named = set()
    for _, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger":
                named.add(ast.literal_eval(node.args[0]))
    assert named == LOGGERS
    assert all(f"| `{name}` |" in read("docs/logging.md") for name in LOGGERS)


@pytest.mark.parametrize("name", sorted(LOGGERS))
def test_nothing_is_set_up(name: str) -> None:
    logger = logging.getLogger(name)
    assert not any(type(handler).__module__.startswith("geventsio") for handler in logger.handlers)
    assert not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    assert logger.propagate


def test_messages_are_formatted_late() -> None:
    # A name or an attribute stands for a text that was made before; what is made in the call is made for nobody.
    early = [call.place for call in CALLS if not isinstance(call.message, (ast.Constant, ast.Name, ast.Attribute))]
    assert early == []


def test_the_page_has_what_is_loud() -> None:
    page = re.sub(r"\s+", " ", read("docs/logging.md"))
    unsaid = [
        f"{call.place}: {text}"
        for call in CALLS
        if call.method in LOUD
        for text in call.texts[:1]
        if " ".join(text.split()[:3]).strip(" :,;(") not in page
    ]
    assert unsaid == []
