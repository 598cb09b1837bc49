"""The way of a session from polling to websocket: probe, upgrade, or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geventsio.engine.websocket import WebSocketConnection
from geventsio.protocol.eio_packet import PROBE_PING, PROBE_PONG, UPGRADE
from geventsio.protocol.packet_group import PacketGroup
from geventsio.types import DisconnectReason

if TYPE_CHECKING:
    from geventsio.engine.session import Session

__all__ = ["Upgrade"]


class Upgrade:
    """Receives what a client sends over a websocket that is not in use yet.

    engine.io-protocol, "Upgrade": the client sends `2probe`, the server answers `3probe`, the client
    waits for its poll to end and sends `5`. If it does anything else, or nothing for `upgrade_timeout`
    seconds, the websocket is closed and the session goes on with polling.
    """

    __slots__ = ("_connection", "_session", "is_probed")

    def __init__(self, session: Session, connection: WebSocketConnection) -> None:
        self._session = session
        self._connection = connection
        self.is_probed = False

    def receive(self, message: str | bytes) -> None:
        """Take a message from the websocket."""
        if not self.is_probed and message == PROBE_PING:
            self.is_probed = True
            self._connection.outbox.send(PacketGroup(PROBE_PONG))
            self._session.probed()
        elif self.is_probed and message == UPGRADE:
            self._session.server.upgrading.cancel(self)
            self._session.finish_upgrade(self._connection)
        else:
            self.fail()

    def connection_lost(self, reason: DisconnectReason) -> None:
        """Learn that the websocket is gone."""
        self._session.server.upgrading.cancel(self)
        self._session.fail_upgrade()

    def fail(self) -> None:
        """Give up; the session stays with polling."""
        self.cancel()
        self._session.fail_upgrade()

    def cancel(self) -> None:
        """Close the websocket: the session has ended, or has no use for it."""
        self._session.server.upgrading.cancel(self)
        self._connection.close()
