"""What a server process holds on to: measured inside it, compared by the test."""

from __future__ import annotations

__all__ = ["Gauge", "growth", "measure"]

import gc
import os
from collections import Counter
from typing import Any, NamedTuple

#: Objects of one of our types that may come on top, for the clients that are just leaving.
SPARE_OWN = 10

#: Objects of any other type, and idle workers: the caches and pools that these belong to fill up late.
SPARE = 256
_POOLED = "geventsio.engine.workers.Worker"

#: Bytes of memory that may come on top, as an allocator does not give back all that it was given. A leak of 40 bytes
#: for each of 100,000 lives would be as much.
SPARE_MEMORY = 4_000_000


class Gauge(NamedTuple):
    """What a process holds.

    Attributes:
        memory: resident bytes.
        descriptors: open ones.
        objects: how many the garbage collector knows, by their type.
    """

    memory: int
    descriptors: int
    objects: dict[str, int]


def measure() -> dict[str, Any]:
    """The fields of a `Gauge` of this process."""
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    # The list's own descriptor is one of them, each time.
    descriptors = len(os.listdir("/proc/self/fd"))
    objects = Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in map(type, gc.get_objects()))
    return Gauge(pages * os.sysconf("SC_PAGE_SIZE"), descriptors, dict(objects))._asdict()


def growth(before: Gauge, after: Gauge) -> list[str]:
    """What there is more of than chance explains, in words."""
    found = []
    if after.descriptors > before.descriptors:
        found.append(f"{after.descriptors - before.descriptors} descriptors")
    for name, count in after.objects.items():
        more = count - before.objects.get(name, 0)
        if more > (SPARE_OWN if name.startswith("geventsio.") and name != _POOLED else SPARE):
            found.append(f"{more} objects of {name}")
    if after.memory > before.memory + SPARE_MEMORY:
        found.append(f"{after.memory - before.memory} bytes of memory")
    return found
