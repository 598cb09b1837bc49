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


@pytest.mark.parametrize(("mode", "check"), [(mode, check) for mode in MODES for check in _checks(mode)])
def test_client(clients: Endpoint, mode: str, check: str) -> None:
    command = [sys.executable, "-m", "tests.live.py_client_checks", clients.server.url, mode]
    check_result(command, check, _checks(mode))
