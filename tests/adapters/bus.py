"""An adapter that reaches other servers over a bus in memory, by bytes alone."""

from __future__ import annotations

__all__ = ["Bus", "BusAdapter"]

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

from gevent import get_hub, getcurrent
from gevent.event import Event
from msgspec.structs import replace

from geventsio.adapters import (
    AckCollector,
    Answer,
    BroadcastOptions,
    EventPacket,
    LocalAdapter,
    LocalSocket,
    RemoteSocketData,
    wire,
)
from geventsio.errors import AdapterError


class Bus:
    """Carries messages between adapters, later, and in the order in which each of them sent its own.

    Attributes:
        is_held: while true, nothing is delivered.
        is_down: while true, nothing can be sent.
        gate: who sends something waits until it is set, if there is one.
    """

    def __init__(self) -> None:
        self.is_held = False
        self.is_down = False
        self.gate: Event | None = None
        self._nodes: dict[int, BusAdapter] = {}
        self._dead: set[int] = set()
        self._ids = count()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._scheduled = False

    def factory(self, request_timeout: float = 5) -> Callable[[str, Mapping[str, LocalSocket]], BusAdapter]:
        """Make what `SocketIO(adapter=...)` takes."""
        return lambda namespace, sockets: BusAdapter(namespace, sockets, self, request_timeout)

    def join(self, node: BusAdapter) -> int:
        """Take a node in, and return its number."""
        number = next(self._ids)
        self._nodes[number] = node
        return number

    def leave(self, number: int) -> None:
        """Let a node go."""
        self._nodes.pop(number, None)

    def count(self, namespace: str) -> int:
        """How many nodes are taken to share a namespace, dead ones among them."""
        return sum(node.namespace == namespace for node in self._nodes.values())

    def die(self, node: BusAdapter) -> None:
        """Neither deliver anything to a node any more, nor take anything from it; nobody notices."""
        self._dead.add(node.number)

    def publish(self, sender: BusAdapter, message: object, to: int | None = None) -> None:
        """Send a message to one node, or to all others of the sender's namespace."""
        if self.gate is not None and getcurrent() is not get_hub():
            self.gate.wait()
        if self.is_down:
            raise ConnectionError("the bus is down")
        if sender.number in self._dead:
            return
        data = wire.dumps(message)
        for number, node in self._nodes.items():
            if node is not sender and node.namespace == sender.namespace and to in (None, number):
                self._waiting.append((number, data))
        self.deliver()

    def deliver(self) -> None:
        """Have what waits delivered, in the loop's next round."""
        if not self._scheduled and not self.is_held:
            self._scheduled = True
            get_hub().loop.run_callback(self._deliver)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way."""
        return not self._waiting

    def _deliver(self) -> None:
        self._scheduled = False
        while self._waiting and not self.is_held:
            number, data = self._waiting.popleft()
            if number in self._nodes and number not in self._dead:
                self._nodes[number].receive(wire.loads(data))


class Request:
    """Waits for what other nodes answer."""

    def __init__(self, nodes: int) -> None:
        self._missing = nodes
        self._complete = Event()
        self.answers: list[Any] = []

    def take(self, answer: Any) -> None:
        """Take one node's answer."""
        self.answers.append(answer)
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    def wait(self, seconds: float) -> list[Any]:
        """Return the answers when all are there, or those that are when the time is up. Switches greenlets."""
        self._complete.wait(seconds)
        return self.answers


