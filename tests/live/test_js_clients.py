"""The official JavaScript clients against all servers, over each transport."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tools
from tests.live.endpoint import Endpoint
from tests.live.real_clients import MODES, check_result, names

PROGRAM = Path(__file__).parent / "js" / "client_checks.mjs"
CHECKS = names(PROGRAM, r"^  async (\w+)\(\) \{")

# socket.io-client 1 and 2 send no auth payload.
LEGACY_CHECKS = [check for check in CHECKS if check not in ("auth", "auth_from_a_function")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("package", ["socket.io-client", "socket.io-client-3"])
@pytest.mark.parametrize("check", CHECKS)
def test_client(clients: Endpoint, package: str, mode: str, check: str) -> None:
    command: list[str | Path] = [tools.node(), PROGRAM, tools.js_package(package), clients.server.url, mode]
    check_result(command, check, CHECKS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("package", ["socket.io-client-2", "socket.io-client-1"])
@pytest.mark.parametrize("check", LEGACY_CHECKS)
def test_legacy_client(legacy_clients: Endpoint, package: str, mode: str, check: str) -> None:
    command: list[str | Path] = [tools.node(), PROGRAM, tools.js_package(package), legacy_clients.server.url, mode]
    check_result(command, check, LEGACY_CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_client_of_a_server_that_serves_legacy_ones(legacy_clients: Endpoint, check: str) -> None:
    package = tools.js_package("socket.io-client")
    command: list[str | Path] = [tools.node(), PROGRAM, package, legacy_clients.server.url, "upgrade"]
    check_result(command, check, CHECKS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("check", CHECKS)
def test_client_with_msgpack(msgpack_clients: Endpoint, mode: str, check: str) -> None:
    command: list[str | Path] = [tools.node(), PROGRAM, tools.js_package("socket.io-client")]
    command += [msgpack_clients.server.url, mode, tools.js_package("socket.io-msgpack-parser")]
    check_result(command, check, CHECKS)
