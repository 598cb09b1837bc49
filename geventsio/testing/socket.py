"""A test client's connection to one namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from geventsio.errors import SocketClosedError
from geventsio.protocol.packet_group import PacketGroup
from geventsio.sending.ack import answer_value
from geventsio.testing.errors import NotReceived

if TYPE_CHECKING:
    from geventsio.testing.client import TestClient

__all__ = ["Answer", "Event", "TestSocket"]


class Event:
    """An event from the server. Equal to another of the same name and arguments, however it came about.

    Attributes:
        name: of the event.
        args: its arguments.
    """

    __slots__ = ("_answer", "args", "name")

    def __init__(self, name: str, *args: Any) -> None:
        self.name = name
        self.args: tuple[Any, ...] = args
        self._answer: Callable[[tuple[object, ...]], object] | None = None

    def __repr__(self) -> str:
        return f"Event({', '.join(map(repr, (self.name, *self.args)))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and (self.name, self.args) == (other.name, other.args)

    __hash__ = None  # type: ignore[assignment]

    @property
    def data(self) -> Any:
        """Its argument: None if there is none, a tuple if there are several."""
        return answer_value(self.args)

    @property
    def wants_ack(self) -> bool:
        """Whether the server waits for an answer that has not been given yet."""
        return self._answer is not None

    def ack(self, *args: object) -> None:
        """Answer it, and let the server come to rest. Switches greenlets.

        Raises:
            RuntimeError: the server asked for no acknowledgement, or has it already.
        """
        answer, self._answer = self._answer, None
        if answer is None:
            raise RuntimeError(f"the server waits for no acknowledgement of {self}")
        answer(args)


class Answer:
    """The server's acknowledgement of an event, which may not have arrived yet."""

    def __init__(self, socket: TestSocket, event: str) -> None:
        self._socket = socket
        self._event = event
        self._args: list[Any] | None = None

    def done(self) -> bool:
        """Whether it has arrived."""
        return self._args is not None

    def result(self, timeout: float | None = None) -> Any:
        """Wait for it. Switches greenlets.

        Args:
            timeout: real seconds to wait; None for the client's `timeout`.

        Returns:
            None if the server sent no value, the value, or a tuple of values.

        Raises:
            NotReceived: it did not arrive.
        """
        self._socket.wait_for(self.done, timeout, f"no acknowledgement of {self._event!r}")
        assert self._args is not None
        return answer_value(self._args)

    def resolve(self, args: list[Any]) -> None:
        """Take what the server says."""
        self._args = args


