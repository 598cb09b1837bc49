"""The examples' pages in a browser: what each one shows, to several people, on a phone and on a desk.

Set GEVENTSIO_SCREENSHOTS to the folder where to look at them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tools
from tests.examples.browser import Browser, Page
from tests.examples.demo import DEADLINE, ROOT, Demo, with_client

CONNECTED = "document.querySelector('#status')?.dataset.state === 'ok'"

HOSTILE = "<img src=x onerror=\"window.hit = 1\"> & 'Grüße' 🎉"

# What sticks out on the right of the screen, where nothing scrolls sideways.
_OVERFLOWING = """[...document.querySelectorAll("body *")]
    .filter((node) => node.checkVisibility() && !node.closest(".hidden, .tabs, noscript"))
    .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
    .map((node) => node.outerHTML)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; each person has a profile of his own in it."""
    browser = Browser(tools.chromium())
    yield browser
    browser.close()


def arrive(browser: Browser, demo: Demo, path: str = "") -> Page:
    """Let somebody open the page."""
    page = browser.page()
    page.open(demo.url + path)
    return page


def fill(page: Page, selector: str, text: str) -> None:
    """Write something into a field, in the place of what is there."""
    page.click(selector)
    page.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
    page.type(text)


def sees(page: Page, selector: str, text: str) -> None:
    """Wait until what a selector finds, in order, has this text, commas between."""
    texts = f"[...document.querySelectorAll({json.dumps(selector)})].map((node) => node.textContent).join(', ')"
    page.wait(f"{texts} === {json.dumps(text)}")


def pictures(page: Page, name: str) -> None:
    """Look at the page on a phone and on a desk: everything fits, and something is there; keep what was seen."""
    page.call("Page.bringToFront")  # a tab behind another one of its window paints nothing
    page.call("Emulation.setScrollbarsHidden", hidden=True)
    for width, least in ((360, 740), (1280, 800)):
        page.size(width, least)
        page.wait(f"innerWidth === {width}")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(_OVERFLOWING) == []
        height = max(least, page.evaluate("document.documentElement.scrollHeight"))
        page.size(width, height)
        page.wait(f"innerHeight === {height}")
        picture = page.screenshot()
        assert struct.unpack("!II", picture[16:24]) == (width, height)
        if folder := os.environ.get("GEVENTSIO_SCREENSHOTS"):
            (Path(folder) / f"{name}-{width}.png").write_bytes(picture)
    page.size(1280, 800)
    assert page.problems == []


def drag(page: Page, selector: str, path: list[tuple[float, float]], release: bool = True) -> None:
    """Press the mouse in an element, and draw along a path; its points are parts of the element's size."""
    page.wait(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().width")
    box = page.evaluate(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
    points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in path]
    page.call("Input.dispatchMouseEvent", type="mousePressed", button="left", buttons=1, clickCount=1, **points[0])
    for point in points:
        page.call("Input.dispatchMouseEvent", type="mouseMoved", button="left", buttons=1, **point)
    if release:
        page.call("Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, **points[-1])


def test_private_messages(browser: Browser) -> None:
    with with_client("examples.private_messages") as demo:
        profile = browser.profile()
        ann, bob, cleo = browser.page(profile), browser.page(), browser.page()
        for page, name in ((ann, "Ann"), (bob, "Bob"), (cleo, "Cleo")):
            page.open(demo.url)
            fill(page, "#name", name)
            fill(page, "#password", f"secret of {name}")
            page.click("button[name=new]")
            page.wait(CONNECTED)
        ann.click("[data-name=Bob]")
        fill(ann, "#text", HOSTILE)
        ann.press("Enter")
        sees(ann, ".mine .bubble", HOSTILE)
        sees(bob, "[data-name=Ann] .badge", "1")
        bob.click("[data-name=Ann]")
        sees(bob, ".message:not(.mine) .bubble", HOSTILE)
        fill(bob, "#text", "I am here. Does anybody else read this?")
        bob.press("Enter")
        sees(ann, ".message:not(.mine) .bubble", "I am here. Does anybody else read this?")
        second = browser.page(profile)  # a second tab of Ann's
        second.open(demo.url)
        second.click("[data-name=Bob]")
        fill(second, "#text", "Only you.")
        second.press("Enter")
        sees(ann, ".mine .bubble", f"{HOSTILE}, Only you.")
        sees(cleo, ".badge, .message", "")
        assert ann.evaluate("window.hit === undefined")
        pictures(ann, "private_messages")
        pictures(cleo, "private_messages-nobody")
        second.click("#log-out")
        ann.wait("location.pathname === '/login'")  # the other tab's connection has ended, too
        fill(ann, "#name", "Ann")
        fill(ann, "#password", "a wrong one")
        ann.press("Enter")  # logs in, and makes no account
        sees(ann, "#error", "Name or password is wrong.")
        pictures(ann, "private_messages-login")


def test_whiteboard(browser: Browser) -> None:
    with with_client("examples.whiteboard") as demo:
        ann, bob = arrive(browser, demo), arrive(browser, demo)
        for page in (ann, bob):
            page.wait(CONNECTED)
            sees(page, "#people", "2 people")
        shown = "[...board.getContext('2d').getImageData({}, {}, 1, 1).data].slice(0, 3).some((part) => part < 200)"
        wave = [(0.1 + part * 0.02, 0.5 + 0.3 * (-1) ** (part // 8) * (part % 8 / 8)) for part in range(40)]
        drag(ann, "#board", [(0.2, 0.2), (0.4, 0.2), (0.6, 0.2)], release=False)
        bob.wait(shown.format(480, 180))  # while it is being drawn
        ann.call("Input.dispatchMouseEvent", type="mouseReleased", button="left", x=1, y=1, clickCount=1)
        ann.wait("!document.querySelector('#undo').disabled")
        bob.click("[aria-label=Red]")
        drag(bob, "#board", wave)
        ann.wait(shown.format(120, 450))
        ann.click("[aria-label=Green]")
        drag(ann, "#board", [(0.6, 0.6), (0.8, 0.6), (0.8, 0.8), (0.6, 0.8), (0.6, 0.6)])
        bob.wait(shown.format(840, 540))
        cleo = arrive(browser, demo)
        cleo.wait(shown.format(480, 180))  # who comes later sees it all
        pictures(cleo, "whiteboard")
        ann.click("#undo")
        bob.wait("!" + shown.format(840, 540))
        bob.click("#clear")
        ann.wait("!" + shown.format(480, 180))
        sees(ann, "#toast", "")
        assert ann.problems == bob.problems == []


def test_todo(browser: Browser) -> None:
    with with_client("examples.todo", expects="skipped the event 'add' in /") as demo:
        ann, bob = arrive(browser, demo), arrive(browser, demo)
        for page in (ann, bob):
            page.wait(CONNECTED)
            page.wait("!document.querySelector('#nothing').hidden")
        ann.click("#add .primary")
        sees(ann, "#title-error", "Say what is to be done, in 1 to 80 characters.")
        assert ann.evaluate("document.activeElement.id") == "title"
        for title, due, priority in (
            ("Water the plants", "2030-02-01", "normal"),
            (HOSTILE, "", "low"),
            ("Read the manual", "2030-01-31", "high"),
        ):
            fill(ann, "#title", title)
            fill(ann, "#due", due)
            ann.evaluate(f"document.querySelector('#priority').value = '{priority}'")
            ann.click("#add .primary")
            ann.wait("document.querySelector('#title').value === ''")
        sees(ann, "#title-error", "")
        sees(bob, ".todo-title", f"Read the manual, Water the plants, {HOSTILE}")
        bob.click(".todo-row:nth-child(2) input")
        sees(ann, ".todo-row.done .todo-title", "Water the plants")
        sees(bob, ".pending", "")
        fill(ann, "#title", "Go out")
        fill(ann, "#due", "tomorrow")
        ann.press("Enter")
        sees(ann, "#due-error", "Write the date as year-month-day, such as 2030-12-31.")
        assert ann.evaluate("document.querySelector('#due').getAttribute('aria-invalid')") == "true"
        pictures(ann, "todo")
        bob.click(".todo-row:last-child .icon-button")
        sees(ann, ".todo-title", f"Read the manual, {HOSTILE}")
        assert bob.problems == []


def test_dashboard(browser: Browser) -> None:
    with with_client("examples.dashboard") as demo:
        page = arrive(browser, demo)
        page.wait(CONNECTED)
        sees(page, "#clients", "1")
        page.evaluate("""(() => {  // each value is shown for a quarter of a second
            window.most = { events: 0, lag: 0, cpu: 0 };
            for (const id in most) {
                const node = document.getElementById(id);
                const note = () => { most[id] = Math.max(most[id], Number(node.textContent)); };
                new MutationObserver(note).observe(node, { childList: true });
            }
        })()""")
        page.click("#send")
        page.wait("most.events > 0")
        page.click("[data-work=block]")
        page.wait("most.lag >= 100")  # it slept 400 ms
        page.click("[data-work=compute]")
        page.wait("most.cpu > 10")
        other = arrive(browser, demo)  # who comes later sees what has been
        other.wait("[...document.querySelectorAll('.figure')].every((node) => node.textContent !== '–')")
        sees(page, "#clients", "2")
        pictures(other, "dashboard")
        assert page.problems == []


def test_game(browser: Browser) -> None:
    """GEVENTSIO_BOTS are so many more than 5, for the pictures."""
    with with_client("examples.game") as demo:
        page = arrive(browser, demo)
        fill(page, "#name", "Ann")
        page.press("Enter")
        page.wait(CONNECTED)
        count = int(os.environ.get("GEVENTSIO_BOTS", "5"))
        command = [sys.executable, "-m", "examples.game.bots", "--count", str(count), "--url", demo.url]
        bots = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            sees(page, "#players", str(count + 1))
            drag(page, "#arena", [(0.5, 0.5), (0.6, 0.6)])
            page.wait("Number(document.querySelector('#ticks').textContent) > 0")
            page.wait("Number(document.querySelector('#frames').textContent) > 0")
            page.wait("[...document.querySelectorAll('#best li')].some((one) => Number(one.lastChild.textContent) > 0)")
            pictures(page, "game")
        finally:
            bots.send_signal(signal.SIGINT)  # Ctrl-C
            _, errors = bots.communicate(timeout=DEADLINE)
        assert errors == b""
        sees(page, "#players", "1")


def test_upload(browser: Browser, tmp_path: Path) -> None:
    with with_client("examples.upload", environ={"UPLOADS": str(tmp_path)}) as demo:
        ann, bob = arrive(browser, demo), arrive(browser, demo)
        for page in (ann, bob):
            page.wait(CONNECTED)
        choose = """(() => {
            const files = new DataTransfer();
            for (const [name, size] of %s) files.items.add(new File([new Uint8Array(size).fill(7)], name));
            document.querySelector('#choose').files = files.files;
            document.querySelector('#choose').dispatchEvent(new Event('change'));
        })()"""
        names = [["../../etc/passwd", 1_000_000], ["<b>holiday</b>.jpg", 300_000], ["huge.iso", 30_000_000]]
        ann.evaluate(choose % json.dumps(names))
        sees(bob, "#files a", "bholiday_b.jpg, etc_passwd")
        sees(ann, "#uploads .error", "Too large: 30 MB")
        fetched = "fetch(document.querySelector('#files li:last-child a').href).then((got) => got.arrayBuffer())"
        assert bob.evaluate(f"{fetched}.then((got) => got.byteLength)") == 1_000_000
        ann.wait("document.querySelectorAll('#uploads > li').length === 1")
        pictures(ann, "upload")
        assert len(list(tmp_path.iterdir())) == 2
        assert all(len(file.name) == 32 for file in tmp_path.iterdir())


def test_django_chat(browser: Browser, tmp_path: Path) -> None:
    environ = {"DATABASE": str(tmp_path / "db.sqlite3"), "SECRET_KEY": "the same after a restart"}
    with with_client("examples.django_chat", environ=environ) as demo:
        ann, bob = arrive(browser, demo), arrive(browser, demo)
        for page, name in ((ann, "Ann"), (bob, "Bob")):
            page.click("a.button")
            fill(page, "#id_username", name)
            fill(page, "#id_password1", f"secret of {name}")
            fill(page, "#id_password2", f"secret of {name}")
            page.click(".primary")
            page.wait(CONNECTED)
            page.wait("!document.querySelector('#empty').hidden")
        fill(ann, "#text", HOSTILE)
        ann.press("Enter")
        sees(ann, ".mine .bubble", HOSTILE)
        sees(bob, ".message:not(.mine) .bubble", HOSTILE)
        bob.evaluate("""for (let number = 1; number <= 32; number += 1) {
            document.querySelector('#text').value = `Message number ${number}`;
            document.querySelector('.send').click();
        }""")
        sees(ann, ".message:last-child .bubble", "Message number 32")
        demo.stop()
        sees(ann, "#banner-text", "Connection lost. Reconnecting…")
        pictures(ann, "django_chat-lost")
        demo.start()
        ann.reload()
        ann.wait(CONNECTED)
        ann.wait("document.querySelectorAll('.bubble').length === 30")  # the history is in the database
        ann.click(".older")
        ann.wait("document.querySelectorAll('.bubble').length === 33 && document.querySelector('.older').hidden")
        sees(ann, ".mine .bubble", HOSTILE)
        ann.evaluate("document.querySelector('#log').scrollTop = 1e6")
        pictures(ann, "django_chat")
        bob.click(".top button")  # logs out
        bob.wait("location.pathname === '/accounts/login/'")
        fill(bob, "#id_username", "Bob")
        fill(bob, "#id_password", "a wrong one")
        bob.click(".primary")
        bob.wait("document.querySelector('.error')")
        pictures(bob, "django_chat-login")


def test_middleware(browser: Browser) -> None:
    with with_client("examples.middleware") as demo:
        ann, bob = arrive(browser, demo), arrive(browser, demo)
        for page, name in ((ann, "Ann"), (bob, "ann")):
            fill(page, "#name", name)
            page.press("Enter")
            if page is ann:
                page.wait(CONNECTED)
        sees(bob, "#refusal", "Somebody here is called ann.")
        pictures(bob, "middleware-refused")
        fill(bob, "#name", "Bob")
        bob.press("Enter")
        bob.wait(CONNECTED)
        fill(ann, "#text", "Darn it, Bob, the heck with checking words!")
        ann.press("Enter")
        sees(bob, ".message:not(.mine) .bubble", "**** it, Bob, the **** with checking words!")
        send = "document.querySelector('#text').value = 'again'; document.querySelector('.send').click();"
        bob.evaluate(send * 6)
        sees(bob, "#problem", "Slowly, please: 5 messages in 3 seconds.")
        sees(ann, ".message:not(.mine) .bubble", ", ".join(["again"] * 5))
        pictures(bob, "middleware")
        assert ann.problems == []


def test_worker(browser: Browser) -> None:
    with with_client("examples.worker") as demo:
        profile = browser.profile()
        ann, second, bob = browser.page(profile), browser.page(profile), browser.page()
        for page in (ann, second, bob):
            page.open(demo.url)
            page.wait(CONNECTED)
        ann.click("#areas button:first-child")
        for page in (ann, second):  # both tabs of one person
            sees(page, "#pictures p", "done")
            painted = "document.querySelector('canvas').getContext('2d').getImageData(0, 0, 240, 160).data"
            assert page.evaluate(f"new Set({painted}).size") > 30
        sees(bob, "#pictures p", "")
        pictures(ann, "worker")
        assert second.problems == bob.problems == []


def test_tls(browser: Browser) -> None:
    tools.require(tools.find("openssl"), "openssl is not on PATH")
    with with_client("examples.tls", makes_certificate=True) as demo:
        with socket.create_connection(("127.0.0.1", demo.port)) as stranger, pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(stranger, server_hostname="127.0.0.1")  # does not trust it
        page = arrive(browser, demo)
        sees(page, "#transport", "wss:// (websocket, encrypted)")
        sees(page, "#seen", "https from 127.0.0.1")
        sees(page, "#cookie", "no (HttpOnly, and Secure)")
        page.click("#measure")
        page.wait("document.querySelector('#result').textContent.startsWith('100 round trips: median ')")
        pictures(page, "tls")
