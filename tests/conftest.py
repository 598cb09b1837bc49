"""What holds for all tests: a run's first lines name the versions and the outside programs that it has."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from hypothesis import settings

from tests import tools

LIBRARIES = ("gevent", "gunicorn", "websockets", "werkzeug")
PROGRAMS = ("node", "npm", "chromium")

# Where a run decides on landing, it tries the same examples each time; elsewhere new ones are looked for.
settings.register_profile("the same examples", derandomize=True)
if tools.all_required():
    settings.load_profile("the same examples")


def pytest_report_header() -> list[str]:
    """The versions that decide what a result means, and the programs without which tests are skipped or fail."""
    missing = [name for name in PROGRAMS if tools.find(name) is None]
    fate = "fail" if tools.all_required() else "are skipped"
    return [
        "libraries: " + ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        "programs: " + (f"tests {fate} for want of {', '.join(missing)}" if missing else f"{', '.join(PROGRAMS)}"),
    ]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A name that is the same in each process: frames are masked at random."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
