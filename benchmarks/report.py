"""Turns the figures of all rounds into a Markdown page."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Sequence
from importlib import metadata
from statistics import median

from benchmarks import targets
from benchmarks.ratios import Results, Round, Side, ratios, values
from benchmarks.servers import FLOOR, NODE, PYTHON_SOCKETIO, ServerSpec
from benchmarks.system import cpu_model
from benchmarks.workloads import Column, Workload

__all__ = ["describe_machine", "render"]

_PACKAGES = ("gevent", "gunicorn", "python-socketio", "gevent-websocket", "simple-websocket", "orjson", "websockets")
_PEERS = ((PYTHON_SOCKETIO, "x python-socketio"), (NODE, "x Node"), (FLOOR, "x floor"))


def describe_machine(load_averages: tuple[float, float]) -> list[str]:
    """What the figures were measured on and with; the load averages are those before and after."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return [
        f"{time.strftime('%Y-%m-%d')}, {cpu_model()}, Linux {platform.release()}",
        ", ".join([python, *(_versions())]),
        "load average over a minute before and after: {:.2f}, {:.2f}".format(*load_averages),
    ]


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    try:
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return found
    return [*found, f"Node {node}"]


def _format(column: Column, value: float) -> str:
    return f"{value * column.scale:,.{column.decimals}f}"


def _ratio(
    workload: Workload, column: Column, results: Results, server: ServerSpec, family: str, servers: list[ServerSpec]
) -> str:
    """Median over the rounds of the ratio to the best of a family in the same round."""
    own, peer = Side(workload.name, column.key), Side(workload.name, column.key, family)
    found = ratios(results, own, peer, servers, server)
    return f"{median(found):.2f}" if found else "-"


def _row(workload: Workload, results: Results, server: ServerSpec, servers: list[ServerSpec]) -> list[str]:
    rounds = results[workload.name]
    measured = values(rounds, server.name, workload.main.key)
    failures = [text for figures in rounds if isinstance(text := figures.get(server.name), str)]
    if not measured:
        return [server.name, f"failed: {failures[0]}"]
    spread = f"{_format(workload.main, min(measured))} to {_format(workload.main, max(measured))}"
    if failures:
        spread += f"; {len(failures)} failed: {failures[0]}"
    cells = [server.name]
    for column in filter(None, (workload.main, workload.steady)):
        cells.append(_format(column, median(values(rounds, server.name, column.key))))
        if column is workload.main:
            cells.append(spread)
        cells += [_ratio(workload, column, results, server, family, servers) for family, _ in _peers(rounds, servers)]
    for column in workload.more:
        more = values(rounds, server.name, column.key)
        cells.append(_format(column, median(more)) if more else "-")
    return cells


def _peers(rounds: Sequence[Round], servers: list[ServerSpec]) -> list[tuple[str, str]]:
    """Those that were measured with a workload, with the heading of the ratio to them."""
    measured = {server.family for server in servers if any(server.name in figures for figures in rounds)}
    return [peer for peer in _PEERS if peer[0] in measured]


def _table(workload: Workload, results: Results, servers: list[ServerSpec]) -> list[str]:
    rounds = results[workload.name]
    peers = [heading for _, heading in _peers(rounds, servers)]
    headings = ["server", workload.main.heading, "spread", *peers]
    if workload.steady:
        headings += [workload.steady.heading, *peers]
    headings += [column.heading for column in workload.more]
    lines = [f"## {workload.title}", "", "| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    measured = set().union(*rounds)
    for server in servers:
        if server.name not in measured:
            continue
        cells = _row(workload, results, server, servers)
        cells += [""] * (len(headings) - len(cells))
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return [*lines, ""]


def render(
    results: Results,
    workloads: list[Workload],
    servers: list[ServerSpec],
    notes: list[str],
) -> str:
    """The whole page.

    Args:
        results: the rounds of each workload by its name.
        workloads: in the order of the page.
        servers: in the order of the rows.
        notes: what to say above the tables.
    """
    rounds = max(map(len, results.values()))
    lines = ["# Figures", "", *(f"* {note}" for note in notes)]
    lines += [
        f"* medians of {rounds} interleaved rounds, spread from the lowest to the highest",
        *(
            f"* {workload.name}: {workload.rounds} rounds"
            for workload in workloads
            if (workload.rounds or rounds) < rounds
        ),
        "* ratios are medians of the ratios within each round, to the better of the servers of that project",
        "* server and load on one core each; a 32-byte JSON argument where nothing else is said",
        "",
        *targets.table(results, servers),
    ]
    for workload in workloads:
        lines += _table(workload, results, servers)
    return "\n".join(lines)
