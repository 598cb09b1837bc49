"""Tests of the clock that a test moves: everything that the server waits for happens at its time, and at once."""

from __future__ import annotations

import re
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.event import Event as Signal

from geventsio import AckTimeoutError, DisconnectReason, Socket, SocketIO
from geventsio.engine.clock import Clock
from geventsio.testing import FakeClock, TestClient
from tests.testing.conftest import NewClient


@pytest.fixture
def reasons(io: SocketIO) -> list[str]:
    """Why the server's sockets were disconnected."""
    reasons: list[str] = []

    @io.ns("/").on_disconnect
    def bye(reason: DisconnectReason) -> None:
        reasons.append(str(reason))

    return reasons


def test_a_client_that_answers_pings_stays(io: SocketIO, new: NewClient, reasons: list[str]) -> None:
    with new(io) as client:
        socket = client.connect()
        client.clock.advance(2 * 3600)
        assert client.clock.elapsed == 2 * 3600
        assert socket.connected
        assert reasons == []


def test_a_client_that_has_vanished_is_timed_out_to_the_second(
    io: SocketIO, new: NewClient, reasons: list[str]
) -> None:
    with new(io) as client, new(io) as other:
        client.connect()
        stays = other.connect()
        client.vanish()
        client.clock.advance(44.999)
        assert reasons == []
        client.clock.advance(0.001)
        assert reasons == ["ping timeout"]
        assert stays.connected


def test_a_vanished_client_hears_nothing_and_says_nothing(io: SocketIO, new: NewClient, reasons: list[str]) -> None:
    heard: list[str] = []
    io.ns("/").on("say", heard.append)
    with new(io) as client:
        socket = client.connect()
        client.vanish()
        socket.emit("say", "anyone?")
        io.emit("news")
        socket.assert_nothing()
        assert heard == []
        assert reasons == []
    assert reasons == ["transport close"]


def test_the_time_of_an_acknowledgement(io: SocketIO, new: NewClient) -> None:
    errors: list[str] = []

    @io.ns("/").on("ask")
    def ask(socket: Socket, seconds: float) -> None:
        try:
            socket.timeout(seconds).emit_with_ack("question").result()
        except AckTimeoutError as error:
            errors.append(str(error))

    with new(io) as client:
        socket = client.connect()
        socket.emit("ask", 60.0)
        late = socket.receive("question")
        client.clock.advance(59)
        assert errors == []
        client.clock.advance(1)
        assert errors == ["no answer within 60.0 seconds"]
        late.ack("too late")  # and is ignored
        assert errors == ["no answer within 60.0 seconds"]


def test_a_broadcast_s_acknowledgements(io: SocketIO, new: NewClient) -> None:
    io.ns("/")
    with new(io) as one, new(io) as other:
        ann, bob = one.connect(), other.connect()
        stream = io.timeout(5).emit_with_ack("ready")
        ann.receive("ready").ack(True)
        one.clock.advance(5)
        answers = dict(stream)
        assert answers[ann.id] is True
        assert isinstance(answers[bob.id], AckTimeoutError)


def test_a_client_that_connects_to_nothing(io: SocketIO) -> None:
    io.ns("/")
    with TestClient(io) as client:
        answer = client.http.get("/socket.io/?EIO=4&transport=polling")
        assert answer.status_code == 200
        (session,) = io.engine.sessions.values()
        client.clock.advance(44)
        assert session.is_open
        client.clock.advance(1)
        assert not session.is_open
        client.clock.advance(5)  # nobody fetches the goodbye
        assert io.engine.sessions == {}


def test_an_upgrade_that_is_never_finished(io: SocketIO) -> None:
    io.ns("/")
    ours, theirs = gevent.socket.socketpair()
    with TestClient(io) as client, ours:
        opened = client.http.get("/socket.io/?EIO=4&transport=polling").text
        sid = re.search(r'"sid":"([^"]+)"', opened)[1]  # type: ignore[index]
        client.http.get(
            f"/socket.io/?EIO=4&transport=websocket&sid={sid}",
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
            environ_overrides={"gunicorn.socket": theirs},
        )
        ours.sendall(bytes([0x81, 0x86, 0, 0, 0, 0]) + b"2probe")
        client.settle()
        assert ours.recv(100) == bytes([0x81, 6]) + b"3probe"
        session = io.engine.sessions[sid]
        client.clock.advance(9.99)
        assert session.is_upgrading
        client.clock.advance(0.01)
        assert not session.is_upgrading
        assert session.is_open
        assert ours.recv(100)[0] == 0x88  # a close frame
        session.close()
        client.clock.advance(5)


