"""Dynamic namespaces, and one that is deleted, as the official clients see them."""

from __future__ import annotations

import json
from pathlib import Path

import gevent
import pytest
from gevent import subprocess

from geventsio import Socket, SocketIO
from tests import tools
from tests.live.real_clients import MODES
from tests.socketio.harness import Site

PROGRAM = Path(__file__).parent / "js" / "namespaces.mjs"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("package", ["socket.io-client", "socket.io-client-3"])
def test_a_client_in_namespaces_that_come_and_go(package: str, mode: str) -> None:
    io = SocketIO()
    reasons: list[str] = []
    clients = io.dyn_ns("/client/{name}")

    @clients.on("params")
    def params(socket: Socket) -> dict[str, str]:
        return socket.params

    clients.on("namespaces", lambda: sorted(namespace.path for namespace in io.nsps()))
    clients.on("delete", io.delete_ns)
    clients.on_disconnect(lambda reason: reasons.append(str(reason)))
    site = Site(io)
    host, port = site.address
    command = [str(tools.node()), str(PROGRAM), str(tools.js_package(package)), f"http://{host}:{port}", mode]
    with gevent.Timeout(20):
        ended = subprocess.run(command, capture_output=True, text=True)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert io.close() is True  # its last packets may not have left a polling client that has ended
        site.close()
    assert json.loads(ended.stdout) == {
        "params": [{"name": "1"}, {"name": "größe"}],
        "exist": ["/client/1", "/client/größe"],
        "unknown": "Invalid namespace",
        "reason": "io server disconnect",
        "connected": [False, True],
        "left": ["/client/größe"],
        "again": {"name": "1"},
    }
    assert reasons[0] == "server namespace disconnect"
    assert len(reasons) == 3
