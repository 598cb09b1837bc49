"""Starts the site: `python -m examples.django_chat [--host HOST] [--port PORT]`; brings its database up to date first.

All of Django's commands are there as well: `python -m examples.django_chat.manage createsuperuser`.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # in the first line: Django keeps its database connections by thread

import argparse  # noqa: E402
import os  # noqa: E402

import django  # noqa: E402
from django.core.management import call_command  # noqa: E402

__all__: list[str] = []


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m examples.django_chat")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (%(default)s)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.django_chat.settings")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("runsocketio", f"{options.host}:{options.port}", use_reloader=False)


if __name__ == "__main__":
    main()
