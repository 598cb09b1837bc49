"""Who is let in, and how fast and how slowly clients may send."""

from __future__ import annotations

import gc
import json
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventsio.config import EngineOptions
from geventsio.engine import EngineServer, Session
from geventsio.engine.clock import Clock
from geventsio.engine.rates import MAX_ADDRESSES, AddressRate
from geventsio.engine.responses import RequestError
from geventsio.errors import ConnectRefused
from geventsio.types import DisconnectReason
from tests.engine.conftest import Serve
from tests.engine.harness import Site, until
from tests.engine.peer import Answer, Refused, WebSocketPeer, frame

POLLING = "/engine.io/?EIO=4&transport=polling"

#: The time of rates that no server counts.
CLOCK = Clock(gevent.get_hub().loop)


def knock(site: Any, transport: str, headers: Any = ()) -> Answer:
    """Ask for a session that must be refused."""
    if transport == "websocket":
        with pytest.raises(Refused) as refused:
            WebSocketPeer(site.address, headers=headers)
        answer: Answer = refused.value.answer
        return answer
    connection = site.connect()
    connection.request("GET", POLLING, headers)
    answer = connection.answer()
    return answer


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"allow_request": "yes"}, TypeError),
        ({"cookie": 5}, TypeError),
        ({"cookie": ""}, ValueError),
        ({"cookie": "a b"}, ValueError),
        ({"cookie": {"path": "/"}}, ValueError),
        ({"cookie": {"name": "io", "http_only": True}}, TypeError),
        ({"trusted_proxies": 0}, ValueError),
        ({"trusted_proxies": True}, TypeError),
        ({"trusted_proxies": 1.5}, TypeError),
        ({"trusted_proxies": ["10.0.0.1/8"]}, ValueError),
        ({"trusted_proxies": ["nonsense"]}, ValueError),
        ({"trusted_proxies": [1]}, TypeError),
        ({"max_connections": 0}, ValueError),
        ({"max_connections": 1.5}, TypeError),
        ({"max_connections_per_address": -1}, ValueError),
        ({"rate_limit": 0}, ValueError),
        ({"rate_limit": "10"}, TypeError),
        ({"rate_burst": 0}, ValueError),
        ({"rate_limit_per_address": -1}, ValueError),
        ({"rate_limit_per_address": "10"}, TypeError),
        ({"rate_burst_per_address": 0}, ValueError),
        ({"rate_burst_per_address": 1.5}, TypeError),
        ({"body_timeout": 0}, ValueError),
    ],
)
def test_a_wrong_option_is_an_error(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        EngineOptions(**options)


def test_a_wrong_cookie_attribute_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="SameSite"):
        EngineServer(cookie={"name": "io", "samesite": "sometimes"})


@pytest.mark.parametrize("transport", ["polling", "websocket"])
class TestAllowRequest:
    @pytest.mark.parametrize(
        ("refusal", "message"),
        [(None, "Forbidden"), (ConnectRefused("no token"), "no token")],
        ids=["False", "refused"],
    )
    def test_refuses(self, serve: Serve, transport: str, refusal: Exception | None, message: str) -> None:
        def allow(environ: dict[str, Any]) -> bool:
            if refusal is not None:
                raise refusal
            return False

        site = serve(allow_request=allow)
        answer = knock(site, transport)
        assert answer.status == 403
        assert json.loads(answer.body) == {"code": 4, "message": message}
        assert site.sessions == []

    def test_fails(self, serve: Serve, transport: str, caplog: pytest.LogCaptureFixture) -> None:
        def allow(environ: dict[str, Any]) -> None:
            raise gevent.Timeout if transport == "polling" else KeyError("secret")

        answer = knock(serve(allow_request=allow), transport)
        assert json.loads(answer.body) == {"code": 4, "message": "Forbidden"}
        assert "allow_request failed" in caplog.text
        caplog.clear()

    def test_lets_in_and_is_asked_once(self, serve: Serve, transport: str) -> None:
        asked = []
        site = serve(allow_request=lambda environ: asked.append(environ["HTTP_HOST"]))
        peer = site.open(transport)
        peer.say("hello")
        assert peer.hear() == "hello"
        assert asked == ["localhost"]

    def test_may_block_while_the_last_place_is_taken(self, serve: Serve, transport: str) -> None:
        asked, decided = Event(), Event()

        def allow(environ: dict[str, Any]) -> None:
            if "HTTP_X_SLOW" in environ:
                asked.set()
                decided.wait()

        site = serve(allow_request=allow, max_connections=1)
        slow = gevent.spawn(knock, site, transport, [("X-Slow", "1")])
        asked.wait()
        site.open(transport)
        decided.set()
        assert slow.get().status == 503
        assert site.open_sessions() == 1


