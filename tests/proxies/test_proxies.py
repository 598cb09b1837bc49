"""What the files in examples/deploy promise, for each proxy: all transports, who the client is, sizes, idle clients."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from geventsio.protocol.websocket import Opcode
from tests import tools
from tests.live.harness import DEADLINE, Server
from tests.live.http_client import request
from tests.live.ws_client import Closing, Refused, WebSocket, frame
from tests.proxies.browser import PATH, Browser, Polling, connect_websocket
from tests.proxies.conftest import Deployment
from tests.proxies.programs import PROXIES, Change, Proxy

H2 = Path(__file__).parent / "js" / "http2_polling.mjs"

#: What each proxy's timeouts are in the files, or by default, and how a test shortens them to two seconds.
_TWO_SECONDS: dict[str, tuple[tuple[Change, ...], str]] = {
    "nginx": ((), "proxy_read_timeout 2s; proxy_send_timeout 2s;"),
    "haproxy": (
        tuple((f"timeout {name} 60s", f"timeout {name} 2s") for name in ("client", "server", "tunnel")),
        "",
    ),
    "apache": ((("timeout=60", "timeout=2"),), "Timeout 2\n"),
}


@pytest.fixture(scope="module", params=list(PROXIES))
def name(request: pytest.FixtureRequest) -> str:
    """The proxy's name."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(name: str, shared_deployment: Deployment) -> Server:
    """The server behind it: gunicorn behind nginx, where its keep-alive matters, pywsgi behind the others."""
    return shared_deployment.site("gunicorn" if name == "nginx" else "pywsgi")


@pytest.fixture(scope="module")
def proxy(name: str, server: Server, shared_deployment: Deployment) -> Proxy:
    """The proxy before the server; tests that use it run once for each."""
    return shared_deployment.proxy(name, server)


@pytest.fixture
def browser(proxy: Proxy) -> Iterator[Browser]:
    """A browser before the proxy."""
    with Browser(proxy) as opened:
        yield opened


def _ask(socket: WebSocket, event: str, *args: object) -> Any:
    socket.send("420" + json.dumps([event, *args]))
    answer = socket.receive_text()
    assert answer.startswith("430["), answer
    return json.loads(answer[3:])[0]


# Transports


def test_polling(browser: Browser) -> None:
    assert Polling(browser).ask("echo", "€") == "€"


def test_websocket(browser: Browser) -> None:
    with connect_websocket(browser) as socket:
        assert _ask(socket, "echo", "€") == "€"
        assert socket.close().code == 1000


def test_upgrade(browser: Browser) -> None:
    session = Polling(browser)
    session.start_poll()
    with browser.websocket(session.sid) as socket:
        socket.send("2probe")
        assert socket.receive() == "3probe"
        assert session.finish_poll().text == "6"
        socket.send("5")
        assert _ask(socket, "echo", 1) == 1


def test_what_happens_meanwhile_answers_a_parked_poll_at_once(browser: Browser) -> None:
    # The answer has its length, so the proxy can hand it on without waiting for more on the connection it keeps.
    session = Polling(browser)
    session.start_poll()
    with Browser(browser.proxy) as other:
        Polling(other).send('42["news","now"]')
    reply = session.finish_poll()
    assert (reply.status, reply.text) == (200, '42["news","now"]')


@pytest.mark.parametrize("mode", ["polling", "websocket"])
def test_a_client_that_is_gone_is_gone_behind_the_proxy_too(name: str, browser: Browser, mode: str) -> None:
    if (name, mode) == ("apache", "polling"):
        pytest.skip("Apache does not look at a client while it waits for the server; the ping timeout ends the session")
    watcher = Polling(browser)
    assert watcher.ask("watch") is True
    with Browser(browser.proxy) as other:
        if mode == "polling":
            session = Polling(other)
            id = session.ask("who")["id"]
            session.start_poll()
            other.drop()
        else:
            socket = connect_websocket(other)
            id = _ask(socket, "who")["id"]
            socket.abort()
        # Others may leave at the same time. This one does at once, and not when a ping is not answered: that would take
        # longer than a test waits.
        while (left := json.loads(watcher.receive()[2:]))[1] != id:
            assert left[0] == "left"
        assert left[2] in ("transport close", "transport error")


def test_http_2_from_the_browser(name: str, browser: Browser) -> None:
    if name == "apache":
        pytest.skip("the file for Apache offers HTTP/1.1 only")
    command = browser.proxy.client_command(tools.node(), H2, browser.proxy.url)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, '{"protocol":"h2","echoed":["over","h2"]}\n', "")


# Who the client is


def test_the_page_of_the_site_may_connect(proxy: Proxy) -> None:
    with Browser(proxy, headers={"Origin": proxy.url}) as browser:
        assert Polling(browser).ask("echo", 1) == 1
        with connect_websocket(browser) as socket:
            assert _ask(socket, "echo", 1) == 1


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_another_page_may_not(proxy: Proxy, server: Server, scheme: str) -> None:
    origin = proxy.url.replace("https", "http") if scheme == "http" else "https://elsewhere.example"
    with Browser(proxy, headers={"Origin": origin}) as browser:
        reply = browser.request("GET", f"{PATH}?EIO=4&transport=polling")
        assert (reply.status, reply.json) == (403, {"code": 4, "message": "Forbidden"})
        with pytest.raises(Refused) as refused:
            browser.websocket()
        assert refused.value.status == 403
    [line] = server.take_errors().splitlines()  # the second time would be for the DEBUG level
    assert line.startswith(f"refused the Origin {origin!r}: expected {proxy.url!r}; "), line


