"""The command `python -m benchmarks.fairness`: what one client can do to the others' latency.

Clients that echo are measured alone, beside one that sends at full speed, and beside one that does not read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks.disturber import KINDS
from benchmarks.loadgen import Load, build
from benchmarks.servers import GEVENTSIO, ROOT, SERVERS, RunningServer, ServerSpec, running
from benchmarks.system import cores, pin_to

__all__ = ["main"]

_ALONE = "alone"
_CASES = (_ALONE, *KINDS)

#: Latencies in microseconds, and messages in a second.
Figures = dict[str, float]


@contextmanager
def _disturbed(kind: str, server: RunningServer, core: int) -> Iterator[None]:
    """Run the disturber, unless the clients are to be alone."""
    if kind == _ALONE:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.disturber", kind, server.host, str(server.port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=pin_to(core))
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "started\n":
            raise RuntimeError(f"the disturber ({kind}) did not start")
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the disturber ({kind}) ended")
    finally:
        process.kill()
        process.communicate()


def _measure(kind: str, spec: ServerSpec, load: Load, options: argparse.Namespace) -> Figures:
    server_core, load_core = cores()
    with running(spec, server_core) as server, _disturbed(kind, server, load_core):
        arguments = ("--clients", str(options.clients), "--seconds", str(options.seconds))
        figures = load.measure(server, "echo", *arguments)
    return {"p50": figures["latency_p50"], "p99": figures["latency_p99"], "rate": figures["rate"]}


def _render(rounds: list[dict[str, Figures]]) -> str:
    lines = ["| | p50 ms | p99 ms | spread | p99, x alone | messages/s |", "|---|---|---|---|---|---|"]
    for kind in _CASES:
        p99 = [figures[kind]["p99"] / 1000 for figures in rounds]
        ratio = median(figures[kind]["p99"] / figures[_ALONE]["p99"] for figures in rounds)
        p50 = median(figures[kind]["p50"] for figures in rounds) / 1000
        rate = median(figures[kind]["rate"] for figures in rounds)
        spread = f"{min(p99):.2f} to {max(p99):.2f}"
        lines.append(f"| {kind} | {p50:.2f} | {median(p99):.2f} | {spread} | {ratio:.2f} | {rate:,.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure in alternating rounds, and print a table."""
    servers = {spec.name.removeprefix("geventsio-"): spec for spec in SERVERS if spec.family == GEVENTSIO}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__)
    parser.add_argument("--server", choices=servers, default="pywsgi")
    parser.add_argument("--clients", type=int, default=100, help="that are measured, one message in flight each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    load = Load(build(), cores()[1])
    rounds: list[dict[str, Figures]] = []
    for number in range(options.rounds):
        turn = number % len(_CASES)
        order = _CASES[turn:] + _CASES[:turn]
        rounds.append({kind: _measure(kind, servers[options.server], load, options) for kind in order})
        shown = ", ".join(f"{kind} {rounds[-1][kind]['p99'] / 1000:.2f} ms" for kind in _CASES)
        print(f"round {number + 1}: p99 {shown}", flush=True)
    print(f"\n{_render(rounds)}")


if __name__ == "__main__":
    main()
