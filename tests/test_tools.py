"""Tests of what a missing tool does to a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tools


def test_a_found_tool_is_given_back() -> None:
    assert tools.require(Path("x"), "x is missing") == Path("x")


def test_a_missing_tool_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEVENTSIO_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-package is not in tests/js"):
        tools.js_package("no-such-package")


def test_a_missing_tool_fails_where_all_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEVENTSIO_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="required: no-such-package is not in tests/js"):
        tools.js_package("no-such-package")


def test_a_program_is_found_by_any_of_its_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.find("chromium") is None
    browser = tmp_path / "google-chrome"
    browser.touch(mode=0o755)
    assert tools.find("chromium") == browser
