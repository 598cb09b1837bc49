"""What the examples' Flask apps share: the frame of their pages, the headers that protect them, and how they start."""

from __future__ import annotations

import argparse
import sys
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, request

from geventsio import SocketIO

__all__ = ["arguments", "serve", "shared"]

# No inline script and no inline style can run, whatever a message contains. The other host is where
# /socket.io/socket.io.js redirects to when no client is installed here.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' https://cdn.socket.io; connect-src 'self' ws: wss:; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

shared = Blueprint("shared", __name__, static_folder="static", static_url_path="/shared", template_folder="templates")


@shared.before_app_request
def refuse_forms_of_other_sites() -> None:
    """Take no form from another site's page: the browser would send our cookie along with it."""
    origin = request.headers.get("Origin")
    if request.method == "POST" and origin is not None and urlsplit(origin).netloc != request.host:
        abort(403)


@shared.after_app_request
def secure(response: Response) -> Response:
    """Add the headers that keep the page to its own scripts and styles."""
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def arguments(app: Flask) -> argparse.Namespace:
    """What an example's command line says."""
    parser = argparse.ArgumentParser(prog=f"python -m {app.import_name.rpartition('.')[0]}")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets phones in (%(default)s)"
    )
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (%(default)s)")
    parser.add_argument("--certificate", nargs=2, metavar=("FILE", "KEY"), help="serve over TLS with these")
    return parser.parse_args()


def serve(io: SocketIO, app: Flask, options: argparse.Namespace | None = None) -> None:
    """Serve an example until Ctrl-C or SIGTERM. Switches greenlets.

    Args:
        io: its server.
        app: its app, in front of which the server has been put.
        options: what `arguments` returned, if that has been called already.
    """
    options = options or arguments(app)
    tls = dict(zip(("certfile", "keyfile"), options.certificate or (), strict=False))
    try:
        io.run(app, host=options.host, port=options.port, **tls)
    except OSError as error:
        sys.exit(f"can't listen on {options.host}:{options.port}: {error.strerror or error}")
