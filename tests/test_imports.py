"""What importing the package does to a process: nothing that a later monkey-patch would regret, and nothing unsafe."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "geventsio"

# gevent warns, and on some Pythons `ssl` recurses without end, when it is patched after its import.
_EARLY = ("ssl", "urllib3", "requests", "queue")

# Who can write to a queue or a cookie would run code here.
_UNSAFE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}


def _run(source: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", source]
    return subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=60)


def test_nothing_is_imported_that_is_to_be_patched_first() -> None:
    ended = _run(f"import sys, geventsio; print([name for name in {_EARLY} if name in sys.modules])")
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_who_patches_after_the_import_is_not_too_late() -> None:
    source = """
from geventsio import SocketIO
from gevent import monkey
monkey.patch_all()
import gevent, json, urllib.request
from gevent.pywsgi import WSGIServer
io = SocketIO()
io.ns("/")
server = WSGIServer(("127.0.0.1", 0), io.service(), log=None)
server.start()
url = f"http://127.0.0.1:{server.server_port}/socket.io/?EIO=4&transport=polling"
print(json.loads(urllib.request.urlopen(url).read()[1:])["upgrades"])
io.close()
server.stop()
"""
    ended = _run(source)
    assert (ended.stdout, ended.stderr) == ("['websocket']\n", "")


def test_nothing_that_loads_code_from_data() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    assert "json" in found
    assert found & _UNSAFE == set()
