"""gevent's pywsgi as the embedded server has it.

Imported only when that is started: pywsgi imports `ssl`, and who imports geventsio before `gevent.monkey` patches must
not find it imported too early.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any

from gevent import ssl as gevent_ssl
from gevent.pywsgi import WSGIHandler, WSGIServer

from geventsio.engine.takeover import no_delay

__all__ = ["EmbeddedServer"]

logger = logging.getLogger("geventsio")

BLOCKING_CONTEXT = (
    "ssl_context is an ssl.SSLContext of the standard library, which is not patched: while one client is slow, its "
    "sockets keep all others waiting. Pass certfile and keyfile instead, or a context that is made with "
    "gevent.ssl.SSLContext"
)


class _Handler(WSGIHandler):
    """pywsgi's, to which a client that leaves its poll over TLS is no error either."""

    # What an SSLEOFError carries in the place of an errno.
    ignored_socket_errors = (*WSGIHandler.ignored_socket_errors, ssl.SSL_ERROR_EOF)


class EmbeddedServer(WSGIServer):
    """pywsgi without Nagle's algorithm: it sends an answer's head and body apart, and would wait for the ACK.

    Args:
        listener: see `WSGIServer`, as for all others.

    Raises:
        TypeError: the sockets of this `ssl_context` would block the hub.
    """

    handler_class = _Handler

    def __init__(self, listener: Any, *args: Any, **options: Any) -> None:
        context = options.get("ssl_context")
        if isinstance(context, ssl.SSLContext) and not isinstance(context, gevent_ssl.SSLContext):
            raise TypeError(BLOCKING_CONTEXT)
        super().__init__(listener, *args, **options)

    def handle(self, sock: Any, address: Any) -> None:
        """Serve a connection. Switches greenlets."""
        no_delay(sock)
        super().handle(sock, address)

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> Any:
        """Serve a connection over TLS. Switches greenlets."""
        try:
            return super().wrap_socket_and_handle(client_socket, address)
        except (ssl.SSLError, ConnectionError) as error:
            # Of handshakes, as a rule: a browser that does not trust the certificate is no error of the server's.
            logger.debug("a connection over TLS failed: %s", error)
