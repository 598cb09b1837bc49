"""Tests of letting go of the hub."""

from __future__ import annotations

import threading
from typing import Any

import gevent
import gevent.event
import pytest
from werkzeug.test import Client

from geventsio.engine import EngineServer, Session
from geventsio.engine.release import release
from geventsio.engine.workers import Worker
from tests.engine.harness import count, until


def handshake(server: EngineServer) -> Session:
    """Open a session, whose client is never heard of again."""
    known = set(server.sessions)
    assert Client(server).get("/engine.io/?EIO=4&transport=polling").status_code == 200
    (sid,) = set(server.sessions) - known
    return server.sessions[sid]


def end(session: Session) -> None:
    """End a session with all that it has."""
    session.close()
    session.forget()
    until(lambda: not session.runtime.workers.busy)


def test_a_server_that_has_not_started() -> None:
    server = EngineServer()
    release(server)
    assert not server.has_started


def test_what_the_hub_had_is_gone() -> None:
    gevent.sleep(0.001)  # those of tests before this one end
    before = count(Worker)
    server = EngineServer(transports=["polling"])
    end(handshake(server))
    assert count(Worker) > before
    release(server)
    assert not server.has_started
    until(lambda: count(Worker) <= before)


def test_the_next_request_may_come_in_another_thread() -> None:
    server = EngineServer(transports=["polling"])
    end(handshake(server))
    release(server)
    hubs: list[Any] = []

    def serve() -> None:
        session = handshake(server)
        hubs.append(session.runtime.hub is gevent.get_hub())
        end(session)
        release(server)
        gevent.sleep(0)
        gevent.get_hub().destroy(destroy_loop=True)

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert hubs == [True]
    session = handshake(server)
    assert session.runtime.hub is gevent.get_hub()
    end(session)


def test_not_while_somebody_is_connected() -> None:
    server = EngineServer(transports=["polling"])
    session = handshake(server)
    with pytest.raises(RuntimeError, match="still has clients"):
        release(server)
    assert server.has_started
    end(session)
    release(server)


def test_not_while_a_callback_runs() -> None:
    go_on = gevent.event.Event()
    server = EngineServer(on_close=lambda session, reason: go_on.wait(), transports=["polling"])
    session = handshake(server)
    session.close()
    session.forget()
    gevent.sleep(0.001)
    with pytest.raises(RuntimeError, match="handlers that run"):
        release(server)
    go_on.set()
    until(lambda: not session.runtime.workers.busy)
    release(server)
