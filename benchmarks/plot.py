"""Draws the ratios of a run: how much faster each server is than Node's, workload by workload."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.ratios import Results, Side, ratios
from benchmarks.servers import GEVENTSIO, NODE, PYTHON_SOCKETIO, ServerSpec
from benchmarks.workloads import Workload

__all__ = ["draw", "missing"]

_COLOURS = {GEVENTSIO: ("#0b5d3b", "#2a9d6a", "#8fd3b4"), PYTHON_SOCKETIO: ("#8a5a00", "#e0a030"), NODE: ("#666666",)}
_HEIGHT = 0.8  # of the bars of one workload, of a row of 1


def missing() -> str | None:
    """What has to be installed to draw, None if nothing."""
    if importlib.util.find_spec("matplotlib") is None:
        return f"{sys.executable} -m pip install matplotlib"
    return None


def draw(results: Results, workloads: Sequence[Workload], servers: Sequence[ServerSpec], path: Path) -> bool:
    """Write a picture in the format that the path's suffix names.

    Args:
        results: the rounds of each workload by its name.
        workloads: those whose rates are drawn, from the top down.
        servers: those that were measured.
        path: of the picture.

    Returns:
        False if there is nothing to draw: no workload has figures of Node.
    """
    shown = [server for server in servers if server.family in _COLOURS]
    rows = [(workload, _bars(results, workload, shown)) for workload in workloads if workload.steady]
    rows = [(workload, bars) for workload, bars in rows if any(bars)]
    if not rows:
        return False
    # Imported here and not above: all but the picture works without it.
    import matplotlib  # pyright: ignore[reportMissingImports]

    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot  # pyright: ignore[reportMissingImports]

    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.75 * len(rows)), layout="constrained")
    height = _HEIGHT / len(shown)
    for index, (server, colour) in enumerate(zip(shown, _colours(shown), strict=True)):
        spots, lengths, below, above = [], [], [], []
        for row, (_, bars) in enumerate(rows):
            if found := bars[index]:
                middle = median(found)
                spots.append(row - _HEIGHT / 2 + (index + 0.5) * height)
                lengths.append(middle)
                below.append(middle - min(found))
                above.append(max(found) - middle)
        whiskers = {"ecolor": "#222222", "elinewidth": 0.7}
        axes.barh(spots, lengths, height, xerr=(below, above), color=colour, label=server.name, error_kw=whiskers)
    axes.axvline(1, color="#222222", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [workload.title for workload, _ in rows])
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel("times Node's rate (lines: lowest and highest round)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", fontsize="small")
    figure.savefig(path)
    pyplot.close(figure)
    return True


def _bars(results: Results, workload: Workload, servers: Sequence[ServerSpec]) -> list[list[float]]:
    assert workload.steady is not None
    own, node = Side(workload.name, workload.steady.key), Side(workload.name, workload.steady.key, NODE)
    return [ratios(results, own, node, servers, server) for server in servers]


def _colours(servers: Sequence[ServerSpec]) -> list[str]:
    left = {family: iter(colours) for family, colours in _COLOURS.items()}
    return [next(left[server.family]) for server in servers]
