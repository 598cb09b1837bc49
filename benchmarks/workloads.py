"""The workloads: what is done to a server, and which figures come out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.loadgen import Load
from benchmarks.servers import RunningServer

__all__ = ["WORKLOADS", "Column", "Figures", "Workload"]

Figures = dict[str, float]

_WARM_CLIENTS = 100  # connected first and kept: what a server loads or allocates once is not the clients' memory
_IDLE_CLIENTS = 2_000
_QUIET_SECONDS = 0.5
_QUIET_SHARE = 0.02
_QUIET_DEADLINE = 15.0


@dataclass(frozen=True)
class Column:
    """A figure in a table: its key, its heading, what to multiply it by, and its number of decimals."""

    key: str
    heading: str
    scale: float = 1.0
    decimals: int = 0


@dataclass(frozen=True)
class Workload:
    """One thing to measure.

    Args:
        name: how `--workloads` calls it.
        title: heading of its table.
        run: measures a running server for about so many seconds.
        main: the figure that spread and ratios are given for.
        more: further figures, medians only.
        steady: a figure that suffers less when something else runs on the server's core; it has ratios, too.
        less_is_better: True for memory.
    """

    name: str
    title: str
    run: Callable[[RunningServer, Load, float], Figures]
    main: Column
    more: tuple[Column, ...] = ()
    steady: Column | None = None
    less_is_better: bool = False


def _rate(workload: str, clients: int, window: int) -> Callable[[RunningServer, Load, float], Figures]:
    def run(server: RunningServer, load: Load, seconds: float) -> Figures:
        figures = load.measure(server, workload, clients=clients, window=window, seconds=seconds)
        latency = figures.pop("latency_us", {})
        return {**figures, **{f"latency_{name}": micros for name, micros in latency.items()}}

    return run


def _wait_until_quiet(server: RunningServer) -> None:
    deadline = time.monotonic() + _QUIET_DEADLINE
    while time.monotonic() < deadline:
        before = server.cpu_seconds()
        time.sleep(_QUIET_SECONDS)
        if server.cpu_seconds() - before < _QUIET_SHARE * _QUIET_SECONDS:
            return


def _idle(browser: bool) -> Callable[[RunningServer, Load, float], Figures]:
    def run(server: RunningServer, load: Load, seconds: float) -> Figures:
        with load.hold(server, clients=_WARM_CLIENTS, browser=browser):
            _wait_until_quiet(server)
            before = server.pss_bytes()
            with load.hold(server, clients=_IDLE_CLIENTS, browser=browser):
                _wait_until_quiet(server)
                after = server.pss_bytes()
        return {"bytes_per_client": (after - before) / _IDLE_CLIENTS, "process_bytes": after}

    return run


_PER_CPU = Column("rate_per_cpu_second", "per CPU second")
_CPU = (Column("server_cpu", "server CPU %", 100), Column("load_cpu", "load CPU %", 100))
_LATENCY = (Column("latency_p50", "p50 ms", 1e-3, 2), Column("latency_p99", "p99 ms", 1e-3, 2))
_MEMORY = Column("bytes_per_client", "KB per client", 1 / 1024, 2)
_PROCESS = (Column("process_bytes", "whole server, MB", 1 / 1024**2, 1),)

WORKLOADS = (
    Workload(
        "echo",
        "Echo, 100 clients",
        _rate("echo", 100, 1),
        Column("rate", "messages/s"),
        (*_CPU, *_LATENCY),
        steady=_PER_CPU,
    ),
    Workload(
        "bcast",
        "Broadcast to 1,000 clients",
        _rate("bcast", 1_000, 1),
        Column("rate", "deliveries/s"),
        _CPU,
        steady=_PER_CPU,
    ),
    Workload("idle", "Memory of 2,000 idle clients", _idle(False), _MEMORY, _PROCESS, less_is_better=True),
    Workload(
        "idle-browser",
        "Memory of 2,000 idle clients with a browser's headers",
        _idle(True),
        _MEMORY,
        _PROCESS,
        less_is_better=True,
    ),
)
