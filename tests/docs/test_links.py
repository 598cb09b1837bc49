"""Every relative link of the Markdown pages leads somewhere, anchors included, and each page of docs can be reached."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (ROOT, DOCS, ROOT / "benchmarks", ROOT / "examples")
    for path in folder.glob("*.md")
)

_CODE = re.compile(r"^```.*?^```|<!--.*?-->|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@cache
def prose(page: str) -> str:
    """The text of a page without code and comments."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return _CODE.sub(lambda code: "`" if code[0].startswith("`") else "", text)


@cache
def anchors(page: str) -> frozenset[str]:
    """The anchors of a page's headings, made as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return frozenset(found)


def links(page: str) -> list[str]:
    """The relative links of a page."""
    return [link for link in _LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        name = target.relative_to(ROOT).as_posix()
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(name), f"{page}: {link} is none of {sorted(anchors(name))}"


def test_every_page_is_in_the_navigation() -> None:
    """The index is the navigation of the site as well."""
    listed = {link for link in links("docs/index.md")}
    assert {path.name for path in DOCS.glob("*.md")} - {"index.md"} <= listed
    assert len(listed) == len(links("docs/index.md"))


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_a_page_begins_with_its_only_title(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert text.startswith("# ")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1


def test_images_are_there_and_tell_what_they_show() -> None:
    for page in PAGES:
        for text, image in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", prose(page)):
            assert text
            if not image.startswith("http"):
                assert ((ROOT / page).parent / Path(image)).is_file()
