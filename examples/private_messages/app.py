"""The Flask app: its views log users in, its handlers know who they are by the same session."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import Annotated

from flask import Flask, redirect, render_template, request, url_for
from flask_login import LoginManager, current_user, login_user, logout_user
from msgspec import Meta
from werkzeug.wrappers import Response

from examples.private_messages.users import Mail, Message, Users
from examples.shared import shared
from geventsio import ConnectRefused, Data, Socket, SocketIO
from geventsio.integrations.flask import FlaskIntegration

__all__ = ["app", "io"]

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
    SESSION_COOKIE_SAMESITE="Lax",
    MAX_CONTENT_LENGTH=100_000,
)
app.register_blueprint(shared)
users, mail = Users(), Mail()
online: Counter[str] = Counter()  # connections by user
logins = LoginManager(app)
logins.user_loader(users.get)
io = SocketIO()
FlaskIntegration(io, app)
root = io.ns("/").answer_errors()


@dataclass
class NewMessage:
    """Payload of `message` from a browser."""

    to: str
    text: Annotated[str, Meta(min_length=1, max_length=2_000)]


@app.get("/")
def index() -> str | Response:
    """The page, for those who have logged in."""
    return render_template("index.html") if current_user.is_authenticated else redirect(url_for("log_in"))


@app.route("/login", methods=["GET", "POST"])
def log_in() -> str | Response:
    """Log a user in, or open an account."""
    error = ""
    if request.method == "POST":
        name, password = request.form["name"].strip(), request.form["password"]
        try:
            user = users.sign_up(name, password) if "new" in request.form else users.log_in(name, password)
            if user is not None and login_user(user):
                root.emit("user", person(user.id))
                return redirect(url_for("index"))
            error = "Name or password is wrong."
        except ValueError as reason:
            error = str(reason)
    return render_template("login.html", error=error, name=request.form.get("name", ""))


@app.post("/logout")
def log_out() -> Response:
    """Log a user out, and send all his tabs away."""
    if current_user.is_authenticated:
        root.to(room(current_user.id)).disconnect()
        logout_user()
    return redirect(url_for("log_in"))


@root.use
def check() -> None:
    """Let in who has logged in."""
    if not current_user.is_authenticated:
        raise ConnectRefused("Log in first.", {"location": url_for("log_in")})


@root
def connect(socket: Socket) -> None:
    """Someone is here, perhaps with a further tab."""
    me = socket.data["name"] = current_user.id
    socket.join(room(me))
    online[me] += 1
    root.emit("user", person(me))
    socket.emit("users", me, [person(name) for name in users.names()])


@root.on("history")
def history(socket: Socket, other: str) -> list[Message]:
    """What the user has talked about with another."""
    return mail.between(socket.data["name"], other)


@root.on("message")
def message(socket: Socket, new: Data[NewMessage]) -> Message | dict[str, str]:
    """Take a message to all tabs of its reader, and to its author's other ones."""
    text = new.text.strip()
    if users.get(new.to) is None or not text:
        return {"error": "There is nobody of this name." if text else "The message is empty."}
    sent = mail.send(socket.data["name"], new.to, text)
    socket.to([room(new.to), room(sent.author)]).emit("message", sent)
    return sent


@root.on_disconnect
def disconnect(socket: Socket) -> None:
    """Tell the others, if it was the user's last tab."""
    name = socket.data["name"]
    online[name] -= 1
    root.emit("user", person(name))


def person(name: str) -> dict[str, object]:
    """What everybody may know of a user."""
    return {"name": name, "online": online[name] > 0}


def room(name: str) -> str:
    """The room of all of a user's tabs; the prefix keeps names apart from ids of sockets."""
    return f"user:{name}"
