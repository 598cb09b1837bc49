"""gevent's pywsgi as the embedded server has it.

Imported only when that is started: pywsgi imports `ssl`, and who imports geventsio before `gevent.monkey` patches must
not find it imported too early.
"""

from __future__ import annotations

import ssl
from typing import Any

from gevent.pywsgi import WSGIHandler, WSGIServer

from geventsio.engine.takeover import no_delay

__all__ = ["EmbeddedServer"]


class _Handler(WSGIHandler):
    """pywsgi's, to which a client that leaves its poll over TLS is no error either."""

    # What an SSLEOFError carries in the place of an errno.
    ignored_socket_errors = (*WSGIHandler.ignored_socket_errors, ssl.SSL_ERROR_EOF)


class EmbeddedServer(WSGIServer):
    """pywsgi without Nagle's algorithm: it sends an answer's head and body apart, and would wait for the ACK."""

    handler_class = _Handler

    def handle(self, sock: Any, address: Any) -> None:
        """Serve a connection. Switches greenlets."""
        no_delay(sock)
        super().handle(sock, address)
