"""Makes a site of these pages with Sphinx: `scripts/docs`.

The pages are plain Markdown, to be read in the repository as well. What a site needs beside them is added here, when a
page is read: the navigation, which is the list of `index.md`, and the docstrings in `reference.md`.
"""

from __future__ import annotations

import configparser
import inspect
import re
from pathlib import Path
from typing import Any

_metadata = configparser.ConfigParser()
_metadata.read(Path(__file__).parent.parent / "setup.cfg", encoding="utf-8")

project = "geventsio"
author = "geventsio contributors"
release = _metadata["metadata"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns: list[str] = []
myst_heading_anchors = 3

html_theme = "furo"
html_title = "geventsio"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}

# Docstrings are written in plain text with names between single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "inherited-members": "Exception, str, int, Generic, object"}
maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_attr_annotations = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True

#: A section's head, whose indented text is no code.
_SECTION = re.compile(r"^[A-Z]\w*:$")


def add_navigation(app: object, name: str, source: list[str]) -> None:
    """Turn the lists of the index into the site's navigation."""
    if name != "index":
        return
    trees = []
    for section in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
        caption = section.partition("\n")[0]
        pages = re.findall(r"^\* \[[^\]]+\]\(([\w-]+)\.md\)", section, re.MULTILINE)
        trees.append("```{toctree}\n:hidden:\n:caption: " + "\n".join([caption, "", *pages]) + "\n```\n")
    source[0] += "\n" + "\n".join(trees)


def add_docstrings(app: object, name: str, source: list[str]) -> None:
    """Put the docstrings of a module's names where the page's comment names it."""
    if name == "reference":
        source[0] = re.sub(r"^<!-- docstrings: (\S+) of (\S+) -->$", _directives, source[0], flags=re.MULTILINE)


def link_files(app: object, name: str, source: list[str]) -> None:
    """Offer the Markdown files outside of docs for download, as they are no pages of the site; leave out folders."""
    source[0] = re.sub(r"\]\((\.\./[^)]+\.md)\)", r"](path:\1)", source[0])
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./[^)#.]+\)", r"\1", source[0])


def is_internal(value: Any) -> bool:
    """Whether a method stands in a part of its class that other parts of the library use: its head says so."""
    function = inspect.unwrap(getattr(value, "fget", None) or getattr(value, "__func__", None) or value)
    if not inspect.isfunction(function) or function.__code__.co_filename.startswith("<"):
        return False  # made by dataclass and the like
    lines, _ = inspect.findsource(function)
    above = lines[: function.__code__.co_firstlineno]
    for number in range(len(above) - 1, 0, -1):
        if above[number].startswith("class "):
            break
        if above[number].startswith("    # ") and not above[number - 1].strip() and not lines[number + 1].strip():
            return re.match(r"    # What (?!tests|applications).* (?:uses?|tells?)$", above[number]) is not None
    return False


def leave_out(app: object, what: str, name: str, obj: Any, skip: bool, options: object) -> bool | None:
    """Leave out what is not for users, though other modules of the library use it."""
    return True if is_internal(obj) else None


def mark_code(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Make code blocks of what docstrings indent: in reStructuredText it would be a quotation."""
    marked: list[str] = []
    before = ""  # the last line that is not empty
    is_code = False
    for line in lines:
        is_indented = line.startswith("    ")
        if is_indented and not is_code and before and not before.startswith(" ") and not _SECTION.match(before):
            is_code = True
            marked += ["::", ""]
        elif line and not is_indented:
            is_code = False
        marked.append(line)
        before = line or before
    lines[:] = marked


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_navigation)
    app.connect("source-read", add_docstrings)
    app.connect("source-read", link_files)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-docstring", mark_code, priority=100)  # before napoleon


def _directives(found: re.Match[str]) -> str:
    kind = {"class": "autoclass", "function": "autofunction", "exception": "autoexception", "data": "autodata"}
    directives = []
    for item in found[1].split(","):
        role, _, name = item.partition(":")
        directives.append(f".. {kind[role]}:: {found[2]}.{name}\n")
    return "```{eval-rst}\n" + "\n".join(directives) + "```"
