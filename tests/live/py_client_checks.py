"""Drives python-socketio's client against the server of `python -m tests.conformance.server socket`.

Run as `python -m tests.live.py_client_checks URL polling|websocket|upgrade default|msgpack`; it prints a line of JSON:
{check: null or what went wrong}. A process of its own, because that client has threads that outlive a failed check.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import engineio
import engineio.payload
import socketio
import socketio.exceptions

# By default this client breaks off when a poll brings it more packets than this; the official one has no such limit.
engineio.payload.Payload.max_decode_packets = 1000

# Seconds after which a check that waits for ever has failed.
GUARD = 20

URL, MODE, SERIALIZER = sys.argv[1:4] if __name__ == "__main__" else ("", "", "")
TRANSPORTS = ["polling", "websocket"] if MODE == "upgrade" else [MODE]

VALUES = [1, "2", {"3": [True]}, None, -1.5, [], {}, "", [[1, [2]], "x"], False]
UNICODE = ["€ 𝕊 日本語 é", "\u2028\u2029\u0000\u001e", {"ключ 🎉": "🎉🎉"}, '"\\/']
BINARY = [{"a": [b"\x01\x02\x03", {"b": b"\xff"}], "text": "x"}, b"\x04\x05\x06", [b"", "y", ["€".encode()]]]


class _InOrder(engineio.Client):  # type: ignore[misc]
    """Handles packets one after another: as it comes, each is given to a thread of its own, and any may be first."""

    def _trigger_event(self, event: str, *args: Any, run_async: bool = False, **options: Any) -> Any:
        return super()._trigger_event(event, *args, run_async=False, **options)


class _SocketIOClient(socketio.Client):  # type: ignore[misc]
    def _engineio_client_class(self) -> type[engineio.Client]:
        return _InOrder


class Client:
    """A client whose events wait in a queue."""

    def __init__(self, namespaces: tuple[str, ...] = ("/",), auth: Any = None) -> None:
        self.events: queue.Queue[tuple[str, str, list[Any]]] = queue.Queue()
        self.answer: Any = None
        self.io = _SocketIOClient(
            reconnection_delay=0, reconnection_delay_max=0, randomization_factor=0, serializer=SERIALIZER
        )
        for namespace in namespaces:
            for event in ("auth", "message-back", "disconnect", "connect", "connect_error"):
                self.io.on(event, self._recorder(namespace, event), namespace=namespace)
            self.io.on("emit-with-ack", self._answer(namespace), namespace=namespace)
        self.io.connect(URL, auth=auth, transports=TRANSPORTS, namespaces=list(namespaces), wait_timeout=GUARD)

    def next(self, event: str, namespace: str = "/") -> list[Any]:
        """Wait for an event and return its arguments; others that come before it are dropped."""
        while True:
            found = self.events.get(timeout=GUARD)
            if found[:2] == (namespace, event):
                return found[2]

    def echo(self, *args: Any, namespace: str = "/") -> list[Any]:
        """Send `message` and return what comes back."""
        self.io.emit("message", args, namespace=namespace)
        return self.next("message-back", namespace)

    def ask(self, *args: Any, namespace: str = "/") -> list[Any]:
        """Send `message-with-ack` and return the ack's values."""
        answers: queue.Queue[list[Any]] = queue.Queue()
        self.io.emit("message-with-ack", args, namespace=namespace, callback=lambda *got: answers.put(list(got)))
        return answers.get(timeout=GUARD)

    def be_asked(self, args: tuple[Any, ...], answer: Any) -> tuple[list[Any], list[Any]]:
        """Let the server ask for an ack and answer it; return what the server asked, and what it says it got."""
        self.answer = answer
        self.io.emit("emit-with-ack", args)
        return self.next("emit-with-ack"), self.next("emit-with-ack")

    def _recorder(self, namespace: str, event: str) -> Callable[..., None]:
        return lambda *args: self.events.put((namespace, event, list(args)))

    def _answer(self, namespace: str) -> Callable[..., Any]:
        def answer(*args: Any) -> Any:
            self.events.put((namespace, "emit-with-ack", list(args)))
            return self.answer

        return answer


@contextmanager
def connected(namespaces: tuple[str, ...] = ("/",), auth: Any = None) -> Iterator[Client]:
    """A client that is connected; checked to use the transport that is tested."""
    client = Client(namespaces, auth)
    assert client.io.transport() == TRANSPORTS[-1], client.io.transport()
    yield client
    client.io.disconnect()


