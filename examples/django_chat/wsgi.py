"""The WSGI application: the site with the Socket.IO server in front."""

from __future__ import annotations

import os

from examples.django_chat.sockets import io
from geventsio.integrations.django import get_wsgi_application

__all__ = ["application"]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.django_chat.settings")

application = get_wsgi_application(io)
