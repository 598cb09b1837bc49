"""Whole connections of a client that has lost its mind: requests and frames, right and wrong, in any order."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from time import monotonic
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.conformance.servers import SERVERS
from tests.hostile.arena import Arena, RawConnection
from tests.hostile.attacks import ATTACKS
from tests.hostile.table import ENGINE_PACKETS, FRAMES, HANDSHAKES, PAYLOADS, PROBES, REQUESTS, SOCKET_PACKETS
from tests.live.http_client import request
from tests.live.ws_client import Refused, WebSocket, frame

T = TypeVar("T")

#: Examples on each server.
EXAMPLES = 100

#: Seconds that `-m soak` takes for all servers together, and the part of them in which a server may grow.
SOAK_SECONDS = float(os.environ.get("GEVENTSIO_SOAK_SECONDS", "3600"))
WARM_UP = 0.2

#: A failing example may take half a minute to fail, so it is not made smaller.
PHASES = (Phase.explicit, Phase.generate)


def _short(values: Iterable[T]) -> list[T]:
    """What is short enough to be printed with a failing example; the table's tests send the rest."""
    return [value for value in values if len(repr(value)) < 500]


_GOOD = ["40", '42["message",1]', '421["message",{}]', "40/custom,", '42/custom,["message"]', "3", "41", "1"]
_STRANGE = _short(message for row in SOCKET_PACKETS.values() for message in row if isinstance(message, str))
_PACKETS = st.sampled_from([*_GOOD, *_GOOD, *_STRANGE, *ENGINE_PACKETS.values(), "2probe", "5"])
_BODIES = st.one_of(
    st.lists(_PACKETS, min_size=1, max_size=4).map(lambda packets: "\x1e".join(packets).encode()),
    st.sampled_from(list(PAYLOADS.values())),
    st.binary(max_size=40),
)
_BYTES = st.one_of(
    _PACKETS.map(lambda packet: frame(1, packet.encode())),
    st.binary(max_size=20).map(lambda data: frame(2, data)),
    st.binary(max_size=20).map(lambda data: frame(1, b"4" + data, fin=False)),
    st.binary(max_size=20).map(lambda data: frame(0, data)),
    st.sampled_from([frame(9, b"ping"), frame(10, b"pong"), frame(8, b"\x03\xe8")]),
    st.sampled_from(_short(data for data, _ in FRAMES.values())),
    st.binary(max_size=40),
)
_REQUESTS = st.sampled_from(_short(row for row in REQUESTS.values() if row.status not in (408, 413)))
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("request"), _REQUESTS),
        st.tuples(st.just("handshake"), st.sampled_from(list(HANDSHAKES.values()))),
        st.tuples(st.just("post"), _BODIES),
        st.tuples(st.just("poll"), st.none()),
        st.tuples(st.just("give up polling"), st.none()),
        st.tuples(st.just("probe"), st.sampled_from(list(PROBES.values()))),
        st.tuples(st.just("upgrade"), st.none()),
        st.tuples(st.just("frame"), _BYTES),
        st.tuples(st.just("frame"), _BYTES),
        st.tuples(st.just("reset"), st.none()),
        st.tuples(st.just("finish"), st.none()),
    ),
    max_size=12,
)


