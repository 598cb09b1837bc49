"""`python -m geventsio doctor module:app`: what it says about applications, good ones and others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.doctor.harness import Doctor, Examination, examine
from tests.integrations.command import DEADLINE, ROOT, environment

PATCH = "from gevent import monkey; monkey.patch_all()\n"
SITE = """
from geventsio import SocketIO
io = SocketIO({options})
io.ns("/")
app = io.service()
"""
GOOD = PATCH + SITE.format(options="max_connections=100, trusted_proxies=1")


def site(options: str = "", before: str = PATCH, after: str = "") -> str:
    """The source of an application."""
    return before + SITE.format(options=options) + after


def test_a_good_application(doctor: Doctor) -> None:
    found = doctor("site_app:app", source=GOOD)
    assert (found.status, found.levels, found.errors) == (0, {"ok"}, "")
    assert found.only("patching", "ok") == "the standard library was patched before anything that minds was imported"
    assert "203.0.113.7 on https://chat.example counts as 203.0.113.7" in found.only("proxies", "ok")
    assert found.only("server", "ok").startswith("gevent's pywsgi in this process")
    assert len(found.texts("connection", "ok")) == 4


def test_what_people_read(doctor: Doctor) -> None:
    (doctor.folder / "site_app.py").write_text(site(before=""))
    command = [sys.executable, "-m", "geventsio", "doctor", "site_app"]
    ended = subprocess.run(
        command, cwd=doctor.folder, env=environment(), capture_output=True, text=True, timeout=DEADLINE
    )
    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert lines[0] == "geventsio doctor: site_app"
    assert "patching     hint     the standard library is not patched: a handler that waits for a database or" in lines
    assert lines[-1].endswith("hints") and max(map(len, lines)) <= 100


def test_an_application_may_print_and_leave_threads_behind(doctor: Doctor) -> None:
    after = "import threading, time\nprint('hello')\nthreading.Thread(target=time.sleep, args=(3600,)).start()\n"
    found = doctor("site_app:app", source=site("max_connections=100, trusted_proxies=1", after=after))
    assert (found.status, found.errors) == (0, "hello\n")


class TestPatching:
    def test_what_was_there_before(self, doctor: Doctor) -> None:
        helpers = "import queue, threading\nfrom time import sleep\nfrom ssl import SSLContext\n"
        helpers += "jobs = queue.Queue()\ndone = threading.Event()\nlock = threading.RLock()\n"
        (doctor.folder / "helpers.py").write_text(helpers)
        found = doctor("site_app:app", source=site(before="import helpers, requests\n" + PATCH))
        assert found.status == 0
        imported, made, taken, warned = found.texts("patching", "warning")
        assert "imported before the standard library was patched: requests, ssl, urllib3 -> make " in imported
        assert imported.endswith("the first line of the program that starts it, or of the module site_app")
        assert (
            "queues were made before the standard library was patched: helpers.jobs, helpers.done, helpers.lock" in made
        )
        assert "names were taken from modules that were patched later: helpers.sleep, helpers.SSLContext" in taken
        assert "gevent warned: Monkey-patching ssl after ssl has already been imported" in warned

    def test_an_application_that_it_breaks(self, doctor: Doctor) -> None:
        before = "import threading, time\n"
        before += "threading.Thread(target=time.sleep, args=(3600,), name='early', daemon=True).start()\n"
        found = doctor("site_app:app", source=site(before=before + PATCH))
        assert "site_app:app can't be loaded: RuntimeError: " in found.only("application", "error")
        assert "threads were started before the standard library was patched: early" in found.only(
            "patching", "warning"
        )

    def test_a_part(self, doctor: Doctor) -> None:
        before = "from gevent import monkey; monkey.patch_all(socket=False, ssl=False)\n"
        found = doctor("site_app:app", source=site(before=before))
        assert found.only("patching", "warning").startswith("gevent has not patched socket, ssl: ")

    def test_by_the_starting_program(self, doctor: Doctor) -> None:
        (doctor.folder / "site_app.py").write_text(site(before="import requests\n"))
        start = ["-m", "gevent.monkey", "--module", "geventsio"]
        found = examine(doctor.folder, "site_app:app", start=start)
        assert found.only("patching", "ok") == "the standard library was patched before anything was imported"


class TestOptions:
    @staticmethod
    def check(found: Examination, expected: dict[tuple[str, str], str]) -> None:
        """Fail unless these are among the findings."""
        for (topic, level), text in expected.items():
            assert any(text in item for item in found.texts(topic, level)), (text, found.findings)

    def test_what_may_be_meant_so_or_hurt(self, doctor: Doctor) -> None:
        options = "allow_upgrades=False, cors_allowed_origins='*', ping_interval=90, trusted_proxies='0.0.0.0/0'"
        found = doctor("site_app:app", source=site(options))
        expected = {
            ("websocket", "hint"): "clients that begin with polling stay with it",
            ("proxies", "warning"): "a network of all addresses",
            ("origins", "hint"): "any page may connect",
            ("limits", "warning"): "ping_interval is 90 s",
            ("connection", "hint"): "the server offers no upgrade",
        }
        self.check(found, expected)
        assert found.status == 0

    def test_what_can_not_work(self, doctor: Doctor) -> None:
        options = "transports=['polling'], cors_allowed_origins=['chat.example'], max_connections=10_000_000"
        found = doctor("site_app:app", source=site(f"{options}, allow_request=lambda environ: False"))
        expected = {
            ("websocket", "hint"): "websockets are switched off",
            ("proxies", "hint"): "believed of nobody",
            ("origins", "error"): "what no browser sends: 'chat.example'",
            ("limits", "error"): "max_connections is 10,000,000, and this process may open",
            ("connection", "error"): "403: Forbidden -> see the server's log",
        }
        self.check(found, expected)
        assert found.status == 1


def test_few_files(doctor: Doctor) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))\n"
    found = doctor("site_app:app", source=site(before=limit))
    assert "this process may open 1,000 files" in found.only("limits", "hint")


def test_another_place(doctor: Doctor) -> None:
    after = "from werkzeug.middleware.dispatcher import DispatcherMiddleware\n"
    after += "app = DispatcherMiddleware(None, {'/chat': app})\n"
    source = site(after="def plain(environ, start):\n    start('404 Not Found', [])\n    return []\n" + after)
    found = doctor("site_app:app", source=source.replace("Middleware(None", "Middleware(plain"))
    assert "polling failed: the handshake by polling was answered 404 -> wrap" in found.texts("connection", "error")[0]
    assert found.status == 1
    for path in ("/chat/socket.io", "chat/socket.io/"):
        assert len(doctor("site_app:app", "--path", path).texts("connection", "ok")) == 4


class TestPackages:
    @staticmethod
    def fake(folder: Path, name: str, version: str) -> None:
        """Put an older version in front of the one that is installed."""
        metadata = folder / f"{name}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    def test_an_old_version(self, doctor: Doctor) -> None:
        self.fake(doctor.folder, "gunicorn", "21.2.0")
        found = doctor("site_app:app", source=GOOD)
        assert "gunicorn 21.2.0 is too old" in found.only("versions", "error")

    def test_libraries_that_block(self, doctor: Doctor) -> None:
        (doctor.folder / "MySQLdb.py").write_text("")
        (doctor.folder / "eventlet.py").write_text("")
        (doctor.folder / "psycopg2").mkdir()
        (doctor.folder / "psycopg2" / "__init__.py").write_text("")
        (doctor.folder / "psycopg2" / "extensions.py").write_text("def get_wait_callback(): return None\n")
        found = doctor("site_app:app", source=site(after="import MySQLdb, eventlet, psycopg2.extensions\n"))
        assert found.only("integrations", "error").startswith("eventlet is imported")
        texts = found.texts("integrations", "warning")
        assert [text.split()[0] for text in texts] == ["MySQLdb", "psycopg2"]

    def test_frameworks(self, doctor: Doctor) -> None:
        after = "from flask import Flask\nimport flask_socketio\nflask = Flask(__name__)\n"
        after += "flask.wsgi_app = io.layer(flask.wsgi_app)\n"
        found = doctor("site_app:flask", source=site("max_connections=9", after=after))
        texts = found.texts("integrations", "hint")
        assert texts[0].startswith("Flask without its integration")
        assert texts[1].startswith("another Socket.IO server is imported in this process: flask_socketio")
        after = "from flask import Flask\nfrom geventsio.integrations.flask import FlaskIntegration\n"
        found = doctor("site_app:app", source=site(after=after + "app = Flask(__name__); FlaskIntegration(io, app)\n"))
        assert found.only("integrations", "ok") == "Flask, with geventsio.integrations.flask"

    def test_two_readers_of_forwarded_headers(self, doctor: Doctor) -> None:
        after = "from werkzeug.middleware.proxy_fix import ProxyFix\napp = ProxyFix(app)\n"
        found = doctor("site_app:app", source=site("trusted_proxies=1", after=after))
        assert found.only("proxies", "warning").startswith("both trusted_proxies and Werkzeug's ProxyFix")


@pytest.mark.parametrize(
    ("name", "source", "text"),
    [
        ("missing:app", GOOD, "missing:app can't be loaded: ModuleNotFoundError: No module named 'missing'"),
        ("site_app:nothing", GOOD, "has no attribute 'nothing'"),
        ("site_app:app", "1/0", "ZeroDivisionError"),
        ("site_app:app", "raise SystemExit", "it ended the process"),
        ("site_app:io.options", GOOD, "SocketIOOptions is no WSGI app"),
        ("site_app:app", "def app(environ, start): pass\n", "no Socket.IO server has been made"),
    ],
    ids=["no module", "no name", "an error", "an exit", "no app", "no server"],
)
def test_what_is_no_application(doctor: Doctor, name: str, source: str, text: str) -> None:
    found = doctor(name, source=source)
    assert text in found.only("application", "error")
    assert found.status == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--url", "x"],
        ["site:app", "more"],
        ["--url", "http://a", "site:app"],
        ["--url", "http://a", "--header", "x"],
    ],
    ids=["nothing", "no address", "too much", "both", "no header"],
)
def test_command_lines_that_are_wrong(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "geventsio", "doctor", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: python -m geventsio doctor")
