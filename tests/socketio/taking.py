"""A server whose one handler has a parameter of any annotation, known at run time only."""

from __future__ import annotations

__all__ = ["Server", "data", "generic", "label", "taking"]

import re
from collections.abc import Callable
from typing import Any

from geventsio import Data, SocketIO
from tests.socketio.harness import Serve
from tests.socketio.peer import WebSocketPeer


def generic(alias: Any, argument: Any) -> Any:
    """`alias[argument]`, where both are known at run time only."""
    return alias[argument]


def data(annotation: Any) -> Any:
    """`Data[annotation]`, where the annotation is known at run time only."""
    generic: Any = Data
    return generic[annotation]


def label(value: object) -> str:
    """A name for a parameter of a test, the same in each run."""
    return re.sub(r" (object )?at 0x\w+", "", str(value))[:50]


class Server:
    """A server with one client, whose event "event" has a handler that is given at each call."""

    def __init__(self, serve: Serve) -> None:
        self.io = SocketIO()
        self.io.ns("/").on("sync", lambda: ())
        self.peer: WebSocketPeer = serve(self.io).connect()

    def send(self, handler: Callable[..., Any], *args: object) -> None:
        """Register a handler, have the client send the event, and wait until it has been handled."""
        self.io.ns("/").on("event", handler)
        self.peer.emit("event", *args)
        assert self.peer.ask("sync") == []

    def take(self, annotation: Any, *args: object) -> Any:
        """What a handler with one parameter of this annotation gets."""
        got: list[Any] = []
        self.send(taking(annotation, got), *args)
        (value,) = got
        return value


def taking(annotation: Any, got: list[Any]) -> Callable[..., None]:
    """A handler whose one parameter has this annotation."""

    def handler(value: Any) -> None:
        got.append(value)

    handler.__annotations__ = {"value": annotation}
    return handler
