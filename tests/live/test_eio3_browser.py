"""socket.io-client 1 and 2 in a browser: there, and not under Node.js, polling brings and takes binary payloads."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests import tools
from tests.examples.browser import Browser, Page
from tests.live.endpoint import Endpoint

BUNDLES = {"socket.io-client-1": "dist/socket.io.js", "socket.io-client-2": "dist/socket.io.dev.js"}
MODES = {"polling": ["polling"], "upgrade": ["polling", "websocket"]}

# Sends each of the messages, as numbers for bytes, and gives what comes back with how it travelled.
ECHO = """((transports, messages) => new Promise((resolve) => {
    const socket = io(location.origin, { transports, forceNew: true });
    const received = [];
    const numbers = (value) => value instanceof ArrayBuffer ? { bytes: [...new Uint8Array(value)] } : value;
    const binary = (value) => value && value.bytes ? new Uint8Array(value.bytes).buffer : value;
    socket.on("message-back", (...args) => {
        received.push(args.map(numbers));
        if (received.length < messages.length) return;
        const { name, supportsBinary } = socket.io.engine.transport;
        socket.disconnect();
        resolve({ received, name, supportsBinary });
    });
    const send = () => messages.forEach((args) => socket.emit("message", ...args.map(binary)));
    const settled = transports.length === 1 ? Promise.resolve() : new Promise((upgraded) => {
        socket.io.engine.once("upgrade", upgraded);
    });
    socket.once("connect", () => settled.then(send));
}))"""

MESSAGES = [
    ["é €", "𝕊 🎉", {"ключ": "日本語"}],
    [{"bytes": [0, 1, 255]}, "é"],
    [1, None, {"bytes": []}, {"bytes": [4]}],
    ["x" * 100_000, {"bytes": [7] * 100_000}],
    ["last", "€" * 1_000],
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    browser = Browser(tools.chromium())
    yield browser
    browser.close()


def load(page: Page, package: str, url: str) -> None:
    """Open a page of the server's own origin, and load the client into it."""
    bundle = tools.js_package(package) / BUNDLES[package]
    page.open(f"{url}/socket.io/")  # the answer says that a parameter is missing
    page.evaluate(bundle.read_text(encoding="utf-8") + "; 0")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("package", BUNDLES)
def test_messages_come_back(legacy_clients: Endpoint, browser: Browser, package: str, mode: str) -> None:
    page = browser.page()
    load(page, package, legacy_clients.server.url)
    answer = page.evaluate(f"{ECHO}({json.dumps(MODES[mode])}, {json.dumps(MESSAGES)})")
    assert answer["received"] == MESSAGES
    assert answer["name"] == ("polling" if mode == "polling" else "websocket")
    assert answer["supportsBinary"] is True
    assert page.problems == []
