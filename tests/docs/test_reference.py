"""docs/reference.md leaves no public name out, and names nothing that is not there."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.docs.pages import read

PAGE = read("docs/reference.md")

#: The modules whose docstrings the site shows, each with the names.
SHOWN = [
    (module, name.partition(":")[2])
    for names, module in re.findall(r"^<!-- docstrings: (\S+) of (\S+) -->$", PAGE, re.MULTILINE)
    for name in names.split(",")
]


@pytest.mark.parametrize(("module", "name"), SHOWN)
def test_what_is_shown_is_public(module: str, name: str) -> None:
    assert name in importlib.import_module(module).__all__


@pytest.mark.parametrize(
    "module", ["geventsio", "geventsio.adapters", "geventsio.engine", "geventsio.globals", "geventsio.testing"]
)
def test_every_public_name_is_on_the_page(module: str) -> None:
    names = importlib.import_module(module).__all__
    assert [name for name in names if not re.search(rf"[`:]{name}\b", PAGE)] == []


def test_nothing_is_shown_twice() -> None:
    assert len(SHOWN) == len(set(SHOWN))
