"""Tests of the ways into a server: the layer, the service, the client's bundles, and the embedded server."""

from __future__ import annotations

import re
import signal
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from geventsio import SocketIO
from tests import tools
from tests.integrations.command import DEADLINE, Command
from tests.socketio.harness import Run, Serve, Site
from tests.socketio.peer import http_request

Environ = dict[str, Any]


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The application behind the layer: it says which path it was asked for."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-App", "yes")])
    return [b"app: " + environ["PATH_INFO"].encode("latin-1")]


def get(site: Site, target: str, method: str = "GET") -> tuple[int, bytes]:
    reply = http_request(site.address, method, target)
    return reply.status, reply.body


# Whose request it is


@pytest.mark.parametrize(
    "path",
    ["/", "/socket.iox", "/socket.iox/", "/socket", "/socket.i", "/xsocket.io/", "/x/socket.io/", "//socket.io/"],
)
def test_paths_of_the_app(serve: Serve, path: str) -> None:
    io = SocketIO()
    site = serve(io, io.layer(app))
    assert get(site, path + "?EIO=4&transport=polling") == (200, b"app: " + path.encode())


@pytest.mark.parametrize("path", ["/socket.io", "/socket.io/"])
def test_paths_of_ours(serve: Serve, path: str) -> None:
    io = SocketIO()
    io.ns("/").on("echo", lambda *args: args)
    site = serve(io, io.layer(app))
    for peer in (site.websocket(path), site.polling(path)):
        peer.connect()
        assert peer.ask("echo", 1) == [1]
    status, body = get(site, path)
    assert status == 400
    assert b"Transport unknown" in body


@pytest.mark.parametrize(
    "path", ["/socket.io/unknown", "/socket.io/a/b", "/socket.io/../etc/passwd", "/socket.io/%2e%2e"]
)
def test_what_is_below_our_path_is_not_the_app_s(serve: Serve, path: str) -> None:
    io = SocketIO()
    site = serve(io, io.layer(app))
    assert get(site, path)[0] == 404


@pytest.mark.parametrize("req_path", ["/realtime", "realtime", "/realtime/", "/api/realtime"])
def test_another_path(serve: Serve, req_path: str) -> None:
    io = SocketIO(req_path=req_path)
    io.ns("/").on("echo", lambda *args: args)
    site = serve(io, io.layer(app))
    path = "/" + req_path.strip("/") + "/"
    peer = site.websocket(path)
    peer.connect()
    assert peer.ask("echo", 1) == [1]
    assert get(site, "/socket.io/") == (200, b"app: /socket.io/")
    assert get(site, path[:-1] + "x")[0] == 200


@pytest.mark.parametrize("path", ["/", "/socket.iox", "/favicon.ico"])
def test_a_service_answers_404_elsewhere(serve: Serve, path: str) -> None:
    io = SocketIO()
    assert get(serve(io, io.service()), path) == (404, b"")


def test_layers_nest(serve: Serve) -> None:
    inner, outer = SocketIO(req_path="/inner"), SocketIO(req_path="/outer")
    for name, io in (("inner", inner), ("outer", outer)):
        io.ns("/").on("who", lambda name=name: name)
    site = serve(outer, outer.layer(inner.layer(app)))
    for path, name in (("/inner/", "inner"), ("/outer/", "outer")):
        peer = site.websocket(path)
        peer.connect()
        assert peer.ask("who") == [name]
    assert get(site, "/") == (200, b"app: /")
    assert inner.close(timeout=10)


