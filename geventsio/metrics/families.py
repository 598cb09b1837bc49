"""What metrics are told as: families of samples."""

from __future__ import annotations

from typing import Literal, NamedTuple

from geventsio.engine.counts import Histogram

__all__ = ["FAMILIES", "Family", "Kind", "Sample", "Shape"]

Kind = Literal["counter", "gauge", "histogram"]


class Sample(NamedTuple):
    """One value.

    Attributes:
        labels: the values of the family's labels, in their order.
        value: a number; of a histogram, the histogram.
    """

    labels: tuple[str, ...]
    value: float | Histogram


class Shape(NamedTuple):
    """What is known of a family before there are samples.

    Attributes:
        name: in words joined by underscores, with the unit last; without the endings that systems give to counters.
        kind: a counter never falls; a gauge does; a histogram counts values by ranges.
        help: what it is.
        labels: the names of its labels.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


class Family(NamedTuple):
    """All samples of one metric."""

    shape: Shape
    samples: list[Sample]


_NAMESPACE = ("namespace",)
_EVENT = ("namespace", "event")

#: All there are, in the order in which they are told.
FAMILIES = (
    Shape("sessions", "gauge", "Clients that are connected, by transport", ("transport",)),
    Shape("sessions_opened", "counter", "Clients that have connected, by their first transport", ("transport",)),
    Shape("sessions_closed", "counter", "Clients that have left, by reason", ("reason",)),
    Shape("requests_refused", "counter", "Requests of Engine.IO that were refused, by error", ("reason",)),
    Shape("received_bytes", "counter", "Bytes from clients, by transport", ("transport",)),
    Shape("sent_bytes", "counter", "Bytes to clients, by transport", ("transport",)),
    Shape("outbox_messages", "gauge", "Messages that wait to be sent, of all clients"),
    Shape("outbox_bytes", "gauge", "Bytes that wait to be sent, of all clients"),
    Shape("namespaces", "gauge", "Namespaces that exist; of a dynamic one, those of its pattern", _NAMESPACE),
    Shape("sockets", "gauge", "Sockets that are connected, by transport", ("namespace", "transport")),
    Shape("pending_events", "gauge", "Events that wait for their handlers", _NAMESPACE),
    Shape("connects", "counter", "Sockets that have connected", _NAMESPACE),
    Shape("connect_refusals", "counter", "Sockets that were not let in, by reason", ("namespace", "reason")),
    Shape("disconnects", "counter", "Sockets that have disconnected, by reason", ("namespace", "reason")),
    Shape("events_received", "counter", "Events of clients", _EVENT),
    Shape("events_emitted", "counter", "Events emitted; one to many counts once", _EVENT),
    Shape("handler_seconds", "histogram", "Seconds from the beginning of an event's handler to its end", _EVENT),
    Shape("handler_errors", "counter", "Jobs that have failed, by kind", ("namespace", "event", "kind")),
    Shape("acks_timed_out", "counter", "Acknowledgements that clients did not send in time"),
    Shape("native_jobs", "gauge", "Jobs that run in native threads, or wait for one"),
    Shape("loop_lag_seconds", "histogram", "Seconds by which the event loop was late, looked at twice a second"),
)
