"""Tests of the session: opened anew for each job, and saved where that is asked for and can be."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from flask import Flask, flash, get_flashed_messages, session
from flask.sessions import SessionInterface, SessionMixin
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from werkzeug.wrappers import Request, Response

from geventsio import Socket, SocketIO
from geventsio.integrations.flask import FlaskIntegration
from tests.socketio.harness import Log, Serve, Site
from tests.socketio.peer import WebSocketPeer, http_request


class Kept(dict[str, Any], SessionMixin):
    """A session that the server keeps.

    Args:
        sid: its id, the value of a cookie.
    """

    def __init__(self, sid: str, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.sid = sid


class KeptSessions(SessionInterface):
    """Keeps sessions in the server, as Flask-Session does."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}

    def open_session(self, app: Flask, request: Request) -> Kept:
        """Look up the session of the request's cookie, or begin one."""
        sid = request.cookies.get("sid") or secrets.token_hex()
        return Kept(sid, self.values.get(sid, {}))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Keep a session, and tell the browser its id."""
        assert isinstance(session, Kept)
        self.values[session.sid] = dict(session)
        response.set_cookie("sid", session.sid)


class Browser:
    """Sends requests over the wire, and keeps the cookies of the answers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.cookie = ""

    def get(self, path: str) -> str:
        """Request a page, and return it."""
        reply = http_request(self._site.address, "GET", path, headers={"Cookie": self.cookie})
        assert reply.status == 200, reply
        for header in reply.headers.get_all("Set-Cookie", []):
            self.cookie = header.partition(";")[0]
        return reply.body.decode()

    def websocket(self) -> WebSocketPeer:
        """Open a websocket with the cookies, and connect."""
        peer = self._site.websocket(cookie=self.cookie)
        peer.connect()
        return peer


@pytest.fixture
def sessions(app: Flask) -> KeptSessions:
    """The app's sessions, which it keeps itself."""
    app.session_interface = interface = KeptSessions()
    app.add_url_rule("/read/<name>", "read", lambda name: str(session.get(name)))

    @app.get("/write/<name>/<value>")
    def write(name: str, value: str) -> str:
        session[name] = value
        return "written"

    return interface


def test_each_event_sees_what_requests_have_saved(serve: Serve, app: Flask, sessions: KeptSessions) -> None:
    io = SocketIO()
    FlaskIntegration(io, app)
    io.ns("/").on("read", lambda name: [session.get(name)])
    browser = Browser(serve(io, app))
    browser.get("/write/color/red")
    peer = browser.websocket()
    assert peer.ask("read", "color") == [["red"]]
    browser.get("/write/color/blue")
    assert peer.ask("read", "color") == [["blue"]]


def test_a_session_in_a_cookie_is_the_handshake_s(serve: Serve, app: Flask) -> None:
    @app.get("/write/<value>")
    def write(value: str) -> str:
        session["color"] = value
        return "written"

    io = SocketIO()
    FlaskIntegration(io, app)
    io.ns("/").on("read", lambda: session["color"])
    browser = Browser(serve(io, app))
    browser.get("/write/red")
    peer = browser.websocket()
    browser.get("/write/blue")
    assert peer.ask("read") == ["red"]
    assert browser.websocket().ask("read") == ["blue"]


def test_changes_are_saved_if_that_is_asked_for(serve: Serve, app: Flask, sessions: KeptSessions, log: Log) -> None:
    io = SocketIO()
    FlaskIntegration(io, app, save_session=True)

    @io.ns("/").on("write")
    def write(name: str, value: str) -> str:
        session[name] = value
        if value == "bad":
            raise ValueError
        return "written"

    browser = Browser(serve(io, app))
    browser.get("/write/color/red")
    peer = browser.websocket()
    assert peer.ask("write", "color", "green") == ["written"]
    assert browser.get("/read/color") == "green"
    peer.emit("write", "color", "bad")
    log.take_one()
    assert browser.get("/read/color") == "green"


def test_changes_are_not_saved_otherwise(serve: Serve, app: Flask, sessions: KeptSessions) -> None:
    io = SocketIO()
    FlaskIntegration(io, app)
    io.ns("/").on("write", lambda name, value: session.setdefault(name, value))
    browser = Browser(serve(io, app))
    browser.get("/write/color/red")
    assert browser.websocket().ask("write", "size", "large") == ["large"]
    assert browser.get("/read/size") == "None"


def test_a_change_that_is_lost_is_named_once(serve: Serve, app: Flask, log: Log) -> None:
    io = SocketIO()
    FlaskIntegration(io, app)

    @io.ns("/").on("write")
    def write(value: str) -> str:
        session["color"] = value
        return "written"

    io.ns("/").on("read", lambda: session.get("color"))
    site = serve(io, app)
    peer = site.connect()
    io.ns("/").on("sync", lambda: "sync")
    assert peer.ask("write", "red") == ["written"]
    assert "flask.session was changed for 'write' in /" in log.take_one().getMessage()
    assert peer.ask("write", "blue") == ["written"]
    assert site.connect().ask("write", "blue") == ["written"]


def test_without_a_secret_key_there_is_no_session(serve: Serve) -> None:
    app = Flask("keyless")
    io = SocketIO()
    FlaskIntegration(io, app, save_session=True)
    io.ns("/").on("read", lambda: session.get("color", "none"))
    assert serve(io, app).connect().ask("read") == ["none"]


# Flask-Login


class User(UserMixin):  # type: ignore[misc]
    """Somebody who may log in."""

    def __init__(self, name: str) -> None:
        self.id = name


@pytest.fixture
def browser(serve: Serve, app: Flask, sessions: KeptSessions) -> Browser:
    """A browser at an app with users, whose server tells who the user is."""
    login = LoginManager(app)
    login.user_loader(User)

    @app.get("/login/<name>")
    def log_in(name: str) -> str:
        login_user(User(name))
        return name

    @app.get("/logout")
    def log_out() -> str:
        logout_user()
        return "bye"

    io = SocketIO()
    FlaskIntegration(io, app)

    @io.ns("/")
    def connect(socket: Socket) -> None:
        socket.data["at first"] = current_user.get_id()

    @io.ns("/").on("who")
    def who(socket: Socket) -> list[Any]:
        return [socket.data["at first"], current_user.get_id(), current_user.is_authenticated]

    return Browser(serve(io, app))


def test_the_user_is_the_browser_s(browser: Browser) -> None:
    browser.get("/login/susan")
    assert browser.websocket().ask("who") == [["susan", "susan", True]]


def test_a_logout_is_seen_by_the_next_event(browser: Browser) -> None:
    browser.get("/login/susan")
    peer = browser.websocket()
    assert peer.ask("who") == [["susan", "susan", True]]
    browser.get("/logout")
    assert peer.ask("who") == [["susan", None, False]]


def test_a_login_is_seen_by_the_next_event(browser: Browser) -> None:
    browser.get("/read/nothing")
    peer = browser.websocket()
    assert peer.ask("who") == [[None, None, False]]
    browser.get("/login/david")
    assert peer.ask("who") == [[None, "david", True]]


def test_flashed_messages_are_those_of_the_session(serve: Serve, app: Flask, sessions: KeptSessions) -> None:
    @app.get("/flash")
    def view() -> str:
        flash("hello")
        return "done"

    io = SocketIO()
    FlaskIntegration(io, app, save_session=True)
    io.ns("/").on("flashed", lambda: get_flashed_messages())
    browser = Browser(serve(io, app))
    browser.get("/flash")
    peer = browser.websocket()
    assert peer.ask("flashed") == [["hello"]]
    assert peer.ask("flashed") == [[]]
