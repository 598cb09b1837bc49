"""The upload's server: writes chunks as they come; each one's acknowledgement asks for the next."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from flask import Flask, abort, render_template, send_from_directory
from msgspec import Meta
from werkzeug.wrappers import Response

from examples.shared import shared
from examples.upload.store import MAX_SIZE, Store, Upload, UploadError
from geventsio import Data, Socket, SocketIO

__all__ = ["app", "io"]

CHUNK = 128 * 1024  # bytes

io = SocketIO(max_payload=2 * CHUNK)
root = io.ns("/").answer_errors()
app = Flask(__name__)
app.register_blueprint(shared)
app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]
store = Store(Path(os.environ.get("UPLOADS") or tempfile.mkdtemp(prefix="uploads-")))


@dataclass(frozen=True, slots=True)
class Begin:
    """Payload of `begin`: what the browser says about the file. Its size is checked by counting, too."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    size: Annotated[int, Meta(ge=1)]


@app.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html", chunk=CHUNK, max_size=MAX_SIZE)


@app.get("/files/<file_id>")
def download(file_id: str) -> Response:
    """A file, to be saved and never to be shown: it might be a page with scripts."""
    file = store.files.get(file_id) or abort(404)
    return send_from_directory(store.folder, file.id, as_attachment=True, download_name=file.name)


@root
def connect(socket: Socket) -> None:
    """Show a newcomer what there is."""
    socket.emit("files", list(store.files.values()))


@root.on("begin")
def begin(socket: Socket, begin: Data[Begin]) -> dict[str, object]:
    """Begin an upload; one at a time for each connection, so an unfinished one ends."""
    cancel(socket)
    try:
        socket.data["upload"] = store.begin(begin.name, begin.size)
    except UploadError as error:
        return {"error": str(error)}
    return {"received": 0}


@root.on("chunk")
def chunk(socket: Socket, data: bytes) -> dict[str, object]:
    """Write a chunk. The answer is the back-pressure: the browser sends the next one when it has this."""
    upload: Upload | None = socket.data.get("upload")
    if upload is None:
        return {"error": "This upload has not been begun, or has been given up."}
    try:
        received = upload.write(data)
        if received == upload.file.size:
            store.keep(upload)
    except UploadError as error:
        cancel(socket)
        return {"error": str(error)}
    if received == upload.file.size:
        del socket.data["upload"]
        root.emit("files", list(store.files.values()))
    return {"received": received}


@root.on("cancel")
def cancel(socket: Socket) -> bool:
    """Give an upload up."""
    upload: Upload | None = socket.data.pop("upload", None)
    if upload is not None:
        store.drop(upload)
    return True


root.on_disconnect(cancel)