class BusAdapter(LocalAdapter):
    """Does what it is asked on this server, and has the others do the same on theirs."""

    def __init__(self, namespace: str, sockets: Mapping[str, LocalSocket], bus: Bus, request_timeout: float) -> None:
        super().__init__(namespace, sockets)
        self.number = -1
        #: Requests of acknowledgements that have not ended, and of other things, by their ids.
        self.collectors: dict[int, AckCollector] = {}
        self.requests: dict[int, Request] = {}
        self._bus = bus
        self._request_timeout = request_timeout
        self._request_ids = count()

    def init(self) -> None:
        self.number = self._bus.join(self)

    def close(self) -> None:
        self._bus.leave(self.number)

    def server_count(self) -> int:
        return self._bus.count(self.namespace)

    # What users ask for

    def broadcast(self, packet: EventPacket, options: BroadcastOptions) -> None:
        if not options.local:
            self._publish("broadcast", options, packet.event, list(packet.args))
        super().broadcast(packet, options)

    def broadcast_with_ack(self, packet: EventPacket, options: BroadcastOptions, acks: AckCollector) -> None:
        others = 0 if options.local else self.server_count() - 1
        if others:
            request_id = next(self._request_ids)
            acks.expect_servers(others, self._request_timeout)
            self.collectors[request_id] = acks
            acks.when_ended(lambda: self.collectors.pop(request_id))
            self._publish("ask", options, packet.event, list(packet.args), acks.timeout, request_id)
        super().broadcast_with_ack(packet, options, acks)

    def add_sockets(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        if not options.local:
            self._publish("add", options, rooms)
        super().add_sockets(options, rooms)

    def del_sockets(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        if not options.local:
            self._publish("del", options, rooms)
        super().del_sockets(options, rooms)

    def disconnect_sockets(self, options: BroadcastOptions, close: bool) -> None:
        if not options.local:
            self._publish("disconnect", options, close)
        super().disconnect_sockets(options, close)

    def rooms(self, options: BroadcastOptions) -> frozenset[str]:
        return super().rooms(options).union(*self._request("rooms", options))

    def fetch_sockets(self, options: BroadcastOptions) -> list[RemoteSocketData]:
        found = super().fetch_sockets(options)
        for answer in self._request("fetch", options):
            found += [wire.convert(data, RemoteSocketData) for data in answer]
        return found

    # What other nodes ask for

    def receive(self, message: Any) -> None:
        """Take a message from the bus, in the hub."""
        kind, sender, *rest = message
        if kind == "answer":
            request_id, *what = rest
            self._take(request_id, *what)
            return
        options, *arguments = rest
        self._serve(kind, partial(self._answer, sender), wire.convert(options, BroadcastOptions), arguments)

    def _serve(
        self, kind: str, reply: Callable[..., None], options: BroadcastOptions, arguments: Sequence[Any]
    ) -> None:
        options = replace(options, local=True)
        if kind == "broadcast":
            event, args = arguments
            super().broadcast(self.host.make_packet(event, args), options)
        elif kind == "ask":
            event, args, timeout, request_id = arguments
            answered = partial(self._relay, reply, request_id)
            reply(request_id, "number", self.host.relay_acks(event, args, options, timeout, answered))
        elif kind == "add":
            super().add_sockets(options, tuple(arguments[0]))
        elif kind == "del":
            super().del_sockets(options, tuple(arguments[0]))
        elif kind == "disconnect":
            super().disconnect_sockets(options, *arguments)
        elif kind == "rooms":
            reply(arguments[0], "result", super().rooms(options))
        elif kind == "fetch":
            reply(arguments[0], "result", [wire.sendable(data) for data in super().fetch_sockets(options)])
        else:
            raise AssertionError(kind)

    def _relay(self, reply: Callable[..., None], request_id: int, socket_id: str, answer: Answer) -> None:
        reply(request_id, "ack", socket_id, wire.answer_to_wire(answer))

    def _take(self, request_id: int, kind: str, *what: Any) -> None:
        """Take what another node answers; late answers find nothing."""
        if kind == "result":
            request = self.requests.get(request_id)
            if request is not None:
                request.take(what[0])
            return
        collector = self.collectors.get(request_id)
        if collector is None:
            return
        if kind == "number":
            collector.expect_answers(what[0])
        else:
            socket_id, answer = what
            collector.answer(socket_id, wire.answer_from_wire(answer))

    def _request(self, kind: str, options: BroadcastOptions) -> list[Any]:
        others = 0 if options.local else self.server_count() - 1
        if not others:
            return []
        request_id = next(self._request_ids)
        request = self.requests[request_id] = Request(others)
        try:
            self._publish(kind, options, request_id)
            return request.wait(self._request_timeout)
        finally:
            del self.requests[request_id]

    def _answer(self, to: int, *what: Any) -> None:
        try:
            self._bus.publish(self, ["answer", self.number, *what], to)
        except ConnectionError as error:
            raise AdapterError("the bus is down") from error

    def _publish(self, kind: str, options: BroadcastOptions, *what: Any) -> None:
        self._bus.publish(self, [kind, self.number, options, *what])
