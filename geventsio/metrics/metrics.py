"""The metrics of one server: where they are counted, and how they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Any

from gevent import getcurrent

from geventsio.engine.counts import EngineCounts
from geventsio.engine.workers import SLICE
from geventsio.metrics.counted import OTHER, CountedNamespace, CountedSocket, NamespaceCounts, label_of
from geventsio.metrics.families import FAMILIES, Family, Sample
from geventsio.namespaces.namespace import Namespace
from geventsio.types import TransportType

if TYPE_CHECKING:
    from geventsio.engine.server import EngineServer
    from geventsio.sending.ack import PendingAck
    from geventsio.server import SocketIO

__all__ = ["BUCKETS", "Metrics", "check_metrics"]

#: Upper bounds in seconds: most handlers take a millisecond or less, and those of more than some seconds are few.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: Namespaces with labels of their own. Dynamic ones share that of their pattern, but applications may make others.
MAX_NAMESPACES = 256

Table = Counter[tuple[str, ...]]


class Metrics:
    """Counts and measures what one server does, which takes it as `SocketIO(metrics=...)`.

    There is an end to the labels, whatever clients send: an event is known by its name if it has a handler, else it
    is "other"; a dynamic namespace is known by its pattern. Counters and histograms are kept as things happen. Gauges
    cost nothing until they are read.

    Args:
        buckets: upper bounds of the ranges of `handler_seconds`, in seconds, ascending.
        emitted: names of events that are emitted and shall be known by them; without that, those only that have a
            handler as well.

    Raises:
        TypeError: `emitted` is one str.
        ValueError: the buckets are not ascending numbers.
    """

    def __init__(self, *, buckets: Sequence[float] = BUCKETS, emitted: Collection[str] = ()) -> None:
        if isinstance(emitted, str):
            raise TypeError("emitted must be a collection of events' names, not one str")
        if not buckets or not all(isfinite(bound) for bound in buckets) or sorted(set(buckets)) != list(buckets):
            raise ValueError(f"buckets must be ascending numbers of seconds, not {buckets!r}")
        self._buckets = tuple(buckets)
        self._emitted = frozenset(emitted)
        self._engine = EngineCounts()
        self._namespaces: dict[str, NamespaceCounts] = {}
        self._unknown_namespaces = 0
        self._acks_timed_out = 0
        self._io: SocketIO | None = None

    def collect(self) -> list[Family]:
        """Read all metrics, in an order that does not change. May switch greenlets; legal in any OS thread.

        Raises:
            RuntimeError: no server has these metrics.
        """
        if self._io is None:
            raise RuntimeError("these metrics belong to no server: pass them to SocketIO(metrics=...)")
        samples = {
            **self._read_engine(self._io.engine),
            **self._read_sockets(self._io),
            **self._read_counts(list(self._namespaces.values())),
            "acks_timed_out": [Sample((), self._acks_timed_out)],
            "native_jobs": [Sample((), self._io.native.jobs)],
            "loop_lag_seconds": [Sample((), self._engine.lag)],
        }
        return [Family(shape, samples[shape.name]) for shape in FAMILIES]

    # What the server uses

    def attach(self, io: SocketIO) -> None:
        """Count for a server, which nobody is connected to yet.

        Raises:
            ValueError: they are another's.
        """
        if self._io is not None:
            raise ValueError("these metrics belong to another server: each has its own")
        self._io = io
        io.engine.counts = self._engine
        io.namespace_class = CountedNamespace
        io.socket_class = CountedSocket

    def namespace(self, namespace: Namespace) -> NamespaceCounts:
        """Where a namespace counts."""
        label = label_of(namespace)
        if label not in self._namespaces and len(self._namespaces) >= MAX_NAMESPACES:
            label = OTHER
        counts = self._namespaces.get(label)
        if counts is None:
            counts = self._namespaces[label] = NamespaceCounts(label, self._buckets, self._emitted)
        return counts

    def refuse_unknown_namespace(self) -> None:
        """Count a client that asked for a namespace that there is not."""
        self._unknown_namespaces += 1

    def expire_ack(self, pending: PendingAck) -> None:
        """Count what a client has not acknowledged, and give it up."""
        self._acks_timed_out += pending.unanswered
        pending.expire()

    # Reading

    def _read_engine(self, engine: EngineServer) -> dict[str, list[Sample]]:
        counts = self._engine
        sessions = dict.fromkeys(TransportType, 0)
        messages = size = 0
        for session in self._in_turns(list(engine.sessions.values())):
            sessions[session.transport] += session.is_open
            messages += session.outbox.waiting()
            size += session.outbox.waiting_bytes()
        traffic = counts.traffic.items()
        return {
            "sessions": [Sample((transport.value,), number) for transport, number in sessions.items()],
            "sessions_opened": [Sample((transport.value,), counts.opened[transport]) for transport in TransportType],
            "sessions_closed": [Sample((reason.value,), number) for reason, number in list(counts.closed.items())],
            "requests_refused": [Sample((reason,), number) for reason, number in list(counts.refused.items())],
            "received_bytes": [Sample((transport.value,), counted.received) for transport, counted in traffic],
            "sent_bytes": [Sample((transport.value,), counted.sent) for transport, counted in traffic],
            "outbox_messages": [Sample((), messages)],
            "outbox_bytes": [Sample((), size)],
        }

    def _read_sockets(self, io: SocketIO) -> dict[str, list[Sample]]:
        namespaces, sockets, pending = Table(), Table(), Table()
        for label in list(self._namespaces):  # so that what is gone is told to be none
            namespaces[label,] = pending[label,] = 0
            sockets.update({(label, transport.value): 0 for transport in TransportType})
        for namespace in io.nsps():
            assert isinstance(namespace, CountedNamespace)
            label = namespace.counts.label
            namespaces[label,] += 1
            for socket in self._in_turns(list(namespace.sockets.values())):
                sockets[label, socket.transport.value] += socket.connected
                pending[label,] += socket.pending_events
        return {"namespaces": _rows(namespaces), "sockets": _rows(sockets), "pending_events": _rows(pending)}

    def _read_counts(self, namespaces: list[NamespaceCounts]) -> dict[str, list[Sample]]:
        refusals, disconnects, errors = Table(), Table(), Table()
        refusals[OTHER, "unknown namespace"] = self._unknown_namespaces
        for counts in namespaces:
            refusals.update({(counts.label, reason): number for reason, number in counts.refusals.copy().items()})
            ended = counts.disconnects.copy().items()
            disconnects.update({(counts.label, reason.value): number for reason, number in ended})
            errors.update({(counts.label, *key): number for key, number in counts.errors.copy().items()})
        events = [(counts.label, event) for counts in namespaces for event in counts.events()]
        return {
            "connects": [Sample((counts.label,), counts.connects) for counts in namespaces],
            "connect_refusals": _rows(refusals),
            "disconnects": _rows(disconnects),
            "events_received": [Sample((label, event.event), event.received) for label, event in events],
            "events_emitted": [Sample((label, event.event), event.emitted) for label, event in events],
            "handler_seconds": [Sample((label, event.event), event.seconds) for label, event in events],
            "handler_errors": _rows(errors),
        }

    def _in_turns(self, items: list[Any]) -> Iterator[Any]:
        """Go through what there may be very much of; in the hub's thread, let others have their turns meanwhile."""
        assert self._io is not None
        engine = self._io.engine
        waits = engine.has_started and not engine.runtime.is_foreign_thread() and getcurrent() is not engine.runtime.hub
        end = monotonic() + SLICE
        for item in items:
            yield item
            if waits and monotonic() > end:
                engine.runtime.backlog.wait()
                end = monotonic() + SLICE


def check_metrics(metrics: object) -> Metrics:
    """Return what `SocketIO` was given as its metrics.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(metrics, Metrics):
        raise TypeError(f"metrics must be a geventsio.metrics.Metrics, not {metrics!r}")
    return metrics


def _rows(table: Table) -> list[Sample]:
    return [Sample(labels, number) for labels, number in table.items()]
