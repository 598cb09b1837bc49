"""Adapters called for users: in the right thread, and with errors that users can catch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from geventsio.adapters.values import BroadcastOptions, EventPacket
from geventsio.engine.native import in_hub
from geventsio.errors import AdapterError
from geventsio.handling.dispatch import run_adapter

if TYPE_CHECKING:
    from geventsio.namespaces.namespace import Namespace
    from geventsio.sending.ack_stream import Collector

__all__ = ["ask_sockets", "broadcast", "call_adapter", "query_adapter", "with_adapter_errors"]

T = TypeVar("T")


def call_adapter(namespace: Namespace, operation: Callable[..., object], *args: object) -> None:
    """Have an operation carried out; in another thread than the hub's, it only begins, and its errors are logged.

    Raises:
        AdapterError: the adapter failed.
    """
    engine = namespace.io.engine
    if engine.has_started and engine.runtime.is_foreign_thread():
        # In a worker, for it may switch greenlets; at once, so that what this thread sends stays in order.
        runtime = engine.runtime
        job = (namespace, operation, args)
        runtime.loop.run_callback_threadsafe(runtime.workers.start, None, run_adapter, job)
        return
    with_adapter_errors(namespace, operation, *args)


def query_adapter(namespace: Namespace, operation: Callable[..., T], *args: object) -> T:
    """Return what an adapter answers.

    Raises:
        AdapterError: the adapter failed.
        RuntimeError: called in an OS thread other than the one that serves the clients.
    """
    return in_hub(_query, namespace, operation, *args)


def _query(namespace: Namespace, operation: Callable[..., T], *args: object) -> T:
    namespace.io.check_thread()
    return with_adapter_errors(namespace, operation, *args)


def broadcast(namespace: Namespace, event: str, args: Sequence[object], options: BroadcastOptions) -> None:
    """Send an event; see `Broadcaster.emit`."""
    packet = EventPacket(event, args, namespace.encode_event(event, args))
    call_adapter(namespace, namespace.adapter.broadcast, packet, options)


def ask_sockets(
    namespace: Namespace, event: str, args: Sequence[object], options: BroadcastOptions, collector: Collector
) -> None:
    """Send an event whose acknowledgements are collected; see `Broadcaster.emit_with_ack`."""
    namespace.io.check_thread()
    ack_id = namespace.next_ack_id()
    packet = EventPacket(event, args, namespace.encode_event(event, args, ack_id))
    collector.begin(ack_id)
    try:
        query_adapter(namespace, namespace.adapter.broadcast_with_ack, packet, options, collector)
    except BaseException:
        collector.close()
        raise
    collector.sent()


def with_adapter_errors(namespace: Namespace, operation: Callable[..., T], *args: object) -> T:
    """Call an adapter's method here and now.

    Raises:
        AdapterError: it failed; whatever else it raised is the cause.
    """
    try:
        return operation(*args)
    except AdapterError:
        raise
    except Exception as error:
        raise AdapterError(f"the adapter of {namespace.path} failed: {error!r}") from error
