"""The programs beside Python that tests drive: where they are, and what happens when one is missing.

A missing program skips the test with its reason, so that the tests run on any machine. Where the environment variable
`GEVENTSIO_REQUIRE_ALL` is 1, as in CI, it fails the test instead: there a skip would hide that something went untested.
"""

from __future__ import annotations

__all__ = [
    "all_required",
    "certificate",
    "chromium",
    "find",
    "gunicorn",
    "ipv6",
    "js_package",
    "node",
    "require",
    "without_lag",
]

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

NODE_MODULES = Path(__file__).parent / "js" / "node_modules"

# Distributions name the same browser differently.
NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome")}


def all_required() -> bool:
    """Whether a missing tool is a failure."""
    return os.environ.get("GEVENTSIO_REQUIRE_ALL") == "1"


def without_lag(errors: str) -> str:
    """Drop the warnings about a blocked hub from a server's stderr.

    Where several tests share a busy machine, a process may wait half a second for its turn.
    """
    return "".join(line for line in errors.splitlines(keepends=True) if " blocked the hub for " not in line)


def require(found: T | None, missing: str) -> T:
    """Give back what was found; when that is None, skip, or fail where all is required.

    Usable in a test, in a fixture and at the top of a test module.

    Args:
        found: a path, or whatever stands for the tool.
        missing: the reason to show; it tells how to get the tool.
    """
    if found is not None:
        return found
    if all_required():
        pytest.fail(f"required: {missing}", pytrace=False)
    pytest.skip(missing, allow_module_level=True)


def find(program: str) -> Path | None:
    """Where a program is, None when it isn't on PATH."""
    found = next((path for name in NAMES.get(program, (program,)) if (path := shutil.which(name))), None)
    return Path(found) if found else None


def node() -> Path:
    """The Node.js program."""
    return require(find("node"), "node is not on PATH")


def chromium() -> Path:
    """The Chromium program."""
    return require(find("chromium"), "chromium is not on PATH (Debian: apt-get install chromium)")


def js_package(name: str) -> Path:
    """The folder of an npm package by the name, or alias, that tests/js/package.json gives it."""
    folder = NODE_MODULES / name
    found = folder if (folder / "package.json").is_file() else None
    return require(found, f"{name} is not in tests/js/node_modules; run: npm install --prefix tests/js")


def gunicorn() -> tuple[str, ...]:
    """The command that starts gunicorn under this Python, with its gevent worker ready to load."""
    # Only gunicorn's gevent extra brings packaging, and the worker can't be loaded without it.
    installed = all(importlib.util.find_spec(name) for name in ("gunicorn", "packaging"))
    command = (sys.executable, "-m", "gunicorn")
    return require(command if installed else None, 'gunicorn is missing; run: pip install "gunicorn[gevent]"')


def ipv6() -> str:
    """The machine's own IPv6 address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return require(None, "this machine has no IPv6")
    return "::1"


def certificate(folder: Path) -> tuple[str, str]:
    """Make a certificate for `localhost` and 127.0.0.1 that signs itself; return its file's path and its key's."""
    openssl = require(find("openssl"), "openssl is not on PATH")
    files = str(folder / "certificate.pem"), str(folder / "key.pem")
    command = [str(openssl), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, *names, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files
