"""The cookie by which a load balancer finds the process that holds a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["cookie_headers"]


def cookie_headers(
    attributes: str | Mapping[str, Any] | None, sid: str, environ: dict[str, Any]
) -> list[tuple[str, str]]:
    """The headers that set the cookie of a session that is being opened.

    Args:
        attributes: the option `cookie`, normalised; None sets none.
        sid: the cookie's value.
        environ: the handshake request's.
    """
    if not isinstance(attributes, Mapping):
        return []
    # Imported here: werkzeug imports ssl, too early for who patches after importing geventsio.
    from werkzeug.http import dump_cookie

    is_secure = environ.get("wsgi.url_scheme") == "https"
    defaults = {"path": "/", "httponly": True, "samesite": "Lax", "secure": is_secure}
    chosen = {name: value for name, value in attributes.items() if name != "name"}
    return [("Set-Cookie", dump_cookie(attributes["name"], sid, **{**defaults, **chosen}))]
