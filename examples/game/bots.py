"""Players that are none: `python -m examples.game.bots [--count 200] [--url http://127.0.0.1:3000]`.

Needs python-socketio's client: pip install "python-socketio[client]".
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import random  # noqa: E402
import signal  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402
import socketio  # noqa: E402

from examples.game.world import HEIGHT, WIDTH  # noqa: E402

__all__ = ["main"]


def play(url: str, number: int) -> None:
    """Connect, and run about until the server goes."""
    client = socketio.Client(reconnection=False)
    client.connect(url, auth={"name": f"bot {number}"}, transports=["websocket"], wait_timeout=30)
    while client.connected:
        client.emit("steer", (random.randrange(WIDTH), random.randrange(HEIGHT)))
        time.sleep(random.uniform(0.5, 2))


def main() -> None:
    """Play until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m examples.game.bots", description="Players for the game.")
    parser.add_argument("--count", type=int, default=200, help="how many (%(default)s)")
    parser.add_argument("--url", default="http://127.0.0.1:3000", help="where the game is (%(default)s)")
    options = parser.parse_args()
    bots = []
    for number in range(options.count):
        bots.append(gevent.spawn(play, options.url, number + 1))
        gevent.sleep(0.01)
    print(f"{len(bots)} bots are playing", flush=True)
    gevent.joinall(bots)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # there is nothing to put away
    main()
