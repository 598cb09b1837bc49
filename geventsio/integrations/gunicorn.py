"""A hook for gunicorn's configuration file.

None is needed as a rule: geventsio finds its worker behind the SIGTERM handler that gunicorn installs. An application
that installs a SIGTERM handler of its own hides the worker; then one line in `gunicorn.conf.py` names it:

    from geventsio.integrations.gunicorn import post_worker_init
"""

from __future__ import annotations

from typing import Any

from geventsio.engine.drain import watch_worker

__all__ = ["post_worker_init"]


def post_worker_init(worker: Any) -> None:
    """Let clients be sent away when this worker stops. gunicorn calls it in the worker, before the first request."""
    watch_worker(worker)
