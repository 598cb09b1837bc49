"""The chat's page in a browser: what people see of each other, of a lost connection, and on a phone."""

from __future__ import annotations

import json
import os
import struct
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import tools
from tests.examples.browser import Browser, Page
from tests.examples.demo import Demo, with_client

# What sticks out on the right of the screen.
_OVERFLOWING = """[...document.querySelectorAll(".talk *")]
    .filter((node) => node.checkVisibility() && !node.closest(".hidden"))
    .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
    .map((node) => node.outerHTML)"""

_MODES = ["upgrade", "polling", "websocket"]

CONNECTED = "document.querySelector('#status').dataset.state === 'ok'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; each person has a profile of his own in it."""
    browser = Browser(tools.chromium())
    yield browser
    browser.close()


@pytest.fixture
def demo() -> Iterator[Demo]:
    """A chat over HTTP."""
    with with_client("examples.chat") as demo:
        yield demo


@pytest.fixture
def tls_demo(tmp_path: Path) -> Iterator[Demo]:
    """A chat over HTTPS."""
    with with_client("examples.chat", certificate=tools.certificate(tmp_path)) as demo:
        yield demo


@pytest.fixture(params=["http", "https"])
def any_demo(request: pytest.FixtureRequest) -> Demo:
    """Both in turn."""
    demo: Demo = request.getfixturevalue("demo" if request.param == "http" else "tls_demo")
    return demo