def test_an_app_that_fails_is_none_of_our_business(serve: Serve) -> None:
    io = SocketIO()

    def failing(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise ZeroDivisionError

    layer = io.layer(failing)
    with pytest.raises(ZeroDivisionError):
        layer({"PATH_INFO": "/"}, start_nothing)


def test_the_app_s_own_iterable_is_handed_on() -> None:
    chunks: Iterable[bytes] = iter([b"a", b"b"])
    layer = SocketIO().layer(lambda environ, start_response: chunks)
    assert layer({"PATH_INFO": "/"}, start_nothing) is chunks
    assert layer({}, start_nothing) is chunks


def start_nothing(*args: object) -> Callable[[bytes], object]:
    """A server's start_response."""
    return lambda data: None


# The client's bundles

BUNDLES = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"]


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """A folder with one of the bundles, its source map, and something that is not for browsers."""
    (tmp_path / "socket.io.js").write_text("// größe™\n", encoding="utf-8")
    (tmp_path / "socket.io.js.map").write_text("{}")
    (tmp_path / "secret.js").write_text("secret")
    return tmp_path


def test_a_bundle_is_served(serve: Serve, bundles: Path) -> None:
    io = SocketIO(client_dir=str(bundles))
    site = serve(io, io.layer(app))
    reply = http_request(site.address, "GET", "/socket.io/socket.io.js")
    assert reply.status == 200
    assert reply.body == "// größe™\n".encode()
    assert reply.headers["Content-Type"] == "application/javascript; charset=utf-8"
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    reply = http_request(site.address, "GET", "/socket.io/socket.io.js.map")
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, b"{}", "application/json")


def test_a_bundle_that_is_asked_for_by_head(serve: Serve, bundles: Path) -> None:
    io = SocketIO(client_dir=str(bundles))
    reply = http_request(serve(io).address, "HEAD", "/socket.io/socket.io.js")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["Content-Length"] == str(len("// größe™\n".encode()))


