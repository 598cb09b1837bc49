"""Tests with Flask-SQLAlchemy: no handler keeps a connection, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, text
from sqlalchemy.pool import QueuePool

from geventsio import Socket, SocketIO
from geventsio.integrations.flask import FlaskIntegration
from tests.socketio.harness import Log, Serve, wait_until

EVENTS = 500


@pytest.fixture
def db(app: Flask, tmp_path: Path) -> Iterator[SQLAlchemy]:
    """A database with a pool of two connections, which nobody waits for."""
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'test.sqlite'}"
    pool = {"poolclass": QueuePool, "pool_size": 2, "max_overflow": 0, "pool_timeout": 0}
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = pool
    db = SQLAlchemy(app)
    yield db
    with app.app_context():
        db.engine.dispose()


def checked_out(app: Flask, db: SQLAlchemy) -> int:
    """How many connections are in use."""
    with app.app_context():
        engine: Engine = db.engine
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def test_a_pool_of_two_survives(serve: Serve, app: Flask, db: SQLAlchemy, log: Log) -> None:
    io = SocketIO()
    FlaskIntegration(io, app)
    root = io.ns("/")

    def query() -> Any:
        return db.session.execute(text("SELECT 1")).scalar()

    root.use(lambda auth: query())
    root(lambda auth: query())
    root.on_disconnect(lambda reason: query())
    root.on_error(lambda error: query())

    @root.on("event")
    def event(number: int) -> Any:
        result = query()
        if number % 5 == 0:
            raise LookupError(number)
        return [result, number]

    @root.on("background")
    def background(socket: Socket) -> None:
        io.spawn(lambda: socket.emit("done", query()))

    @root.on("ask")
    def ask(socket: Socket) -> None:
        socket.emit_with_ack("question").add_done_callback(lambda future: socket.emit("done", query()))

    site = serve(io, app)
    peers = [site.connect() for _ in range(5)]
    for number in range(EVENTS):
        peer = peers[number % 3]
        if number % 5:
            assert peer.ask("event", number) == [[1, number]]
        else:
            peer.emit("event", number)
            record = log.take_one()
            assert record.exc_info is not None and record.exc_info[0] is LookupError
        wait_until(lambda: checked_out(app, db) == 0)
    for peer in peers:
        peer.emit("background")
        assert peer.event() == ["done", 1]
        peer.emit("ask")
        peer.answer(peer.question()[0])
        assert peer.event() == ["done", 1]
        peer.close()
    wait_until(lambda: root.is_empty)
    assert checked_out(app, db) == 0


def test_what_a_handler_did_not_commit_is_undone(serve: Serve, app: Flask, db: SQLAlchemy, log: Log) -> None:
    io = SocketIO()
    FlaskIntegration(io, app)
    with app.app_context():
        db.session.execute(text("CREATE TABLE word (text)"))
        db.session.commit()

    @io.ns("/").on("add")
    def add(word: str) -> str:
        db.session.execute(text("INSERT INTO word VALUES (:word)"), {"word": word})
        if word == "bad":
            raise ValueError
        db.session.commit()
        return word

    io.ns("/").on("words", lambda: list(db.session.execute(text("SELECT text FROM word")).scalars()))
    peer = serve(io, app).connect()
    peer.emit("add", "bad")
    log.take_one()
    assert peer.ask("add", "good") == ["good"]
    assert peer.ask("words") == [["good"]]
