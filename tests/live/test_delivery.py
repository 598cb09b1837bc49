"""Many messages and large ones, broadcasts to all kinds of clients: all arrive, whole and in order."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import permutations
from typing import Any

import pytest

from tests import tools
from tests.conformance.servers import SERVERS
from tests.live.delivery import NEWS, Digest, messages
from tests.live.delivery_clients import Client, Message, Site, read_event
from tests.live.harness import Server

ROWS = 20_000
MB = 1_000_000

#: Rows of one POST.
BATCH = 2_000

#: Server, with TLS or without, and what its client uses. gevent-websocket's handler knows no extensions.
CASES = [
    *(((kind, "plain"), transport) for kind in SERVERS for transport in ("websocket", "polling")),
    *(((kind, "plain"), "deflate") for kind in SERVERS if kind != "gevent-websocket"),
    *(((kind, "tls"), "websocket") for kind in SERVERS),
]
IDS = ["-".join([*site, transport]) for site, transport in CASES]


@pytest.fixture(scope="module", params=[(kind, "plain") for kind in SERVERS], ids="-".join)
def site(request: pytest.FixtureRequest, certificate: tuple[str, str]) -> Iterator[Site]:
    """A server of a kind, with TLS or without."""
    kind, security = request.param
    if kind != "pywsgi":
        tools.gunicorn()
    command = [sys.executable, "-m", "tests.live.delivery_server", "--server", kind]
    tls = None
    if security == "tls":
        command += ["--certificate", *certificate]
        tls = ssl.create_default_context(cafile=certificate[0])
    with Server(command) as server:
        yield Site(server, tls)


def _expected(rows: int, sizes: list[int]) -> list[Any]:
    digest = Digest()
    for _, number, data in messages(rows, sizes):
        digest.add(number, data)
    return digest.take()


@pytest.mark.parametrize(("site", "transport"), CASES, indirect=["site"], ids=IDS)
def test_to_a_client_that_stops_reading(site: Site, transport: str) -> None:
    # Random bytes that are compressed in vain take seconds, and are cut into frames no differently.
    sizes = [5 * MB] if transport == "deflate" else [5 * MB, 50 * MB]
    with site.client(transport) as client:
        client.send(f"2{json.dumps(['send', sizes, ROWS])}")
        site.until(lambda state: state["waiting"] > 0)
        digest = Digest()
        while (event := read_event(client)) != ["done"]:
            digest.add(*event[1:])
    assert digest.take() == _expected(ROWS, sizes)


@pytest.mark.parametrize(("site", "transport"), CASES, indirect=["site"], ids=IDS)
def test_to_a_server_that_stops_reading(site: Site, transport: str) -> None:
    sizes = [5 * MB, 5 * MB]
    with site.client(transport) as client, ThreadPoolExecutor(1) as thread:
        client.send('2["wait"]')
        sent = thread.submit(_send_all, client, sizes)
        site.until(lambda state: bool(state["paused"]))
        site.ask("/release")
        sent.result()
        client.send('20["digest"]')
        answer = client.receive()
    assert isinstance(answer, str)
    assert json.loads(answer.removeprefix("30")) == [_expected(ROWS, sizes)]


def _send_all(client: Client, sizes: list[int]) -> None:
    batch: list[Message] = []
    for event, number, data in messages(ROWS, sizes):
        if isinstance(data, bytes):
            batch += [f'51-["{event}",{number},{{"_placeholder":true,"num":0}}]', data]
        else:
            batch.append(f"2{json.dumps([event, number, data])}")
        if isinstance(data, bytes) or len(batch) == BATCH:
            client.send(*batch)
            batch = []


def test_broadcasts_to_all_kinds_of_clients_that_joined_in_any_order(site: Site) -> None:
    kinds = ["websocket", "polling", "upgrade", "deflate" if site.takes_deflate else "polling"]
    for order in sorted(set(permutations(kinds))):
        with ExitStack() as stack:
            clients = [stack.enter_context(site.client(kind)) for kind in order]
            for sender in clients[0], clients[-1]:
                sender.send('2["news"]')
                for client in clients:
                    assert [read_event(client) for _ in NEWS] == NEWS, order
