"""What the log tells about clients that were closed for their own sake or ours, once a minute of each kind."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from geventsio.config import EngineOptions
from geventsio.engine.log_fields import fields
from geventsio.engine.responses import RequestError
from geventsio.engine.sparse_log import SparseLog
from geventsio.types import DisconnectReason

if TYPE_CHECKING:
    from geventsio.engine.session import Session

__all__ = ["Complaints"]

#: A logger of their own, for who knows them and wants to hear no more of them.
logger = logging.getLogger("geventsio.engine.complaints")
engine_logger = logging.getLogger("geventsio.engine")


class Complaints:
    """Warns of what an administrator may want to change.

    Args:
        options: of the server.
    """

    def __init__(self, options: EngineOptions) -> None:
        self._log = SparseLog(logger)
        self._reasons = {
            DisconnectReason.SLOW_CONSUMER: "closed a client that does not read: more waits for %s than "
            f"max_buffer_size={options.max_buffer_size} or max_buffer_bytes={options.max_buffer_bytes} allows",
            DisconnectReason.PAYLOAD_TOO_LARGE: "closed a client that sent too much in one piece: %s; "
            f"max_payload={options.max_payload}",
        }

    def ended(self, session: Session, reason: DisconnectReason) -> None:
        """Take it that a session has ended."""
        message = self._reasons.get(reason)
        if message is not None:
            extra = fields(session.environ, reason=reason.value)
            self._log.warn(reason.value, message, extra["remote_addr"] or "one on a Unix socket", extra=extra)
        elif engine_logger.isEnabledFor(logging.INFO):  # the environ is made again each time
            extra = fields(session.environ, reason=reason.value)
            engine_logger.info("a client has left: %s", reason.value, extra=extra)

    def refused(self, error: RequestError, environ: dict[str, Any]) -> None:
        """Take it that a request was refused."""
        extra = fields(environ, reason=error.code.value[1])
        if error.is_misconfiguration:
            self._log.warn(str(error), "refused a request: %s", error, extra=extra)
        else:
            logger.info("refused a request: %s", error, extra=extra)
