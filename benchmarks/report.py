"""Turns the figures of all rounds into a Markdown page."""

from __future__ import annotations

import platform
import subprocess
import time
from importlib import metadata
from statistics import median

from benchmarks.servers import NODE, PYTHON_SOCKETIO, ServerSpec
from benchmarks.system import cpu_model
from benchmarks.workloads import Column, Figures, Workload

__all__ = ["Round", "describe_machine", "render"]

#: One round of one workload: the figures of each server by its name, or why there are none.
Round = dict[str, Figures | str]

_PACKAGES = ("gevent", "gunicorn", "python-socketio", "gevent-websocket", "simple-websocket", "orjson", "websockets")
_PEERS = ((PYTHON_SOCKETIO, "x python-socketio"), (NODE, "x Node"))


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


def _values(rounds: list[Round], server: str, key: str) -> list[float]:
    return [figures[key] for results in rounds if isinstance(figures := results.get(server), dict) and key in figures]


def _ratios(workload: Workload, column: Column, rounds: list[Round], server: str, peers: list[str]) -> str:
    """Median over the rounds of the ratio to the best of the peers in the same round."""
    best = min if workload.less_is_better else max
    ratios = []
    for results in rounds:
        own = results.get(server)
        others = [figures[column.key] for peer in peers if isinstance(figures := results.get(peer), dict)]
        if isinstance(own, dict) and others:
            ratios.append(own[column.key] / best(others))
    return f"{median(ratios):.2f}" if ratios else "-"


def _row(workload: Workload, rounds: list[Round], server: ServerSpec, servers: list[ServerSpec]) -> list[str]:
    values = _values(rounds, server.name, workload.main.key)
    failures = [text for results in rounds if isinstance(text := results.get(server.name), str)]
    if not values:
        return [server.name, f"failed: {failures[0]}"]
    spread = f"{_format(workload.main, min(values))} to {_format(workload.main, max(values))}"
    if failures:
        spread += f"; {len(failures)} failed: {failures[0]}"
    cells = [server.name]
    for column in filter(None, (workload.main, workload.steady)):
        cells.append(_format(column, median(_values(rounds, server.name, column.key))))
        if column is workload.main:
            cells.append(spread)
        for family, _ in _PEERS:
            peers = [other.name for other in servers if other.family == family]
            cells.append(_ratios(workload, column, rounds, server.name, peers))
    for column in workload.more:
        more = _values(rounds, server.name, column.key)
        cells.append(_format(column, median(more)) if more else "-")
    return cells


def _table(workload: Workload, rounds: list[Round], servers: list[ServerSpec]) -> list[str]:
    peers = [heading for _, heading in _PEERS]
    headings = ["server", workload.main.heading, "spread", *peers]
    if workload.steady:
        headings += [workload.steady.heading, *peers]
    headings += [column.heading for column in workload.more]
    lines = [f"## {workload.title}", "", "| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    measured = set().union(*rounds)
    for server in servers:
        if server.name not in measured:
            continue
        cells = _row(workload, rounds, server, servers)
        cells += [""] * (len(headings) - len(cells))
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return [*lines, ""]


def render(
    results: dict[str, list[Round]],
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
    rounds = len(next(iter(results.values())))
    lines = ["# Figures", "", *(f"* {note}" for note in notes)]
    lines += [
        f"* medians of {rounds} interleaved rounds, spread from the lowest to the highest",
        "* ratios are medians of the ratios within each round, to the better of the servers of that project",
        "* server and load on one core each; a 32-byte JSON argument where nothing else is said",
        "",
    ]
    for workload in workloads:
        lines += _table(workload, results[workload.name], servers)
    return "\n".join(lines)
