"""docs/parity.md keeps its word: each test that it names exists, and its totals are right."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "parity.md").read_text()

#: Feature, name here, proof; a bar inside of a cell is escaped.
ROWS = [
    tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| feature")
]


@cache
def names(path: str) -> frozenset[str]:
    """The classes and functions of a test module."""
    tree = ast.parse((ROOT / "tests" / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_has_a_proof_or_a_reason(row: tuple[str, ...]) -> None:
    feature, here, proof = row
    assert feature and here
    tests = re.findall(r"`([^`]+)`", proof)
    if not tests:
        assert proof == "-"
        assert re.match(r"none|later|neither|not supported", here), f"no proof, and no reason: {here}"
    for test in tests:
        path, *inside = test.split("::")
        assert inside == [] or set(inside) <= names(path), test
        assert (ROOT / "tests" / path).is_file(), test


def test_the_totals() -> None:
    proven = sum(1 for row in ROWS if row[2] != "-")
    assert f"{len(ROWS)} rows: {proven} with a proof, {len(ROWS) - proven} of things that are not here." in PAGE
