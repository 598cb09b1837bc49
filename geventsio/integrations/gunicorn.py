"""What fits gunicorn to geventsio, in the first line of `gunicorn.conf.py`:

    from geventsio.integrations.gunicorn import *

or, without such a file, on the command line: `gunicorn -c python:geventsio.integrations.gunicorn module:app`.

It chooses the gevent worker, says at the start what can't work, and names the worker that is to be drained. With
`-k gevent` none of it is needed as a rule: geventsio finds its worker behind the SIGTERM handler of gunicorn, unless
the application installs one of its own. What follows in the file, or stands on the command line, replaces what this
line sets; a `post_worker_init` of your own calls the one here.

With `preload_app` the application is imported before gunicorn's worker patches the standard library: patch it in the
file's first line, `from gevent import monkey; monkey.patch_all()`.
"""

from __future__ import annotations

from typing import Any

from gevent import monkey

from geventsio.engine.drain import watch_worker

# What the star brings into the file: settings of gunicorn.
__all__ = ["on_starting", "post_worker_init", "worker_class"]

#: gunicorn's setting; one on the command line wins.
worker_class = "gevent"

NO_GEVENT = "gunicorn's worker class %r has no gevent loop: no client would be heard. Start gunicorn with -k gevent"
PRELOADED = (
    "with preload_app the application is imported before the standard library is patched, so that it may block all "
    "clients where it waits: begin gunicorn.conf.py with `from gevent import monkey; monkey.patch_all()`"
)


def on_starting(server: Any) -> None:
    """Say what can't work with these settings of the server. gunicorn calls it in the master."""
    settings = server.cfg
    if not is_gevent(settings.worker_class):
        server.log.error(NO_GEVENT, settings.worker_class_str)
    elif settings.preload_app and not monkey.is_module_patched("socket"):
        server.log.warning("%s", PRELOADED)


def post_worker_init(worker: Any) -> None:
    """Let clients be sent away when this worker stops. gunicorn calls it in the worker, before the first request."""
    watch_worker(worker)


def is_gevent(kind: type) -> bool:
    """Whether a worker class of gunicorn, gevent-websocket's among them, runs on gevent."""
    return any(base.__module__ == "gunicorn.workers.ggevent" for base in kind.__mro__)
