"""What Linux says about processes: pinning, memory, CPU time, descriptor limits."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

__all__ = ["cores", "cpu_model", "cpu_seconds", "pin_to", "process_tree", "pss_bytes", "raise_descriptor_limit"]

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """One core for the server and one for the load.

    Raises:
        RuntimeError: this process may use one core only.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise RuntimeError("the server and the load need a core each, and there is only one")
    return usable[0], usable[1]


def pin_to(core: int) -> Callable[[], None]:
    """A `preexec_fn` that pins the new process, and all that it starts, to one core."""

    def pin() -> None:
        os.sched_setaffinity(0, {core})

    return pin


def raise_descriptor_limit(needed: int) -> None:
    """Raises the soft limit of open files if it is too low; child processes inherit it.

    Raises:
        RuntimeError: the hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise RuntimeError(f"{needed} open files are needed and the hard limit is {hard}: see `ulimit -Hn`")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def process_tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            found.extend(int(child) for child in (task / "children").read_text().split())
    return found


def pss_bytes(pids: list[int]) -> int:
    """Proportional set size: pages that processes share count once for all of them."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def cpu_seconds(pids: list[int]) -> float:
    """CPU time used so far, user and system."""
    ticks = 0
    for pid in pids:
        # The command name, in parentheses, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_SECOND


def cpu_model() -> str:
    """The processor's name, as the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"
