"""A Flask app as Flask-SocketIO's documentation shows them, after the move: see docs/coming-from-flask-socketio.md.

Run it with `flask --app examples.flask_events.app --debug socketio run`.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import gevent
from flask import Flask, current_app, render_template, request

from geventsio import Socket, SocketIO
from geventsio.integrations.flask import FlaskIntegration

__all__ = ["app", "io"]

app = Flask(__name__)
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


def next_count(socket: Socket) -> int:
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
def my_event(socket: Socket, message: Message) -> None:
    """Answer the sender."""
    socket.emit("my_response", {"data": message["data"], "count": next_count(socket)})


@root.on("my_broadcast_event")
def my_broadcast_event(socket: Socket, message: Message) -> None:
    """Tell everybody."""
    io.emit("my_response", {"data": message["data"], "count": next_count(socket)})


@root.on("join")
def join(socket: Socket, message: Message) -> None:
    """Join a room."""
    socket.join(message["room"])
    rooms = ", ".join(sorted(socket.rooms))
    socket.emit("my_response", {"data": f"In rooms: {rooms}", "count": next_count(socket)})


@root.on("leave")
def leave(socket: Socket, message: Message) -> None:
    """Leave a room."""
    socket.leave(message["room"])
    rooms = ", ".join(sorted(socket.rooms))
    socket.emit("my_response", {"data": f"In rooms: {rooms}", "count": next_count(socket)})


@root.on("close_room")
def close_room(socket: Socket, message: Message) -> None:
    """Tell the members of a room that it is closing, and have them leave."""
    room = message["room"]
    io.to(room).emit("my_response", {"data": f"Room {room} is closing.", "count": next_count(socket)})
    io.to(room).leave(room)


@root.on("my_room_event")
def my_room_event(socket: Socket, message: Message) -> None:
    """Tell the members of a room."""
    io.to(message["room"]).emit("my_response", {"data": message["data"], "count": next_count(socket)})


@root.on("disconnect_request")
def disconnect_request(socket: Socket) -> None:
    """Disconnect the sender, when it has acknowledged the answer."""
    # When this callback runs, it is safe to disconnect: the client has got the message.
    asked = socket.emit_with_ack("my_response", {"data": "Disconnected!", "count": next_count(socket)})
    asked.add_done_callback(lambda answer: socket.disconnect())


@root.on("my_ping")
def ping_pong(socket: Socket) -> None:
    """Answer at once."""
    socket.emit("my_pong")


@root
def connect(socket: Socket) -> None:
    """Greet a client, and start the background greenlet with the first one."""
    global thread
    with thread_lock:
        if thread is None:
            thread = io.spawn(background_thread)
    socket.emit("my_response", {"data": "Connected", "count": 0})


@root.on_disconnect
def disconnect(socket: Socket, reason: str) -> None:
    """Say goodbye in the log."""
    current_app.logger.info("client %s disconnected from %s: %s", socket.id, request.remote_addr, reason)