def test_a_bundle_that_is_found_in_node_modules(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "node_modules" / "socket.io-client" / "dist"
    folder.mkdir(parents=True)
    (folder / "socket.io.min.js").write_text("found")
    below = tmp_path / "app" / "code"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    site = serve(SocketIO())
    assert get(site, "/socket.io/socket.io.min.js") == (200, b"found")


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_that_is_not_here_is_found_at_the_public_cdn(serve: Serve, tmp_path: Path, name: str) -> None:
    site = serve(SocketIO(client_dir=str(tmp_path)))
    reply = http_request(site.address, "GET", f"/socket.io/{name}")
    assert (reply.status, reply.body) == (302, b"")
    assert re.fullmatch(rf"https://cdn\.socket\.io/4\.\d+\.\d+/{re.escape(name)}", reply.headers["Location"])


@pytest.mark.parametrize(
    "name", ["secret.js", "../secret.js", "%2e%2e/secret.js", "socket.io.js/", "SOCKET.IO.JS", "x.js"]
)
def test_only_the_bundles_are_served(serve: Serve, bundles: Path, name: str) -> None:
    (bundles / "inner").mkdir()
    site = serve(SocketIO(client_dir=str(bundles / "inner" if ".." in name else bundles)))
    status, body = get(site, f"/socket.io/{name}")
    assert b"secret" not in body
    assert status == 404 or name == "socket.io.js/"


@pytest.mark.parametrize("name", BUNDLES)
def test_no_bundles_are_served_when_they_are_not_wanted(serve: Serve, bundles: Path, name: str) -> None:
    io = SocketIO(serve_client=False, client_dir=str(bundles))
    assert get(serve(io, io.layer(app)), f"/socket.io/{name}") == (404, b"")


# The embedded server


SOURCE = """
from geventsio import DisconnectReason, Socket, SocketIO

io = SocketIO()

@io.ns("/")
def connect(socket: Socket) -> None:
    socket.emit("hello")

@io.ns("/").on_disconnect
def bye(socket: Socket, reason: DisconnectReason) -> None:
    import gevent
    gevent.sleep(0.01)
    print("bye:", reason)

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"app"]

if __name__ == "__main__":
    {run}
    print("the end")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_embedded_server_cleanly(run: Run, number: int) -> None:
    program = run(SOURCE.format(run="io.run(app, port=0)"))
    peer, polling = program.websocket(), program.polling()
    assert peer.event() == polling.event() == ["hello"]
    assert http_request(program.address, "GET", "/").body == b"app"
    code, output, errors = program.stop(number)
    assert (code, errors) == (0, "")
    assert output.splitlines() == ["bye: server shutting down"] * 2 + ["the end"]
    ended, messages = peer.end()
    assert (ended.orderly, messages) == (True, [])


def test_the_embedded_server_ends_though_a_handler_does_not(run: Run) -> None:
    source = SOURCE.replace("gevent.sleep(0.01)", "gevent.sleep(3600)")
    source = source.replace("io = SocketIO()", "io = SocketIO(close_timeout=0.1)")
    program = run(source.format(run="io.run(app, port=0)"))
    program.websocket()
    code, output, errors = program.stop(signal.SIGTERM)
    assert (code, output, errors) == (0, "the end\n", "")


@pytest.mark.parametrize(
    ("call", "status", "body"),
    [
        ("io.run(port=0)", 404, b""),
        ("io.run(app, port=0)", 200, b"app"),
        ("io.run(io.layer(app), port=0)", 200, b"app"),
        ("io.run(io.service(), port=0)", 404, b""),
    ],
)
def test_what_the_embedded_server_serves(run: Run, call: str, status: int, body: bytes) -> None:
    program = run(SOURCE.format(run=call))
    reply = http_request(program.address, "GET", "/")
    assert (reply.status, reply.body) == (status, body)
    peer = program.websocket()
    assert peer.event() == ["hello"]
    peer.say_goodbye()
    assert program.stop(signal.SIGTERM) == (0, "bye: transport close\nthe end\n", "")


@pytest.mark.parametrize("name", ["debug", "use_reloader", "allow_unsafe_werkzeug"])
def test_the_embedded_server_refuses_options_that_pywsgi_would_take_for_those_of_tls(name: str) -> None:
    options: dict[str, Any] = {name: True}
    with pytest.raises(TypeError, match=f"unknown server option '{name}'"):
        SocketIO().run(port=0, **options)


def test_the_layer_of_another_server_is_wrapped_as_any_app(run: Run) -> None:
    call = """
    other = SocketIO(req_path="/other")
    other.ns("/").on("who", lambda: "other")
    io.run(other.layer(app), port=0)"""
    program = run(SOURCE.format(run=call))
    assert program.websocket().event() == ["hello"]
    assert program.websocket("/other/").ask("who") == ["other"]
    assert http_request(program.address, "GET", "/").body == b"app"
    assert program.stop(signal.SIGTERM) == (0, "bye: server shutting down\nthe end\n", "")


def test_a_context_of_tls_whose_sockets_block_is_refused() -> None:
    with pytest.raises(TypeError, match=r"certfile and keyfile.*gevent\.ssl\.SSLContext"):
        SocketIO().run(port=0, ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


@pytest.mark.parametrize(
    "beginning",
    ["from gevent import ssl", "from gevent import monkey; monkey.patch_all(); import ssl"],
    ids=["gevent's", "patched"],
)
def test_a_context_of_tls_whose_sockets_do_not(tmp_path: Path, beginning: str) -> None:
    certificate, key = tools.certificate(tmp_path)
    lines = [
        beginning,
        "from geventsio import SocketIO",
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)",
        f"context.load_cert_chain({certificate!r}, {key!r})",
        "SocketIO().run(port=0, ssl_context=context)",
    ]
    (tmp_path / "served.py").write_text("\n".join(lines))
    server = Command({}, "served.py", folder=tmp_path)
    try:
        address = f"{server.listening()}/socket.io/?EIO=4&transport=polling"
        trusting = ssl.create_default_context(cafile=certificate)
        with urlopen(address, timeout=DEADLINE, context=trusting) as answer:
            assert answer.status == 200
    finally:
        server.close()
