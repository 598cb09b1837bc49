"""The official JavaScript clients against all servers, over each transport."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tools
from tests.live.endpoint import Endpoint
from tests.live.real_clients import MODES, check_result, names

PROGRAM = Path(__file__).parent / "js" / "client_checks.mjs"
CHECKS = names(PROGRAM, r"^  async (\w+)\(\) \{")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("package", ["socket.io-client", "socket.io-client-3"])
@pytest.mark.parametrize("check", CHECKS)
def test_client(clients: Endpoint, package: str, mode: str, check: str) -> None:
    command: list[str | Path] = [tools.node(), PROGRAM, tools.js_package(package), clients.server.url, mode]
    check_result(command, check, CHECKS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("check", CHECKS)
def test_client_with_msgpack(msgpack_clients: Endpoint, mode: str, check: str) -> None:
    command: list[str | Path] = [tools.node(), PROGRAM, tools.js_package("socket.io-client")]
    command += [msgpack_clients.server.url, mode, tools.js_package("socket.io-msgpack-parser")]
    check_result(command, check, CHECKS)
