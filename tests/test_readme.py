"""The README's code is run as it stands there, and does what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from werkzeug.test import Client

from geventsio.testing import ConnectError, TestClient

README = Path(__file__).parent.parent / "README.md"


def test_the_server_answers_a_handshake() -> None:
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    server: dict[str, Any] = {"__name__": "server"}
    exec(compile(code[1], str(README), "exec"), server)

    answer = Client(server["app"]).get("/socket.io/?EIO=4&transport=polling")
    server["io"].close()

    assert answer.status_code == 200
    assert answer.text.startswith('0{"sid":')


def test_handlers_do_what_their_comments_say(monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"## What handlers can do\n\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    module = ModuleType("handlers_of_the_readme")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code[1], str(README), "exec"), module.__dict__)
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
