"""The pages for those who come from elsewhere: they leave no name out, and name nothing that is not there."""

from __future__ import annotations

import builtins
import inspect
import re

import engineio
import pytest
import socketio
import socketio.exceptions

import geventsio
from geventsio.config import EngineOptions, SocketIOOptions
from tests.docs.pages import read

PAGES = [f"docs/coming-from-{name}.md" for name in ("flask-socketio", "python-socketio", "node", "socketioxide")]

#: What stands for an object of ours in the tables, by the names that they use for it.
OBJECTS = {
    "io": geventsio.SocketIO,
    "root": geventsio.Namespace,
    "chat": geventsio.Namespace,
    "socket": geventsio.Socket,
    "DisconnectReason": geventsio.DisconnectReason,
}

#: What an instance has that its class has not.
ATTRIBUTES = {"client", "id", "namespace", "io"}


def rows(page: str) -> list[tuple[str, str]]:
    """The rows of a page's tables: what is said there, and here."""
    text = read(page).replace(r"\|", "/")
    found = [
        tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in text.splitlines() if line.startswith("|")
    ]
    return [(cells[0], cells[1]) for cells in found if len(cells) == 2 and not set(cells[0]) <= set("- ")]


def names() -> list[str]:
    """What users of python-socketio's server may have written."""
    methods = {name for cls in (socketio.Server, socketio.Namespace) for name in dir(cls) if not name.startswith("_")}
    options: set[str] = set()
    for cls in (socketio.Server, engineio.Server):
        options |= set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    errors = {name for name, value in vars(socketio.exceptions).items() if inspect.isclass(value)}
    return sorted(methods | options | errors)


@pytest.mark.parametrize("name", names())
def test_each_name_of_python_socketio_is_mapped(name: str) -> None:
    page = read("docs/coming-from-python-socketio.md")
    said = [there for there, _ in rows("docs/coming-from-python-socketio.md")]
    same = re.search(r"^(.*) have the same names and units", page, re.MULTILINE)
    assert same is not None
    assert any(re.search(rf"\b{name}\b", text) for text in [*said, same[1]])


@pytest.mark.parametrize("page", PAGES)
def test_what_is_named_here_exists(page: str) -> None:
    options = set(EngineOptions.__annotations__) | set(SocketIOOptions.__annotations__) | {"adapter", "concurrent"}
    for _, here in rows(page):
        for code in re.findall(r"`([^`]+)`", here):
            for owner, name in re.findall(r"(?<![.\w\"])(\w+)\.(\w+)", code):
                if owner in OBJECTS:
                    assert hasattr(OBJECTS[owner], name) or name in ATTRIBUTES, code
            for name in re.findall(r"^(\w+)=", code):
                assert name in options, code
            if re.fullmatch(r"[A-Z]\w+(Error|Refused|Sender|Stream|Reason|Namespace)", code):
                assert hasattr(geventsio, code) or hasattr(builtins, code), code
