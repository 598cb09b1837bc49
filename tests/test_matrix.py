"""Tests of the matrix of versions (scripts/matrix): what its plan covers, and what a cell installs."""

from __future__ import annotations

from itertools import combinations, product

from scripts.compatibility.cells import AXES, CELLS, CORNERS, TESTS, every_cell, is_excluded
from scripts.compatibility.requirements import ROOT, lowest, newest, pins, requirements


def test_any_two_versions_that_can_go_together_do_so_in_a_cell() -> None:
    for one, other in combinations(AXES, 2):
        for pair in product(AXES[one], AXES[other]):
            values = dict(zip((one, other), pair, strict=True))
            in_cells = [cell for cell in CELLS if values.items() <= cell.values.items()]
            assert bool(in_cells) != is_excluded(values), values


def test_the_plan_is_a_choice_of_all_combinations() -> None:
    assert set(CELLS) < set(every_cell())
    assert len({cell.name for cell in every_cell()}) == len(every_cell())
    assert set(CORNERS.values()) < set(CELLS)


def test_a_corner_pins_what_geventsio_needs() -> None:
    assert pins(CORNERS["lowest"]) == [f"{package}=={version}" for package, version in lowest().items()]
    assert pins(CORNERS["newest"]) == [f"{package}=={newest()[package]}" for package in lowest()]
    assert {"gevent", "django", "flask", "gunicorn", "werkzeug", "orjson"} < lowest().keys()


def test_a_cell_in_between_mixes_them() -> None:
    cell = next(cell for cell in CELLS if (cell.django, cell.flask, cell.gevent) == ("5.2", "lowest", "newest"))
    assert {"django==5.2.*", f"werkzeug=={lowest()['werkzeug']}", f"gevent=={newest()['gevent']}"} < set(pins(cell))


def test_what_the_tests_need_is_installed_without_the_checkers() -> None:
    names = [requirement.split()[0] for requirement in requirements()]
    assert {"pytest", "hypothesis", "gunicorn[gevent]", "django"} < set(names)
    assert not {"mypy", "ruff", "pyright"} & set(names)


def test_the_chosen_tests_exist() -> None:
    assert [test for test in TESTS if not (ROOT / test.split("::")[0]).exists()] == []
