"""The heartbeat of all sessions of a server, with a timer for each thing that is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geventsio.engine.timeouts import Timeouts
from geventsio.types import DisconnectReason

if TYPE_CHECKING:
    from geventsio.engine.runtime import Runtime
    from geventsio.engine.session import Session

__all__ = ["ClientHeartbeat", "Heartbeat"]


class Heartbeat:
    """Sends pings and closes the sessions that do not answer.

    engine.io-protocol, "Heartbeat": the server sends a ping `interval` seconds after the handshake and
    after each pong; a client that does not answer within `timeout` seconds is gone.
    """

    def __init__(self, runtime: Runtime, interval: float, timeout: float) -> None:
        self._pings: Timeouts[Session] = Timeouts(runtime.clock, interval, self._ping)
        self._pongs: Timeouts[Session] = Timeouts(runtime.clock, timeout, self._timed_out)

    def start(self, session: Session) -> None:
        """Begin with a session that has just been opened, or whose upgrade has ended."""
        if session not in self._pongs:
            self._pings.start(session)

    def pause(self, session: Session) -> None:
        """Send no pings for a while; one that is under way must still be answered."""
        self._pings.cancel(session)

    def excuse(self, session: Session) -> None:
        """Expect no pong: it may have come while we did not read from this client ourselves."""
        self._pongs.cancel(session)
        if not session.is_upgrading:
            self._pings.start(session)

    def pong(self, session: Session) -> None:
        """Take a client's answer. One that nobody asked for changes nothing."""
        if session in self._pongs:
            self.excuse(session)

    def stop(self, session: Session) -> None:
        """Forget a session."""
        self._pings.cancel(session)
        self._pongs.cancel(session)

    def _ping(self, session: Session) -> None:
        if session.is_paused:
            self._pings.start(session)
            return
        # The deadline counts from when the ping was due, or each timer's delay would be added to it.
        self._pongs.start(session, since=self._pings.due)
        session.ping()

    def _timed_out(self, session: Session) -> None:
        if session.is_paused:
            self._pings.start(session)
        else:
            session.drop(DisconnectReason.PING_TIMEOUT)


class ClientHeartbeat:
    """Closes the sessions whose clients have not pinged in time.

    engine.io-protocol v3, "Heartbeat": the client sends a ping every `interval` seconds and waits `timeout` seconds
    for the pong; so a client that has not been heard for both together is gone. Upgrades don't change that.
    """

    def __init__(self, runtime: Runtime, interval: float, timeout: float) -> None:
        self._pings: Timeouts[Session] = Timeouts(runtime.clock, interval + timeout, self._timed_out)

    def start(self, session: Session) -> None:
        """Begin with a session that has just been opened, or anew with one whose upgrade has ended."""
        self._pings.start(session)

    def pause(self, session: Session) -> None:
        """Do nothing: it is the client that sends the pings."""

    def excuse(self, session: Session) -> None:
        """Wait anew: a ping may have come while we did not read from this client ourselves."""
        self._pings.start(session)

    def pong(self, session: Session) -> None:
        """Take a sign of life."""
        self._pings.start(session)

    def stop(self, session: Session) -> None:
        """Forget a session."""
        self._pings.cancel(session)

    def _timed_out(self, session: Session) -> None:
        if session.is_paused:
            self._pings.start(session)
        else:
            session.drop(DisconnectReason.PING_TIMEOUT)
