"""What docs/behind-a-proxy.md says about mistakes: what the official client reports, and what the server's log says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import tools
from tests.live.harness import DEADLINE
from tests.proxies.conftest import Deployment
from tests.proxies.programs import Change, Proxy

PROGRAM = Path(__file__).parent / "js" / "symptoms.mjs"

_NO_UPGRADE: Change = (
    "        proxy_set_header Upgrade    $http_upgrade;\n        proxy_set_header Connection $connection_to_server;\n",
    "",
)
_NO_STICKINESS: Change = ("    hash $remote_addr consistent;\n", "")
_SMALL_BODIES: Change = ("client_max_body_size 2m", "client_max_body_size 1k")


def _report(proxy: Proxy, mode: str, what: str) -> tuple[str | None, list[Any] | None]:
    """The transport by which the official client connected, and what went wrong."""
    command: list[str | Path] = [tools.node(), PROGRAM, tools.js_package("socket.io-client"), proxy.url, mode, what]
    ended = subprocess.run(proxy.client_command(*command), capture_output=True, text=True, timeout=DEADLINE)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    report = json.loads(ended.stdout)
    return report["connected"], report["trouble"]


@pytest.mark.parametrize(
    ("mode", "trouble"), [("polling", ["xhr poll error", 502]), ("websocket", ["websocket error", None])]
)
def test_no_server_is_there(mode: str, trouble: list[Any], deployment: Deployment) -> None:
    site = deployment.site()
    proxy = deployment.proxy("nginx", site)
    site.stop()
    assert _report(proxy, mode, "connect") == (None, trouble)


def test_upgrade_headers_are_not_passed_on(deployment: Deployment) -> None:
    site = deployment.site()
    proxy = deployment.proxy("nginx", site, changes=(_NO_UPGRADE,))
    assert _report(proxy, "websocket", "connect") == (None, ["websocket error", None])
    assert site.take_errors() == (
        "refused a request: a websocket request without 'Upgrade: websocket': a proxy in between does not pass it on\n"
    )
    assert _report(proxy, "upgrade", "echo") == ("polling", None)


def test_several_servers_without_stickiness(deployment: Deployment) -> None:
    proxy = deployment.proxy("nginx", deployment.site(), deployment.site(), changes=(_NO_STICKINESS,))
    connected, trouble = _report(proxy, "polling", "connect")
    # It polls and posts at once: either may be refused first.
    assert connected is None and trouble in (["xhr poll error", 400], ["xhr post error", 400])
    # One connection is all that a websocket needs.
    assert _report(proxy, "websocket", "echo") == ("websocket", None)


@pytest.mark.parametrize(("mode", "trouble"), [("polling", ["transport error"]), ("websocket", None)])
def test_bodies_are_limited_by_nginx(mode: str, trouble: list[Any] | None, deployment: Deployment) -> None:
    proxy = deployment.proxy("nginx", deployment.site(), changes=(_SMALL_BODIES,))
    assert _report(proxy, mode, "echo") == (mode, trouble)


@pytest.mark.parametrize(("mode", "reason"), [("polling", "transport error"), ("websocket", "transport close")])
def test_pings_are_rarer_than_the_proxy_has_patience(mode: str, reason: str, deployment: Deployment) -> None:
    proxy = deployment.proxy("nginx", deployment.site(), more="proxy_read_timeout 1s;")
    assert _report(proxy, mode, "idle") == (mode, [reason])
