"""The server that an application is started with: its workers, their loop, and what becomes of its settings."""

from __future__ import annotations

import signal
from typing import Any

import gevent

from geventsio.config import EngineOptions
from geventsio.doctor.findings import Report
from geventsio.engine.admission import SEVERAL_PROCESSES
from geventsio.integrations.gunicorn import NO_GEVENT, PRELOADED, is_gevent

__all__ = ["examine_gunicorn", "examine_pywsgi", "examine_workers"]

TOPIC = "server"

#: Seconds that handlers and close handshakes get beside `drain_timeout`.
SPARE = 5.0

#: Requests after which a worker that ends will not be noticed.
FEW_REQUESTS = 1_000


def examine_pywsgi(report: Report, has_gunicorn_settings: bool) -> None:
    """Report on the embedded server, which is assumed where nothing else is said."""
    report.ok(TOPIC, f"gevent's pywsgi in this process, as `python -m geventsio` has it; {_loop()}")
    if has_gunicorn_settings:
        report.hint(
            TOPIC,
            "there is a gunicorn.conf.py here, or GUNICORN_CMD_ARGS in the environment",
            "to see the application as gunicorn starts it, put `python -m geventsio doctor` before its command: "
            "`python -m geventsio doctor gunicorn module:app`",
        )


def examine_gunicorn(settings: Any, is_late: bool, report: Report, options: list[EngineOptions]) -> None:
    """Report on gunicorn and its worker class.

    Args:
        settings: gunicorn's.
        is_late: whether the application was imported before the standard library was patched.
        report: where to.
        options: of each server of ours.
    """
    name = settings.worker_class_str
    if not is_gevent(settings.worker_class):
        report.error(TOPIC, (NO_GEVENT % name).partition(". ")[0], "start gunicorn with -k gevent")
        return
    report.ok(TOPIC, f"gunicorn with {settings.workers} worker(s) of the class {name}; {_loop()}")
    if is_late:
        text, _, fix = PRELOADED.partition(": ")
        report.warning(TOPIC, text, fix)
    _examine_end(settings, report, options)
    if 0 < settings.max_requests < FEW_REQUESTS:
        report.warning(
            TOPIC,
            f"max_requests is {settings.max_requests}, and every poll counts as a request: workers end all the time",
            f"set max_requests to {FEW_REQUESTS:,} or more, with a max_requests_jitter",
        )
    if settings.reload:
        report.hint(TOPIC, "reload is on, which is for development", "leave it out in production")
    _examine_slots(settings, report, options)


def examine_workers(report: Report, count: int, options: list[EngineOptions]) -> None:
    """Report on the number of processes that answer on one port."""
    topic = "workers"
    if count == 1:
        report.ok(topic, "one worker process: polling and websockets find their sessions")
        return
    for option in options:
        if "polling" not in option.transports:
            report.ok(topic, f"{count} worker processes, and websockets alone, which find their sessions")
        elif option.sticky_sessions:
            report.hint(
                topic,
                f"{count} worker processes, of which sticky_sessions says that clients are kept with one of them",
                "see that it is so: no proxy can for the workers of one gunicorn, since they share a port",
            )
        else:
            report.error(
                topic,
                f"{count} worker processes share a port, so that the requests of one client on polling reach any of "
                "them: handshakes by polling will be refused",
                SEVERAL_PROCESSES.partition("The ways out: ")[2],
            )
    report.hint(
        topic, "an emit reaches the clients of its own process alone", "use an adapter that connects the processes"
    )


def _examine_end(settings: Any, report: Report, options: list[EngineOptions]) -> None:
    needed = max((option.drain_timeout + SPARE for option in options), default=SPARE)
    if settings.graceful_timeout < needed:
        report.warning(
            TOPIC,
            f"graceful_timeout is {settings.graceful_timeout} s: a worker that stops may be killed before it has sent "
            "its clients away and run their disconnect handlers",
            f"set graceful_timeout to {needed:g} or more, or lower drain_timeout",
        )
    handler = signal.getsignal(signal.SIGTERM)
    if handler not in (signal.SIG_DFL, signal.SIG_IGN, None):
        from geventsio.integrations.gunicorn import post_worker_init

        if settings.post_worker_init is not post_worker_init:
            report.warning(
                TOPIC,
                f"the application handles SIGTERM itself ({getattr(handler, '__qualname__', handler)}): a worker that "
                "stops is noticed late, and its clients are cut off",
                "begin gunicorn.conf.py with `from geventsio.integrations.gunicorn import *`",
            )


def _examine_slots(settings: Any, report: Report, options: list[EngineOptions]) -> None:
    slots = settings.worker_connections
    for option in options:
        if "polling" in option.transports and (option.max_connections is None or option.max_connections >= slots):
            report.hint(
                TOPIC,
                f"each client on polling takes one of the {slots:,} worker_connections; when all are taken, the site "
                "and its health checks wait (a websocket takes none)",
                f"set max_connections below {slots:,}, or raise worker_connections",
            )


def _loop() -> str:
    loop = type(gevent.get_hub().loop)
    return f"gevent's loop is {loop.__module__.rpartition('.')[0].rpartition('.')[2]}"
