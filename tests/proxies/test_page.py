"""The page docs/behind-a-proxy.md shows the files that are tested."""

from __future__ import annotations

import pytest

from tests.docs.pages import ROOT, read

FILES = sorted(path.name for path in (ROOT / "examples" / "deploy").iterdir())


def test_there_are_files() -> None:
    assert FILES == ["apache.conf", "haproxy.cfg", "nginx.conf"]


@pytest.mark.parametrize("name", FILES)
def test_the_page_shows_the_file(name: str) -> None:
    text = (ROOT / "examples" / "deploy" / name).read_text(encoding="utf-8")
    assert f"\n{text}```\n" in read("docs/behind-a-proxy.md")