class TestCookie:
    def test_is_set_by_the_handshake_alone(self, serve: Serve) -> None:
        site = serve(cookie="io")
        connection = site.connect()
        connection.request("GET", POLLING)
        answer = connection.answer()
        sid = json.loads(answer.body[1:])["sid"]
        assert answer.headers["set-cookie"] == f"io={sid}; HttpOnly; Path=/; SameSite=Lax"
        connection.request("POST", f"{POLLING}&sid={sid}", body=b"1")
        assert "set-cookie" not in connection.answer().headers

    def test_is_set_by_a_websockets_handshake(self, serve: Serve) -> None:
        site = serve(cookie={"name": "io", "path": "/engine.io", "samesite": "Strict"})
        connection = site.connect()
        headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODw=="),
        ]
        connection.request("GET", "/engine.io/?EIO=4&transport=websocket", headers)
        cookie = connection.answer().headers["set-cookie"]
        assert cookie == f"io={site.session().sid}; HttpOnly; Path=/engine.io; SameSite=Strict"

    def test_is_secure_behind_a_proxy_that_ends_tls(self, serve: Serve) -> None:
        site = serve(cookie="io", trusted_proxies=1)
        connection = site.connect()
        connection.request("GET", POLLING, [("X-Forwarded-Proto", "https")])
        assert "; Secure;" in connection.answer().headers["set-cookie"]
        site.session().close()
        site.session().forget()


class TestCapacity:
    @pytest.mark.parametrize("transport", ["polling", "websocket"])
    def test_the_last_place(self, serve: Serve, transport: str, caplog: pytest.LogCaptureFixture) -> None:
        site = serve(max_connections=2)
        peers = [site.open("websocket"), site.open("polling")]
        for _ in range(3):
            answer = knock(site, transport)
            assert (answer.status, json.loads(answer.body)) == (503, {"message": "Too many connections"})
            assert int(answer.headers["retry-after"]) > 0
        for peer in peers:
            peer.say("still here")
            assert peer.hear() == "still here"
        assert [record.getMessage() for record in caplog.records if "max_connections=2" in record.getMessage()]
        peers[0].close()
        until(lambda: site.open_sessions() == 1)
        site.open("websocket")

    def test_an_upgrade_takes_no_place(self, serve: Serve) -> None:
        site = serve(max_connections=1)
        peer = site.open("upgraded")
        peer.say("up")
        assert peer.hear() == "up"

    def test_per_address(self, serve: Serve) -> None:
        site = serve(max_connections_per_address=1, trusted_proxies=1)
        first = [("X-Forwarded-For", "203.0.113.9")]
        peer = site.polling(headers=first)
        answer = knock(site, "websocket", first)
        assert (answer.status, "retry-after" in answer.headers) == (429, True)
        site.websocket(headers=[("X-Forwarded-For", "203.0.113.10")])
        site.polling(headers=[("X-Forwarded-For", "2001:db8::1")])
        assert knock(site, "polling", [("X-Forwarded-For", "2001:db8::2")]).status == 429
        site.polling(headers=[("X-Forwarded-For", "2001:db8:0:1::1")])
        assert site.session(0).environ["REMOTE_ADDR"] == "203.0.113.9"
        peer.post("1")
        site.polling(headers=first)


class TestRate:
    @pytest.mark.parametrize("kind", ["polling", "websocket", "upgraded"])
    def test_nothing_is_lost(self, serve: Serve, kind: str) -> None:
        site = serve(rate_limit=200, rate_burst=10)
        numbers = [str(number) for number in range(40)]
        peer = site.open(kind)
        saying = gevent.spawn(peer.say, *numbers)
        until(lambda: site.session().is_paused)
        assert len(site.messages) < len(numbers)
        until(lambda: len(site.messages) == len(numbers))
        assert site.messages == numbers
        saying.get()

    def test_others_are_not_slowed_down(self, serve: Serve) -> None:
        site = serve(rate_limit=1, rate_burst=5)
        flooder, other = site.open("websocket"), site.open("websocket")
        flooder.say(*["flood"] * 100)
        until(lambda: site.session(0).is_paused)
        other.say("hello")
        assert other.hear() == "hello"
        assert site.messages.count("flood") == 6

    def test_two_who_pause_must_both_resume(self, serve: Serve) -> None:
        site = serve(rate_limit=1, rate_burst=1)
        peer = site.open("websocket")
        session = site.session()
        peer.say("1", "2")
        until(lambda: session.is_paused)
        session.pause()
        session.resume(session.PAUSED_BY_RATE)
        assert session.is_paused
        session.resume()
        assert not session.is_paused


