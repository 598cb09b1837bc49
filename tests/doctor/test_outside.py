"""`python -m geventsio doctor --url`: what it says about servers that run, and about proxies in front of them."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tools
from tests.doctor.harness import Address, Doctor, Proxy, setting, without
from tests.doctor.test_inside import site
from tests.integrations.command import Command

Start = Callable[..., Address]
Between = Callable[..., Proxy]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a server with these options; return its address."""
    commands: list[Command] = []

    def run(options: str = "", *arguments: str, before: str = "", after: str = "") -> Address:
        folder = tmp_path / str(len(commands))
        folder.mkdir()
        (folder / "site_app.py").write_text(site(options, before=before, after=after))
        commands.append(Command({}, "-m", "geventsio", "site_app:app", "--port", "0", *arguments, folder=folder))
        match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)", commands[-1].listening())
        assert match is not None
        return "127.0.0.1", int(match[1])

    yield run
    for command in commands:
        command.close()


@pytest.fixture
def between() -> Iterator[Between]:
    """Start a proxy; takes what `Proxy` takes."""
    proxies: list[Proxy] = []

    def run(*arguments: Any, **options: Any) -> Proxy:
        proxies.append(Proxy(*arguments, **options))
        return proxies[-1]

    yield run
    for proxy in proxies:
        proxy.close()


def test_a_good_server_behind_a_good_proxy(doctor: Doctor, start: Start, between: Between) -> None:
    options = "cors_allowed_origins=['https://app.example', re.compile('http://127.0.0.1:.*')], ping_interval=0.3"
    proxy = between([start(options, before="import re\n")])
    found = doctor("--url", proxy.url, "--origin", "https://app.example", "--wait", "0.5")
    assert (found.status, found.levels) == (0, {"ok"})
    assert len(found.texts("connection", "ok")) == 4
    assert len(found.texts("origins", "ok")) == 2
    assert found.only("timeouts", "ok").startswith("an idle websocket lived for ")


def test_an_upgrade_that_is_not_passed_on(doctor: Doctor, start: Start, between: Between) -> None:
    found = doctor("--url", between([start()], change=without("Upgrade")).url)
    errors = found.texts("connection", "error")
    assert [text.partition(" failed: ")[0] for text in errors] == ["a websocket", "an upgrade from polling"]
    assert all("answered 400: Bad request -> let the proxy pass the upgrade on" in text for text in errors)


def test_a_proxy_that_does_not_stick(doctor: Doctor, start: Start, between: Between) -> None:
    found = doctor("--url", between([start(), start()]).url)
    errors = found.texts("connection", "error")
    assert errors[0].startswith("polling failed: 4 of 8 requests of one session failed: the first was answered 400")
    assert "Session ID unknown -> have the proxy send each client to one process" in errors[0]
    assert found.texts("connection", "ok")[1] == "a websocket was opened"


def test_a_proxy_that_names_itself(doctor: Doctor, start: Start, between: Between) -> None:
    found = doctor("--url", between([start()], change=setting("Host", "backend")).url, "--origin", "https://a.example")
    errors = found.texts("origins", "error")
    assert "may not connect -> have the proxy pass on the Host header" in errors[0]
    assert "https://a.example, may not connect -> name it in cors_allowed_origins" in errors[1]


def test_a_proxy_that_takes_headers_out(doctor: Doctor, start: Start, between: Between) -> None:
    proxy = between([start("cors_allowed_origins='*'")], answer=without("Access-Control-Allow-Origin"))
    found = doctor("--url", proxy.url, "--origin", "https://a.example")
    assert "browsers are not told: Access-Control-Allow-Origin is None" in found.only("origins", "error")


def test_a_proxy_that_loses_patience(doctor: Doctor, start: Start, between: Between) -> None:
    found = doctor("--url", between([start()], patience=0.5).url, "--wait", "30")
    assert re.match(
        r"an idle websocket did not live for 30 s: after \d s, the websocket was cut -> raise the proxy's timeout",
        found.only("timeouts", "error"),
    )
    assert found.status == 1


def test_websockets_alone(doctor: Doctor, start: Start) -> None:
    host, port = start("transports=['websocket']")
    found = doctor("--url", f"http://{host}:{port}")
    assert found.status == 0
    assert "clients need transports: ['websocket']" in found.only("connection", "hint")


def test_a_page_is_there_instead(doctor: Doctor, start: Start) -> None:
    page = "def page(environ, start):\n    start('200 OK', [])\n    return [b'<!doctype html>']\n"
    host, port = start("req_path='/elsewhere'", after=page + "app = io.layer(page)\n")
    found = doctor("--url", f"http://{host}:{port}")
    polling, websocket = found.texts("connection", "error")
    assert polling.startswith(
        "polling failed: the answer is no open packet of Engine.IO 4: '<!doctype html>' -> see that"
    )
    assert polling.endswith("another path is given with --path")
    assert websocket.startswith("a websocket failed: the websocket's handshake was answered 200: <!doctype html>")


def test_tls_and_another_path(doctor: Doctor, tmp_path: Path) -> None:
    certificate, key = tools.certificate(tmp_path)
    source = site("req_path='/chat'", before="", after=f"io.run(port=0, certfile={certificate!r}, keyfile={key!r})\n")
    (tmp_path / "served.py").write_text(source)
    server = Command({}, "served.py", folder=tmp_path)
    try:
        url = server.listening().replace("127.0.0.1", "localhost")
        found = doctor("--url", f"{url}/chat")
        assert "its certificate is not trusted: self-signed certificate" in found.texts("connection", "error")[0]
        assert doctor("--url", url, "--path", "/chat", "--insecure").status == 0
        assert doctor("--url", f"{url}/chat", SSL_CERT_FILE=certificate).status == 0
    finally:
        server.close()


def test_nobody_there(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = doctor("--url", f"http://127.0.0.1:{port}")
    assert "Connection refused -> see that the server runs" in found.texts("connection", "error")[0]
    assert found.status == 1
