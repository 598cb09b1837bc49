"""What geventsio promises, held against the figures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.ratios import Results, Side, ratios
from benchmarks.servers import FLOOR, GEVENTSIO, NODE, PYTHON_SOCKETIO, ServerSpec

__all__ = ["TARGETS", "Target", "table"]

_RATE = "rate_per_cpu_second"
_REFERENCE = "geventsio-pywsgi"


@dataclass(frozen=True)
class Target:
    """One promise: a figure of a server, or its ratio to another, and its bound.

    Args:
        text: the promise in words.
        figure: what is measured of each of geventsio's servers.
        over: what it is divided by, within the same round; None for an absolute figure.
        at_least: the lower bound.
        at_most: the upper bound.
        scale: what to multiply the shown figure and its bound by.
    """

    text: str
    figure: Side
    over: Side | None = None
    at_least: float | None = None
    at_most: float | None = None
    scale: float = 1.0

    def measured(self, results: Results, servers: Sequence[ServerSpec], server: ServerSpec) -> float | None:
        """The median over the rounds for one server, None if it has not been measured."""
        found = ratios(results, self.figure, self.over, servers, server)
        return median(found) * self.scale if found else None

    def is_met_by(self, value: float) -> bool:
        """Whether a measured value keeps the promise."""
        low, high = self.at_least, self.at_most
        return (low is None or value >= low * self.scale) and (high is None or value <= high * self.scale)


def _against(text: str, workload: str, family: str, at_least: float) -> Target:
    return Target(text, Side(workload, _RATE), Side(workload, _RATE, family), at_least=at_least)


def _like_pywsgi(workload: str) -> Target:
    rate = Side(workload, _RATE)
    return Target(f"{workload}: within 10 % of pywsgi", rate, Side(workload, _RATE, server=_REFERENCE), at_least=0.9)


TARGETS = (
    _against("echo, 100 clients: 1.0 x Node", "echo", NODE, 1.0),
    _against("echo, 100 clients: 4 x python-socketio", "echo", PYTHON_SOCKETIO, 4.0),
    _against("echo, 100 clients: 0.75 x the floor (an aim)", "echo", FLOOR, 0.75),
    _against("echo, ten in flight: 1.5 x Node", "echo-window-10", NODE, 1.5),
    _against("broadcast to 1,000: 1.5 x Node", "bcast", NODE, 1.5),
    _against("broadcast to 1,000: 4 x python-socketio", "bcast", PYTHON_SOCKETIO, 4.0),
    _against("broadcast to 1,000: 0.85 x the floor (an aim)", "bcast", FLOOR, 0.85),
    _against("ten broadcasts in one handler: 4 x Node", "bcast10", NODE, 4.0),
    _against("acknowledgement round trip: 1.0 x Node", "ack", NODE, 1.0),
    _against("1 KB binary: 1.0 x Node", "binary-1k", NODE, 1.0),
    _against("msgpack: 1.0 x Node", "msgpack", NODE, 1.0),
    _against("polling echo: 2 x python-socketio", "polling", PYTHON_SOCKETIO, 2.0),
    Target(
        "polling echo, two requests: 0.7 x an empty app's requests (an aim)",
        Side("polling", _RATE),
        Side("http", _RATE),
        at_least=0.35,
        scale=2.0,
    ),
    _against("connects by websocket: 1.0 x Node", "connect", NODE, 1.0),
    Target("idle client: at most 4 KB", Side("idle", "bytes_per_client"), at_most=4096, scale=1 / 1024),
    Target(
        "idle client with a browser's headers: at most 6 KB",
        Side("idle-browser", "bytes_per_client"),
        at_most=6144,
        scale=1 / 1024,
    ),
    Target(
        "idle client: a third of Node's memory",
        Side("idle", "bytes_per_client"),
        Side("idle", "bytes_per_client", NODE),
        at_most=1 / 3,
    ),
    Target("10,000 idle clients: at most 3 % of a core", Side("idle-10000", "idle_cpu"), at_most=0.03, scale=100),
    Target(
        "p99 of an echo while one client does not read: within 20 %",
        Side("stuck", "latency_p99"),
        Side("storm", "latency_p99"),
        at_most=1.2,
    ),
    Target(
        "cost of a delivery among 5,000 over that among 100: within 15 %",
        Side("bcast-100", _RATE),
        Side("bcast-5000", _RATE),
        at_most=1.15,
    ),
    *map(_like_pywsgi, ("echo", "bcast", "polling", "connect")),
)


def table(results: Results, servers: Sequence[ServerSpec]) -> list[str]:
    """The lines of a Markdown table: each target with what geventsio's servers reached; what misses it is bold.

    Args:
        results: the rounds of each workload by its name.
        servers: those that were measured.
    """
    own = [server for server in servers if server.family == GEVENTSIO]
    lines = []
    for target in TARGETS:
        cells = []
        for server in own:
            value = target.measured(results, servers, server)
            if value is None:
                cells.append("-")
            else:
                cells.append(f"{value:.2f}" if target.is_met_by(value) else f"**{value:.2f}**")
        if set(cells) != {"-"}:
            lines.append(f"| {target.text} | {' | '.join(cells)} |")
    if not lines:
        return []
    heading = ["target", *(server.name for server in own)]
    return [
        "## Targets",
        "",
        "Rates are those per CPU second. What misses its target is bold.",
        "",
        f"| {' | '.join(heading)} |",
        "|---" * len(heading) + "|",
        *lines,
        "",
    ]