def test_what_falls_due_on_the_way_happens_in_its_order(io: SocketIO, new: NewClient) -> None:
    times: list[tuple[float, str]] = []
    clock: FakeClock

    @io.ns("/").on("ask")
    def ask(socket: Socket, seconds: float, name: str) -> None:
        future = socket.timeout(seconds).emit_with_ack("question")
        future.add_done_callback(lambda _: times.append((clock.elapsed, name)))

    with new(io) as client:
        clock = client.clock
        socket = client.connect()
        for seconds, name in ((30.0, "c"), (10.0, "a"), (20.0, "b")):
            socket.emit("ask", seconds, name)
        clock.advance(100)
        assert times == [(10, "a"), (20, "b"), (30, "c")]


def test_a_rate_limit(new: NewClient) -> None:
    io = SocketIO(rate_limit=10, rate_burst=5)
    heard: list[int] = []
    io.ns("/").on("say", heard.append)
    with new(io) as client:
        socket = client.connect()
        for number in range(20):
            socket.emit("say", number)
        held_back = len(heard)
        assert 0 < held_back < 20  # emit comes back although the server does not read
        client.clock.advance(10)
        assert heard == list(range(20))


@pytest.mark.parametrize(
    "options",
    [{"rate_limit": 1, "rate_burst": 2}, {"rate_limit_per_address": 1, "rate_burst_per_address": 6}],
    ids=["session", "address"],
)
def test_rates_begin_anew_with_each_test(new: NewClient, options: dict[str, Any]) -> None:
    io = SocketIO(**options)
    heard: list[int] = []
    io.ns("/").on("say", heard.append)
    for _ in range(2):
        heard.clear()
        with new(io) as client:
            client.clock.advance(3600)
            socket = client.connect()
            for number in range(10):
                socket.emit("say", number)
            client.clock.advance(100)
            assert heard == list(range(10))


def test_handlers_wait_in_real_time(io: SocketIO, new: NewClient) -> None:
    @io.ns("/").on("nap")
    def nap() -> str:
        gevent.sleep(0.02)
        return "awake"

    with new(io) as client:
        answer = client.connect().emit_with_ack("nap")
        client.clock.advance(10)
        assert not answer.done()
        assert answer.result() == "awake"


def test_what_escapes_meanwhile_is_raised(io: SocketIO, new: NewClient, caplog: pytest.LogCaptureFixture) -> None:
    io.ns("/").on("ask", _ask)
    with new(io) as client:
        client.connect().emit("ask")
        with pytest.raises(AckTimeoutError):
            client.clock.advance(5)
        assert client.clock.elapsed == 5
    with new(io, raise_handler_errors=False) as client:
        client.connect().emit("ask")
        client.clock.advance(5)
        assert [type(error) for error in client.handler_errors] == [AckTimeoutError]
    caplog.clear()


def _ask(socket: Socket) -> None:
    socket.emit_with_ack("question").result()


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_time_runs_forward(io: SocketIO, new: NewClient, seconds: float) -> None:
    with new(io) as client, pytest.raises(ValueError, match="moved on by some seconds"):
        client.clock.advance(seconds)


def test_what_the_clock_says_of_itself(io: SocketIO, new: NewClient) -> None:
    with new(io) as client:
        client.clock.advance(1.5)
        assert repr(client.clock) == "<FakeClock at 1.5 s>"


class TestGivingBack:
    """The server's own time goes on where the test left it."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock(gevent.get_hub().loop)

    def take(self, clock: Clock) -> FakeClock:
        return FakeClock(gevent.get_hub().loop, clock, lambda: gevent.sleep(0))

    def test_it_never_runs_backwards(self, clock: Clock) -> None:
        fake = self.take(clock)
        fake.advance(1000)
        before = clock.now()
        fake.give_back()
        assert before <= clock.now() < before + 500

    def test_a_timer_that_waits_goes_on(self, clock: Clock) -> None:
        fake, fired = self.take(clock), Signal()
        timer, stopped, other = clock.timer(10), clock.timer(10), clock.timer(10)
        timer.start(fired.set)
        for unwanted in (stopped, other):
            unwanted.start(lambda: pytest.fail("was stopped"))
        fake.advance(9.999)
        stopped.stop()
        fake.give_back()
        other.stop()
        assert fired.wait(10)

    def test_a_timer_of_no_time_needs_no_advance(self, clock: Clock) -> None:
        fake, calls = self.take(clock), []
        timer: Any = clock.timer(0)
        timer.start(lambda: calls.append(1))
        assert calls == []
        gevent.sleep(0)
        assert calls == [1]
        timer.close()
        fake.give_back()
