"""The app's side: gives jobs to workers, and takes what they report to the user who asked.

Workers are other processes, perhaps on other machines. They fetch jobs and report over HTTP, with a secret that only
they and the app know.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass
from typing import Annotated

import msgspec
from flask import Flask, abort, jsonify, render_template, request, session
from msgspec import Meta
from werkzeug.wrappers import Response

from examples.shared import shared
from examples.worker.jobs import Area, Job, Jobs
from geventsio import ConnectRefused, Data, Socket, SocketIO
from geventsio.integrations.flask import FlaskIntegration

__all__ = ["app", "io"]

POLL = 20  # seconds that a worker waits for a job
TIMEOUT = 60  # seconds after which a job is given up: its worker may have died

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
    SESSION_COOKIE_SAMESITE="Lax",
    WORKER_TOKEN=os.environ.get("WORKER_TOKEN") or secrets.token_hex(),
    MAX_CONTENT_LENGTH=100_000,
)
app.register_blueprint(shared)
io = SocketIO()
FlaskIntegration(io, app)
root = io.ns("/").answer_errors()
jobs = Jobs()


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker has to say: `pixels` are the rows from `row` on, one byte each, in base64."""

    row: Annotated[int, Meta(ge=0)]
    pixels: bytes
    done: bool


@app.get("/")
def index() -> str:
    """The page. The session tells the user's tabs apart from everybody else's; with a login it would be his id."""
    session.setdefault("user", secrets.token_hex(16))
    return render_template("index.html")


@app.before_request
def check_worker() -> None:
    """Keep everybody out of the workers' entrance."""
    if request.path.startswith("/worker/"):
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(token.encode(), app.config["WORKER_TOKEN"].encode()):
            abort(403)


@app.post("/worker/job")
def next_job() -> Response | tuple[str, int]:
    """Give a worker its next job; 204 when there is none for a while. Costs a greenlet, and no polling."""
    job = jobs.next(POLL)
    if job is None:
        return "", 204
    root.to(room(job.user)).emit("started", job.id)
    return jsonify(id=job.id, area=asdict(job.area))


@app.post("/worker/job/<job_id>")
def report(job_id: str) -> Response:
    """Take what a worker reports to all tabs of the user who wanted it; bytes reach them as they are."""
    job = jobs.get(job_id) or abort(404)
    try:
        part = msgspec.json.decode(request.get_data(), type=Report)
    except msgspec.DecodeError as error:
        abort(400, str(error))
    if part.done:
        jobs.end(job)
    root.to(room(job.user)).emit("rows", job.id, part.row, part.pixels, part.done)
    return jsonify(ok=True)


@root.use
def check(socket: Socket) -> None:
    """Know the user by the session."""
    if "user" not in session:
        raise ConnectRefused("Reload the page: it has no session.")
    socket.data["user"] = session["user"]
    socket.join(room(session["user"]))


@root.on("draw")
def draw(socket: Socket, area: Data[Area]) -> dict[str, str]:
    """Take an order. Its number is the answer; the picture comes when there is one."""
    job = jobs.order(socket.data["user"], area)
    if job is None:
        return {"error": "Wait for what you have ordered already."}
    io.spawn_later(TIMEOUT, give_up, job)
    socket.to(room(job.user)).emit("ordered", job.id)
    return {"id": job.id}


def give_up(job: Job) -> None:
    """Tell the user that nothing comes of it."""
    if jobs.end(job):
        root.to(room(job.user)).emit("failed", job.id)


def room(user: str) -> str:
    """The room of all of a user's tabs."""
    return f"user:{user}"
