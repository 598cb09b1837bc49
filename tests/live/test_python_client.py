"""The client of python-socketio against all servers, over each transport."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.live.endpoint import Endpoint
from tests.live.real_clients import MODES, check_result, names

CHECKS = names(Path(__file__).parent / "py_client_checks.py", r"^def check_(\w+)\(")


def _checks(mode: str) -> list[str]:
    """The checks of a mode: over polling alone this client never reconnects after a close by the server."""
    return [check for check in CHECKS if mode != "polling" or check != "reconnect_after_a_close_by_the_server"]


ALL = [(mode, check) for mode in MODES for check in _checks(mode)]


def _check(endpoint: Endpoint, mode: str, check: str, serializer: str) -> None:
    command = [sys.executable, "-m", "tests.live.py_client_checks", endpoint.server.url, mode, serializer]
    check_result(command, check, _checks(mode))


@pytest.mark.parametrize(("mode", "check"), ALL)
def test_client(clients: Endpoint, mode: str, check: str) -> None:
    _check(clients, mode, check, "default")


@pytest.mark.parametrize(("mode", "check"), ALL)
def test_client_with_msgpack(msgpack_clients: Endpoint, mode: str, check: str) -> None:
    _check(msgpack_clients, mode, check, "msgpack")
