"""Metrics for Prometheus: a collector of prometheus_client, and a page to be scraped.

io = SocketIO(metrics=Metrics())
application = DispatcherMiddleware(io.layer(app), {"/metrics": metrics_app(io)})
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from geventsio import SocketIO
from geventsio.metrics import Family, Histogram, Metrics
from geventsio.metrics.families import FAMILIES
from geventsio.wsgi import WSGIApp

__all__ = ["PrometheusCollector", "metrics_app"]


class PrometheusCollector(Collector):
    """Reads a server's metrics whenever Prometheus asks: `registry.register(PrometheusCollector(io))`.

    Args:
        io: the server, which has metrics.
        prefix: what the names begin with; for a second server in one registry, another one.

    Raises:
        ValueError: the server has no metrics.
    """

    def __init__(self, io: SocketIO, prefix: str = "geventsio") -> None:
        if io.metrics is None:
            raise ValueError("this server has no metrics: make it with SocketIO(metrics=Metrics())")
        self._metrics: Metrics = io.metrics
        self._prefix = prefix

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics with their values. May switch greenlets; legal in any OS thread."""
        for family in self._metrics.collect():
            yield self._translate(family)

    def describe(self) -> Iterator[Metric]:
        """Yield all metrics without values: what a registry wants to know of a collector."""
        for shape in FAMILIES:
            yield self._translate(Family(shape, []))

    def _translate(self, family: Family) -> Metric:
        shape = family.shape
        name = f"{self._prefix}_{shape.name}"
        if shape.kind == "histogram":
            histogram = HistogramMetricFamily(name, shape.help, labels=shape.labels)
            for labels, value in family.samples:
                assert isinstance(value, Histogram)
                buckets, total = _buckets(value)
                histogram.add_metric(labels, buckets, total)
            return histogram
        kind: Callable[..., CounterMetricFamily | GaugeMetricFamily]
        kind = CounterMetricFamily if shape.kind == "counter" else GaugeMetricFamily
        metric = kind(name, shape.help, labels=shape.labels)
        for labels, value in family.samples:
            assert not isinstance(value, Histogram)
            metric.add_metric(labels, value)
        return metric


def metrics_app(io: SocketIO, registry: CollectorRegistry = REGISTRY, prefix: str = "geventsio") -> WSGIApp:
    """Make a WSGI app that answers with all metrics of a registry, after registering those of a server there.

    Args:
        io: the server.
        registry: also of metrics of your own; the process's, unless another is given.
        prefix: see `PrometheusCollector`.

    Raises:
        ValueError: the server has no metrics, or the registry has those of this prefix already.
    """
    registry.register(PrometheusCollector(io, prefix))
    app: WSGIApp = make_wsgi_app(registry)
    return app


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """The buckets as Prometheus has them, each with all that is in the smaller ones, and the sum."""
    bounds = [str(float(bound)) for bound in histogram.bounds]
    return list(zip([*bounds, "+Inf"], accumulate(histogram.counts), strict=True)), histogram.sum
