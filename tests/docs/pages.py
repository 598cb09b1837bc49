"""Reads the README and the pages of docs: their code blocks, and the checks that stand in comments beside them.

What the pages promise their readers, and tests hold:

* A Python block that begins with imports is whole: it runs in a namespace of its own. One without goes on with the
  block above, and so does one behind the comment `<!-- continues -->`.
* A block whose first line is a comment with a file's name (`# app.py`, `// app.js`) is that file; "# app.py, at the
  end" is added to what the file has. Tests of the page write them into one folder, and run what the page runs there.
* A block behind `<!-- raises NAME -->` raises the exception of that name; a `text` block that follows is its message.
* The comment `<!-- check ... -->` holds Python that runs where the block above has run, and fails if the page is wrong.
  Readers don't see it.
"""

from __future__ import annotations

__all__ = ["DOCS", "NAMES", "ROOT", "Block", "blocks", "files", "groups", "read"]

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

#: The README and all pages, by their paths from the root on.
NAMES = ["README.md", *sorted(f"docs/{path.relative_to(DOCS).as_posix()}" for path in DOCS.rglob("*.md"))]

_ITEM = re.compile(
    r"^(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=fence)[ ]*$"
    r"|^<!-- (?P<note>continues|raises \w+) -->$"
    r"|^<!-- check\n(?P<check>.*?)^-->$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A code block of a page.

    Attributes:
        page: the page's name.
        line: where its code begins, counted from 1.
        language: as its fence names it; "check" for one in a comment.
        code: what stands in it.
        note: the comment that stands right before it, or "".
    """

    page: str
    line: int
    language: str
    code: str
    note: str = ""

    @property
    def file(self) -> str | None:
        """The name of the file that it is, or that it is added to; None if it is none."""
        found = re.match(r"(?:#|//|<!--) (\S+\.(?:py|js|html))(?:, at the end)?(?: -->)?\n", self.code)
        return found[1] if found else None

    @property
    def is_whole(self) -> bool:
        """Whether it needs nothing of the blocks above it."""
        first = re.match(r"(?:from|import) ", self.code)
        return first is not None and self.note != "continues"


@cache
def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """All code blocks of a page, in their order."""
    text = read(page)
    found = []
    note = ""
    for item in _ITEM.finditer(text):
        if item["note"]:
            note = item["note"]
            continue
        kind = "check" if item["check"] is not None else "code"
        line = text.count("\n", 0, item.start(kind)) + 1
        language = item["language"] if kind == "code" else "check"
        found.append(Block(page, line, language, item[kind], note))
        note = ""
    return tuple(found)


def files(found: Iterable[Block]) -> dict[str, str]:
    """The files that blocks are; what is added to a file stands behind what it has there."""
    written: dict[str, str] = {}
    for block in found:
        if block.file is not None:
            added = ", at the end" in block.code.partition("\n")[0]
            written[block.file] = written.get(block.file, "") + block.code if added else block.code
    return written


def groups(page: str) -> list[list[Block]]:
    """What runs together: a whole block, what goes on with it, and their checks. Blocks that are files are left out."""
    found: list[list[Block]] = []
    for block in blocks(page):
        if block.language == "python" and block.file is None:
            if block.is_whole or not found:
                found.append([])
            found[-1].append(block)
        elif block.language in ("check", "text") and found:
            found[-1].append(block)
    return found
