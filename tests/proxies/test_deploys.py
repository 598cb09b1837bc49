"""Several servers behind a proxy, restarts of either, and the connections between them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import tools
from tests.integrations.command import eventually
from tests.live.harness import Server
from tests.live.http_client import request
from tests.live.reconnecting import Clients
from tests.proxies.browser import OTHER, Browser, Polling, connect_websocket
from tests.proxies.conftest import Deployment

#: Both have the proxy that shares its connections among clients, and the one that opens one for each request.
BOTH = ("nginx", "haproxy")

#: Addresses of this machine, for clients that are to be taken for different ones.
ADDRESSES = [f"127.0.0.{number}" for number in range(2, 14)]


@pytest.mark.parametrize("kind", BOTH)
def test_each_client_stays_with_its_process(kind: str, deployment: Deployment) -> None:
    proxy = deployment.proxy(kind, deployment.site(), deployment.site())
    processes = set()
    for address in ADDRESSES:
        with Browser(proxy, address) as browser:
            session = Polling(browser)
            processes.add(session.ask("who")["pid"])
            session.start_poll()
            with browser.websocket(session.sid) as socket:
                socket.send("2probe")
                assert socket.receive() == "3probe"
                assert session.finish_poll().text == "6"
    assert len(processes) == 2


def test_a_client_that_changes_its_address_stays_with_its_cookie(deployment: Deployment) -> None:
    proxy = deployment.proxy("haproxy", deployment.site(), deployment.site())
    with Browser(proxy, ADDRESSES[0]) as browser:
        session = Polling(browser)
        expected = session.ask("who")["pid"]
        assert set(browser.cookies) == {"io_node"}
        for address in ADDRESSES[1:]:
            browser.close()
            browser.source = address
            assert session.ask("who")["pid"] == expected


def test_without_stickiness_sessions_are_unknown(deployment: Deployment) -> None:
    changes = (("    hash $remote_addr consistent;\n", ""),)
    proxy = deployment.proxy("nginx", deployment.site(), deployment.site(), changes=changes)
    with Browser(proxy) as browser:
        opened = browser.request("GET", "/socket.io/?EIO=4&transport=polling")
        sid = json.loads(opened.text[1:])["sid"]
        reply = browser.request("POST", f"/socket.io/?EIO=4&transport=polling&sid={sid}", "40")
    assert (reply.status, reply.json) == (400, {"code": 1, "message": "Session ID unknown"})


@pytest.mark.parametrize("server", ["gunicorn", "pywsgi"])
def test_clients_share_the_connections_that_nginx_keeps(server: str, deployment: Deployment) -> None:
    site = deployment.site(server)
    proxy = deployment.proxy("nginx", site)
    for number in range(10):
        with Browser(proxy) as browser:
            assert Polling(browser).ask("echo", number) == number
    # Some fifty requests; never are there more than two at a time.
    assert request(site.address, "GET", "/connections").json <= 4


def test_nginx_reloads_under_its_clients(deployment: Deployment) -> None:
    proxy = deployment.proxy("nginx", deployment.site())
    with Browser(proxy) as browser:
        session = Polling(browser)
        with connect_websocket(browser) as socket:
            session.start_poll()
            proxy.reload()
            eventually(lambda: proxy.log.count("gracefully shutting down"), "the worker is replaced")
            browser.drop(OTHER)  # the old worker ends idle connections, and browsers open new ones
            # What has begun ends with the old worker, and what comes next goes to the new one.
            session.send('420["echo","posted"]')
            assert session.finish_poll().text == '430["posted"]'
            assert session.ask("echo", "next") == "next"
            socket.send('420["echo","still here"]')
            assert socket.receive() == '430["still here"]'


@pytest.mark.parametrize(("kind", "mode"), [("nginx", "polling"), ("nginx", "upgrade"), ("haproxy", "websocket")])
def test_clients_come_back_when_the_server_restarts(
    kind: str, mode: str, deployment: Deployment, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    command = [sys.executable, "-m", "tests.live.stopping_server", str(record), "--server", "gunicorn"]
    tools.gunicorn()
    with Server(command) as server:
        proxy = deployment.proxy(kind, server)
        clients = Clients("socket.io-client", proxy.url, 5, mode, proxy.client_command())
        try:
            assert clients.report()[0] == {}
            assert server.stop().code == 0
            with Server([*command, "--port", str(server.address[1])]) as successor:
                reasons, _ = clients.report()
                clients.close()
                successor.close()
        finally:
            clients.kill()
    assert reasons == {"transport close": 5}
