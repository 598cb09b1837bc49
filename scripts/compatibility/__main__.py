"""The command scripts/matrix."""

from __future__ import annotations

__all__: list[str] = []

import argparse
import os
import sys
from collections.abc import Sequence

from scripts.compatibility.cells import AXES, CELLS, CORNERS, TESTS, Cell, every_cell
from scripts.compatibility.environments import FOLDER, Environment
from scripts.compatibility.requirements import NEWEST, lowest
from scripts.compatibility.results import Outcome, Result, prepare, table, test

EPILOG = f"""
Without cells, the {len(CELLS)} of the plan run: any two versions that can go together do so in one of them.
A cell is chosen by its name ({" or ".join(CORNERS)}) or by its versions, for example: python=3.12 django=5.2.
What follows "--" goes to pytest in place of the chosen tests: scripts/matrix --corners -- -n 3 tests/live
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The exit status: 0 if no cell failed.
    """
    for_pytest = ["-n", "3", "--dist", "loadscope", "-q", *TESTS]
    if "--" in arguments:
        end = arguments.index("--")
        arguments, for_pytest = arguments[:end], list(arguments[end + 1 :])
    options = _parser().parse_args(arguments)
    FOLDER.mkdir(exist_ok=True)
    if options.update:
        return _update()
    pinned = not options.latest
    if options.prepare:
        results = [prepare(Environment(cell, pinned=pinned)) for cell in _chosen(options)]
    else:
        results = [test(Environment(cell, pinned=pinned), for_pytest) for cell in _chosen(options)]
    print(table(results))
    return 1 if any(map(_is_bad, results)) else 0


def _is_bad(result: Result) -> bool:
    if result.outcome is Outcome.NO_PYTHON:
        return os.environ.get("GEVENTSIO_REQUIRE_ALL") == "1"
    return result.outcome is Outcome.FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/matrix",
        description="Tests geventsio with the versions of Python, frameworks, servers and libraries that it supports.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cells", nargs="*", metavar="CELL", help="a name, or versions as AXIS=VERSION (see --list)")
    parser.add_argument("--corners", action="store_true", help="the lowest and the newest cell, which CI runs")
    parser.add_argument("--every", action="store_true", help="choose among all combinations, not only the plan's")
    parser.add_argument("--prepare", action="store_true", help="make the environments, and test nothing")
    parser.add_argument("--latest", action="store_true", help="newest is what can be had today, not newest.txt")
    parser.add_argument("--update", action="store_true", help="write what is newest today into newest.txt")
    parser.add_argument("--list", action=_List, nargs=0, help="show the versions and the cells")
    return parser


class _List(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        for axis, values in AXES.items():
            print(f"{axis}: {', '.join(values)}")
        for cell in CELLS:
            print(cell)
        parser.exit()


def _chosen(options: argparse.Namespace) -> list[Cell]:
    """The cells that all given versions fit, or that are named."""
    names = [word for word in options.cells if "=" not in word] + (list(CORNERS) if options.corners else [])
    wanted = dict(word.split("=") for word in options.cells if "=" in word)
    known = every_cell() if options.every else list(CELLS)
    unknown = {*names} - {cell.name for cell in known} | {*wanted.items()} - {
        (axis, value) for axis, values in AXES.items() for value in values
    }
    if unknown:
        sys.exit(f"unknown: {unknown}; scripts/matrix --list shows what there is")
    cells = [cell for cell in known if cell.name in names] if names else known
    cells = [cell for cell in cells if wanted.items() <= cell.values.items()]
    if not cells:
        sys.exit("no cell of the plan has these versions together: --every chooses among all combinations")
    return cells


def _update() -> int:
    environment = Environment(CORNERS["newest"], pinned=False)
    result = prepare(environment)
    if result.outcome is not Outcome.PREPARED:
        print(table([result]))
        return 1
    versions = [f"{package}=={result.versions[package]}" for package in lowest()]
    comments = [line for line in NEWEST.read_text().splitlines() if line.startswith("#")]
    NEWEST.write_text("\n".join([*comments, *versions, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
