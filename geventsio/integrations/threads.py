"""Frameworks' own servers for development answer in threads: they serve the site, but no Socket.IO."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from gevent import monkey

from geventsio import SocketIO
from geventsio.wsgi import Environ, Layer, StartResponse, WSGIApp

__all__ = ["GuardedLayer", "is_patched"]

logger = logging.getLogger("geventsio")


def is_patched() -> bool:
    """Whether gevent has patched what frameworks and drivers wait with."""
    return monkey.is_module_patched("socket") and monkey.is_module_patched("threading")


class GuardedLayer(Layer):
    """Serves the server's path, unless that would hang: threads have a hub each, and end with their request.

    Args:
        io: the server.
        app: the app around it.
        software: how the `SERVER_SOFTWARE` begins of the server that answers in threads, unless it is patched.
        refusal: what who asks is told, and once the log.
    """

    def __init__(self, io: SocketIO, app: WSGIApp, software: str, refusal: str) -> None:
        super().__init__(io.engine.options.req_path, io.handle, app)
        self._software = software
        self._refusal = refusal
        self._was_told = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request (PEP 3333). May switch greenlets."""
        is_threaded = str(environ.get("SERVER_SOFTWARE", "")).startswith(self._software) and not is_patched()
        if not (is_threaded and self.is_ours(environ)):
            return super().__call__(environ, start_response)
        if not self._was_told:
            self._was_told = True
            logger.error("%s", self._refusal)
        body = f"{self._refusal}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        start_response("500 Internal Server Error", headers)
        return [body]
