"""The jobs: who waits for what. It knows nothing of sockets; with Celery or another queue, that is in its place."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from typing import Annotated

from gevent.queue import Empty, Queue
from msgspec import Meta

__all__ = ["MAX_OF_USER", "Area", "Job", "Jobs"]

MAX_OF_USER = 3  # at a time
MAX_WAITING = 100


@dataclass(frozen=True, slots=True)
class Area:
    """What of the Mandelbrot set is to be drawn: the middle, and how far it is zoomed in."""

    x: Annotated[float, Meta(ge=-2.5, le=2.5)]
    y: Annotated[float, Meta(ge=-2.5, le=2.5)]
    zoom: Annotated[float, Meta(ge=1, le=1e6)]


@dataclass(frozen=True, slots=True)
class Job:
    """Work for a worker; the user goes along, so that the result finds its way back."""

    id: str
    user: str
    area: Area


class Jobs:
    """All jobs that are not done."""

    def __init__(self) -> None:
        self._waiting: Queue[Job] = Queue(MAX_WAITING)
        self._open: dict[str, Job] = {}
        self._of_user: Counter[str] = Counter()

    def order(self, user: str, area: Area) -> Job | None:
        """Take an order; None if there are too many."""
        if self._of_user[user] >= MAX_OF_USER or self._waiting.full():
            return None
        job = Job(secrets.token_hex(8), user, area)
        self._open[job.id] = job
        self._of_user[user] += 1
        self._waiting.put_nowait(job)
        return job

    def next(self, timeout: float) -> Job | None:
        """The next job for a worker, waited for as many seconds. Switches greenlets."""
        try:
            while (job := self._waiting.get(timeout=timeout)).id not in self._open:
                continue  # it has been given up meanwhile
        except Empty:
            return None
        return job

    def get(self, job_id: str) -> Job | None:
        """A job that is not done."""
        return self._open.get(job_id)

    def end(self, job: Job) -> bool:
        """Forget a job; False if that has been done."""
        if self._open.pop(job.id, None) is None:
            return False
        self._of_user[job.user] -= 1
        self._of_user += Counter()  # drops the zeros
        return True
