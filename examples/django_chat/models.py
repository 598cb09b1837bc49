"""What the chat keeps."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

__all__ = ["Message", "Room"]


class Room(models.Model):  # type: ignore[misc]
    """A room; who is logged in may enter each."""

    slug = models.SlugField(unique=True, max_length=30)
    topic = models.CharField(max_length=80, blank=True)

    def __str__(self) -> str:
        return f"#{self.slug}"


class Message(models.Model):  # type: ignore[misc]
    """What somebody has said."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.CharField(max_length=1_000)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["room", "-id"], name="newest_of_room")]

    def public(self) -> dict[str, Any]:
        """What everybody in the room may see; the time is in milliseconds since 1970."""
        return {
            "id": self.pk,
            "author": self.author.get_username(),
            "text": self.text,
            "time": int(self.created.timestamp() * 1_000),
        }
