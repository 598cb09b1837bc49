"""What gevent has patched, and what had been imported, started or made by then."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from gevent import events, monkey

from geventsio.doctor.findings import Report

__all__ = ["PatchWatch"]

TOPIC = "patching"

#: What code waits with, as gevent names it.
PATCHED = ("socket", "ssl", "select", "time", "threading", "queue", "subprocess", "os")

#: Libraries that keep what they found in the standard library when they were imported.
SENSITIVE = frozenset(
    "ssl aiohttp asyncio botocore celery concurrent.futures django httpcore httpx kombu pika psycopg pymongo pymysql "
    "redis requests sqlalchemy urllib3".split()
)

#: Where code takes a name out of a module, it keeps what stood there.
ORIGINALS = (
    ("time", "sleep"),
    ("socket", "socket"),
    ("socket", "create_connection"),
    ("socket", "getaddrinfo"),
    ("select", "select"),
    ("ssl", "SSLContext"),
    ("threading", "Event"),
    ("threading", "local"),
    ("_thread", "allocate_lock"),
    ("subprocess", "Popen"),
)

#: Names in one sentence.
MAX_NAMES = 6

FIRST_LINE = "make `from gevent import monkey; monkey.patch_all()` the first line of {place}"


class PatchWatch:
    """Sees the moment at which gevent patches the standard library.

    Make it before anything of the application is imported.
    """

    def __init__(self) -> None:
        self._known = set(sys.modules)
        self._was_patched = monkey.is_module_patched("socket")
        self._is_over = self._was_patched
        self._early: list[str] = []
        self._objects: list[str] = []
        self._threads: list[str] = []
        self._warnings: list[str] = []
        events.subscribers.append(self._notice)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take down what gevent warns of meanwhile."""
        caught: list[warnings.WarningMessage] = []
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", monkey.MonkeyPatchWarning)
                yield
        finally:
            for warning in caught:
                self._warned(warning)

    def examine(self, report: Report, place: str) -> None:
        """Report when all is loaded.

        Args:
            report: where to.
            place: the file whose first line should patch.
        """
        events.subscribers.remove(self._notice)
        fix = FIRST_LINE.format(place=place)
        left = [name for name in PATCHED if not monkey.is_module_patched(name)]
        if len(left) == len(PATCHED):
            report.hint(
                TOPIC,
                "the standard library is not patched: a handler that waits for a database or for HTTP keeps all "
                "clients waiting",
                f"{fix}, unless no handler does",
            )
            return
        if left:
            text = f"gevent has not patched {_names(left)}: what waits there keeps all clients waiting"
            report.warning(TOPIC, text, fix)
        if not self._examine_order(report, fix) and not left:
            when = "anything" if self._was_patched else "anything that minds"
            report.ok(TOPIC, f"the standard library was patched before {when} was imported")

    def _examine_order(self, report: Report, fix: str) -> bool:
        """Report what came before the patch; whether there was anything."""
        before = len(report.findings)
        if self._early:
            report.warning(TOPIC, f"imported before the standard library was patched: {_names(self._early)}", fix)
        if self._threads:
            names = _names(self._threads)
            report.warning(TOPIC, f"threads were started before the standard library was patched: {names}", fix)
        if self._objects:
            names = _names(self._objects)
            report.warning(TOPIC, f"locks and queues were made before the standard library was patched: {names}", fix)
        stale = self._stale()
        if stale:
            report.warning(TOPIC, f"names were taken from modules that were patched later: {_names(stale)}", fix)
        for text in dict.fromkeys(self._warnings):
            report.warning(TOPIC, f"gevent warned: {text.partition('. ')[0]}", fix)
        return len(report.findings) > before

    def _notice(self, event: object) -> None:
        if self._is_over or not isinstance(event, events.GeventWillPatchAllEvent | events.GeventWillPatchModuleEvent):
            return
        self._is_over = True
        new = set(sys.modules) - self._known
        self._early = sorted(name for name in new if name in SENSITIVE)
        self._objects = [f"{name}.{key}" for name, key, value in self._own_globals() if _is_native(value)]
        threading = sys.modules.get("threading")
        if threading is not None:
            main = threading.main_thread()
            self._threads = sorted(thread.name for thread in threading.enumerate() if thread is not main)

    def _warned(self, warning: warnings.WarningMessage) -> None:
        if issubclass(warning.category, monkey.MonkeyPatchWarning):
            self._warnings.append(str(warning.message))
        else:
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)

    def _stale(self) -> list[str]:
        """Names of the application's modules that hold what gevent has replaced."""
        originals = {
            id(monkey.get_original(module, item)): f"{module}.{item}"
            for module, item in ORIGINALS
            if monkey.is_object_patched(module, item)
        }
        found = ((name, key, originals.get(id(value))) for name, key, value in self._own_globals())
        return [f"{name}.{key}" for name, key, original in found if original is not None]

    def _own_globals(self) -> Iterator[tuple[str, str, Any]]:
        """The globals of the application's own modules."""
        for name in sorted(set(sys.modules) - self._known):
            module = sys.modules.get(name)
            if isinstance(module, ModuleType) and _is_own(module):
                for key, value in list(vars(module).items()):
                    yield name, key, value


def _is_own(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None) or ""
    top = module.__name__.partition(".")[0]
    is_installed = "site-packages" in file or "dist-packages" in file
    return bool(file) and not is_installed and top not in sys.stdlib_module_names and top != "geventsio"


def _is_native(value: object) -> bool:
    """Whether it waits without gevent; those of gevent come from gevent's modules."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}" in (
        "_thread.lock",
        "_thread.RLock",
        "_thread._local",
        "_queue.SimpleQueue",
        "queue.Queue",
        "queue.LifoQueue",
        "queue.PriorityQueue",
        "threading.Condition",
        "threading.Event",
        "threading.Semaphore",
        "threading.BoundedSemaphore",
        "threading.Barrier",
    )


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else f"{shown} and {len(names) - MAX_NAMES} more"