class Person:
    """Somebody at a tab of his own."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def signs_in(self, name: str) -> None:
        """Answer the question for a name, and wait for the connection."""
        self.page.wait("document.querySelector('#sign-in').open")
        self.page.evaluate("document.querySelector('#name').select()")
        self.page.type(name)
        self.page.press("Enter")

    def says(self, text: str) -> None:
        """Write a message and send it with the Enter key."""
        self.writes(text)
        self.page.press("Enter")

    def writes(self, text: str) -> None:
        """Write a message, not sent yet."""
        self.page.click("#text")
        self.page.type(text)

    def sees_message(self, text: str, kind: str = "") -> None:
        """Wait for exactly one message of this text, which is in the state of a class (".mine.pending"), if given."""
        self.page.wait(
            f"(() => {{ const found = [...document.querySelectorAll('.message')].filter((message) =>"
            f" message.querySelector('.bubble').textContent === {json.dumps(text)});"
            f" return found.length === 1 && found[0].matches('.message{kind}'); }})()"
        )

    def sees(self, selector: str, text: str) -> None:
        """Wait until what a selector finds, in order, has this text, commas between."""
        self.page.wait(f"{_texts(selector)} === {json.dumps(text)}")

    def messages(self) -> list[str]:
        """The texts of all messages, in order."""
        texts: list[str] = self.page.evaluate(
            "[...document.querySelectorAll('.message .bubble')].map((bubble) => bubble.textContent)"
        )
        return texts


def _texts(selector: str) -> str:
    return f"[...document.querySelectorAll({json.dumps(selector)})].map((node) => node.textContent).join(', ')"


def arrive(browser: Browser, demo: Demo, name: str, query: str = "") -> Person:
    """Let somebody open the page and sign in."""
    person = Person(browser.page())
    person.page.open(demo.url + query)
    person.signs_in(name)
    person.page.wait(CONNECTED)
    return person


@pytest.mark.parametrize(
    ("query", "transport"),
    [("", "websocket"), ("?transport=polling", "polling"), ("?transport=websocket", "websocket")],
    ids=_MODES,
)
def test_two_people_talk(browser: Browser, any_demo: Demo, query: str, transport: str) -> None:
    ann, bob = arrive(browser, any_demo, "Ann", query), arrive(browser, any_demo, "Bob", query)
    for person in (ann, bob):
        person.sees("#people .ellipsis", "Ann, Bob")
        person.sees("#status-text", transport)
    hostile = "<img src=x onerror=\"window.hit = 1\"> & 'Grüße' 🎉"
    ann.says(hostile)
    ann.sees_message(hostile, ".mine:not(.pending)")
    bob.sees_message(hostile, ":not(.mine)")
    bob.writes("I am")
    ann.sees("#typing", "Bob is typing…")
    bob.page.press("Enter")
    ann.sees_message("I am", ":not(.mine)")
    ann.sees("#typing", "")
    assert ann.messages() == bob.messages() == [hostile, "I am"]
    assert bob.page.evaluate("window.hit === undefined && document.querySelector('.bubble').children.length === 0")
    ann.page.open("about:blank")
    bob.sees("#people .ellipsis", "Bob")
    assert ann.page.problems == bob.page.problems == []


def test_two_tabs_of_one_browser_are_one_person(browser: Browser, demo: Demo) -> None:
    profile = browser.profile()
    first, second = Person(browser.page(profile)), Person(browser.page(profile))
    first.page.open(demo.url)
    first.signs_in("Ann")
    first.page.wait(CONNECTED)
    second.page.open(demo.url)
    second.page.wait(CONNECTED)
    first.says("from the first tab")
    second.sees_message("from the first tab", ".mine")
    first.sees("#people .ellipsis", "Ann")
    guest = Person(browser.page(profile))
    guest.page.open(f"{demo.url}?guest")
    guest.signs_in("Guest")
    first.sees("#people .ellipsis", "Ann, Guest")
    guest.sees_message("from the first tab", ":not(.mine)")


@pytest.mark.parametrize("query", ["", "?transport=polling", "?transport=websocket"], ids=_MODES)
def test_a_reload_keeps_name_room_and_history(browser: Browser, any_demo: Demo, query: str) -> None:
    ann = arrive(browser, any_demo, "Ann", query)
    ann.page.click("button[data-room=music]")
    ann.sees("#room-name", "#music")
    ann.says("still here?")
    ann.sees_message("still here?", ".mine:not(.pending)")
    ann.page.reload()
    ann.page.wait(CONNECTED)
    ann.sees("#room-name", "#music")
    ann.sees("#my-name", "Ann")
    ann.sees_message("still here?", ".mine:not(.pending)")


def _check_restart(browser: Browser, demo: Demo, end: Callable[[Demo], object], query: str) -> None:
    """What is written while the server is away arrives once."""
    ann, bob = arrive(browser, demo, "Ann", query), arrive(browser, demo, "Bob", query)
    ann.says("before")
    bob.sees_message("before", ":not(.mine)")
    end(demo)
    ann.sees("#banner-text", "Connection lost. Reconnecting…")
    ann.says("meanwhile 1")
    ann.says("meanwhile 2")
    ann.sees_message("meanwhile 2", ".mine.pending")
    demo.start()
    for text in ("meanwhile 1", "meanwhile 2"):
        bob.sees_message(text, ":not(.mine)")
        ann.sees_message(text, ".mine:not(.pending)")
    bob.says("welcome back")
    ann.sees_message("welcome back", ":not(.mine)")
    assert ann.messages() == bob.messages() == ["before", "meanwhile 1", "meanwhile 2", "welcome back"]
    for person in (ann, bob):
        person.page.wait("document.querySelector('#banner').dataset.state === 'ok'")
        person.sees("#people .ellipsis", "Ann, Bob")


@pytest.mark.parametrize("end", [Demo.stop, Demo.kill], ids=["stopped", "crashed"])
def test_what_is_written_while_the_server_is_away_arrives_once(
    browser: Browser, demo: Demo, end: Callable[[Demo], object]
) -> None:
    _check_restart(browser, demo, end, "")


@pytest.mark.parametrize("query", ["?transport=polling", "?transport=websocket"], ids=_MODES[1:])
def test_a_restart_over_one_transport(browser: Browser, any_demo: Demo, query: str) -> None:
    _check_restart(browser, any_demo, Demo.stop, query)


@pytest.mark.parametrize("width", [360, 1280])
def test_a_screenshot(browser: Browser, tls_demo: Demo, tmp_path: Path, width: int) -> None:
    """Set GEVENTSIO_SCREENSHOTS to the folder where to look at them."""
    ann, bob = arrive(browser, tls_demo, "Ann"), arrive(browser, tls_demo, "Bob")
    ann.says("Does it look right?")
    bob.sees_message("Does it look right?")
    bob.says("You have to look.")
    ann.sees_message("You have to look.", ":not(.mine)")
    ann.page.size(width, 740)
    empty = browser.page()
    empty.size(width, 740)
    picture = ann.page.screenshot()
    file = Path(os.environ.get("GEVENTSIO_SCREENSHOTS", tmp_path)) / f"chat-{width}.png"
    file.write_bytes(picture)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack("!II", picture[16:24]) == (width, 740)
    assert len(picture) > 3 * len(empty.screenshot())  # it shows something


def test_unread_messages_are_counted_and_rooms_can_be_left(browser: Browser, demo: Demo) -> None:
    ann, bob = arrive(browser, demo, "Ann"), arrive(browser, demo, "Bob")
    room = f"room-{uuid.uuid4().hex[:6]}"
    ann.page.click("#new-room-name")
    ann.page.type(room)
    ann.page.press("Enter")
    ann.sees("#room-name", f"#{room}")
    bob.says("one")
    bob.says("two")
    ann.sees("#joined-rooms [data-room=lobby] .badge", "2")
    ann.page.click("[data-room=lobby]")
    ann.sees("#joined-rooms .badge", "")
    ann.sees_message("two", ":not(.mine)")
    bob.page.click(f"#other-rooms [data-room={room}]")
    bob.sees("#room-name", f"#{room}")
    bob.sees("#people .ellipsis", "Ann, Bob")
    bob.page.click("#leave")
    bob.sees("#room-name", "#lobby")
    ann.page.click(f"[data-room={room}]")
    ann.sees("#people .ellipsis", "Ann")


def test_a_taken_name_is_asked_for_again(browser: Browser, demo: Demo) -> None:
    arrive(browser, demo, "Ann")
    other = Person(browser.page())
    other.page.open(demo.url)
    other.signs_in("ann")
    other.sees("#name-error", "Someone here is already called ann.")
    other.page.press("Escape")
    other.page.press("Escape")
    other.signs_in("Cleo")
    other.sees("#people .ellipsis", "Ann, Cleo")


def test_what_the_server_refuses_stays_with_its_reason(browser: Browser, demo: Demo) -> None:
    ann = arrive(browser, demo, "Ann")
    ann.page.evaluate("document.querySelector('#text').removeAttribute('maxlength')")
    long = "x" * 2_001
    ann.says(long)
    ann.sees_message(long, ".failed")
    ann.sees(".failed .note", "Not sent: Messages have at most 2,000 characters; this one has 2,001.EditDelete")
    ann.page.click(".failed [data-action=edit]")
    ann.page.wait("document.querySelector('#text').value.length === 2001 && !document.querySelector('.message')")
    ann.page.evaluate("document.querySelector('#text').value = ''")
    ann.says("shorter")
    ann.sees_message("shorter", ".mine:not(.pending)")
    ann.page.click("#new-room-name")
    ann.page.type("no/room")
    ann.page.press("Enter")
    ann.sees("#new-room-error", "Names of rooms consist of letters, digits and hyphens.")


@pytest.mark.parametrize("width", [360, 820, 1280])
def test_everything_fits_on_a_phone_and_on_a_desk(browser: Browser, demo: Demo, width: int) -> None:
    ann = arrive(browser, demo, "W" * 24)
    ann.page.size(width, 740)
    ann.says("word " * 100 + "x" * 300)
    ann.page.wait("document.querySelectorAll('.message:not(.pending)').length === 1")
    for panel, limit in (("rooms", 720), ("people", 1024)):
        if width < limit:
            ann.page.click(f"#open-{panel}")
            ann.page.wait(f"document.activeElement.id === 'close-{panel}'")
            ann.page.wait(f"document.elementFromPoint({width} / 2, 32).closest('#{panel}-panel, #shade')")
            ann.page.press("Escape")
            ann.page.wait(f"document.activeElement.id === 'open-{panel}'")
        else:
            assert ann.page.evaluate(f"document.querySelector('#{panel}-panel').checkVisibility()")
    assert ann.page.evaluate("document.documentElement.scrollWidth") == width
    overflowing = ann.page.evaluate(_OVERFLOWING)
    assert overflowing == []
