"""Runs clients that come back by themselves when their server stops: tests/live/js/reconnect.mjs."""

from __future__ import annotations

__all__ = ["Clients"]

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests import tools
from tests.live.harness import DEADLINE


class Clients:
    """Node.js clients that are left to themselves.

    Args:
        package: an npm package of tests/js.
        url: of the server.
        count: how many there shall be.
        mode: polling, websocket or upgrade.
        prefix: what stands before their command.
    """

    def __init__(self, package: str, url: str, count: int, mode: str, prefix: Sequence[str | Path] = ()) -> None:
        script = Path(__file__).parent / "js" / "reconnect.mjs"
        command = [*prefix, str(tools.node()), str(script), str(tools.js_package(package)), url, str(count), mode]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def report(self) -> tuple[dict[str, int], list[int]]:
        """Wait until all are connected, the second time to another process than before: why not before, and to whom."""
        assert self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        report = json.loads(line)
        return report["reasons"], report["pids"]

    def close(self) -> None:
        """Wait until they have left."""
        self._process.communicate(timeout=DEADLINE)
        assert self._process.returncode == 0

    def kill(self) -> None:
        """End them if they are still there."""
        self._process.kill()
        self._process.communicate()
