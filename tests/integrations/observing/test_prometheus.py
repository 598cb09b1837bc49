"""Tests of the exporter for Prometheus: a real scrape of a server with real clients."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from geventsio import SocketIO
from geventsio.integrations.prometheus import PrometheusCollector, metrics_app
from geventsio.metrics import Metrics
from geventsio.metrics.families import FAMILIES
from tests.socketio.harness import Serve, Site, wait_until
from tests.socketio.peer import http_request

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def shop() -> tuple[SocketIO, DispatcherMiddleware]:
    """A server with metrics, and the app that serves it and them."""
    io = SocketIO(metrics=Metrics(buckets=[0.5, 1000]))
    io.ns("/").on("order", lambda number: number)
    return io, DispatcherMiddleware(io.service(), {"/metrics": metrics_app(io, CollectorRegistry())})


def scrape(site: Site) -> Samples:
    """Ask for the metrics as Prometheus does, and return the samples by name and labels."""
    reply = http_request(site.address, "GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(reply.body.decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """Under which a sample is found."""
    return f"geventsio_{name}", frozenset(labels.items())


def test_a_scrape(serve: Serve) -> None:
    io, app = shop()
    site = serve(io, app)
    peer = site.connect()
    assert peer.ask("order", 5) == [5]
    peer.emit("nobody's")
    assert peer.ask("order", 6) == [6]
    found = scrape(site)
    assert found[key("sessions", transport="websocket")] == 1
    assert found[key("sockets", namespace="/", transport="websocket")] == 1
    assert found[key("events_received_total", namespace="/", event="order")] == 2
    assert found[key("events_received_total", namespace="/", event="other")] == 1
    assert found[key("sent_bytes_total", transport="websocket")] > 0
    buckets = [
        found[key("handler_seconds_bucket", namespace="/", event="order", le=le)] for le in ("0.5", "1000.0", "+Inf")
    ]
    assert buckets[1:] == [2, 2]
    assert found[key("handler_seconds_count", namespace="/", event="order")] == 2
    assert found[key("handler_seconds_sum", namespace="/", event="order")] > 0
    peer.say_goodbye()
    wait_until(lambda: not io.engine.sessions)
    found = scrape(site)
    assert found[key("sessions", transport="websocket")] == 0
    assert found[key("sockets", namespace="/", transport="websocket")] == 0
    assert found[key("disconnects_total", namespace="/", reason="transport close")] == 1


def test_what_clients_choose_is_in_no_label(serve: Serve) -> None:
    io, app = shop()
    io.dyn_ns("/room/{id}").on_fallback(lambda: None)
    site = serve(io, app)
    peer = site.connect()
    peer.connect("/room/0")
    peer.emit("0", namespace="/room/0")
    assert peer.ask("order", 1) == [1]
    before = set(scrape(site))
    for number in range(1, 40):
        peer.connect(f"/room/{number}")
        peer.emit(f'hostile{number}" \n', namespace=f"/room/{number}")
        peer.refused(f"/nowhere/{number}")
    assert peer.ask("order", 1) == [1]
    assert set(scrape(site)) == before


def test_a_registry_knows_all_before_anybody_comes() -> None:
    io = SocketIO(metrics=Metrics())
    registry = CollectorRegistry(auto_describe=True)
    registry.register(PrometheusCollector(io))
    assert not io.engine.has_started
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(PrometheusCollector(io))
    registry.register(PrometheusCollector(io, prefix="second"))
    names = {family.name for family in registry.collect()}
    assert names == {f"{prefix}_{shape.name}" for shape in FAMILIES for prefix in ("geventsio", "second")}


def test_a_server_without_metrics() -> None:
    with pytest.raises(ValueError, match="this server has no metrics"):
        PrometheusCollector(SocketIO())
