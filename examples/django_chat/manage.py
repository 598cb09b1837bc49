"""Django's commands for this site: `python -m examples.django_chat.manage COMMAND`."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

__all__: list[str] = []

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.django_chat.settings")
    execute_from_command_line(sys.argv)
