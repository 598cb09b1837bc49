"""A reloader for development: runs the program in a child process, and starts it again when its source changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["run_reloading"]

#: Seconds between two looks at the files.
INTERVAL = 0.5

#: Seconds that the child may take to send its clients away.
PATIENCE = 10

#: By this `werkzeug.serving.is_running_from_reloader` knows the child; applications ask that.
MARK = "WERKZEUG_RUN_MAIN"

#: Where nobody develops: the standard library and what was installed.
_FOREIGN = tuple(
    str(Path(folder).resolve()) + os.sep
    for folder in {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


def run_reloading(extra_files: Iterable[str] = ()) -> int:
    """Run this process's command in a child, again and again, until that ends well or this process is told to stop.

    The child is stopped with SIGTERM, so that its clients are told. One that fails is started again at the next change.

    Args:
        extra_files: what to watch besides the modules that are imported here, and the modules beside them.

    Returns:
        The exit status.
    """
    extra = [Path(name) for name in extra_files]
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        while True:
            status = _run_until_change(extra)
            if status is not None:
                return status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        signal.signal(signal.SIGTERM, before)


def _run_until_change(extra: list[Path]) -> int | None:
    """Run the child once; return its exit status if that was all."""
    seen = _times(extra)
    child = subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env={**os.environ, MARK: "true"})
    try:
        has_failed = False
        pause = threading.Event()
        while seen == _times(extra):
            pause.wait(INTERVAL)
            status = child.poll()
            if status == 0:
                return 0
            if status and not has_failed:
                has_failed = True
                print("waiting for a change, to try it again", file=sys.stderr, flush=True)
    finally:
        _end(child)
    print("a file has changed: starting again", file=sys.stderr, flush=True)
    return None


def _end(child: subprocess.Popen[Any]) -> None:
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _stop(number: int, frame: object) -> None:
    sys.exit(0)


def _times(extra: list[Path]) -> dict[Path, int]:
    """When each file was changed last."""
    times = {}
    for file in (*_sources(), *extra):
        try:
            times[file] = file.stat().st_mtime_ns
        except OSError:  # it is being replaced, or is gone
            continue
    return times


def _sources() -> Iterator[Path]:
    """The modules that may be edited, imported or not: those in the folders of the imported ones."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    folders = {Path(file).resolve().parent for file in files if file}
    for folder in folders:
        if not f"{folder}{os.sep}".startswith(_FOREIGN):
            yield from folder.glob("*.py")
