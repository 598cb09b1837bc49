"""Tests of the page for those who come from Flask-SocketIO: it names all that is there, and hides no change."""

from __future__ import annotations

import difflib
import inspect
import re

import flask_socketio
import pytest

from tests.integrations.flask.command import ROOT

PAGE = (ROOT / "docs" / "coming-from-flask-socketio.md").read_text(encoding="utf-8")


def names() -> set[str]:
    """What Flask-SocketIO offers: its functions and classes, and the methods of these."""
    own = {
        name: value
        for name, value in vars(flask_socketio).items()
        if getattr(value, "__module__", "").startswith("flask_socketio") and not name.startswith("_")
    }
    methods = {name for value in own.values() if inspect.isclass(value) for name in dir(value)}
    return set(own) | {name for name in methods if not name.startswith("_")} - set(dir(Exception))


@pytest.mark.parametrize("name", sorted(names()))
def test_each_name_is_mapped(name: str) -> None:
    tables = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("|")]
    tables += [line.split("|")[2] for line in PAGE.splitlines() if "SocketIOTestClient" in line]
    assert any(re.search(rf"\b{name}\b", cell) for cell in tables)


def test_the_page_shows_every_change() -> None:
    before = (ROOT / "tests/integrations/flask/before.py").read_text(encoding="utf-8").splitlines()
    after = (ROOT / "examples/flask_events/app.py").read_text(encoding="utf-8").splitlines()
    start = "from __future__ import annotations"
    before, after = before[before.index(start) :], after[after.index(start) :]
    diff = [line for line in difflib.unified_diff(before, after, n=0, lineterm="") if not line.startswith("@@")][2:]
    shown = re.search(r"```diff\n(.*)```", PAGE, re.DOTALL)
    assert shown is not None
    assert shown[1].splitlines() == diff
