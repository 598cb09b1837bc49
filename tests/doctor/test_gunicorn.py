"""`python -m geventsio doctor gunicorn ...`: what it says about a command that starts gunicorn."""

from __future__ import annotations

import pytest

from tests import tools
from tests.doctor.harness import Doctor
from tests.doctor.test_inside import PATCH, site

LINE = "from geventsio.integrations.gunicorn import *\n"
FEW = "max_connections=100, trusted_proxies=1"


@pytest.fixture(autouse=True)
def gunicorn() -> None:
    """Everything here needs it."""
    tools.gunicorn()


def test_a_good_command(doctor: Doctor) -> None:
    # requests is imported after the worker has patched, as it is when gunicorn runs.
    found = doctor("gunicorn", "-k", "gevent", "site_app:app", source=site(FEW, before="import requests\n"))
    assert (found.status, found.levels, found.errors) == (0, {"ok"}, "")
    assert found.only("server", "ok").startswith("gunicorn with 1 worker(s) of the class gevent")
    assert len(found.texts("connection", "ok")) == 4


def test_the_files_and_the_environment_that_gunicorn_reads(doctor: Doctor) -> None:
    (doctor.folder / "gunicorn.conf.py").write_text(LINE + "max_requests = 50\nreload = True\ngraceful_timeout = 2\n")
    found = doctor("gunicorn", "site_app:app", source=site(FEW), GUNICORN_CMD_ARGS="--workers 3")
    assert found.only("server", "ok").startswith("gunicorn with 3 worker(s) of the class gevent")
    warnings = found.texts("server", "warning")
    assert warnings[0].startswith("graceful_timeout is 2 s") and "set graceful_timeout to 10" in warnings[0]
    assert warnings[1].startswith("max_requests is 50, and every poll counts")
    assert found.only("server", "hint").startswith("reload is on")
    error = found.only("workers", "error")
    assert "transports=['websocket']" in error and "sticky_sessions=True" in error and "--workers 1" in error
    assert found.status == 1
    hint = doctor("site_app:app").only("server", "hint")
    assert "there is a gunicorn.conf.py here" in hint


def test_where_gunicorn_finds_the_application(doctor: Doctor) -> None:
    (doctor.folder / "source").mkdir()
    source = site(f"{FEW}, req_path=os.environ['PLACE']", before=PATCH + "import os, helpers\n")
    (doctor.folder / "source" / "site_app.py").write_text(source)
    (doctor.folder / "more").mkdir()
    (doctor.folder / "more" / "helpers.py").write_text("")
    command = ["gunicorn", "-k", "gevent", "-e", "PLACE=/chat"]
    found = doctor(*command, "--chdir", "source", "--pythonpath", str(doctor.folder / "more"), "site_app:app")
    assert (found.status, found.levels, found.errors) == (0, {"ok"}, "")
    (doctor.folder / "gunicorn.conf.py").write_text("pythonpath = '../more'\n")
    (doctor.folder / "gunicorn.conf.py").rename(doctor.folder / "source" / "gunicorn.conf.py")
    found = doctor("--chdir", "source", *command, "site_app:app")
    assert (found.status, found.levels, found.errors) == (0, {"ok"}, "")


@pytest.mark.parametrize(
    ("options", "level", "text"),
    [
        ("transports=['websocket']", "ok", "4 worker processes, and websockets alone"),
        ("sticky_sessions=True", "hint", "of which sticky_sessions says"),
    ],
    ids=["websockets", "sticky"],
)
def test_several_workers(doctor: Doctor, options: str, level: str, text: str) -> None:
    found = doctor("gunicorn", "-k", "gevent", "site_app:app", source=site(options), WEB_CONCURRENCY="4")
    assert any(text in item for item in found.texts("workers", level))
    assert found.texts("workers", "error") == []


def test_a_preloaded_application(doctor: Doctor) -> None:
    source = site(before="import requests\n")
    found = doctor("gunicorn", "-k", "gevent", "--preload", "site_app:app", source=source)
    [preloaded] = [text for text in found.texts("server", "warning") if "preload_app" in text]
    assert preloaded.endswith("begin gunicorn.conf.py with `from gevent import monkey; monkey.patch_all()`")
    assert "imported before the standard library was patched: requests" in found.texts("patching", "warning")[0]
    (doctor.folder / "gunicorn.conf.py").write_text(PATCH + LINE)
    found = doctor("gunicorn", "--preload", "site_app:app")
    assert found.texts("server", "warning") == found.texts("patching", "warning") == []


def test_a_worker_without_gevent(doctor: Doctor) -> None:
    found = doctor("gunicorn", "--threads", "4", "site_app:app", source=site())
    assert found.only("server", "error").startswith("gunicorn's worker class 'gthread' has no gevent loop")
    assert found.status == 1


def test_clients_on_polling_and_a_handler_of_sigterm(doctor: Doctor) -> None:
    after = "import signal\ndef stop(*args): pass\nsignal.signal(signal.SIGTERM, stop)\n"
    found = doctor("gunicorn", "-k", "gevent", "site_app:app", source=site(after=after))
    assert "takes one of the 1,000 worker_connections" in found.only("server", "hint")
    assert found.only("server", "warning").startswith("the application handles SIGTERM itself (stop)")
    (doctor.folder / "gunicorn.conf.py").write_text(LINE)
    assert doctor("gunicorn", "site_app:app").texts("server", "warning") == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["missing:app"], "No module named 'missing'"), (["--workers", "x", "site_app:app"], "it ended the process")],
    ids=["no module", "no setting"],
)
def test_what_gunicorn_can_not_load(doctor: Doctor, arguments: list[str], text: str) -> None:
    found = doctor("gunicorn", "-k", "gevent", *arguments, source=site())
    assert found.only("application", "error").startswith("gunicorn can't load it: ")
    assert text in found.only("application", "error")