def same(got: object, expected: object) -> None:
    """Fail unless both are equal."""
    assert got == expected, f"{got!r} is not {expected!r}"


def check_auth() -> None:
    """The auth payload arrives, and an empty one if there was none."""
    with connected(auth={"token": "123", "nested": {"list": [1, "€"]}}) as client:
        same(client.next("auth"), [{"token": "123", "nested": {"list": [1, "€"]}}])
    with connected() as client:
        same(client.next("auth"), [{}])


def check_event() -> None:
    """Arguments of all JSON types come back."""
    with connected() as client:
        same(client.echo(*VALUES), VALUES)
        same(client.echo(), [])
        same(client.echo(*UNICODE), UNICODE)


def check_binary() -> None:
    """Binary inside of arguments comes back."""
    with connected() as client:
        same(client.echo(*BINARY), BINARY)


def check_ack() -> None:
    """The server's acks carry their values, binary ones too."""
    with connected() as client:
        same(client.ask(*VALUES), VALUES)
        same(client.ask(), [])
        same(client.ask(*BINARY), BINARY)


def check_asked_by_the_server() -> None:
    """The client's acks carry their values, binary ones too."""
    with connected() as client:
        same(client.be_asked((1, "2"), ("got", {"x": [None]})), ([1, "2"], ["got", {"x": [None]}]))
        same(client.be_asked((b"\x01",), (b"\x09", "x")), ([b"\x01"], [b"\x09", "x"]))


def check_custom_namespace() -> None:
    """Two namespaces share a connection and stay apart."""
    with connected(("/", "/custom"), auth={"token": "abc"}) as client:
        assert client.io.get_sid("/") != client.io.get_sid("/custom")
        same(client.echo("custom", namespace="/custom"), ["custom"])
        same(client.ask(b"custom", namespace="/custom"), [b"custom"])
        same(client.echo("main"), ["main"])


def check_unknown_namespace() -> None:
    """A namespace that the server does not have is refused with its message."""
    client = socketio.Client(serializer=SERIALIZER)
    refused: queue.Queue[Any] = queue.Queue()
    client.on("connect_error", refused.put, namespace="/unknown")
    try:
        client.connect(URL, transports=TRANSPORTS, namespaces=["/unknown"], wait_timeout=GUARD)
    except socketio.exceptions.ConnectionError:
        pass
    else:
        raise AssertionError("connected")
    finally:
        client.disconnect()
    same(refused.get(timeout=GUARD), {"message": "Invalid namespace"})


def check_disconnect_by_the_client() -> None:
    """A client may leave and come back."""
    with connected() as client:
        first = client.io.get_sid()
        client.io.disconnect()
        same(client.next("disconnect"), ["client disconnect"])
        client.io.connect(URL, transports=TRANSPORTS, wait_timeout=GUARD)
        assert client.io.get_sid() != first
        same(client.echo("again"), ["again"])


def check_reconnect_after_a_close_by_the_server() -> None:
    """A client that the server has thrown out reconnects by itself."""
    with connected() as client:
        first = client.io.get_sid()
        client.next("connect")
        client.io.eio.send("no packet of Socket.IO")
        client.next("disconnect")
        client.next("connect")
        assert client.io.get_sid() != first
        same(client.echo("again"), ["again"])


def check_large_messages() -> None:
    """Half a megabyte of text, and of binary."""
    with connected() as client:
        text = "€" * 100_000 + "x" * 200_000
        same(client.echo(text) == [text], True)
        data = b"geventsio" * 55_000
        same(client.echo({"data": data}) == [{"data": data}], True)


def check_order() -> None:
    """200 messages, some of them binary, come back in order."""
    with connected() as client:
        expected = [[number, "text" if number % 10 else bytes([number])] for number in range(200)]
        for number, data in expected:
            client.io.emit("message", (number, data))
        same([client.next("message-back") for _ in expected], expected)


def run(check: Callable[[], None]) -> str | None:
    """Run a check; return what went wrong."""
    try:
        check()
    except Exception:
        return traceback.format_exc()
    return None


def main() -> None:
    """Run all checks and print their results."""
    checks = {name[6:]: check for name, check in globals().items() if name.startswith("check_")}
    if MODE == "polling":
        # There this client takes the close packet that ends its poll for a goodbye, from the official server too.
        del checks["reconnect_after_a_close_by_the_server"]
    print(json.dumps({name: run(check) for name, check in checks.items()}), flush=True)
    # The threads of a client whose check failed may never end.
    os._exit(0)


if __name__ == "__main__":
    main()
