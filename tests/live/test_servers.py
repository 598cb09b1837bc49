"""The servers beside those that all live tests run on, and the ways to listen: TLS, IPv6, Unix sockets."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from tests import tools
from tests.conformance.servers import ALL_SERVERS
from tests.live.harness import DEADLINE, Server, conformance_server
from tests.live.http_client import request
from tests.live.ws_client import WebSocket

PATH = "/socket.io/"
WEBSOCKET = f"{PATH}?EIO=4&transport=websocket"

_CALM = ("--ping-interval", "25", "--ping-timeout", "20", "--connect-timeout", "45")
_FOR_CLIENTS = ("--ping-timeout", "20", "--connect-timeout", "45")

#: Those that listen where they are told to; Werkzeug's is for one machine.
_LISTENERS = [kind for kind in ALL_SERVERS if kind not in ("embedded", "werkzeug")]

Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `tests.conformance.server`; the servers must end without a word."""
    servers: list[Server] = []

    def start(kind: str, *options: str, suite: str = "socket") -> Server:
        if "gunicorn" in kind or kind == "gevent-websocket":
            tools.gunicorn()
        servers.append(conformance_server(suite, kind, *options))
        return servers[-1]

    yield start
    for server in servers:
        ended = server.stop()
        # gevent's servers report a client that leaves in the middle of the TLS handshake.
        problems = re.findall(r"^(?:[A-Za-z]+\.)*[A-Za-z]+(?:Error|Exception)\b", ended.errors, re.MULTILINE)
        assert ended.code == 0 and set(problems) <= {"ssl.SSLEOFError"}, ended
        assert server.scheme == "https" or ended.errors == ""


def _check_websocket(connection: WebSocket) -> None:
    """Connect to the namespace `/` and be answered."""
    assert connection.receive_text().startswith("0{")
    connection.send("40")
    assert connection.receive_text().startswith("40{")
    assert connection.receive() == '42["auth",{}]'
    connection.send('42["message","hello"]')
    assert connection.receive() == '42["message-back","hello"]'


def _check_clients(server: Server, package: str, mode: str, authority: str | None = None) -> None:
    """Run all checks of an official client."""
    script = Path(__file__).parent / "js" / "client_checks.mjs"
    command = [str(tools.node()), str(script), str(tools.js_package(package)), server.url, mode]
    environment = {**os.environ, **({"NODE_EXTRA_CA_CERTS": authority} if authority else {})}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10 * DEADLINE)
    assert (ended.returncode, ended.stderr) == (0, "")
    results = json.loads(ended.stdout)
    assert len(results) > 5
    assert {name: error for name, error in results.items() if error} == {}


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
@pytest.mark.parametrize("kind", ["embedded", "gunicorn-pywsgi", "pywsgi-websocket", "werkzeug"])
def test_official_clients(kind: str, mode: str, start: Start) -> None:
    _check_clients(start(kind, *_FOR_CLIENTS), "socket.io-client", mode)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *((kind, "upgrade") for kind in ALL_SERVERS),
        *((kind, "websocket") for kind in ("pywsgi", "gunicorn", "werkzeug")),
    ],
)
def test_official_clients_over_tls(kind: str, mode: str, certificate: tuple[str, str], start: Start) -> None:
    server = start(kind, "--certificate", *certificate, *_FOR_CLIENTS)
    assert server.scheme == "https"
    _check_clients(server, "socket.io-client", mode, certificate[0])


@pytest.mark.parametrize("kind", ALL_SERVERS)
def test_large_messages_over_tls(kind: str, certificate: tuple[str, str], start: Start) -> None:
    server = start(kind, "--certificate", *certificate, *_CALM, suite="websocket")
    context = ssl.create_default_context(cafile=certificate[0])
    plain = socket.create_connection(server.address, timeout=DEADLINE)
    messages = [os.urandom(size) for size in (1, 16_384, 16_385, 1_000_000, 8_000_000)]
    with context.wrap_socket(plain, server_hostname="localhost") as tls:
        client = WebSocket(server.address, "/", connection=tls)
        for message in messages:
            client.send(message)
            echoed = client.receive()
            assert isinstance(echoed, bytes)
            assert hashlib.sha256(echoed).digest() == hashlib.sha256(message).digest()
        assert client.close().code == 1000


