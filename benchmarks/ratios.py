"""Figures of several rounds, and ratios that are taken within each round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.servers import ServerSpec
from benchmarks.workloads import LESS_IS_BETTER, Figures

__all__ = ["Results", "Round", "Side", "ratios", "values"]

#: One round of one workload: the figures of each server by its name, or why there are none.
Round = dict[str, Figures | str]

#: The rounds of each workload by its name.
Results = Mapping[str, Sequence[Round]]


@dataclass(frozen=True)
class Side:
    """One side of a ratio: a figure of a workload.

    Args:
        workload: its name.
        key: of the figure.
        family: the best server of that project; None for the server itself.
        server: that server; None for the server itself.
    """

    workload: str
    key: str
    family: str | None = None
    server: str | None = None

    def of(self, figures: Round, servers: Sequence[ServerSpec], own: ServerSpec) -> float | None:
        """The figure in one round, None if there is none."""
        if self.family is not None:
            names = [server.name for server in servers if server.family == self.family]
        else:
            names = [self.server or own.name]
        found = [result[self.key] for name in names if isinstance(result := figures.get(name), dict)]
        best = min if self.key in LESS_IS_BETTER else max
        return best(found, default=None)


def values(rounds: Sequence[Round], server: str, key: str) -> list[float]:
    """A server's figure in every round that has one."""
    return [figures[key] for results in rounds if isinstance(figures := results.get(server), dict) and key in figures]


def ratios(
    results: Results, figure: Side, over: Side | None, servers: Sequence[ServerSpec], own: ServerSpec
) -> list[float]:
    """The ratio of two figures in each round that has both.

    Args:
        results: all rounds.
        figure: what is divided.
        over: by what; None for the figure itself.
        servers: those that were measured.
        own: the server that is compared.
    """
    found = []
    divisors: Sequence[Round] = results.get(over.workload, ()) if over else ()
    for number, figures in enumerate(results.get(figure.workload, ())):
        value = figure.of(figures, servers, own)
        if value is None:
            continue
        if over is None:
            found.append(value)
        elif number < len(divisors) and (divisor := over.of(divisors[number], servers, own)):
            found.append(value / divisor)
    return found
