"""The whiteboard's server: keeps the strokes, passes on what is being drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from flask import Flask, render_template
from msgspec import Meta

from examples.shared import shared
from geventsio import Data, Socket, SocketIO

__all__ = ["app", "io"]

MAX_STROKES = 3_000  # the oldest ones fade
MAX_BOARD = 2_000_000  # bytes of all strokes: they are one message, and less than may wait for a client
MAX_BYTES = 8_000  # of one stroke: 2,000 points, each with x and y as unsigned 16-bit numbers

io = SocketIO(parser="msgpack", rate_limit=200)
root = io.ns("/").answer_errors()
app = Flask(__name__)
app.register_blueprint(shared)
app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]


@dataclass(frozen=True, slots=True)
class Stroke:
    """One line; its id is made up by who draws it."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    colour: Annotated[int, Meta(ge=0, le=5)]
    width: Annotated[int, Meta(ge=1, le=40)]
    points: Annotated[bytes, Meta(min_length=4, max_length=MAX_BYTES)]

    def __post_init__(self) -> None:
        """Refuse half a point, on which the pages would stumble."""
        if len(self.points) % 4:
            raise ValueError("a point has four bytes")


Coordinate = Annotated[int, Meta(ge=0, le=65_535)]
strokes: dict[str, Stroke] = {}
authors: dict[str, str] = {}  # who may take a stroke back: the socket's id, by the stroke's


@app.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html")


@root
def connect(socket: Socket) -> None:
    """Show a newcomer what is on the board."""
    socket.emit("board", list(strokes.values()))
    root.emit("people", len(root.sockets))


@root.on("stroke")
def stroke(socket: Socket, drawn: Data[Stroke]) -> bool:
    """Keep a finished stroke. The answer tells its author that it is on the board."""
    if authors.get(drawn.id, socket.id) != socket.id:
        return False
    strokes[drawn.id], authors[drawn.id] = drawn, socket.id
    while len(strokes) > MAX_STROKES or sum(len(one.points) for one in strokes.values()) > MAX_BOARD:
        forget(next(iter(strokes)))
    socket.broadcast().emit("stroke", drawn)
    return True


@root.on("sketch")
def sketch(socket: Socket, drawn: Data[Stroke]) -> None:
    """Show the others a stroke that is being drawn: who can't keep up misses some of these, and no harm is done."""
    socket.broadcast().volatile().emit("sketch", socket.id, drawn)


@root.on("pointer")
def pointer(socket: Socket, x: Coordinate, y: Coordinate) -> None:
    """Show the others where somebody's pointer is. Volatile, too: only the newest counts."""
    socket.broadcast().volatile().emit("pointer", socket.id, x, y)


@root.on("undo")
def undo(socket: Socket, stroke_id: str) -> bool:
    """Take a stroke off the board, if it is the sender's own."""
    if authors.get(stroke_id) != socket.id:
        return False
    forget(stroke_id)
    root.emit("erased", stroke_id)
    return True


@root.on("clear")
def clear() -> bool:
    """Wipe the board, for everybody."""
    strokes.clear()
    authors.clear()
    root.emit("board", [])
    return True


@root.on_disconnect
def disconnect(socket: Socket) -> None:
    """Take the pointer away."""
    socket.broadcast().emit("left", socket.id)
    root.emit("people", len(root.sockets) - (socket.id in root.sockets))


def forget(stroke_id: str) -> None:
    """Remove a stroke."""
    del strokes[stroke_id], authors[stroke_id]
