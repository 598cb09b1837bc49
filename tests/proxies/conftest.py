"""Fixtures: the proxies, each with its own folder, and servers behind them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests import tools
from tests.live.harness import Server
from tests.proxies.programs import PROXIES, Change, Proxy

#: One proxy says all that the application has to know.
BEHIND_ONE = {"trusted_proxies": 1}


def site(kind: str = "pywsgi", port: int = 0, **options: Any) -> Server:
    """Start `tests.proxies.site`, which trusts one proxy unless told otherwise."""
    if kind != "pywsgi":
        tools.gunicorn()
    command = [sys.executable, "-m", "tests.proxies.site", "--server", kind, "--port", str(port)]
    return Server([*command, "--options", json.dumps({**BEHIND_ONE, **options})])


def location(server: Server) -> str:
    """Its `HOST:PORT`."""
    return "{}:{}".format(*server.address)


class Deployment:
    """Starts proxies and servers, and stops them at the end of the test."""

    def __init__(self, folders: Callable[[], Path]) -> None:
        self._folders = folders
        self._stack = ExitStack()

    def site(self, kind: str = "pywsgi", port: int = 0, **options: Any) -> Server:
        """See `site`."""
        return self._stack.enter_context(site(kind, port, **options))

    def proxy(self, name: str, *servers: Server, changes: tuple[Change, ...] = (), more: str = "") -> Proxy:
        """Start a proxy before servers; see `programs.nginx`."""
        locations = [location(server) for server in servers]
        return self._stack.enter_context(PROXIES[name](self._folders(), locations, changes, more))

    def close(self) -> None:
        """Stop what was started, the last one first; a server must end without a word."""
        self._stack.close()


@pytest.fixture
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Starts proxies and servers for one test."""
    started = Deployment(lambda: tmp_path_factory.mktemp("proxy"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def shared_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Starts proxies and servers that the tests of a module share."""
    started = Deployment(lambda: tmp_path_factory.mktemp("proxy"))
    yield started
    started.close()
