"""Fixtures of the adapters' tests: those of the Socket.IO layer, and clusters of servers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.cluster import ADAPTERS, Cluster, MakeCluster
from tests.socketio.conftest import deadline, log, serve, stderr
from tests.socketio.harness import Serve

__all__ = ["cluster", "deadline", "log", "make_cluster", "serve", "stderr"]


@pytest.fixture(params=ADAPTERS)
def make_cluster(request: pytest.FixtureRequest, serve: Serve) -> MakeCluster:
    """Start clusters of one size after the other."""

    def start(request_timeout: float = 5, **options: Any) -> Cluster:
        return Cluster(serve, ADAPTERS[request.param], request_timeout, **options)

    return start


@pytest.fixture
def cluster(make_cluster: MakeCluster) -> Cluster:
    """See `Cluster`."""
    return make_cluster()
