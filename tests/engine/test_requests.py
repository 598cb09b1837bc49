"""Tests of what is checked in a request, in which order, and how its answer ends."""

from __future__ import annotations

import pytest

from tests.engine.conftest import Serve
from tests.engine.harness import Site, WSGIApp, until
from tests.engine.peer import Answer, Headers, Refused, WebSocketPeer, frame

HANDSHAKE = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


def ask(site: Site, method: str, query: str, headers: Headers = (), path: str = "/engine.io/") -> Answer:
    """Send a request on a connection of its own."""
    connection = site.connect()
    connection.request(method, f"{path}?{query}", headers)
    return connection.answer()


class TestOrder:
    """Where several things are wrong, the first of them in the official server's order is named."""

    @pytest.mark.parametrize(
        ("method", "query", "code"),
        [
            ("GET", "EIO=3&transport=nothing", 0),
            ("POST", "EIO=3&transport=nothing", 0),
            ("POST", "EIO=3&transport=polling", 5),
            ("GET", "EIO=3&transport=polling&sid=unknown", 5),
            ("GET", "EIO=4&transport=websocket", 3),  # disabled here
            ("POST", "EIO=4&transport=polling", 2),
            ("GET", "EIO=4&transport=polling&sid=", 1),
            ("DELETE", "EIO=4&transport=polling&sid=unknown", 1),
        ],
    )
    def test_the_first_error_counts(self, serve: Serve, method: str, query: str, code: int) -> None:
        answer = ask(serve(transports=["polling"]), method, query)
        assert (answer.status, answer.error_code) == (400, code)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"

    def test_an_unknown_session_comes_before_a_foreign_origin(self, serve: Serve) -> None:
        site = serve()
        origin = [("Origin", "https://evil.test")]
        assert ask(site, "GET", "EIO=4&transport=polling&sid=unknown", origin).error_code == 1
        assert ask(site, "GET", "EIO=4&transport=polling", origin).error_code == 4

    def test_polling_that_is_not_enabled(self, serve: Serve) -> None:
        site = serve(transports=["websocket"])
        assert ask(site, "GET", "EIO=4&transport=polling").error_code == 3
        site.websocket().say("hello")


class TestQuery:
    def test_the_first_of_several_values_counts(self, serve: Serve) -> None:
        site = serve()
        assert ask(site, "GET", "EIO=3&EIO=4&transport=polling").error_code == 5
        site.polling(path="/engine.io/?EIO=4&EIO=3&transport=polling&t=abc").say("hello")

    def test_values_may_be_percent_encoded(self, serve: Serve) -> None:
        peer = serve().polling()
        peer.target = peer.target.replace("polling", "%70olling").replace("sid=", "s%69d=")
        peer.say("hello")
        assert peer.hear() == "hello"

    @pytest.mark.parametrize("query", ["&" * 5000, "a=1&" * 101, "%", "%zz=%", "=", "\xff=\xfe"])
    def test_strange_queries(self, serve: Serve, query: str) -> None:
        assert ask(serve(), "GET", query).error_code in (0, 3)

    @pytest.mark.parametrize("more", ["", "&%78=1", "&x=+"])
    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("EIO=4&transport=polling&sid", 1),
            ("EIO=4&&sid=a=b&transport=polling&", 1),
            ("EIO&transport=polling&EIO=4", 5),
            ("EIO=4=&transport=polling", 5),
            ("EIO=4&transport=polling;sid=a", 0),
            ("=EIO=4&transport=polling", 5),
            ("transport=polling&EIO=4&sid=a&sid=b", 1),
        ],
    )
    def test_queries_with_and_without_escapes_are_read_alike(
        self, serve: Serve, query: str, more: str, code: int
    ) -> None:
        assert ask(serve(), "GET", query + more).error_code == code

    @pytest.mark.parametrize("path", ["/engine.io", "/engine.io/"])
    def test_paths(self, serve: Serve, path: str) -> None:
        site = serve()
        site.polling(path=f"{path}?EIO=4").say("hello")

    @pytest.mark.parametrize("path", ["/", "/engine.iox/", "/engine.io/deeper", "/x/engine.io/"])
    def test_other_paths(self, serve: Serve, path: str) -> None:
        answer = ask(serve(), "GET", "EIO=4&transport=polling", path=path)
        assert (answer.status, answer.body) == (404, b"")

    @pytest.mark.parametrize("option", ["/chat/engine", "chat/engine", "/chat/engine/"])
    def test_another_path(self, serve: Serve, option: str) -> None:
        site = serve(req_path=option)
        site.polling(path="/chat/engine/?EIO=4").say("hello")


class TestJSONP:
    """An old way around the same-origin rule, which let any page read what is sent."""

    def test_answers_are_no_scripts(self, serve: Serve) -> None:
        site = serve()
        answer = ask(site, "GET", "EIO=4&transport=polling&j=0&callback=evil")
        assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
        assert answer.body[:2] == b"0{" and answer.body[-1:] == b"}"
        site.session().close()
        site.session().forget()


