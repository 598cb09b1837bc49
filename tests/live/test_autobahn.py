"""Autobahn's cases against the plain WebSocket server: RFC 6455, large messages and permessage-deflate."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.live.endpoint import Endpoint
from tests.live.harness import DEADLINE, ROOT

CORE = [f"{section}.*" for section in (1, 2, 3, 4, 5, 6, 7, 10)]
LARGE = ["9.*"]
# Every way to negotiate, and of each text and picture one size: whole, and cut into fragments.
DEFLATE = [f"13.{offer}.4" for offer in range(1, 8)] + [f"12.{text}.{size}" for text in range(1, 6) for size in (1, 11)]
ALL_DEFLATE = ["12.*", "13.*"]


def failures(websocket: Endpoint, cases: list[str], count: int, deadline: float = 4 * DEADLINE) -> dict[str, str]:
    """Run cases and return what went wrong.

    Args:
        websocket: the server.
        cases: ids or globs.
        count: how many they are; a glob that matches nothing would prove nothing.
        deadline: seconds.
    """
    host, port = websocket.address
    command = [sys.executable, "-m", "tests.live.autobahn", f"{host}:{port}", *cases]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=deadline, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    results: dict[str, str | None] = json.loads(ended.stdout)
    assert len(results) == count
    return {case: problem for case, problem in results.items() if problem is not None}


def test_rfc_6455(websocket: Endpoint) -> None:
    assert failures(websocket, CORE, 247) == {}


def test_messages_up_to_16_mib(websocket: Endpoint) -> None:
    assert failures(websocket, LARGE, 54) == {}


def check_deflate(websocket: Endpoint, cases: list[str], count: int, deadline: float) -> None:
    """Run cases of permessage-deflate, all of which pass where it can be negotiated."""
    found = failures(websocket, cases, count, deadline)
    if websocket.kind == "gevent-websocket":
        # Its handler has answered the handshake, without extensions, before the application runs.
        assert len(found) == count
        assert all(problem.startswith("UNIMPLEMENTED, OK:") for problem in found.values()), found
    else:
        assert found == {}


def test_permessage_deflate(websocket: Endpoint) -> None:
    check_deflate(websocket, DEFLATE, len(DEFLATE), 4 * DEADLINE)


@pytest.mark.soak
def test_permessage_deflate_in_every_size(websocket: Endpoint) -> None:
    check_deflate(websocket, ALL_DEFLATE, 216, 3600)
