"""Letting go of the hub: the next request takes the one that it comes in on, which may be another thread's."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geventsio.engine.server import EngineServer

__all__ = ["release"]


def release(server: EngineServer) -> None:
    """Have a server forget its hub, and the greenlets that waited there for work. Nobody may be connected.

    A process that serves needs no such thing. Tests do: one server may serve several of them, one after another, on
    hubs of different threads and by different clocks.

    Raises:
        RuntimeError: there are sessions, or callbacks that have not returned.
    """
    if not server.has_started:
        return
    if server.sessions or server.runtime.workers.busy:
        raise RuntimeError("the server still has clients, or handlers that run")
    server.runtime.workers.close()
    for name, attribute in vars(type(server)).items():
        if isinstance(attribute, cached_property):  # the server makes all of them when its first request arrives
            server.__dict__.pop(name, None)
