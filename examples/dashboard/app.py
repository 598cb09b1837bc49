"""The dashboard's server: a background greenlet measures this process, and sends each sample to all pages."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import gevent
from flask import Flask, render_template

from examples.shared import shared
from geventsio import Socket, SocketIO

__all__ = ["app", "io"]

INTERVAL = 0.25  # seconds from one sample to the next
KEPT = 480  # samples: two minutes of them

io = SocketIO()
root = io.ns("/")
app = Flask(__name__)
app.register_blueprint(shared)
app.wsgi_app = io.layer(app.wsgi_app)  # type: ignore[assignment, method-assign]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured.

    Attributes:
        time: milliseconds since 1970.
        lag: milliseconds that the greenlet woke up too late: so long every other one had to wait.
        cpu: per cent of one core that the process used.
        events: events per second that clients have sent.
        clients: who is connected.
    """

    time: int
    lag: float
    cpu: float
    events: float
    clients: int


samples: deque[Sample] = deque(maxlen=KEPT)
received = 0  # events since the last sample
background: gevent.Greenlet[..., object] | None = None
load: gevent.Greenlet[..., object] | None = None


def measure() -> None:
    """Take a sample, again and again."""
    global received
    before, cpu_before = time.monotonic(), time.process_time()
    while True:
        gevent.sleep(INTERVAL)
        now, cpu = time.monotonic(), time.process_time()
        passed = now - before
        samples.append(
            Sample(
                time=time.time_ns() // 1_000_000,
                lag=round(max(0.0, passed - INTERVAL) * 1_000, 2),
                cpu=round((cpu - cpu_before) / passed * 100, 1),
                events=round(received / passed, 1),
                clients=len(root.sockets),
            )
        )
        received, before, cpu_before = 0, now, cpu
        root.volatile().emit("sample", samples[-1])  # who can't keep up misses some


@app.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html")


@root
def connect(socket: Socket) -> None:
    """Show a newcomer the last two minutes. The first one starts the greenlet: at import there is no server yet."""
    global background
    if background is None:
        background = io.spawn(measure)
    socket.emit("samples", list(samples))


@root.on_any
def count() -> None:
    """Count every event, whoever handles it."""
    global received
    received += 1


@root.on("work")
def work(kind: str) -> bool:
    """Give the process something to do; one load at a time."""
    global load
    if load is not None and not load.dead:
        return False
    load = io.spawn(block if kind == "block" else compute)
    return True


def compute() -> None:
    """Compute for three seconds, and let the other greenlets run in between."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        sum(range(50_000))
        gevent.sleep(0)


def block() -> None:
    """Stop everything for a moment, as a call does that gevent has not patched. Don't do this at home."""
    time.sleep(0.4)