def at(address: str) -> list[tuple[str, str]]:
    """The header by which a proxy tells a client's address."""
    return [("X-Forwarded-For", address)]


def known_sids() -> set[str]:
    """The ids of all sessions that somebody holds."""
    return {item.sid for item in gc.get_objects() if issubclass(type(item), Session)}


def end_all(site: Site) -> None:
    """End sessions that would not be read for minutes."""
    for session in site.sessions:
        session.close()


class TestRatePerAddress:
    @pytest.mark.parametrize("kind", ["polling", "websocket", "upgraded"])
    def test_nothing_is_lost(self, serve: Serve, kind: str) -> None:
        site = serve(rate_limit_per_address=200, rate_burst_per_address=10)
        peers = [site.open(kind), site.open(kind)]
        says = [[f"{index} {number}" for number in range(20)] for index in range(2)]
        saying = [gevent.spawn(peer.say, *texts) for peer, texts in zip(peers, says, strict=True)]
        until(lambda: any(session.is_paused for session in site.sessions))
        gevent.joinall(saying, raise_error=True)
        until(lambda: len(site.messages) == 40)
        for index, texts in enumerate(says):
            assert [text for text in site.messages if str(text).startswith(f"{index} ")] == texts

    def test_all_of_an_address_share_it_and_others_do_not(self, serve: Serve) -> None:
        site = serve(rate_limit_per_address=0.01, rate_burst_per_address=10, trusted_proxies=1)
        flooder, neighbour = (site.websocket(headers=at("203.0.113.9")) for _ in range(2))
        other = site.websocket(headers=at("203.0.113.10"))
        flooder.say(*["flood"] * 100)
        until(lambda: site.session(0).is_paused)
        assert site.messages.count("flood") == 9  # two handshakes, eight messages in time, and one too many
        neighbour.say("one", "two")
        until(lambda: site.session(1).is_paused)
        assert site.messages.count("one") == 1 and "two" not in site.messages
        other.say("hello")
        assert other.hear() == "hello"
        assert not site.session(2).is_paused
        end_all(site)

    @pytest.mark.parametrize("transport", ["polling", "websocket"])
    def test_handshakes_count(self, serve: Serve, transport: str, caplog: pytest.LogCaptureFixture) -> None:
        site = serve(rate_limit_per_address=0.01, rate_burst_per_address=2, trusted_proxies=1)
        for address in ("2001:db8::1", "2001:db8::2"):
            site.polling(headers=at(address))
        for _ in range(3):
            answer = knock(site, transport, at("2001:db8::3"))
            assert (answer.status, json.loads(answer.body)) == (429, {"message": "Too many requests"})
            assert answer.headers["retry-after"] == "1"
        site.polling(headers=at("2001:db8:0:1::1"))
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            "refused a client: 2001:db8::/64 is over rate_limit_per_address=0.01"
        ]

    def test_what_clients_forward_themselves_does_not_count(self, serve: Serve) -> None:
        site = serve(rate_limit_per_address=0.01, rate_burst_per_address=1)
        site.polling(headers=at("203.0.113.9"))
        assert knock(site, "polling", at("203.0.113.10")).status == 429

    def test_a_refused_handshake_costs_nothing(self, serve: Serve) -> None:
        site = serve(rate_limit_per_address=20, rate_burst_per_address=1)
        site.polling()
        until(lambda: knock_politely(site) == 200)

    def test_a_session_that_ends_while_it_is_not_read_is_forgotten(self, serve: Serve) -> None:
        site = serve(rate_limit_per_address=0.01, rate_burst_per_address=1, close_timeout=0.1)
        site.websocket().say("one", "two")
        until(lambda: site.session().is_paused)
        site.session().close()
        sid = site.sessions.pop().sid
        until(lambda: site.endings)
        site.endings.clear()
        until(lambda: gc.collect() >= 0 and sid not in known_sids(), "the timer of its pause keeps it")

    def test_both_limits_hold(self, serve: Serve) -> None:
        site = serve(rate_limit=0.01, rate_burst=3, rate_limit_per_address=0.01, rate_burst_per_address=5)
        peer = site.websocket()
        peer.say(*["flood"] * 50)
        until(lambda: site.session().is_paused)
        session = site.session()
        assert site.messages == ["flood"] * 4
        session.resume(session.PAUSED_BY_RATE)
        until(lambda: len(site.messages) == 5)
        assert session.is_paused
        session.resume(session.PAUSED_BY_RATE)
        assert session.is_paused
        end_all(site)

    def test_the_table_of_addresses_is_bounded(self) -> None:
        rate = AddressRate(lambda: CLOCK, 0.001, 10)
        clients = [
            {"REMOTE_ADDR": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
            for number in range(MAX_ADDRESSES + 1_000)
        ]
        for client in clients:
            rate.admit(client)
        assert len(rate) == MAX_ADDRESSES
        # Who was heard last is still known.
        for _ in range(9):
            rate.admit(clients[-1])
        with pytest.raises(RequestError):
            rate.admit(clients[-1])

    def test_addresses_that_are_quiet_again_do_not_stay(self) -> None:
        rate = AddressRate(lambda: CLOCK, 1_000_000, 1)
        for number in range(1_000):
            rate.admit({"REMOTE_ADDR": f"10.0.{number >> 8}.{number & 255}"})
        assert len(rate) < 1_000

    def test_a_client_without_an_address_is_not_limited(self) -> None:
        rate = AddressRate(lambda: CLOCK, 0.001, 1)
        for _ in range(10):
            rate.admit({"REMOTE_ADDR": ""})
        assert len(rate) == 0


def knock_politely(site: Any) -> int:
    """Ask for a session, end it if there is one, and return the answer's status."""
    connection = site.connect()
    connection.request("GET", POLLING)
    answer = connection.answer()
    if answer.status == 200:
        connection.request("POST", f"{POLLING}&sid={json.loads(answer.body[1:])['sid']}", body=b"1")
        assert connection.answer().status == 200
    status: int = answer.status
    return status


class TestParts:
    def test_fragments_that_never_end(self, serve: Serve) -> None:
        site = serve()
        site.engine.runtime.assembling.seconds = 0.05
        peer = site.websocket()
        peer.send(frame(1, b"4he", fin=False))
        assert peer.receive_all() == ([], 1008)
        assert site.ending() is DisconnectReason.PARSE_ERROR

    def test_each_message_has_its_own_time(self, serve: Serve) -> None:
        site = serve()
        assembling = site.engine.runtime.assembling
        peer = site.websocket()
        peer.send(frame(1, b"4a", fin=False))
        until(lambda: len(assembling) == 1)
        peer.send(frame(0, b"b") + frame(1, b"4c", fin=False))
        assert peer.hear() == "ab"
        assert len(assembling) == 1
        peer.send(frame(0, b"d"))
        assert peer.hear() == "cd"
        assert len(assembling) == 0

    def test_a_client_that_leaves_amid_a_message_leaves_no_deadline(self, serve: Serve) -> None:
        site = serve()
        peer = site.websocket()
        peer.send(frame(1, b"4a", fin=False))
        until(lambda: len(site.engine.runtime.assembling) == 1)
        peer.close()
        until(lambda: len(site.engine.runtime.assembling) == 0)


class TestBody:
    @pytest.mark.parametrize("head", ["Content-Length", "Transfer-Encoding"])
    def test_one_that_does_not_come(self, serve: Serve, head: str) -> None:
        site = serve(body_timeout=0.05)
        peer = site.polling()
        chunked = head == "Transfer-Encoding"
        peer.posts.request(
            "POST", peer.target, [(head, "chunked" if chunked else "10")], b"5\r\n4" if chunked else b"4"
        )
        answer = peer.posts.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert peer.posts.read_rest() == b""
        assert site.ending() is DisconnectReason.TRANSPORT_ERROR

    def test_the_servers_own_time_limit(self, serve: Serve) -> None:
        class Slow:
            def read(self, size: int) -> bytes:
                raise TimeoutError("timed out")

        def wrap(app: Any) -> Any:
            def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
                if environ["REQUEST_METHOD"] == "POST" and environ.get("HTTP_X_SLOW"):
                    environ = {**environ, "wsgi.input": Slow()}
                return app(environ, start_response)

            return wrapped

        site = serve(wrap=wrap)
        peer = site.polling()
        peer.posts.request("POST", peer.target, [("X-Slow", "1")], b"4hello")
        assert peer.posts.answer().status == 408
        assert site.ending() is DisconnectReason.TRANSPORT_ERROR


def test_a_poll_that_was_given_up_takes_nothing_along(serve: Serve) -> None:
    site = serve()
    peer = site.polling()
    peer.start_poll()
    until(lambda: site.session().polling is not None and site.session().polling.is_polled)  # type: ignore[union-attr]
    # Both in one turn of the loop: the poll's end, and what it would have been answered.
    peer.gets.close()
    site.session().send("for the next one")
    assert site.ending() is DisconnectReason.TRANSPORT_ERROR