def _check_known(known: dict[str, object], address: str, proxy: Proxy) -> None:
    host = "{}:{}".format(*proxy.address)
    assert (known["address"], known["host"], known["scheme"]) == (address, host, "https")


def test_the_server_knows_its_client(proxy: Proxy) -> None:
    with Browser(proxy, "127.0.0.7") as browser:
        known = Polling(browser).ask("who")
        with connect_websocket(browser) as socket:
            assert _ask(socket, "who") == {**known, "id": ANY}
    assert {key: known[key] for key in ("address", "host", "scheme")} == {
        "address": "127.0.0.7",
        "host": "{}:{}".format(*proxy.address),
        "scheme": "https",
    }


def test_a_client_can_not_be_somebody_else(proxy: Proxy) -> None:
    lies = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Host": "elsewhere.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=1.2.3.4;host=elsewhere.example;proto=http",
    }
    with Browser(proxy, headers=lies) as browser:
        known = Polling(browser).ask("who")
    assert {key: known[key] for key in ("address", "host", "scheme")} == {
        "address": "127.0.0.1",
        "host": "{}:{}".format(*proxy.address),
        "scheme": "https",
    }


# Sizes


def test_as_much_as_the_server_takes(browser: Browser) -> None:
    session = Polling(browser)
    text = "x" * 900_000
    assert session.ask("echo", text) == text
    with connect_websocket(browser) as socket:
        assert _ask(socket, "echo", text) == text


def test_it_is_the_server_who_refuses_what_is_too_large(browser: Browser, server: Server) -> None:
    reply = Polling(browser).post("4" + "x" * 1_000_000)
    assert (reply.status, reply.json) == (413, {"message": "Payload too large"})
    with connect_websocket(browser) as socket:
        socket.send_raw(frame(Opcode.TEXT, b"4", length=1_000_001))
        assert socket.closing().code == 1009
    [line] = server.take_errors().splitlines()  # the second time would be for the DEBUG level
    assert line.startswith("closed a client that sent too much in one piece: 127.0.0.1"), line


def test_answers_are_compressed_once(proxy: Proxy) -> None:
    text = "x" * 5000
    with Browser(proxy, headers={"Accept-Encoding": "gzip"}) as browser:
        opened = browser.request("GET", f"{PATH}?EIO=4&transport=polling")
        # nginx may compress this one, which is too small for the server.
        assert opened.headers["Content-Encoding"] in (None, "gzip")
        body = gzip.decompress(opened.body) if opened.headers["Content-Encoding"] else opened.body
        target = f"{PATH}?EIO=4&transport=polling&sid={json.loads(body[1:])['sid']}"
        for payload in ("40", f'420["echo","{text}"]'):
            assert browser.request("POST", target, payload).status == 200
        # The CONNECT packet may travel alone.
        packets: list[str] = []
        encodings: list[list[str]] = []
        while len(packets) < 2:
            reply = browser.request("GET", target)
            encodings.append(reply.headers.get_all("Content-Encoding", []))
            raw = gzip.decompress(reply.body) if encodings[-1] else reply.body
            packets += raw.decode().split("\x1e")
        assert encodings[-1] == ["gzip"]
        assert packets[1] == f'430["{text}"]'


def test_plain_http_is_sent_away(proxy: Proxy) -> None:
    if proxy.plain is None:
        pytest.skip("the file for Apache leaves plain HTTP to the default site")
    reply = request(proxy.plain, "GET", PATH, headers={"Host": "example.com"})
    assert (reply.status, reply.headers["Location"]) == (301, f"https://example.com{PATH}")


# Idle clients


def _impatient(deployment: Deployment, name: str, ping_interval: float) -> Proxy:
    changes, more = _TWO_SECONDS[name]
    return deployment.proxy(name, deployment.site(ping_interval=ping_interval), changes=changes, more=more)


def _idle(browser: Browser, pings: int) -> None:
    """Have a client of each transport do nothing but answer pings, and then ask whether it is still there."""

    def poll() -> object:
        session = Polling(browser)
        session.await_pings(pings)
        return session.ask("echo", "alive")

    def listen() -> object:
        with connect_websocket(browser) as socket:
            for _ in range(pings):
                assert socket.receive() == "2"
                socket.send("3")
            return _ask(socket, "echo", "alive")

    with ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(client) for client in (poll, listen)]
        assert [answer.result() for answer in answers] == ["alive", "alive"]


@pytest.mark.parametrize("kind", list(PROXIES))
def test_pings_keep_idle_clients(kind: str, deployment: Deployment) -> None:
    with Browser(_impatient(deployment, kind, ping_interval=0.8)) as browser:
        _idle(browser, 6)  # longer than two of the proxy's timeouts


# Apache has no timeout of its own for an idle websocket.
@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_without_pings_the_proxy_cuts_idle_clients_off(kind: str, deployment: Deployment) -> None:
    with Browser(_impatient(deployment, kind, ping_interval=25)) as browser:
        session = Polling(browser)
        with connect_websocket(browser) as socket:
            session.start_poll()
            assert socket.closing() == Closing(None)
            assert session.finish_poll().status in (502, 504)


@pytest.mark.soak
@pytest.mark.parametrize("kind", list(PROXIES))
def test_idle_clients_survive_the_real_timeouts(kind: str, deployment: Deployment) -> None:
    with Browser(deployment.proxy(kind, deployment.site())) as browser:
        _idle(browser, 5)  # of the server's default interval: two of the proxy's timeouts
