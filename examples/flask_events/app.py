"""An app as Flask-SocketIO's documentation shows them, after the move: see docs/coming-from-flask-socketio.md.

Run it with `flask --app examples.flask_events.app --debug socketio run`.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import gevent
from flask import Flask, current_app, render_template, request

from geventsio import SocketIO
from geventsio.globals import socket
from geventsio.integrations.flask import FlaskIntegration

__all__ = ["app", "io"]

app = Flask("examples.flask_events.app")
app.config.update(SECRET_KEY="secret!", SECONDS=10)
app.config.from_prefixed_env()
io = SocketIO()
FlaskIntegration(io, app)
root = io.ns("/")
thread = None
thread_lock = Lock()

Message = dict[str, Any]


def background_thread() -> None:
    """Send events that no client has asked for."""
    count = 0
    while True:
        gevent.sleep(app.config["SECONDS"])
        count += 1
        io.emit("my_response", {"data": "Server generated event", "count": count})


def next_count() -> int:
    """How often this client was answered."""
    socket.data["receive_count"] = socket.data.get("receive_count", 0) + 1
    return int(socket.data["receive_count"])


@app.route("/")
def index() -> str:
    """The page."""
    return render_template("index.html")


@app.post("/announce")
def announce() -> str:
    """Tell all clients something, from a view."""
    io.emit("my_response", {"data": request.form["data"], "count": 0})
    return "done"


@root.on("my_event")
def my_event(message: Message) -> None:
    """Answer the sender."""
    socket.emit("my_response", {"data": message["data"], "count": next_count()})


@root.on("my_broadcast_event")
def my_broadcast_event(message: Message) -> None:
    """Tell everybody."""
    io.emit("my_response", {"data": message["data"], "count": next_count()})


@root.on("join")
def join(message: Message) -> None:
    """Join a room."""
    socket.join(message["room"])
    socket.emit("my_response", {"data": "In rooms: " + ", ".join(socket.rooms), "count": next_count()})


@root.on("leave")
def leave(message: Message) -> None:
    """Leave a room."""
    socket.leave(message["room"])
    socket.emit("my_response", {"data": "In rooms: " + ", ".join(socket.rooms), "count": next_count()})


@root.on("close_room")
def on_close_room(message: Message) -> None:
    """Tell the members of a room that it is closing, and have them leave."""
    room = message["room"]
    io.to(room).emit("my_response", {"data": f"Room {room} is closing.", "count": next_count()})
    io.to(room).leave(room)


@root.on("my_room_event")
def my_room_event(message: Message) -> None:
    """Tell the members of a room."""
    io.to(message["room"]).emit("my_response", {"data": message["data"], "count": next_count()})


@root.on("disconnect_request")
def disconnect_request() -> None:
    """Disconnect the sender, when it has acknowledged the answer."""

    def can_disconnect(answer: object) -> None:
        socket.disconnect()

    asked = socket.emit_with_ack("my_response", {"data": "Disconnected!", "count": next_count()})
    asked.add_done_callback(can_disconnect)


@root.on("my_ping")
def my_ping() -> None:
    """Answer at once."""
    socket.emit("my_pong")


@root
def connect() -> None:
    """Greet a client, and start the background thread with the first one."""
    global thread
    with thread_lock:
        if thread is None:
            thread = io.spawn(background_thread)
    socket.emit("my_response", {"data": "Connected", "count": 0})


@root.on_disconnect
def on_disconnect(reason: str) -> None:
    """Say goodbye in the log."""
    current_app.logger.info("client %s of %s disconnected: %s", socket.id, request.remote_addr, reason)
