"""The official JavaScript client and python-socketio's, from the other side of each proxy, over each transport."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests import tools
from tests.live.harness import ROOT, conformance_server
from tests.live.real_clients import MODES, check_result, names
from tests.proxies.conftest import Deployment
from tests.proxies.programs import PROXIES, Proxy

_JS = ROOT / "tests" / "live" / "js" / "client_checks.mjs"
_JS_CHECKS = names(_JS, r"^  async (\w+)\(\) \{")
_PY_CHECKS = names(ROOT / "tests" / "live" / "py_client_checks.py", r"^def check_(\w+)\(")


@pytest.fixture(scope="module", params=list(PROXIES))
def proxy(request: pytest.FixtureRequest, shared_deployment: Deployment) -> Iterator[Proxy]:
    """A proxy before the server of the clients' programs; tests that use it run once for each proxy."""
    # It pings so often that the clients' programs can wait for it.
    timing = ("--ping-timeout", "20", "--connect-timeout", "45")
    tools.gunicorn()
    with conformance_server("socket", "gunicorn" if request.param == "nginx" else "pywsgi", *timing) as server:
        yield shared_deployment.proxy(request.param, server)


@pytest.mark.parametrize("mode", MODES)
def test_official_client(proxy: Proxy, mode: str) -> None:
    command = proxy.client_command(tools.node(), _JS, tools.js_package("socket.io-client"), proxy.url, mode)
    for check in _JS_CHECKS:
        check_result(command, check, _JS_CHECKS)


@pytest.mark.parametrize("mode", ["polling", "upgrade"])
def test_python_client(proxy: Proxy, mode: str) -> None:
    # Over polling alone this client never reconnects after a close by the server.
    checks = [name for name in _PY_CHECKS if (mode, name) != ("polling", "reconnect_after_a_close_by_the_server")]
    command = proxy.client_command(sys.executable, "-m", "tests.live.py_client_checks", proxy.url, mode, "default")
    for check in checks:
        check_result(command, check, checks)
