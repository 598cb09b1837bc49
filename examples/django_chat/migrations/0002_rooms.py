"""The rooms to begin with; more can be made with `python -m examples.django_chat.manage shell`."""

from __future__ import annotations

from typing import Any

from django.db import migrations

ROOMS = {"lobby": "Say hello", "music": "What are you listening to?", "help": "Questions and answers"}


def add_rooms(apps: Any, schema_editor: Any) -> None:
    """Make them, unless they are there."""
    room = apps.get_model("django_chat", "Room")
    for slug, topic in ROOMS.items():
        room.objects.get_or_create(slug=slug, defaults={"topic": topic})


class Migration(migrations.Migration):  # type: ignore[misc]
    """See above."""

    dependencies = [("django_chat", "0001_initial")]
    operations = [migrations.RunPython(add_rooms, migrations.RunPython.noop)]
