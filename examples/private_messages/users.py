"""Who may log in, and what they have said to each other. In memory: put your database here."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import gevent
from flask_login import UserMixin
from werkzeug.security import check_password_hash, generate_password_hash

__all__ = ["Mail", "Message", "User", "Users"]

MAX_USERS = 1_000
MAX_CONVERSATIONS = 1_000  # those that have been silent for longest make way
HISTORY = 100  # messages that a conversation remembers

# What an unknown name's password is compared with, so that the answer takes as long as for a known one.
_NOBODY = generate_password_hash("")


class User(UserMixin):  # type: ignore[misc]
    """Someone with an account; `id`, which Flask-Login keeps in the session, is the name."""

    def __init__(self, name: str, password_hash: str) -> None:
        self.id = name
        self.password_hash = password_hash


class Users:
    """All accounts."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}

    def get(self, name: str) -> User | None:
        """The user of this name."""
        return self._users.get(name)

    def names(self) -> list[str]:
        """Everybody's name, sorted."""
        return sorted(self._users, key=str.casefold)

    def log_in(self, name: str, password: str) -> User | None:
        """The user, if the password is right. Switches greenlets: a password's hash takes long, by design."""
        user = self._users.get(name)
        password_hash = user.password_hash if user else _NOBODY
        is_right = gevent.get_hub().threadpool.apply(check_password_hash, (password_hash, password))
        return user if is_right else None

    def sign_up(self, name: str, password: str) -> User:
        """Open an account. Switches greenlets.

        Raises:
            ValueError: the name or the password won't do; the message is for the user's eyes.
        """
        if not (name.isalnum() and name.isascii() and 2 <= len(name) <= 20):
            raise ValueError("A name has 2 to 20 letters and digits.")
        if not 8 <= len(password) <= 128:
            raise ValueError("A password has 8 to 128 characters.")
        password_hash = gevent.get_hub().threadpool.apply(generate_password_hash, (password,))
        if any(name.casefold() == taken.casefold() for taken in self._users):  # now: someone may have been quicker
            raise ValueError("This name is taken.")
        if len(self._users) >= MAX_USERS:
            raise ValueError("There are too many accounts already.")
        user = self._users[name] = User(name, password_hash)
        return user


@dataclass(frozen=True, slots=True)
class Message:
    """What one user has said to another; `time` is in milliseconds since 1970."""

    author: str
    to: str
    text: str
    time: int


class Mail:
    """All conversations of two."""

    def __init__(self) -> None:
        self._kept: dict[frozenset[str], deque[Message]] = {}

    def send(self, author: str, to: str, text: str) -> Message:
        """Keep a message."""
        message = Message(author, to, text, time.time_ns() // 1_000_000)
        pair = frozenset((author, to))
        kept = self._kept[pair] = self._kept.pop(pair, deque(maxlen=HISTORY))  # the last one now
        kept.append(message)
        if len(self._kept) > MAX_CONVERSATIONS:
            del self._kept[next(iter(self._kept))]
        return message

    def between(self, one: str, other: str) -> list[Message]:
        """What two have said to each other, oldest first."""
        return list(self._kept.get(frozenset((one, other)), ()))