class TestComplaints:
    """What an administrator reads in the log."""

    def test_a_proxy_that_keeps_the_upgrade_to_itself(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        site = serve()
        for _ in range(3):
            answer = ask(site, "GET", "EIO=4&transport=websocket", [("Connection", "close")])
            assert (answer.status, answer.error_code) == (400, 3)
        [line] = warnings(caplog)
        assert line.startswith("refused a request: a websocket request without 'Upgrade: websocket': a proxy")

    def test_what_clients_do_wrong_themselves(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        ask(serve(), "GET", "EIO=4&transport=nothing")
        assert warnings(caplog) == []

    @pytest.mark.parametrize("transport", ["polling", "websocket"])
    def test_too_much_in_one_piece(self, serve: Serve, transport: str, caplog: pytest.LogCaptureFixture) -> None:
        site = serve(max_payload=1000)
        for _ in range(3):
            peer = site.open(transport)
            if isinstance(peer, WebSocketPeer):
                peer.say("x" * 1000)
                assert peer.receive_all() == ([], 1009)
            else:
                assert peer.post("4" * 1001).status == 413
        until(lambda: len(site.endings) == 3)
        assert warnings(caplog) == ["closed a client that sent too much in one piece: 127.0.0.1; max_payload=1000"]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings in the log."""
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


class TestSeveralProcesses:
    """A server that says that others like it answer on the same port."""

    @staticmethod
    def forked(app: WSGIApp) -> WSGIApp:
        """The server's own environ, as gunicorn's is with two workers."""
        return lambda environ, start_response: app({**environ, "wsgi.multiprocess": True}, start_response)

    def test_polling_is_refused_and_the_log_tells_once(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        site = serve(wrap=self.forked, cors_allowed_origins="*")
        for _ in range(3):
            answer = ask(site, "GET", "EIO=4&transport=polling", [("Origin", "https://a.test")])
            assert answer.status == 500
            assert b"sticky_sessions=True" in answer.body
            assert answer.headers["access-control-allow-origin"] == "*"
        [record] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert "transports=['websocket']" in record.getMessage()
        caplog.clear()
        site.websocket().say("hello")

    def test_a_server_of_websockets_alone_does_not_mind(self, serve: Serve) -> None:
        site = serve(wrap=self.forked, transports=["websocket"])
        assert ask(site, "GET", "EIO=4&transport=polling").error_code == 3
        site.websocket().say("hello")

    def test_sessions_that_stick(self, serve: Serve) -> None:
        peer = serve(wrap=self.forked, sticky_sessions=True).polling()
        peer.say("hello")
        assert peer.hear() == "hello"


class TestHandshake:
    """RFC 6455 section 4.2.1, beyond what the live tests ask."""

    @pytest.mark.parametrize(
        "headers",
        [
            [*HANDSHAKE, ("Content-Length", "5")],
            [*HANDSHAKE[:3], ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=")],
            [*HANDSHAKE[:3], ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAAA")],
            [*HANDSHAKE[:3], ("Sec-WebSocket-Key", "!!!!!!!!!!!!!!!!!!!!!!==")],
            [("Upgrade", "websocketx"), *HANDSHAKE[1:]],
        ],
    )
    def test_a_bad_handshake(self, serve: Serve, headers: list[tuple[str, str]]) -> None:
        site = serve()
        answer = ask(site, "GET", "EIO=4&transport=websocket", headers)
        assert answer.status == 400
        assert site.open_sessions() == 0

    def test_chunked_bodies(self, serve: Serve) -> None:
        site = serve()
        connection = site.connect()
        headers = [*HANDSHAKE, ("Transfer-Encoding", "chunked")]
        connection.request("GET", "/engine.io/?EIO=4&transport=websocket", headers, b"0\r\n\r\n")
        assert connection.answer().status == 400

    def test_http_1_0(self, serve: Serve) -> None:
        connection = serve().connect()
        head = "\r\n".join(f"{name}: {value}" for name, value in HANDSHAKE)
        connection.send(f"GET /engine.io/?EIO=4&transport=websocket HTTP/1.0\r\n{head}\r\n\r\n".encode())
        assert connection.answer().status == 400

    def test_no_extension_is_agreed_to(self, serve: Serve) -> None:
        connection = serve().connect()
        offer = [("Sec-WebSocket-Extensions", "permessage-deflate"), ("Sec-WebSocket-Protocol", "chat")]
        connection.request("GET", "/engine.io/?EIO=4&transport=websocket", [*HANDSHAKE, *offer])
        answer = connection.answer()
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert not {"sec-websocket-extensions", "sec-websocket-protocol"} & answer.headers.keys()

    def test_a_post(self, serve: Serve) -> None:
        assert ask(serve(), "POST", "EIO=4&transport=websocket", HANDSHAKE).error_code in (2, 3)


class TestConnections:
    def test_a_connection_is_kept_after_an_error(self, serve: Serve) -> None:
        connection = serve().connect()
        for _ in range(3):
            connection.request("GET", "/engine.io/?EIO=4&transport=nothing")
            answer = connection.answer()
            assert "connection" not in answer.headers

    def test_a_connection_that_ends_says_so(self, serve: Serve) -> None:
        connection = serve().connect()
        connection.request("GET", "/engine.io/?EIO=4&transport=nothing", [("Connection", "close")])
        assert connection.answer().headers["connection"] == "close"
        assert connection.read_rest() == b""

    def test_nothing_follows_a_refused_upgrade(self, serve: Serve) -> None:
        """A proxy in between may take the connection for a websocket by now."""
        site = serve()
        with pytest.raises(Refused) as refused:
            WebSocketPeer(site.address, "/engine.io/?EIO=3&transport=websocket", behind=frame(1, b"4smuggled"))
        assert refused.value.answer.headers["connection"] == "close"
        assert site.messages == []
