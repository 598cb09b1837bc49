"""What the examples refuse, and who is told what: their apps by test clients, without a server to start."""

from __future__ import annotations

import logging
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from examples.middleware import app as middleware
from examples.private_messages import app as private
from examples.private_messages import users
from examples.todo import app as todo
from examples.upload import app as upload
from examples.upload import store
from examples.upload.store import Store
from examples.whiteboard import app as board
from examples.worker import app as worker
from examples.worker.jobs import MAX_OF_USER, Jobs
from geventsio.testing import ConnectError, TestClient, TestSocket
from tests.examples.demo import DEADLINE, ROOT

ID = "0123456789abcdef"


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """Closes a test's clients after it."""
    with ExitStack() as stack:
        yield stack


def enter(clients: ExitStack, app: Any, auth: object = None) -> TestSocket:
    """Somebody opens the page of an example; what he is told at that is not looked at."""
    socket = clients.enter_context(TestClient(app)).connect(auth=auth)
    socket.received()
    return socket


@pytest.fixture(autouse=True)
def without_a_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples keep what they have been told in their modules."""
    for kept in (todo.items, board.strokes, board.authors):
        kept.clear()
    monkeypatch.setattr(worker, "jobs", Jobs())


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"title": ""}, "$.title"),
        ({"title": " \n"}, "$.title"),
        ({"title": "x" * 81}, "$.title"),
        ({"title": 1}, "$.title"),
        ({"due": "tomorrow"}, "$.due"),
        ({"priority": "urgent"}, "$.priority"),
        ({"id": "../x"}, "$.id"),
    ],
    ids=str,
)
def test_todo_names_the_field_that_does_not_fit(clients: ExitStack, change: dict[str, object], path: str) -> None:
    ann, bob = enter(clients, todo.app), enter(clients, todo.app)
    answer = ann.call("add", {"id": ID, "title": "Read", "due": None, "priority": "low", **change})
    assert answer["error"]["path"] == path
    bob.assert_nothing()


def test_todo_adds_an_item_once_however_often_it_is_sent(clients: ExitStack) -> None:
    ann, bob = enter(clients, todo.app), enter(clients, todo.app)
    item = {"id": ID, "title": " Read ", "due": "2030-01-31"}
    kept = ann.call("add", item)
    assert kept == {"id": ID, "title": "Read", "due": "2030-01-31", "priority": "normal", "done": False}
    assert ann.call("add", item) == kept
    assert [event.data for event in bob.received("item")] == [kept]
    assert bob.call("remove", ID) is bob.call("remove", ID) is True
    assert len(ann.received("removed")) == 1
    assert ann.call("tick", {"id": ID, "done": True}) == {"error": "Somebody has removed this item."}


def stroke(points: bytes | str = struct.pack("<4H", 0, 0, 9, 9), **change: object) -> dict[str, object]:
    return {"id": ID, "colour": 1, "width": 8, "points": points, **change}


@pytest.mark.parametrize(
    "wrong",
    [
        stroke(b""),
        stroke(bytes(8_004)),
        stroke(bytes(6)),
        stroke(colour=6),
        stroke(width=0),
        stroke(id="x"),
        stroke(points="text"),
    ],
    ids=["empty", "too long", "half a point", "colour", "width", "id", "text"],
)
def test_whiteboard_keeps_only_strokes(clients: ExitStack, wrong: dict[str, object]) -> None:
    ann, bob = enter(clients, board.app), enter(clients, board.app)
    ann.received()
    assert "error" in ann.call("stroke", wrong)
    assert not board.strokes
    bob.assert_nothing()


def test_whiteboard_strokes_belong_to_their_authors(clients: ExitStack) -> None:
    ann, bob = enter(clients, board.app), enter(clients, board.app)
    assert ann.call("stroke", stroke()) is True
    assert bob.call("stroke", stroke(bytes(4))) is False
    assert bob.call("undo", ID) is False
    assert board.strokes[ID].points == stroke()["points"]
    assert ann.call("undo", ID) is True
    assert [event.args for event in bob.received("erased")] == [(ID,)]


def test_whiteboard_keeps_a_limited_number(clients: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "MAX_STROKES", 2)
    ann = enter(clients, board.app)
    for number in range(3):
        assert ann.call("stroke", stroke(id=f"{number:016x}")) is True
    assert list(board.strokes) == list(board.authors) == [f"{number:016x}" for number in (1, 2)]


def test_whiteboard_shows_nobody_half_a_point(clients: ExitStack) -> None:
    ann, bob = enter(clients, board.app), enter(clients, board.app)
    ann.received()
    ann.emit("sketch", stroke(bytes(6)))  # no page could paint it
    ann.emit("sketch", stroke(bytes(8)))
    assert [event.args[1]["points"] for event in bob.received("sketch")] == [bytes(8)]


def test_a_full_whiteboard_still_reaches_a_newcomer(clients: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert board.MAX_BOARD <= board.io.engine.options.max_buffer_bytes / 2
    monkeypatch.setattr(board, "MAX_BOARD", 3 * board.MAX_BYTES)
    ann = enter(clients, board.app)
    for number in range(5):
        assert ann.call("stroke", stroke(bytes(board.MAX_BYTES), id=f"{number:016x}")) is True
    assert ann.call("stroke", stroke(bytes(4), id=f"{4:016x}")) is True  # the same one, shorter
    assert list(board.strokes) == list(board.authors) == [f"{number:016x}" for number in (2, 3, 4)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploads go."""
    monkeypatch.setattr(upload, "store", Store(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../etc/passwd", "etc_passwd"), ("a b.txt", "a_b.txt"), ("..", "unnamed"), ("日本", "unnamed")],
)
def test_upload_gives_files_safe_names(clients: ExitStack, folder: Path, name: str, kept: str) -> None:
    ann, bob = enter(clients, upload.app), enter(clients, upload.app)
    assert ann.call("begin", {"name": name, "size": 5}) == {"received": 0}
    assert ann.call("chunk", b"abc") == {"received": 3}
    assert ann.call("chunk", b"de") == {"received": 5}
    [file] = bob.receive("files").data
    assert (file["name"], file["size"]) == (kept, 5)
    assert [path.name for path in folder.iterdir()] == [file["id"]]
    with bob.client.http.get(f"/files/{file['id']}") as download:
        assert download.data == b"abcde"
        assert download.headers["Content-Disposition"] == f"attachment; filename={kept}"


def test_upload_refuses_more_than_was_announced_or_is_allowed(clients: ExitStack, folder: Path) -> None:
    ann = enter(clients, upload.app)
    assert ann.call("begin", {"name": "x", "size": store.MAX_SIZE + 1}) == {"error": "Files have at most 20 MB."}
    assert ann.call("begin", {"name": "x", "size": 0})["error"]["path"] == "$.size"
    assert ann.call("begin", {"name": "x" * 256, "size": 1})["error"]["path"] == "$.name"
    ann.call("begin", {"name": "x", "size": 2})
    assert ann.call("chunk", b"abc") == {"error": "This is more than was announced."}
    assert ann.call("chunk", b"abc") == {"error": "This upload has not been begun, or has been given up."}
    assert list(folder.iterdir()) == []


def test_upload_takes_a_limited_number_at_a_time(
    clients: ExitStack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_UPLOADS", 1)
    ann, bob = enter(clients, upload.app), enter(clients, upload.app)
    ann.call("begin", {"name": "x", "size": 9})
    assert "Too many files" in bob.call("begin", {"name": "x", "size": 9})["error"]
    ann.call("cancel")
    assert bob.call("begin", {"name": "x", "size": 9}) == {"received": 0}


def test_upload_forgets_what_is_not_finished(clients: ExitStack, folder: Path) -> None:
    ann = enter(clients, upload.app)
    for _ in range(2):
        ann.call("begin", {"name": "x", "size": 9})
        ann.call("chunk", b"abc")
    assert len(list(folder.iterdir())) == 1
    ann.disconnect()
    assert list(folder.iterdir()) == []
    assert not upload.store.files


def test_upload_survives_a_full_disk(clients: ExitStack, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_UPLOADS", 1)
    ann = enter(clients, upload.app)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))  # what is written beyond fails, as on a full disk
    try:
        ann.call("begin", {"name": "x", "size": 200_000})
        assert ann.call("chunk", bytes(100_000)) == {"error": "The file can't be kept."}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(folder.iterdir()) == []
    assert ann.call("begin", {"name": "x", "size": 1}) == {"received": 0}
    assert ann.call("chunk", b"a") == {"received": 1}


def test_upload_folder_may_be_named_from_here(tmp_path: Path) -> None:
    source = """
        from examples.upload.app import app, store
        store.keep(store.begin("x", 1))
        print(*[app.test_client().get(f"/files/{one}").status_code for one in store.files])"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "UPLOADS": "sent/here"}
    command = [sys.executable, "-c", dedent(source)]
    ended = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=DEADLINE)
    assert (ended.stdout, ended.stderr) == ("200\n", "")
    assert len(list((tmp_path / "sent" / "here").iterdir())) == 1


def test_upload_keeps_a_limited_number_of_files(
    clients: ExitStack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_FILES", 2)
    ann = enter(clients, upload.app)
    for number in range(3):
        ann.call("begin", {"name": f"{number}", "size": 1})
        ann.call("chunk", b"a")
    assert [file.name for file in upload.store.files.values()] == ["1", "2"]
    assert len(list(folder.iterdir())) == 2
    assert ann.client.http.get("/files/0").status_code == 404


def test_middleware_limits_each_client_for_itself(clients: ExitStack) -> None:
    ann, bob = enter(clients, middleware.app, {"name": "Ann"}), enter(clients, middleware.app, {"name": "Bob"})
    for _ in range(middleware.MAX_EVENTS):
        assert ann.call("message", "What the HECK") is True
    assert ann.call("message", "more") == {"error": "Slowly, please: 5 messages in 3 seconds."}
    assert bob.call("message", "hello") is True
    assert [event.data["text"] for event in bob.received("message")] == ["What the ****"] * 5 + ["hello"]


def test_middleware_log_has_one_line_for_each_event(clients: ExitStack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "examples.middleware")
    ann = enter(clients, middleware.app, {"name": "Ann"})
    ann.emit("a\nfalse line " + "x" * 1_000)
    ann.client.settle()
    [line] = [record.getMessage() for record in caplog.records if record.name == "examples.middleware"]
    assert line.startswith("'a\\nfalse line xxx") and "\n" not in line and len(line) < 200


@pytest.mark.parametrize("auth", [None, {}, {"name": ""}, {"name": "x" * 21}, {"name": 1}], ids=str)
def test_middleware_wants_a_name(clients: ExitStack, auth: object) -> None:
    with pytest.raises(ConnectError):
        enter(clients, middleware.app, auth)


def log_in(client: TestClient, name: str, **form: str) -> Any:
    return client.http.post("/login", data={"name": name, "password": "correct horse", **form})


def test_private_messages_are_for_those_who_have_logged_in(clients: ExitStack) -> None:
    client = clients.enter_context(TestClient(private.app))
    with pytest.raises(ConnectError, match="Log in first"):
        client.connect()
    assert client.http.get("/").location == "/login"
    assert log_in(client, "Dora").status_code == 200  # no such user
    assert log_in(client, "Dora", new="").location == "/"
    client.connect().call("history", "nobody")
    other = clients.enter_context(TestClient(private.app))
    assert b"This name is taken." in log_in(other, "dora", new="").data
    for name, password in (("x", "correct horse"), ("<b>", "correct horse"), ("Emil", "short")):
        assert log_in(other, name, password=password, new="").status_code == 200
        assert private.users.get(name) is None


def test_private_messages_take_no_large_form(clients: ExitStack) -> None:
    client = clients.enter_context(TestClient(private.app))
    assert log_in(client, "Greta", more="x" * 200_000).status_code == 413


def test_private_messages_keep_a_limited_number_of_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "MAX_CONVERSATIONS", 2)
    mail = users.Mail()
    for other in ("Bob", "Cleo", "Bob", "Dora"):
        mail.send("Ann", other, "hello")
    assert [len(mail.between("Ann", other)) for other in ("Bob", "Cleo", "Dora")] == [2, 0, 1]


def test_private_messages_take_no_form_from_another_site(clients: ExitStack) -> None:
    client = clients.enter_context(TestClient(private.app))
    form = {"name": "Frida", "password": "correct horse", "new": ""}
    for origin in ("http://evil.example", "null"):
        assert client.http.post("/login", data=form, headers={"Origin": origin}).status_code == 403
    assert client.http.post("/login", data=form, headers={"Origin": "http://localhost"}).location == "/"


def test_worker_reports_need_the_secret_and_reach_one_user(clients: ExitStack) -> None:
    app_client, other = (clients.enter_context(TestClient(worker.app)) for _ in range(2))
    for client in (app_client, other):
        client.http.get("/")
    ann, bob = app_client.connect(), other.connect()
    ordered = ann.call("draw", {"x": 0, "y": 0, "zoom": 1})
    report = {"row": 0, "pixels": "AAEC", "done": True}
    path = f"/worker/job/{ordered['id']}"
    assert app_client.http.post(path, json=report).status_code == 403
    secret = {"Authorization": f"Bearer {worker.app.config['WORKER_TOKEN']}"}
    assert app_client.http.post("/worker/job", headers=secret).json == {
        "id": ordered["id"],
        "area": {"x": 0, "y": 0, "zoom": 1},
    }
    assert app_client.http.post(path, json={**report, "row": -1}, headers=secret).status_code == 400
    assert app_client.http.post(path, json=report, headers=secret).json == {"ok": True}
    assert ann.receive("rows").args == (ordered["id"], 0, b"\x00\x01\x02", True)
    assert app_client.http.post(path, json=report, headers=secret).status_code == 404
    bob.assert_nothing()


def test_worker_takes_a_limited_number_of_orders_and_gives_them_up(clients: ExitStack) -> None:
    client = clients.enter_context(TestClient(worker.app))
    client.http.get("/")
    ann = client.connect()
    ids = [ann.call("draw", {"x": 0, "y": 0, "zoom": 1})["id"] for _ in range(MAX_OF_USER)]
    assert ann.call("draw", {"x": 0, "y": 0, "zoom": 1}) == {"error": "Wait for what you have ordered already."}
    assert ann.call("draw", {"x": 3, "y": 0, "zoom": 1})["error"]["path"] == "$.x"
    for job in filter(None, map(worker.jobs.get, ids)):
        worker.give_up(job)
    client.settle()
    assert [event.args for event in ann.received("failed")] == [(job_id,) for job_id in ids]
    assert "id" in ann.call("draw", {"x": 0, "y": 0, "zoom": 1})
