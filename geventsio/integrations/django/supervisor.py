"""The outer process of `runsocketio`: it starts the server again when a source file has changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import NoReturn

from django.utils import autoreload

__all__ = ["is_inner", "start_patched", "supervise"]

#: The exit status of `django.utils.autoreload` for "a file has changed".
CHANGED = 3

#: Seconds between two looks at the files.
INTERVAL = 0.5

#: Seconds that the inner process may take to send its clients away.
PATIENCE = 10


def is_inner() -> bool:
    """Whether this is the process that serves, and watches the files."""
    return os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true"


def supervise() -> int:
    """Run this command in an inner process, again and again, until that ends well or this process is told to stop.

    It is stopped with SIGTERM, so that its clients are told. One that can't start is tried again at the next change.

    Returns:
        The exit status.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    pause = threading.Event()  # never set
    try:
        while True:
            before = _times()
            status = _run_inner()
            if status == 1:
                print("waiting for a change, to try it again", file=sys.stderr, flush=True)
                while _times() == before:
                    pause.wait(INTERVAL)
            elif status != CHANGED:
                return status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def start_patched() -> NoReturn:
    """Start this command anew in this process, with the standard library patched before all else."""
    here = [sys.path[0]] if sys.path[0] else []  # `python -m` has another first entry
    os.environ["PYTHONPATH"] = os.pathsep.join([*here, *filter(None, [os.environ.get("PYTHONPATH")])])
    warnings = [f"-W{option}" for option in sys.warnoptions]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *warnings, "-m", "gevent.monkey", *sys.argv])


def _run_inner() -> int:
    environ = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"}
    inner = subprocess.Popen(autoreload.get_child_arguments(), env=environ, close_fds=False)
    try:
        return inner.wait()
    finally:
        if inner.poll() is None:
            inner.terminate()
            try:
                inner.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                inner.kill()
                inner.wait()


def _times() -> dict[object, float]:
    """When each file was changed last."""
    return dict(autoreload.StatReloader().snapshot_files())
