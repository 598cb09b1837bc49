"""Drives Chromium over the DevTools protocol: real pages, real clicks and keys."""

from __future__ import annotations

__all__ = ["Browser", "Page"]

import base64
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import websocket

from tests.examples.demo import DEADLINE, eventually

SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # its /dev/shm is small in containers
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
    "--ignore-certificate-errors",  # the tests' certificates sign themselves
    "--remote-debugging-port=0",
)


# Whether a click in the middle of a node would hit it: it is shown, nothing covers it, and it does not move.
_REACHABLE = """(node) => {
    if (!node) return false;
    node.scrollIntoView({ block: "nearest" });
    const box = node.getBoundingClientRect();
    const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return node.contains(hit) && !document.getAnimations().some((one) => one.effect.target.contains(node));
}"""


class Navigated(AssertionError):
    """A tab has left the page that it was asked about."""


class Page:
    """One tab. What goes wrong in it (exceptions, errors in the console) is collected in `problems`."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.problems: list[str] = []
        self._browser = browser
        self._session = session

    def call(self, method: str, **params: object) -> Any:
        """Call a method of the protocol, in this tab."""
        return self._browser.call(method, self._session, **params)

    def size(self, width: int, height: int) -> None:
        """Give the tab the size of a screen, in pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url: str) -> None:
        """Load an address, and wait until its scripts have run."""
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        # The commit is answered; before it, this would still see the page that is left.
        self.wait("document.readyState === 'complete'")

    def reload(self) -> None:
        """Load the page again."""
        self.evaluate("window.before = true")
        self.call("Page.reload")
        self.wait("!window.before && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until a JavaScript expression is truthy."""
        try:
            eventually(lambda: self._is(expression), expression)
        except TimeoutError as error:
            seen = self.evaluate("document.body.innerText")
            raise TimeoutError(f"{error}\nproblems: {self.problems}\nthe page shows:\n{seen}") from None

    def _is(self, expression: str) -> bool:
        try:
            return bool(self.evaluate(f"Boolean({expression})"))
        except Navigated:
            return False

    def click(self, selector: str) -> None:
        """Click the middle of what a selector finds, as soon as it is shown, uncovered and at rest."""
        quoted = json.dumps(selector)
        self.wait(f"({_REACHABLE})(document.querySelector({quoted}))")
        box = self.evaluate(f"document.querySelector({quoted}).getBoundingClientRect().toJSON()")
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def type(self, text: str) -> None:
        """Enter text where the focus is."""
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key that has a name: Enter, Escape or Tab."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            extra = text if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **extra)

    def screenshot(self) -> bytes:
        """What the tab shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def notice(self, method: str, params: dict[str, Any]) -> None:
        """Take an event of the protocol."""
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.problems.append(json.dumps(params["args"]))


class Browser:
    """A Chromium of its own, with an empty profile, ready when the constructor returns.

    Args:
        program: the Chromium to start.
    """

    def __init__(self, program: Path) -> None:
        self._pages: dict[str, Page] = {}
        self._calls = 0
        # Chromium's children may still write there when it has ended.
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [str(program), *SWITCHES, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port, path = eventually(self._endpoint, "Chromium tells its DevTools port")
            # Chromium refuses connections with an Origin that it was not told of.
            self._devtools = websocket.create_connection(
                f"ws://127.0.0.1:{port}{path}", timeout=DEADLINE, suppress_origin=True
            )
        except BaseException:
            self._kill()
            raise

    def profile(self) -> str:
        """Make a browser profile; tabs of one profile share their storage."""
        context: str = self.call("Target.createBrowserContext")["browserContextId"]
        return context

    def page(self, profile: str | None = None) -> Page:
        """Open an empty tab, in a profile of its own or in one that has other tabs."""
        context = profile or self.profile()
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime"):
            page.call(f"{domain}.enable")
        # Each tab behaves as the one in front does; the tabs of a test are on the screens of several people.
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        page.size(1280, 800)
        return page

    def call(self, method: str, session: str | None = None, **params: object) -> Any:
        """Call a method of the protocol, and return its answer."""
        self._calls += 1
        wanted = self._calls
        message = {"id": wanted, "method": method, "params": params}
        self._devtools.send(json.dumps(message if session is None else {**message, "sessionId": session}))
        while True:
            answer = json.loads(self._devtools.recv())
            if answer.get("id") == wanted:
                if "error" in answer:
                    message = answer["error"]["message"]
                    is_gone = "navigated" in message or "context" in message  # by the time that the answer was made
                    raise (Navigated if is_gone else AssertionError)(f"{method}: {message}")
                return answer["result"]
            page = self._pages.get(answer.get("sessionId", ""))
            if page is not None and "method" in answer:
                page.notice(answer["method"], answer["params"])

    def close(self) -> None:
        """End it."""
        try:
            self.call("Browser.close")
            self._devtools.close()
            self._process.wait(DEADLINE)
        finally:
            self._kill()

    def _endpoint(self) -> tuple[str, str] | None:
        if self._process.poll() is not None:
            raise RuntimeError(f"Chromium ended with {self._process.returncode}")
        try:
            lines = (Path(self._profile.name) / "DevToolsActivePort").read_text().splitlines()
        except FileNotFoundError:
            return None
        return (lines[0], lines[1]) if len(lines) == 2 else None

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()
