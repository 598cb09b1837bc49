"""The middlewares, and a room in which they can be tried: `use` looks at connections, `use_event` at events."""

from __future__ import annotations

import logging
import re
import time
from typing import Annotated, Any

from flask import Flask, render_template
from msgspec import Meta

from examples.shared import shared
from geventsio import ConnectRefused, Data, EventCall, Next, Socket, SocketIO

__all__ = ["app", "io"]

MAX_EVENTS, PER_SECONDS = 5, 3  # so many events in so many seconds
BAD_WORDS = re.compile(r"\b(darn|heck|blast)\b", re.IGNORECASE)

log = logging.getLogger("examples.middleware")
io = SocketIO()
root = io.ns("/").answer_errors()
app = Flask(__name__)
app.register_blueprint(shared)
app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]


@root.use
def named(socket: Socket, auth: Data[dict[str, str]]) -> None:
    """Let in who has a name that nobody else has; the reason of a refusal is the page's `connect_error`."""
    name = auth.get("name", "").strip()
    if not 1 <= len(name) <= 20:
        raise ConnectRefused("Choose a name of 1 to 20 characters.")
    if any(other.data.get("name", "").casefold() == name.casefold() for other in root.sockets.values()):
        raise ConnectRefused(f"Somebody here is called {name}.")
    socket.data["name"] = name


@root.use_event
def logged(call: EventCall, next: Next) -> Any:
    """Write to the log what came, and how long it took. As the first one it is around all the others.

    Clients choose the events' names: `repr` keeps them on one line, and `.50` short.
    """
    begin = time.perf_counter()
    try:
        return next()
    finally:
        log.info("%.50r from %s took %.2f ms", call.event, call.socket.id, (time.perf_counter() - begin) * 1_000)


@root.use_event
def limited(socket: Socket, call: EventCall, next: Next) -> Any:
    """Refuse what comes too fast: without `next()` nothing behind this one is called. The value is the answer."""
    now = time.monotonic()
    recent = [at for at in socket.data.get("recent", ()) if now - at < PER_SECONDS]
    socket.data["recent"] = recent
    if len(recent) >= MAX_EVENTS:
        return {"error": f"Slowly, please: {MAX_EVENTS} messages in {PER_SECONDS} seconds."}
    recent.append(now)
    return next()


@root.use_event
def polite(call: EventCall, next: Next) -> Any:
    """Change an event's arguments before the handler takes its parameters from them."""
    call.args = [BAD_WORDS.sub(stars, arg) if isinstance(arg, str) else arg for arg in call.args]
    return next()


def stars(word: re.Match[str]) -> str:
    """What is shown for a bad word."""
    return "*" * len(word[0])


@root.on("message")
def message(socket: Socket, text: Annotated[str, Meta(pattern=r"\S", max_length=500)]) -> bool:
    """Say something to everybody. None of the above is to be seen here."""
    root.emit("message", {"author": socket.data["name"], "text": text, "time": time.time_ns() // 1_000_000})
    return True


@app.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html")
