"""Every public name has a docstring, which tells of its parameters and of what it raises itself."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
import runpy
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.docs.pages import DOCS

#: Whether a method is for other parts of the library, and no part of the reference.
is_internal: Callable[[object], bool] = runpy.run_path(str(DOCS / "conf.py"))["is_internal"]

#: What users import from.
MODULES = [
    "geventsio",
    "geventsio.adapters",
    "geventsio.adapters.wire",
    "geventsio.config",
    "geventsio.context",
    "geventsio.engine",
    "geventsio.errors",
    "geventsio.globals",
    "geventsio.integrations.django",
    "geventsio.integrations.flask",
    "geventsio.integrations.gunicorn",
    "geventsio.integrations.prometheus",
    "geventsio.metrics",
    "geventsio.protocol.parser",
    "geventsio.testing",
    "geventsio.types",
]

#: Parameters that have the meaning of PEP 3333, and those that are passed on to a function or sent as arguments.
_PLAIN = {"environ", "start_response", "args", "kwargs"}

#: What takes its words from elsewhere: it names where.
_REFERENCE = re.compile(r"\b[Ss]ee `|\b[Aa]s `|\bDo what `|\bthe same\b")


def names() -> Iterator[tuple[str, Any]]:
    """The public names, each once, where it is a class or a function of this package."""
    seen: set[int] = set()
    for module in MODULES:
        for name in importlib.import_module(module).__all__:
            value = getattr(importlib.import_module(module), name)
            if not (inspect.isclass(value) or inspect.isfunction(value)) or id(value) in seen:
                continue
            seen.add(id(value))
            yield f"{module}.{name}", value


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, those of its bases in this package included."""
    for name in (name for name in dir(cls) if not name.startswith("_")):
        owner = next(base for base in cls.__mro__ if name in vars(base))
        if owner.__module__.startswith("geventsio"):
            value = inspect.getattr_static(cls, name)
            if isinstance(value, (classmethod, staticmethod)):
                value = value.__func__
            if (inspect.isfunction(value) or isinstance(value, property)) and not is_internal(value):
                yield name, value


def documented() -> dict[str, Any]:
    """All that is to have a docstring, by its name."""
    found = dict(names())
    for name, value in list(found.items()):
        if inspect.isclass(value):
            found |= {f"{name}.{member}": method for member, method in members(value)}
    return found


ALL = documented()
FUNCTIONS = {name: value for name, value in ALL.items() if inspect.isfunction(value)}


def missing(function: Callable[..., Any], doc: str) -> list[str]:
    """The parameters that a docstring says nothing of: neither under Args, nor in its words."""
    parameters = inspect.signature(function).parameters
    named = [name for name in parameters if name not in ("self", "cls") and not name.startswith("_")]
    named = [name for name in named if name not in _PLAIN]
    if _REFERENCE.search(doc):
        return []
    section = re.search(r"^Args:\n((?:    .*\n|\n)*)", doc + "\n", re.MULTILINE)
    if section is not None:
        return [name for name in named if not re.search(rf"^    {name}: ", section[1], re.MULTILINE)]
    words = {word.rstrip("s") for word in re.findall(r"\w+", doc.lower())}
    return [name for name in named if not {part.rstrip("s") for part in name.split("_") if part} <= words]


def raised(function: Callable[..., Any]) -> set[str]:
    """The names of the exceptions that a function raises in its own body, but for those that say "not here"."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            found.add(node.exc.func.id)
    return found - {"NotImplementedError"}


@pytest.mark.parametrize("name", sorted(ALL))
def test_it_has_a_docstring(name: str) -> None:
    value = ALL[name]
    doc = inspect.getdoc(value.fget if isinstance(value, property) else value)
    assert doc
    first = doc.split("\n\n")[0]
    assert first[0].isupper() or first[0] in "`\"'"
    assert first.endswith((".", ":")), first


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_it_tells_of_each_parameter(name: str) -> None:
    assert missing(FUNCTIONS[name], inspect.getdoc(FUNCTIONS[name]) or "") == []


@pytest.mark.parametrize("name", sorted(name for name, value in ALL.items() if inspect.isclass(value)))
def test_a_class_tells_of_what_makes_it(name: str) -> None:
    """Those that only the library makes have no Args: their attributes are told."""
    cls = ALL[name]
    init = vars(cls).get("__init__")
    doc = inspect.getdoc(cls) or ""
    if init is None or issubclass(cls, enum.Enum) or not inspect.isfunction(init) or "\nArgs:" not in doc:
        return
    assert missing(init, doc) == []


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_it_tells_what_it_raises(name: str) -> None:
    doc = inspect.getdoc(FUNCTIONS[name]) or ""
    assert [error for error in sorted(raised(FUNCTIONS[name])) if error not in doc and not _REFERENCE.search(doc)] == []
