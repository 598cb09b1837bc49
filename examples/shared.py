"""What the examples' Flask apps share: the style sheet, served under /shared."""

from __future__ import annotations

from flask import Blueprint

__all__ = ["shared"]

shared = Blueprint("shared", __name__, static_folder="static", static_url_path="/shared")
