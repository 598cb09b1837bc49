"""What fits geventsio to other software; each module needs the package that it is named after."""

from __future__ import annotations

__all__: list[str] = []
