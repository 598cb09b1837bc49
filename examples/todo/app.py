"""The list's server: every change is checked, kept, passed on to the others, and acknowledged to its author."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Literal

from flask import Flask, render_template
from msgspec import Meta

from examples.shared import shared
from geventsio import Data, Socket, SocketIO

__all__ = ["app", "io"]

MAX_ITEMS = 200

io = SocketIO()
# Whoever sends what does not fit is answered {"error": {"message": ..., "path": "$.title"}}: the page shows it there.
root = io.ns("/").answer_errors()
app = Flask(__name__)
app.register_blueprint(shared)
app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]

# Made by the browser, so that an item that is sent again, because its answer was lost, is still one item.
Id = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]


@dataclass(frozen=True, slots=True)
class Item:
    """Something to be done."""

    id: Id
    title: Annotated[str, Meta(pattern=r"\S", max_length=80)]
    due: date | None = None
    priority: Literal["low", "normal", "high"] = "normal"
    done: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """Payload of `tick`: an item is done, or not any more."""

    id: Id
    done: bool


items: dict[str, Item] = {}


@app.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html")


@root
def connect(socket: Socket) -> None:
    """Show a newcomer the list; also who comes back after a lost connection."""
    socket.emit("items", list(items.values()))


@root.on("add")
def add(socket: Socket, item: Data[Item]) -> Item | dict[str, str]:
    """Add an item; the answer is how it was kept."""
    if item.id not in items:
        if len(items) >= MAX_ITEMS:
            return {"error": "The list is full: remove something first."}
        items[item.id] = replace(item, title=item.title.strip())
        socket.broadcast().emit("item", items[item.id])
    return items[item.id]


@root.on("tick")
def tick(socket: Socket, wish: Data[Tick]) -> Item | dict[str, str]:
    """Tick an item off."""
    if wish.id not in items:
        return {"error": "Somebody has removed this item."}
    item = items[wish.id] = replace(items[wish.id], done=wish.done)
    socket.broadcast().emit("item", item)
    return item


@root.on("remove")
def remove(socket: Socket, item_id: Id) -> bool:
    """Remove an item; no error if it is gone already."""
    if items.pop(item_id, None) is not None:
        socket.broadcast().emit("removed", item_id)
    return True
