"""Which origins may connect, and the CORS headers that tell browsers so."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from typing import Any

from geventsio.config import OriginRule
from geventsio.engine.log_fields import fields
from geventsio.engine.proxies import is_forwarded
from geventsio.engine.sparse_log import SparseLog

__all__ = ["OriginPolicy"]

logger = logging.getLogger("geventsio.engine")

Environ = dict[str, Any]

#: Characters of an Origin that the log shows.
MAX_LOGGED = 200

_DEFAULT_PORTS = {"http": "80", "https": "443"}


class OriginPolicy:
    """Decides on the Origin header of polling and websocket requests alike.

    Browsers apply no same-origin rule to websockets, so the server must. Requests without an Origin do
    not come from a page, and are let through.

    Args:
        rule: the option `cors_allowed_origins`.
        credentials: whether browsers may send cookies across origins; never with "*".
    """

    def __init__(self, rule: OriginRule, credentials: bool) -> None:
        is_collection = isinstance(rule, Collection) and not isinstance(rule, str)
        self._rule = "*" if is_collection and "*" in rule else rule  # type: ignore[operator]
        self._credentials = credentials and self._rule != "*"
        self._log = SparseLog(logger)

    def allows(self, environ: Environ) -> bool:
        """Whether a request's origin may connect. May switch greenlets where the rule is a callable that does."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            return True
        try:
            return self._matches(origin, self._rule, environ)
        except Exception:
            shown = origin[:MAX_LOGGED]
            logger.exception("cors_allowed_origins failed on the Origin %r", shown, extra=fields(environ))
            return False

    def report(self, environ: Environ) -> None:
        """Tell the log why an origin was refused, and what to change if it should not have been."""
        origin = str(environ.get("HTTP_ORIGIN"))[:MAX_LOGGED]
        expected = repr(_own_origin(environ)) if self._rule is None else f"cors_allowed_origins={self._rule!r}"
        hint = ""
        if self._rule is None and is_forwarded(environ):
            hint = (
                "; the request came through a proxy: if it is yours, set trusted_proxies to their number, "
                "so that the host and scheme it reports count"
            )
        self._log.warn(
            origin,
            "refused the Origin %r: expected %s; to let it in, name it in cors_allowed_origins%s",
            origin,
            expected,
            hint,
            extra=fields(environ, reason="Origin not allowed"),
        )

    def headers(self, environ: Environ) -> list[tuple[str, str]]:
        """The CORS headers of an answer to an origin that is allowed; errors need them too, or browsers hide them."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or self._rule is None:
            return []
        if self._rule == "*":
            return [("Access-Control-Allow-Origin", "*")]
        headers = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
        if self._credentials:
            headers.append(("Access-Control-Allow-Credentials", "true"))
        return headers

    def preflight_headers(self, environ: Environ) -> list[tuple[str, str]]:
        """The headers that answer an OPTIONS request."""
        headers = self.headers(environ)
        if headers:
            headers.append(("Access-Control-Allow-Methods", "GET, POST, OPTIONS"))
            requested = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS")
            if requested and re.fullmatch(r"[\w\-, ]{1,1024}", requested, re.ASCII):
                headers.append(("Access-Control-Allow-Headers", requested))
        return headers

    def _matches(self, origin: str, rule: OriginRule, environ: Environ) -> bool:
        if rule is None:
            return origin.lower() == _own_origin(environ)
        if isinstance(rule, str):
            return rule == "*" or origin.lower() == rule.lower().rstrip("/")
        if isinstance(rule, re.Pattern):
            return rule.fullmatch(origin) is not None
        if isinstance(rule, Collection):
            return any(self._matches(origin, item, environ) for item in rule)
        return bool(rule(origin))


def _own_origin(environ: Environ) -> str:
    scheme = str(environ.get("wsgi.url_scheme", "http"))
    host = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
    name, colon, port = str(host).rpartition(":")
    if colon and port == _DEFAULT_PORTS.get(scheme):
        host = name
    return f"{scheme}://{host}".lower()
