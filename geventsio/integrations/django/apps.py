"""The app that goes into INSTALLED_APPS: it finds handlers, and brings the command `runsocketio`."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

__all__ = ["GeventsioConfig"]


class GeventsioConfig(AppConfig):  # type: ignore[misc]
    """Imports the module `socketio` of each app that has one, when all models are there."""

    name = "geventsio.integrations.django"
    label = "geventsio"
    verbose_name = "geventsio"

    def ready(self) -> None:
        """Find the handlers."""
        autodiscover_modules("socketio")
