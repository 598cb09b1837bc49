"""The site as a WSGI application."""

from __future__ import annotations

import os

from geventsio.integrations.django import get_wsgi_application
from tests.integrations.django.project.sockets import io

application = get_wsgi_application(io, save_session=os.environ.get("DJANGO_SAVE_SESSION") == "1")
