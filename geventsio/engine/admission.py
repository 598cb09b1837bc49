"""Who may open a session: what the application says, and how many there is room for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sized
from typing import Any

import gevent

from geventsio.config import EngineOptions
from geventsio.engine.clock import Clock
from geventsio.engine.limits import Capacity
from geventsio.engine.log_fields import fields
from geventsio.engine.rates import Rates
from geventsio.engine.responses import ErrorCode, RequestError
from geventsio.errors import ConnectRefused

__all__ = ["Admission"]

logger = logging.getLogger("geventsio.engine")

Environ = dict[str, Any]

#: What the log says, once for each process, and whoever looks into the answer.
SEVERAL_PROCESSES = (
    "Polling is refused: this server has several worker processes (wsgi.multiprocess), and the requests of one client "
    "reach any of them, while its session is in one. The ways out: (1) websockets alone, "
    "SocketIO(transports=['websocket']) and the same at the clients; (2) one worker per server (gunicorn --workers 1, "
    "and mind the variable WEB_CONCURRENCY), and several servers, each with its own port, behind a sticky proxy; "
    "(3) SocketIO(sticky_sessions=True), if something in front of these very workers keeps each client with one of "
    "them. No proxy can for the workers of one gunicorn: they share a port"
)


class Admission:
    """Lets requests open sessions, or not. Nothing has been allocated for them by then.

    Args:
        options: of the server.
        sessions: all sessions of the server.
        clock: see `Rates`.
    """

    def __init__(self, options: EngineOptions, sessions: Sized, clock: Callable[[], Clock]) -> None:
        self._allow_request = options.allow_request
        self.capacity = Capacity(sessions, options.max_connections, options.max_connections_per_address)
        self.rates = Rates(options, clock)
        self.is_closing = False
        self._is_sticky = options.sticky_sessions
        self._was_told = False

    def check(self, environ: Environ) -> None:
        """Check that one more session may be opened now.

        Raises:
            RequestError: it may not.
        """
        if self.is_closing:
            raise RequestError(ErrorCode.SHUTTING_DOWN)
        self.capacity.check(environ)

    def check_polling(self, environ: Environ) -> None:
        """Check that all requests of a session on polling will come to this process.

        Raises:
            RequestError: they may not.
        """
        if self._is_sticky or not environ.get("wsgi.multiprocess"):
            return
        if not self._was_told:
            self._was_told = True
            logger.error("%s", SEVERAL_PROCESSES)
        raise RequestError(ErrorCode.SEVERAL_PROCESSES, "polling with several processes", SEVERAL_PROCESSES)

    def ask(self, environ: Environ) -> None:
        """Do what `check` does, count the handshake, and ask the application. May switch greenlets.

        Raises:
            RequestError: no session may be opened.
        """
        self.check(environ)
        self.rates.admit(environ)
        if self._allow_request is None:
            return
        try:
            allowed = self._allow_request(environ)
        except ConnectRefused as refusal:
            raise RequestError(ErrorCode.FORBIDDEN, f"allow_request: {refusal}", refusal.message) from None
        except (Exception, gevent.Timeout) as error:
            logger.exception("allow_request failed", extra=fields(environ))
            raise RequestError(ErrorCode.FORBIDDEN, "allow_request failed") from error
        if allowed is False:
            raise RequestError(ErrorCode.FORBIDDEN, "allow_request returned False")
        # It may have taken a while.
        self.check(environ)
