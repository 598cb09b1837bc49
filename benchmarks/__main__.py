"""The command `python -m benchmarks`: measures all servers side by side and writes a table."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import plot
from benchmarks.loadgen import Load, LoadError, build
from benchmarks.ratios import Round
from benchmarks.report import describe_machine, render
from benchmarks.servers import SERVERS, ServerSpec, library_version, running
from benchmarks.system import cores, raise_descriptor_limit
from benchmarks.workloads import WORKLOADS, Workload

__all__ = ["main"]

_DESCRIPTORS = 16_384
_OUTPUT = Path(__file__).parent / "results" / "latest.md"


def _choice(kind: str, available: Sequence[Any]) -> Any:
    names = {item.name: item for item in available}

    def parse(text: str) -> list[Any]:
        unknown = [name for name in text.split(",") if name not in names]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {kind} is called {', '.join(unknown)}; there are: {', '.join(names)}")
        return [names[name] for name in text.split(",")]

    return parse


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of a second each, without the longest")
    parser.add_argument("--rounds", type=int, help="default: 7")
    parser.add_argument("--seconds", type=float, help="of measuring, after half of it of warming up (default: 2)")
    parser.add_argument("--servers", type=_choice("server", SERVERS), default=list(SERVERS), metavar="A,B")
    parser.add_argument("--workloads", type=_choice("workload", WORKLOADS), metavar="A,B")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="the Markdown page; raw figures go beside it")
    options = parser.parse_args()
    if options.workloads is None:
        options.workloads = [workload for workload in WORKLOADS if workload.quick or not options.quick]
    options.rounds = options.rounds or (1 if options.quick else 7)
    options.seconds = options.seconds or (1.0 if options.quick else 2.0)
    return options


def _installed(servers: list[ServerSpec]) -> tuple[list[ServerSpec], list[str]]:
    present, notes = [], []
    for server in servers:
        how = server.missing()
        if how is None:
            present.append(server)
        else:
            notes.append(f"{server.name} is left out; to measure it: `{how}`")
    return present, notes


def _belongs(server: ServerSpec, workload: Workload) -> bool:
    is_compared = workload.families is None or server.family in workload.families
    return is_compared and server.serves(workload.name)


def _measure(server: ServerSpec, workload: Workload, load: Load, core: int, seconds: float) -> dict[str, float] | str:
    try:
        with running(server, core, workload.server_options) as process:
            return workload.run(process, load, seconds)
    except (LoadError, RuntimeError, OSError) as error:
        return str(error)


def _run_rounds(options: argparse.Namespace, servers: list[ServerSpec]) -> dict[str, list[Round]]:
    server_core, load_core = cores()
    load = Load(build(), load_core)
    results: dict[str, list[Round]] = {workload.name: [] for workload in options.workloads}
    for number in range(options.rounds):
        # No server is always the first, or always the one after the slowest.
        turn = number % len(servers)
        order = servers[turn:] + servers[:turn]
        for workload in options.workloads:
            if workload.rounds and number >= workload.rounds:
                continue
            figures: Round = {}
            for server in order:
                if not _belongs(server, workload):
                    continue
                result = figures[server.name] = _measure(server, workload, load, server_core, options.seconds)
                column = workload.main
                shown = f"{result[column.key] * column.scale:,.2f}" if isinstance(result, dict) else f"failed: {result}"
                print(f"round {number + 1}  {workload.name:13} {server.name:28} {shown}", flush=True)
            results[workload.name].append(figures)
    return results


def main() -> None:
    """Runs all rounds and writes the page; nothing is installed. Exits with 1 if a figure can't be relied on."""
    options = _parse_arguments()
    servers, notes = _installed(options.servers)
    if how := plot.missing():
        notes.append(f"the plot is left out; to draw it: `{how}`")
    for note in notes:
        print(note)
    if not servers:
        sys.exit("there is nothing to measure")
    before = os.getloadavg()[0]
    version = library_version()
    try:
        raise_descriptor_limit(_DESCRIPTORS)
        results = _run_rounds(options, servers)
    except RuntimeError as error:
        sys.exit(str(error))
    machine = [*describe_machine((before, os.getloadavg()[0])), f"sources of geventsio: {version}"]
    changed = library_version() != version
    if changed:
        notes.append("**geventsio changed during the run: its figures are not those of one version**")
    page = render(results, options.workloads, servers, machine + notes)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    picture = options.output.with_suffix(".svg")
    if plot.missing() is None and plot.draw(results, options.workloads, servers, picture):
        page += f"\n![How much faster than Node]({picture.name})\n"
    options.output.write_text(page)
    options.output.with_suffix(".json").write_text(
        json.dumps({"machine": machine, "results": results}, indent=1) + "\n"
    )
    print(f"\n{page}\nwritten to {options.output}")
    if changed or any(
        isinstance(result, str) for rounds in results.values() for figures in rounds for result in figures.values()
    ):
        sys.exit(1)


if __name__ == "__main__":
    main()
