"""Hashing of passwords that keeps nobody waiting: it takes half a second by design, in which other greenlets go on."""

from __future__ import annotations

import gevent
from django.contrib.auth.hashers import PBKDF2PasswordHasher

__all__ = ["PooledHasher"]


class PooledHasher(PBKDF2PasswordHasher):  # type: ignore[misc]
    """Django's own, in a thread of gevent's pool; it reads and writes the same hashes."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Hash a password. Switches greenlets."""
        hashed: str = gevent.get_hub().threadpool.apply(super().encode, (password, salt, iterations))
        return hashed
