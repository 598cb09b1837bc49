"""A dataclass that has pydantic models; its own module, for pydantic may be missing."""

from __future__ import annotations

from dataclasses import dataclass

import pydantic

__all__ = ["Animal", "Holder"]


class Animal(pydantic.BaseModel):
    """A model."""

    lives: int


@dataclass
class Holder:
    """Has models in fields."""

    animal: Animal
    blob: bytes
    other: Animal | None = None
