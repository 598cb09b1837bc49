"""An app as Flask-SocketIO's documentation shows them, before the move to `examples.flask_events.app`."""

# mypy: disable-error-code="attr-defined, untyped-decorator"
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from threading import Lock
from typing import Any

from flask import Flask, current_app, render_template, request, session
from flask_socketio import SocketIO, close_room, disconnect, emit, join_room, leave_room, rooms

__all__ = ["app", "socketio"]

app = Flask("examples.flask_events.app")
app.config.update(SECRET_KEY="secret!", SECONDS=10)
app.config.from_prefixed_env()
socketio = SocketIO(app, async_mode="threading")
thread = None
thread_lock = Lock()

Message = dict[str, Any]


def background_thread() -> None:
    """Send events that no client has asked for."""
    count = 0
    while True:
        socketio.sleep(app.config["SECONDS"])
        count += 1
        socketio.emit("my_response", {"data": "Server generated event", "count": count})


def next_count() -> int:
    """How often this client was answered."""
    session["receive_count"] = session.get("receive_count", 0) + 1
    return int(session["receive_count"])


@app.route("/")
def index() -> str:
    """The page."""
    return render_template("index.html")


@app.post("/announce")
def announce() -> str:
    """Tell all clients something, from a view."""
    socketio.emit("my_response", {"data": request.form["data"], "count": 0})
    return "done"


@socketio.event
def my_event(message: Message) -> None:
    """Answer the sender."""
    emit("my_response", {"data": message["data"], "count": next_count()})


@socketio.event
def my_broadcast_event(message: Message) -> None:
    """Tell everybody."""
    emit("my_response", {"data": message["data"], "count": next_count()}, broadcast=True)


@socketio.event
def join(message: Message) -> None:
    """Join a room."""
    join_room(message["room"])
    emit("my_response", {"data": "In rooms: " + ", ".join(rooms()), "count": next_count()})


@socketio.event
def leave(message: Message) -> None:
    """Leave a room."""
    leave_room(message["room"])
    emit("my_response", {"data": "In rooms: " + ", ".join(rooms()), "count": next_count()})


@socketio.on("close_room")
def on_close_room(message: Message) -> None:
    """Tell the members of a room that it is closing, and have them leave."""
    room = message["room"]
    emit("my_response", {"data": f"Room {room} is closing.", "count": next_count()}, to=room)
    close_room(room)


@socketio.event
def my_room_event(message: Message) -> None:
    """Tell the members of a room."""
    emit("my_response", {"data": message["data"], "count": next_count()}, to=message["room"])


@socketio.event
def disconnect_request() -> None:
    """Disconnect the sender, when it has acknowledged the answer."""
    sid = request.sid

    def can_disconnect() -> None:
        disconnect(sid=sid, namespace="/")

    emit("my_response", {"data": "Disconnected!", "count": next_count()}, callback=can_disconnect)


@socketio.event
def my_ping() -> None:
    """Answer at once."""
    emit("my_pong")


@socketio.event
def connect() -> None:
    """Greet a client, and start the background thread with the first one."""
    global thread
    with thread_lock:
        if thread is None:
            thread = socketio.start_background_task(background_thread)
    emit("my_response", {"data": "Connected", "count": 0})


@socketio.on("disconnect")
def on_disconnect(reason: str) -> None:
    """Say goodbye in the log."""
    current_app.logger.info("client %s of %s disconnected: %s", request.sid, request.remote_addr, reason)
