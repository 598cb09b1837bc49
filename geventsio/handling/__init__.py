"""Handlers of users: how they are registered, what they are called with, and the jobs that call them."""

from __future__ import annotations

__all__: list[str] = []
