"""A worker: draws parts of the Mandelbrot set, in a process of its own.

`WORKER_TOKEN=... python -m examples.worker.worker --url http://127.0.0.1:3000`; start as many as there are cores.
It needs neither gevent nor geventsio: any program that can send a request can do this.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import time
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

__all__ = ["HEIGHT", "WIDTH", "main"]

WIDTH, HEIGHT = 240, 160
DEPTH = 150
ROWS = 8  # reported at a time


class App:
    """The app that gives the jobs, over HTTP."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def post(self, path: str, **values: object) -> Any:
        """Send something; return the answer, None where there is none."""
        request = Request(self._url + path, json.dumps(values).encode(), self._headers)
        with urlopen(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None


def depth(x: float, y: float) -> int:
    """How soon a point leaves for infinity, as a number of one byte; 0 if it stays."""
    z, c = 0j, complex(x, y)
    for step in range(DEPTH):
        z = z * z + c
        if z.real * z.real + z.imag * z.imag > 4:
            return 1 + step * 254 // DEPTH
    return 0


def draw(app: App, job: dict[str, Any]) -> None:
    """Do a job, and report every few rows."""
    area = job["area"]
    unit = 3 / WIDTH / area["zoom"]
    for row in range(0, HEIGHT, ROWS):
        pixels = bytes(
            depth(area["x"] + (column - WIDTH / 2) * unit, area["y"] + (line - HEIGHT / 2) * unit)
            for line in range(row, row + ROWS)
            for column in range(WIDTH)
        )
        done = row + ROWS >= HEIGHT
        app.post(f"/worker/job/{job['id']}", row=row, pixels=base64.b64encode(pixels).decode(), done=done)


def main() -> None:
    """Work until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m examples.worker.worker")
    parser.add_argument("--url", default="http://127.0.0.1:3000", help="where the app is (%(default)s)")
    app = App(parser.parse_args().url, os.environ["WORKER_TOKEN"])
    while True:
        try:
            job = app.post("/worker/job")
            if job is not None:
                draw(app, job)
        except (OSError, HTTPException):  # the app is away, or has forgotten the job
            time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