def test_a_poll_that_is_given_up_over_tls_is_no_error(certificate: tuple[str, str]) -> None:
    context = ssl.create_default_context(cafile=certificate[0])

    def ask(connection: HTTPSConnection, method: str, query: str, body: str | None = None) -> bytes:
        connection.request(method, f"{PATH}?EIO=4&transport=polling{query}", body)
        return connection.getresponse().read()

    with conformance_server("socket", "embedded", "--certificate", *certificate, *_CALM) as server:
        # The server must end without a word: see `Server.close`.
        port = server.address[1]
        polls, posts = (HTTPSConnection("localhost", port, timeout=DEADLINE, context=context) for _ in range(2))
        query = "&sid=" + json.loads(ask(polls, "GET", "")[1:])["sid"]
        ask(posts, "POST", query, "40")
        ask(polls, "GET", query)
        polls.request("GET", f"{PATH}?EIO=4&transport=polling{query}")
        # Answered later than the poll was received.
        assert ask(posts, "POST", query, "3") == b"ok"
        polls.close()
        while ask(posts, "POST", query, "3") == b"ok":
            pass
        posts.close()


@pytest.mark.parametrize("kind", [*_LISTENERS, "embedded", "werkzeug"])
def test_ipv6(kind: str, start: Start) -> None:
    server = start(kind, "--host", tools.ipv6(), *_CALM)
    reply = request(server.address, "GET", f"{PATH}?EIO=4&transport=polling", headers={"Origin": server.url})
    assert (reply.status, json.loads(reply.body[1:])["upgrades"]) == (200, ["websocket"])
    with WebSocket(server.address, WEBSOCKET) as client:
        _check_websocket(client)


@pytest.mark.parametrize("kind", _LISTENERS)
def test_unix_socket(kind: str, tmp_path: Path, start: Start) -> None:
    server = start(kind, "--host", f"unix:{tmp_path}/s", *_CALM)
    with _connect(server.path) as polling, _connect(server.path) as upgraded, _connect(server.path) as connection:
        http = HTTPConnection("localhost", timeout=DEADLINE)
        http.sock = polling
        http.request("GET", f"{PATH}?EIO=4&transport=polling")
        opened = json.loads(http.getresponse().read()[1:])
        assert opened["upgrades"] == ["websocket"]
        probe = WebSocket(("localhost", 0), f"{WEBSOCKET}&sid={opened['sid']}", connection=upgraded)
        probe.send("2probe")
        assert probe.receive() == "3probe"
        _check_websocket(WebSocket(("localhost", 0), WEBSOCKET, connection=connection))


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(DEADLINE)
    connection.connect(path)
    return connection


# What can't be


_UNKNOWN = """
import logging
import sys

import gevent.pywsgi
from geventsio import SocketIO

logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
io = SocketIO(ping_interval=25, ping_timeout=20)
io.ns("/").on("message", lambda text: text)
app = io.service()

# A server that hands out nothing but what PEP 3333 names.
def closed(environ, start_response):
    class Body:
        read = environ["wsgi.input"].read
    return app({**environ, "wsgi.input": Body(), "SERVER_SOFTWARE": "unheard-of/1.0"}, start_response)

server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), closed, log=None)
gevent.signal_handler(15, server.stop)
server.start()
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize("package", ["socket.io-client", "socket.io-client-3"])
def test_unknown_servers_are_named_once_and_polling_goes_on(package: str) -> None:
    script = """
      const { io } = require(process.argv[1]);
      const socket = io(process.argv[2]);
      socket.on("connect", () => socket.emit("message", "hello", (answer) => {
        console.log(answer, socket.io.engine.transport.name);
        socket.disconnect();
      }));
    """
    with Server([sys.executable, "-c", _UNKNOWN]) as server:
        for _ in range(2):
            command = [str(tools.node()), "-e", script, str(tools.js_package(package)), server.url]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
            assert (ended.stdout, ended.stderr) == ("hello polling\n", "")
        reply = request(server.address, "GET", f"{PATH}?EIO=4&transport=polling")
        assert json.loads(reply.body[1:])["upgrades"] == []
        [line] = server.take_errors().splitlines()
        assert line.startswith("WARNING this WSGI server (unheard-of/1.0) gives no access to its gevent sockets")
