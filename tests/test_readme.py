"""The README's code does what it says. That all of it runs is tested with the docs: see `tests.docs.test_snippets`."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from werkzeug.test import Client

from geventsio.testing import ConnectError, TestClient
from tests.docs.pages import groups

SERVER, HANDLERS = (group[0].code for group in groups("README.md")[:2])


def load(code: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run a block as a module that can be found by its name."""
    module = ModuleType("snippet")
    monkeypatch.setitem(sys.modules, "snippet", module)
    exec(compile(code, "README.md", "exec"), vars(module))
    return module


def test_the_server_answers_a_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    server = load(SERVER, monkeypatch)
    answer = Client(server.app).get("/socket.io/?EIO=4&transport=polling")
    server.io.close()

    assert answer.status_code == 200
    assert answer.text.startswith('0{"sid":')


def test_handlers_do_what_their_comments_say(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(HANDLERS, monkeypatch)
    with TestClient(module.io) as ann, TestClient(module.io) as bob:
        with pytest.raises(ConnectError, match="unknown token") as refused:
            ann.connect("/chat")
        assert refused.value.data == {"code": "E_TOKEN"}
        chat = ann.connect("/chat", auth={"token": "secret"})
        other = bob.connect("/chat", auth={"token": "secret"})
        assert chat.call("message", {"room": "lobby", "text": "hi"}) == ("delivered", 2)
        assert ann.connect("/tenant/acme").receive("welcome").args == ("acme",)
        chat.disconnect()
        assert other.receive("left").args == ("Ann", "client namespace disconnect")
