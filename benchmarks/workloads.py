"""The workloads: what is done to a server, and which figures come out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.loadgen import Load
from benchmarks.servers import RunningServer

__all__ = ["LESS_IS_BETTER", "WORKLOADS", "Column", "Figures", "Workload"]

Figures = dict[str, float]
Run = Callable[[RunningServer, Load, float], Figures]

#: Figures of which the lower one is the better.
LESS_IS_BETTER = frozenset({"bytes_per_client", "idle_cpu", "latency_p50", "latency_p99", "process_bytes"})

_WARM_CLIENTS = 100  # connected first and kept: what a server loads or allocates once is not the clients' memory
_IDLE_CLIENTS = 2_000
_MANY_IDLE_CLIENTS = 10_000
_PING_INTERVAL = 25.0  # seconds, of all servers by default: each idle client is heard once within it
_QUIET_SECONDS = 0.5
_QUIET_SHARE = 0.02
_QUIET_DEADLINE = 15.0

#: Broadcasts a second, of 4 KB to all, that run beside the echoes of "storm" and "stuck".
_STORM = ("--storm", "100", "--warmup", "3")


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
        server_options: added to the server's command line.
        families: the projects whose servers are measured; None for all that can serve it.
        quick: whether `--quick` runs it.
        rounds: at most so many, for what takes long and hardly spreads; None for all.
    """

    name: str
    title: str
    run: Run
    main: Column
    more: tuple[Column, ...] = ()
    steady: Column | None = None
    server_options: tuple[str, ...] = ()
    families: frozenset[str] | None = None
    quick: bool = True
    rounds: int | None = None


def _load(workload: str, *arguments: object) -> Run:
    def run(server: RunningServer, load: Load, seconds: float) -> Figures:
        warmup = str(seconds / 2)  # before arguments that have one of their own
        return load.measure(server, workload, "--seconds", str(seconds), "--warmup", warmup, *map(str, arguments))

    return run


def _wait_until_quiet(server: RunningServer) -> None:
    deadline = time.monotonic() + _QUIET_DEADLINE
    while time.monotonic() < deadline:
        before = server.cpu_seconds()
        time.sleep(_QUIET_SECONDS)
        if server.cpu_seconds() - before < _QUIET_SHARE * _QUIET_SECONDS:
            return


def _idle(browser: bool) -> Run:
    def run(server: RunningServer, load: Load, seconds: float) -> Figures:
        with load.hold(server, clients=_WARM_CLIENTS, browser=browser):
            _wait_until_quiet(server)
            before = server.pss_bytes()
            with load.hold(server, clients=_IDLE_CLIENTS, browser=browser):
                _wait_until_quiet(server)
                after = server.pss_bytes()
        return {"bytes_per_client": (after - before) / _IDLE_CLIENTS, "process_bytes": after}

    return run


def _many_idle(server: RunningServer, load: Load, seconds: float) -> Figures:
    """CPU time over one ping interval, in which each client is pinged once."""
    with load.hold(server, clients=_MANY_IDLE_CLIENTS, browser=False):
        _wait_until_quiet(server)
        before, start = server.cpu_seconds(), time.monotonic()
        time.sleep(_PING_INTERVAL)
        used, elapsed = server.cpu_seconds() - before, time.monotonic() - start
        return {"idle_cpu": used / elapsed, "process_bytes": server.pss_bytes()}


_CPU = (Column("server_cpu", "server CPU %", 100), Column("load_cpu", "load CPU %", 100))
_LATENCY = (Column("latency_p50", "p50 ms", 1e-3, 2), Column("latency_p99", "p99 ms", 1e-3, 2))
_MEMORY = Column("bytes_per_client", "KB per client", 1 / 1024, 2)
_PROCESS = (Column("process_bytes", "whole server, MB", 1 / 1024**2, 1),)


def _rate(name: str, title: str, run: Run, unit: str = "messages/s", **more: object) -> Workload:
    latency = () if unit == "deliveries/s" else _LATENCY
    steady = Column("rate_per_cpu_second", "per CPU second")
    return Workload(name, title, run, Column("rate", unit), (*_CPU, *latency), steady, **more)  # type: ignore[arg-type]


def _broadcast(name: str, title: str, workload: str, clients: int, *arguments: object) -> Workload:
    return _rate(name, title, _load(workload, "--clients", clients, *arguments), "deliveries/s")


def _disturbed(name: str, title: str, *arguments: object) -> Workload:
    run = _load("echo", "--clients", 100, *_STORM, *arguments)
    main = Column("latency_p99", "p99 ms", 1e-3, 2)
    more = (Column("latency_p50", "p50 ms", 1e-3, 2), Column("rate", "messages/s"), *_CPU)
    return Workload(name, title, run, main, more, quick=False)


def _memory(name: str, title: str, browser: bool) -> Workload:
    return Workload(name, title, _idle(browser), _MEMORY, _PROCESS)


WORKLOADS = (
    _rate("echo-1", "Echo, 1 client", _load("echo", "--clients", 1)),
    _rate("echo", "Echo, 100 clients", _load("echo", "--clients", 100)),
    _rate("echo-1000", "Echo, 1,000 clients", _load("echo", "--clients", 1_000)),
    _rate(
        "echo-window-10",
        "Echo, 100 clients with ten messages in flight each",
        _load("echo", "--clients", 100, "--window", 10),
    ),
    _rate("ack", "Acknowledgement round trip, 100 clients", _load("ack", "--clients", 100)),
    _rate("binary-1k", "Echo of 1 KB binary, 100 clients", _load("binary", "--clients", 100, "--size", 1_024)),
    _rate("binary-64k", "Echo of 64 KB binary, 100 clients", _load("binary", "--clients", 100, "--size", 65_536)),
    _rate(
        "msgpack",
        "Echo with the msgpack parser, 100 clients",
        _load("msgpack", "--clients", 100),
        server_options=("--parser", "msgpack"),
    ),
    _broadcast("bcast-100", "Broadcast to 100 clients", "bcast", 100),
    _broadcast("bcast", "Broadcast to 1,000 clients", "bcast", 1_000),
    _broadcast("bcast-5000", "Broadcast to 5,000 clients", "bcast", 5_000),
    _broadcast("bcast10", "Ten broadcasts in one handler, 1,000 clients", "bcast10", 1_000),
    _broadcast("rooms", "50 rooms of 20 clients", "rooms", 1_000, "--rooms", 50),
    _rate("polling", "Echo over polling, 50 clients", _load("polling", "--clients", 50)),
    _rate(
        "http",
        "GET requests to an empty app, 50 clients (an echo over polling is two requests)",
        _load("polling-floor", "--clients", 50),
        "requests/s",
        families=frozenset({"geventsio"}),
    ),
    _rate("connect", "Connects by websocket", _load("connect", "--clients", 50), "connects/s"),
    _rate(
        "connect-polling",
        "Connects by polling, with an upgrade",
        _load("polling-connect", "--clients", 50),
        "connects/s",
    ),
    _disturbed("storm", "Echo of 100 clients while a hundred 4 KB broadcasts a second go to all"),
    _disturbed("stuck", "The same while one client does not read", "--stuck"),
    _memory("idle", "Memory of 2,000 idle clients", False),
    _memory("idle-browser", "Memory of 2,000 idle clients with a browser's headers", True),
    Workload(
        "idle-10000",
        "CPU of 10,000 idle clients",
        _many_idle,
        Column("idle_cpu", "% of a core", 100, 2),
        _PROCESS,
        quick=False,
        rounds=3,
    ),
)