class _Client:
    """One client with a polling session and a websocket session. It never waits for what need not come."""

    def __init__(self, arena: Arena, stack: ExitStack) -> None:
        self._arena = arena
        self._stack = stack
        self._polling = arena.open_polling()
        self._websocket = stack.enter_context(arena.open_websocket())

    def do(self, step: str, argument: Any) -> None:
        """Take one step; the server's answers are checked, as far as it must give one."""
        steps: dict[str, Callable[[Any], None]] = {
            "request": self._request,
            "handshake": self._request,
            "post": self._post,
            "poll": self._poll,
            "give up polling": self._give_up_polling,
            "probe": self._probe,
            "upgrade": lambda _: self._probe(("2probe", "5", '42["message",2]')),
            "frame": self._send,
            "reset": lambda _: self._reset(),
            "finish": lambda _: self._finish(),
        }
        steps[step](argument)

    def end(self) -> None:
        """Leave properly: nothing may remain of what was done."""
        request(self._arena.address, "POST", self._polling.target(), "1")

    def _request(self, row: Any) -> None:
        answer = self._arena.send(row, self._polling.sid)
        # The third server's own handler has the handshake in its hands, and fails on some keys.
        is_foreign = self._arena.kind == "gevent-websocket" and "Upgrade: websocket" in row.headers
        assert answer is None or answer.status < 500 or is_foreign, answer

    def _post(self, body: bytes) -> None:
        reply = self._polling.post(body)
        assert reply.status in (200, 400, 413), reply
        assert reply.body == b"ok" if reply.status == 200 else reply.json["message"], reply

    def _poll(self, _: None) -> None:
        # Something waits for it, so that it ends: unless the session has ended, or is not in "/".
        if self._polling.post('42["message",0]').status == 200:
            reply = self._polling.poll()
            assert reply.status in (200, 400), reply

    def _give_up_polling(self, _: None) -> None:
        with self._polling.start_poll():
            pass

    def _probe(self, messages: tuple[str | bytes, ...]) -> None:
        try:
            websocket = self._stack.enter_context(WebSocket(self._arena.address, self._polling.target("websocket")))
        except Refused as refused:
            assert refused.status == 400, refused
            return
        for message in messages:
            websocket.send(message)

    def _send(self, data: bytes) -> None:
        try:
            self._websocket.send_raw(data)
        except OSError:
            pass  # the server has closed it for what was sent before

    def _reset(self) -> None:
        try:
            self._websocket.abort()
        except OSError:
            pass  # it has been reset before

    def _finish(self) -> None:
        try:
            self._websocket.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def _play(arena: Arena, clients: list[list[tuple[str, Any]]]) -> None:
    with ExitStack() as stack:
        players = [(_Client(arena, stack), steps) for steps in clients]
        for player, _ in players:
            stack.callback(player.end)
        for turn in range(max(len(steps) for steps in clients)):
            for player, steps in players:
                if turn < len(steps):
                    player.do(*steps[turn])
    arena.check_undisturbed()


_CLIENTS = st.lists(_STEPS, min_size=1, max_size=3)
_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=EXAMPLES, phases=PHASES, deadline=None, database=None, suppress_health_check=_CHECKS)
@given(clients=_CLIENTS)
def test_any_interleaving(shared_arena: Arena, clients: list[list[tuple[str, Any]]]) -> None:
    _play(shared_arena, clients)


@settings(max_examples=EXAMPLES, phases=PHASES, deadline=None, database=None, suppress_health_check=_CHECKS)
@given(data=st.one_of(st.binary(max_size=200), _BYTES))
def test_any_bytes_for_a_request(shared_arena: Arena, data: bytes) -> None:
    with RawConnection(shared_arena.address) as connection:
        connection.send(data)
        connection.finish()
        answer = connection.read_rest()
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    shared_arena.check_undisturbed()


def _play_for_a_while(arena: Arena, number: int) -> None:
    """The whole table once, and as many new interleavings as CI tries."""
    for attack, row in ATTACKS.values():
        attack(arena, row)
    arena.check_undisturbed()

    @seed(number)
    @settings(
        max_examples=EXAMPLES,
        phases=PHASES,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=_CHECKS,
    )
    @given(clients=_CLIENTS)
    def play(clients: list[list[tuple[str, Any]]]) -> None:
        _play(arena, clients)

    play()


@pytest.mark.soak
def test_an_hour(own_arena: Arena) -> None:
    begin = monotonic()
    before = None
    number = 0
    while monotonic() - begin < SOAK_SECONDS / len(SERVERS) or before is None:
        number += 1
        _play_for_a_while(own_arena, number)
        if before is None and monotonic() - begin > WARM_UP * SOAK_SECONDS / len(SERVERS):
            before = own_arena.gauge()
    print(f"{number} rounds, {own_arena.check_flat(before)}")
