"""Units of work: what is entered around each job of a socket, and left when the job has ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from geventsio.handling.call import Call

__all__ = ["UnitOfWork", "enter_units", "run_in"]

#: Makes what is entered around one job.
UnitOfWork = Callable[[Call], AbstractContextManager[object]]


def enter_units(units: tuple[UnitOfWork, ...], call: Call, stack: ExitStack) -> None:
    """Enter the units of one job, the outermost first; the stack leaves them. May switch greenlets."""
    for unit in units:
        stack.enter_context(unit(call))


def run_in(units: tuple[UnitOfWork, ...], call: Call, job: Callable[[Call], Any]) -> Any:
    """Do a job in its units, and return what it returns; None if one of them keeps its exception. May switch greenlets.

    What escapes from the job passes through the units, and so does what escapes from one of them through those around
    it.
    """
    with ExitStack() as stack:
        enter_units(units, call, stack)
        return job(call)
    return None
