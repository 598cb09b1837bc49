"""Tests of `manage.py runsocketio`, and of what serves no Socket.IO."""

from __future__ import annotations

import shutil
import signal
import socket as plain_socket
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.integrations.django.command import DEADLINE, ROOT, Command, Run, eventually

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"

#: A client that comes back when its connection is lost, and prints what it is told each time.
RECONNECTING = """
import sys, socketio
client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.1)
client.on("version", lambda number: print(number, flush=True))
client.connect(sys.argv[1], transports=["websocket"], retry=True)
client.wait()
"""

SITE = {
    "manage.py": """
        import os, sys
        from django.core.management import execute_from_command_line
        os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
        execute_from_command_line(sys.argv)
    """,
    "settings.py": """
        SECRET_KEY = "not a secret"
        DEBUG = True
        ROOT_URLCONF = "urls"
        WSGI_APPLICATION = "wsgi.application"
        INSTALLED_APPS = ["geventsio.integrations.django", "chat"]
    """,
    "urls.py": "urlpatterns = []",
    "sockets.py": "from geventsio import SocketIO\nio = SocketIO()",
    "wsgi.py": """
        from geventsio.integrations.django import get_wsgi_application
        from sockets import io
        application = get_wsgi_application(io)
    """,
    "chat/__init__.py": "",
    "chat/socketio.py": """
        from geventsio import Socket
        from sockets import io

        @io.ns("/")
        def connect(socket: Socket) -> None:
            socket.emit("version", 1)
    """,
}


def fetch(url: str, context: ssl.SSLContext | None = None) -> bytes:
    """Request a page, and return it."""
    with urlopen(url, context=context, timeout=DEADLINE) as answer:
        body: bytes = answer.read()
        return body


def dedent(source: str) -> str:
    """Take the eight columns out by which sources stand above."""
    return "\n".join(line.removeprefix(" " * 8) for line in source.splitlines()).lstrip()


def free_port() -> int:
    """A port that several processes may take one after another."""
    with plain_socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(run: Run, number: int) -> None:
    command = run("runsocketio", "--noreload", "0", DJANGO_DEBUG="1")
    url = command.listening()
    assert fetch(url + HANDSHAKE).startswith(b"0{")
    assert fetch(url + "/static/site.css") == b"body { color: green }\n"
    assert "unapplied migration" in command.output()
    assert command.stop(number) == 0
    assert "Traceback" not in command.output()


def test_static_files_can_be_left_to_others(run: Run) -> None:
    url = run("runsocketio", "--noreload", "--nostatic", "127.0.0.1:0", DJANGO_DEBUG="1").listening()
    with pytest.raises(HTTPError) as error:
        fetch(url + "/static/site.css")
    error.value.close()
    assert error.value.code == 404


def test_a_port_that_is_taken(run: Run) -> None:
    with plain_socket.create_server(("127.0.0.1", 0)) as taken:
        command = run("runsocketio", "--noreload", str(taken.getsockname()[1]))
        assert command.end() == 2
    assert "CommandError: can't listen: Address already in use" in command.output()
    assert "Traceback" not in command.output()


def test_a_certificate_needs_its_key(run: Run) -> None:
    command = run("runsocketio", "--noreload", "--cert", "cert.pem")
    assert command.end() == 2
    assert "CommandError: --cert and --key belong together" in command.output()


def test_it_speaks_tls(run: Run) -> None:
    certificate = ROOT / "tests" / "engine" / "localhost.pem"
    command = run("runsocketio", "--noreload", "0", "--cert", str(certificate), "--key", str(certificate))
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    assert fetch(command.listening() + HANDSHAKE, context).startswith(b"0{")


def test_a_site_without_a_server_is_refused(run: Run) -> None:
    command = run(
        "runsocketio", "--noreload", "0", DJANGO_WSGI="tests.integrations.django.project.plain_wsgi.application"
    )
    assert command.end() == 2
    assert "plain_wsgi.application has no Socket.IO server" in command.output()


def test_runserver_says_what_to_do(run: Run) -> None:
    port = free_port()
    command = run("runserver", "--noreload", str(port))
    command.writes("Quit the server")

    def answer() -> str | None:
        try:
            fetch(f"http://127.0.0.1:{port}{HANDSHAKE}")
        except HTTPError as error:
            with error:
                return error.read().decode()
        except OSError:  # it does not listen yet
            return None
        raise AssertionError("it serves")

    assert "start the site with manage.py runsocketio" in eventually(answer, "it answers")
    # Logged once, and nothing else is wrong.
    eventually(lambda: "500" in command.output(), "the answer is logged")
    assert "Traceback" not in command.output()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small site whose files may be changed, below the working directory of its command."""
    for name, source in SITE.items():
        file = tmp_path / "site" / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(dedent(source), encoding="utf-8")
    return tmp_path / "site"


def change(folder: Path, name: str, source: str) -> None:
    """Replace a file; the size changes too, lest its compiled form of the same second be taken for the new one."""
    shutil.rmtree((folder / name).parent / "__pycache__", ignore_errors=True)
    (folder / name).write_text(source, encoding="utf-8")


def test_clients_come_back_when_a_file_has_changed(folder: Path) -> None:
    handlers = (folder / "chat" / "socketio.py").read_text(encoding="utf-8")
    # Not started in its own folder: the patched process finds its modules all the same.
    environ = {"DJANGO_SETTINGS_MODULE": "settings"}
    command = Command(environ, "site/manage.py", "runsocketio", str(free_port()), folder=folder.parent)
    client = None
    try:
        url = command.listening()
        client = subprocess.Popen([sys.executable, "-c", RECONNECTING, url], stdout=subprocess.PIPE, text=True)
        assert client.stdout is not None
        assert client.stdout.readline() == "1\n"
        change(folder, "chat/socketio.py", handlers.replace('"version", 1', '"version", 22'))
        assert client.stdout.readline() == "22\n"
        change(folder, "chat/socketio.py", handlers + "\n1 +\n")
        command.writes("waiting for a change, to try it again")
        change(folder, "chat/socketio.py", handlers.replace('"version", 1', '"version", 333'))
        assert client.stdout.readline() == "333\n"
        assert command.stop(signal.SIGTERM) == 0
        # Nothing was complained of but the mistake.
        assert command.output().count("Traceback") == 1
        assert "SyntaxError" in command.output()
    finally:
        if client is not None:
            client.kill()
            client.communicate()
        command.close()