class TestSocket:
    """A connection to one namespace; `TestClient.connect` makes it.

    Everything that it does ends with the server at rest: its handlers have ended, or wait for something. What then has
    escaped from one of them is raised here. As a context manager it disconnects at the end.

    Attributes:
        client: shared with the other namespaces.
        namespace: its path.
        id: as the server knows it.
    """

    __test__ = False  # or pytest would take it for a test

    def __init__(self, client: TestClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.id = ""
        self._inbox: list[Event] = []
        self._answers: dict[int, Answer] = {}
        self._last_id = 0
        self._reason: str | None = None

    def __repr__(self) -> str:
        state = "connected" if self._reason is None else self._reason
        return f"<TestSocket {self.id} in {self.namespace}: {state}>"

    def __enter__(self) -> TestSocket:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.disconnect()

    # Sending

    def emit(self, event: str, *args: object) -> None:
        """Send an event; bytes anywhere in the arguments are sent as binary. Switches greenlets.

        Raises:
            SocketClosedError: the socket is not connected.
            SerializeError: an argument can't be encoded.
        """
        self._send(self.client.parser.encode_event(self.namespace, event, args))

    def emit_with_ack(self, event: str, *args: object) -> Answer:
        """Send an event that asks for an acknowledgement, and return its future. Switches greenlets.

        Raises:
            SocketClosedError, SerializeError: as `emit`.
        """
        self._last_id += 1
        answer = Answer(self, event)
        group = self.client.parser.encode_event(self.namespace, event, args, self._last_id)
        self._answers[self._last_id] = answer
        self._send(group)
        return answer

    def call(self, event: str, *args: object, timeout: float | None = None) -> Any:
        """Send an event and return what the server answers; see `Answer.result`. Switches greenlets.

        Raises:
            NotReceived: there is no answer.
            SocketClosedError, SerializeError: as `emit`.
        """
        return self.emit_with_ack(event, *args).result(timeout)

    # Receiving

    def receive(self, event: str | None = None, timeout: float | None = None) -> Event:
        """Wait for the next event, and take it. Switches greenlets.

        Args:
            event: the name of the event; those before it stay, to be received later. None takes any.
            timeout: real seconds to wait; None for the client's `timeout`.

        Raises:
            NotReceived: it did not arrive.
        """
        self.wait_for(lambda: self._find(event), timeout, "no event" if event is None else f"no event {event!r}")
        found = self._find(event)
        assert found is not None
        # By identity: events are equal that are not the same.
        self._inbox = [kept for kept in self._inbox if kept is not found]
        return found

    def received(self, event: str | None = None) -> list[Event]:
        """Take what has arrived, without waiting for more. Switches greenlets.

        Args:
            event: takes only events of this name; None takes all.
        """
        self.client.settle()
        taken = [found for found in self._inbox if event in (None, found.name)]
        self._inbox = [kept for kept in self._inbox if event not in (None, kept.name)]
        return taken

    def assert_nothing(self, event: str | None = None) -> None:
        """Check that nothing has arrived that was not received yet. Switches greenlets.

        It is no matter of time: the server is at rest then, and nothing more can come before something else happens.

        Args:
            event: looks only for events of this name; None for all.

        Raises:
            AssertionError: something has; the message says what.
        """
        self.client.settle()
        found = [found for found in self._inbox if event in (None, found.name)]
        if found:
            raise AssertionError(f"nothing was to arrive in {self.namespace}, but there is {_listed(found)}")

    # The end

    @property
    def connected(self) -> bool:
        """Whether it is connected. Lets the server come to rest first; switches greenlets."""
        return self.disconnected is None

    @property
    def disconnected(self) -> str | None:
        """Why it was disconnected, in the words of the official client; None if it is connected.

        "io server disconnect", "io client disconnect", "transport close", "transport error", "parse error", or "forced
        close" if the whole client was closed. Lets the server come to rest first; switches greenlets.
        """
        self.client.rest()
        return self._reason

    def wait_disconnected(self, timeout: float | None = None) -> str:
        """Wait until it is disconnected, and return the reason; see `disconnected`. Switches greenlets.

        Raises:
            NotReceived: it is still connected after `timeout` real seconds, or the client's `timeout`.
        """
        self.wait_for(lambda: self._reason, timeout, "the socket was not disconnected")
        assert self._reason is not None
        return self._reason

    def disconnect(self) -> None:
        """Disconnect from the namespace; nothing happens if it is disconnected. Switches greenlets."""
        self.client.rest()
        if self._reason is None:
            self.client.leave(self, "io client disconnect")
        self.client.settle()

    # What the client uses

    def wait_for(self, probe: Callable[[], object], timeout: float | None, complaint: str) -> None:
        """Wait until the probe is true.

        Raises:
            NotReceived: it is not in time, or can't be any more.
        """
        seconds = self.client.timeout if timeout is None else timeout
        self.client.wait_for(lambda: probe() or self._reason is not None, seconds)
        if probe():
            return
        what = f"the socket has been disconnected: {self._reason}" if self._reason else f"within {seconds:g} seconds"
        raise NotReceived(f"{complaint} in {self.namespace} ({what}); received and not taken: {_listed(self._inbox)}")

    def take_event(self, data: list[Any], ack_id: int | None) -> None:
        """Take an event from the server."""
        event = Event(*data)
        if ack_id is not None:
            event._answer = lambda args: self._send(self.client.parser.encode_ack(self.namespace, ack_id, args))
        self._inbox.append(event)

    def take_ack(self, ack_id: int | None, args: list[Any]) -> None:
        """Take an acknowledgement from the server."""
        answer = None if ack_id is None else self._answers.pop(ack_id, None)
        if answer is not None:
            answer.resolve(args)

    def ended(self, reason: str) -> None:
        """Learn that it is connected no more."""
        if self._reason is None:
            self._reason = reason

    def _find(self, event: str | None) -> Event | None:
        return next((found for found in self._inbox if event in (None, found.name)), None)

    def _send(self, group: PacketGroup) -> None:
        if self._reason is not None:
            raise SocketClosedError(f"the socket is disconnected: {self._reason}")
        self.client.send(group)


def _listed(events: list[Event]) -> str:
    return ", ".join(map(repr, events)) or "nothing"
