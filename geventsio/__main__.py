"""`python -m geventsio`: see `geventsio.cli`."""

from __future__ import annotations

import sys

from geventsio.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
