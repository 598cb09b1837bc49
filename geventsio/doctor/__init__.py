"""The command `python -m geventsio doctor`: what is wrong with a setup, and what to change; see docs/doctor.md.

What is imported here, and when, is part of the diagnosis: nothing that wants to be patched first may be imported before
the application has been.
"""

from __future__ import annotations

__all__: list[str] = []
