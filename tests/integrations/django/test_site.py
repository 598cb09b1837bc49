"""Tests of a site's handlers: their request, user, session and database, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from tests.integrations.django.command import eventually
from tests.integrations.django.databases import Database
from tests.integrations.django.site import Browser, Site
from tests.socketio.peer import WebSocketPeer

EVENTS = 500


@pytest.fixture
def browser(site: Site) -> Browser:
    """A browser that nobody has used."""
    return site.browser()


def test_the_request_is_the_handshake_s(browser: Browser) -> None:
    assert browser.connect().ask("request") == [["/socket.io/", "GET", "yes", True]]


def test_middlewares_have_seen_the_request(site: Site) -> None:
    assert site.browser("django_language=de").connect().ask("words") == [["de", "Ja", "/read/color"]]
    assert site.browser().connect().ask("words") == [["en", "Yes", "/read/color"]]


@pytest.mark.parametrize(
    ("agent", "reason", "status"),
    [("robot", "Forbidden", 403), ("crawler", "Forbidden", 403), ("liar", "Bad Request", 400)],
)
def test_a_middleware_s_answer_refuses(site: Site, agent: str, reason: str, status: int) -> None:
    peer = site.browser(f"agent={agent}").websocket()
    assert peer.refused("/members") == {"message": reason, "data": {"status": status}}


def test_nobody_is_asked_whose_answer_is_not_needed(site: Site) -> None:
    assert site.browser("agent=robot").connect().ask("exists", "nobody") == [False]


def test_the_user_is_the_browser_s(browser: Browser) -> None:
    browser.get("/login/susan")
    assert browser.connect().ask("who") == [["susan", "susan", True]]


def test_a_user_may_be_required(browser: Browser) -> None:
    assert browser.websocket().refused("/members") == {"message": "log in first"}
    browser.get("/login/susan")
    browser.connect("/members")


def test_a_logout_is_seen_by_the_next_event(browser: Browser) -> None:
    browser.get("/login/susan")
    peer = browser.connect()
    assert peer.ask("who") == [["susan", "susan", True]]
    browser.get("/logout")
    assert peer.ask("who") == [["", "", False]]


def test_each_event_sees_what_requests_have_saved(browser: Browser) -> None:
    browser.get("/write/color/red")
    peer = browser.connect()
    assert peer.ask("read", "color") == [["red"]]
    browser.get("/write/color/blue")
    assert peer.ask("read", "color") == [["blue"]]


def test_requests_see_what_events_have_saved(browser: Browser, site: Site) -> None:
    browser.get("/write/color/red")
    peer = browser.connect()
    assert peer.ask("write", "color", "green") == ["written"]
    assert browser.get("/read/color") == "green"
    peer.emit("write", "color", "bad")
    assert peer.ask("read", "color") == [["green"]]
    assert browser.get("/read/color") == "green"


def test_views_emit(browser: Browser) -> None:
    peer = browser.connect()
    browser.get("/tell/hello")
    assert peer.event() == ["told", "hello"]


def test_no_connection_outlives_its_event(site: Site, browser: Browser) -> None:
    peers = [browser.connect() for _ in range(3)]
    for number in range(EVENTS):
        peer = peers[number % 3]
        if number % 5:
            assert peer.ask("count", number)[0][0] == number
        else:
            peer.emit("count", number)
        if number % 50 == 0:
            site.comes_to_rest()
    for peer in peers:
        peer.emit("background")
        assert peer.event()[0] == "done"
        peer.emit("ask")
        peer.answer(peer.question()[0])
        assert peer.event()[0] == "done"
        peer.close()
    site.comes_to_rest()


def test_no_connection_outlives_its_event_in_a_native_thread(site: Site, browser: Browser) -> None:
    peers = [browser.connect() for _ in range(3)]
    for number in range(12):
        [[told, _, is_authenticated]] = peers[number % 3].ask("count in a thread", number)
        assert (told, is_authenticated) == (number, False)
    site.comes_to_rest()


def test_no_connection_is_kept_for_nobody(migrated: Database) -> None:
    site = Site(migrated, DJANGO_MAX_AGE="600")
    try:
        peer = site.browser().connect()
        for number in range(1, 5):
            assert peer.ask("count", number)[0][0] == number
        site.comes_to_rest()
    finally:
        site.close()


def test_a_job_begins_without_a_connection(browser: Browser) -> None:
    peer = browser.connect()
    peer.ask("count", 1)
    assert peer.ask("silent") == [False]


def test_a_greenlet_has_a_request_of_its_own(browser: Browser) -> None:
    browser.get("/login/david")
    peer = browser.connect()
    peer.emit("background")
    assert peer.event()[2] == "david"


def add(peer: WebSocketPeer, name: str) -> int:
    """Have a user added, and return the id of the question that comes before the commit."""
    peer.emit("add", name)
    ack_id, event = peer.question()
    assert event == ["sure?"]
    return ack_id


def test_a_transaction_is_its_handler_s(site: Site, browser: Browser) -> None:
    adding, other = browser.connect(), browser.connect()
    question = add(adding, "carol")
    eventually(lambda: site.connections() == 1, "the handler has one connection, and nobody else has")
    assert other.ask("exists", "carol") == [False]
    adding.answer(question, "yes")
    assert adding.ask("exists", "carol") == [True]
    question = add(adding, "carl")
    adding.answer(question, "no")
    assert adding.ask("exists", "carl") == [False]
    site.comes_to_rest()


def test_a_client_that_leaves_during_a_transaction(site: Site, browser: Browser) -> None:
    peer, other = browser.connect(), browser.connect()
    add(peer, "vera")
    eventually(lambda: site.connections() == 1, "the handler has one connection, and nobody else has")
    peer.close()
    site.comes_to_rest()
    assert other.ask("exists", "vera") == [False]


def test_signals_are_sent_around_each_job(browser: Browser) -> None:
    peer = browser.connect()
    before: list[str] = peer.ask("signals")[0]
    after: list[str] = peer.ask("signals")[0]
    assert after[: len(before)] == before
    # The end of the first one, and the begin of the second; nothing else has happened.
    assert after[len(before) :] == ["finished", "started /socket.io/"]


def test_static_files_are_served_with_debug_only(site: Site) -> None:
    with pytest.raises(AssertionError, match="404"):
        site.browser().get("/static/site.css")


def test_exceptions_are_logged(site: Site) -> None:
    def is_logged() -> bool:
        return site.command.output().count("LookupError: 0") == 1

    site.browser().connect().emit("count", 0)
    eventually(is_logged, "the exception is logged")
