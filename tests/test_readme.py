"""The README's server is a server: its code is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from werkzeug.test import Client

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
