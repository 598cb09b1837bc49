"""Namespaces and sockets that count what happens to them; those of servers without metrics spend no time on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from geventsio.engine.counts import Histogram
from geventsio.handling.call import Call
from geventsio.handling.dispatch import run_event
from geventsio.handling.registry import EventHandlers
from geventsio.namespaces.namespace import Namespace
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import Packet
from geventsio.socket import Socket
from geventsio.types import DisconnectReason

if TYPE_CHECKING:
    from geventsio.server import SocketIO

__all__ = ["OTHER", "CountedNamespace", "CountedSocket", "EventCounts", "NamespaceCounts", "label_of"]

#: The label of all that has none of its own: clients choose the names of events, and there is no end of them.
OTHER = "other"

#: Events of one namespace that have labels of their own. Applications may register handlers by names made of data.
MAX_EVENTS = 256


class EventCounts:
    """The counts of one event in one namespace.

    Attributes:
        event: the label.
        received: how often clients have sent it.
        emitted: how often it was emitted.
        seconds: how long its handler ran.
    """

    __slots__ = ("emitted", "event", "received", "seconds")

    def __init__(self, event: str, buckets: Sequence[float]) -> None:
        self.event = event
        self.received = 0
        self.emitted = 0
        self.seconds = Histogram(buckets)


class NamespaceCounts:
    """The counts of one namespace, or of all that match a pattern. They stay when it is deleted.

    Args:
        label: the path or the pattern.
        buckets: see `Metrics`.
        emitted: see `Metrics`.
    """

    def __init__(self, label: str, buckets: Sequence[float], emitted: frozenset[str]) -> None:
        self.label = label
        self.connects = 0
        self.refusals: Counter[str] = Counter()
        self.disconnects: Counter[DisconnectReason] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        self.others = EventCounts(OTHER, buckets)
        self._buckets = buckets
        self._emitted = emitted
        # Of an event that is called so, too: no two samples have the same labels.
        self._events: dict[str, EventCounts] = {OTHER: self.others}

    def events(self) -> list[EventCounts]:
        """Those of all events."""
        return list(self._events.values())

    def received(self, event: str, shared: EventHandlers, own: EventHandlers | None) -> EventCounts:
        """The counts of an event that a client has sent: its own if it has a handler."""
        found = self._events.get(event)
        if found is None:
            is_known = event in shared.events or (own is not None and event in own.events)
            found = self._add(event) if is_known else self.others
        return found

    def emitted(self, event: str, shared: EventHandlers) -> EventCounts:
        """The counts of an event that is emitted: its own if it was announced, or has a handler as well."""
        found = self._events.get(event)
        if found is None:
            found = self._add(event) if event in self._emitted or event in shared.events else self.others
        return found

    def count_error(self, call: Call, kind: str) -> None:
        """Count a job that has failed."""
        event = call.event
        if call.kind == "event":
            event = self.received(event, call.socket.namespace.handlers, call.socket.handlers).event
        self.errors[event, kind] += 1

    def _add(self, event: str) -> EventCounts:
        if len(self._events) > MAX_EVENTS:
            return self.others
        return self._events.setdefault(event, EventCounts(event, self._buckets))  # a thread may have been faster


class CountedNamespace(Namespace):
    """A namespace whose sockets and emits are counted."""

    def __init__(self, io: SocketIO, *rest: Any) -> None:
        super().__init__(io, *rest)
        assert io.metrics is not None
        self.counts = io.metrics.namespace(self)

    def encode_event(self, event: str, args: Sequence[object], ack_id: int | None = None) -> PacketGroup:
        """See `Namespace`."""
        group = super().encode_event(event, args, ack_id)
        self.counts.emitted(event, self.handlers).emitted += 1
        return group

    def count_refusal(self, reason: str) -> None:
        """See `Namespace`."""
        self.counts.refusals[reason] += 1

    def count_error(self, call: Call, kind: str) -> None:
        """See `Namespace`."""
        self.counts.count_error(call, kind)


class CountedSocket(Socket):
    """A socket whose events are counted, and their handlers timed."""

    __slots__ = ()

    namespace: CountedNamespace

    def accept(self) -> None:
        """See `Socket`."""
        super().accept()
        self.namespace.counts.connects += 1

    def receive_event(self, packet: Packet) -> bool:
        """See `Socket`."""
        namespace = self.namespace
        counts = namespace.counts.received(packet.data[0], namespace.handlers, self.handlers)
        counts.received += 1
        return self._jobs.submit(run_timed_event, self, packet, counts.seconds)

    def closed(self, reason: DisconnectReason) -> None:
        """See `Socket`."""
        was_connected = self.connected
        super().closed(reason)
        if was_connected:
            self.namespace.counts.disconnects[reason] += 1


def run_timed_event(socket: Socket, packet: Packet, seconds: Histogram) -> None:
    """Do what `run_event` does, and measure how long it takes."""
    begin = monotonic()
    run_event(socket, packet)
    seconds.observe(monotonic() - begin)


def label_of(namespace: Namespace) -> str:
    """What a namespace is known by: its path, which clients have no part in, or the pattern of a dynamic one."""
    return namespace.path if namespace.template is None else namespace.template.path
