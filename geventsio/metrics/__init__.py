"""Metrics: what a server counts and measures, in a form that any monitoring system can be told of.

    io = SocketIO(metrics=Metrics())

`Metrics.collect` reads all of it. `geventsio.integrations.prometheus` hands it to Prometheus.
"""

from __future__ import annotations

from geventsio.engine.counts import Histogram
from geventsio.metrics.families import Family, Sample
from geventsio.metrics.metrics import Metrics, check_metrics

__all__ = ["Family", "Histogram", "Metrics", "Sample", "check_metrics"]
