"""The options that are a switch or a number of bytes."""

from __future__ import annotations

from typing import Any

import pytest

from geventsio.config import DEFAULT_THRESHOLD, EngineOptions, size_threshold, split_options

NAMES = ["per_message_deflate", "http_compression"]


@pytest.mark.parametrize(("value", "threshold"), [(False, None), (True, 1024), (1, 1), (4096, 4096)])
@pytest.mark.parametrize("name", NAMES)
def test_values(name: str, value: bool | int, threshold: int | None) -> None:
    options, _ = split_options({name: value})
    assert getattr(options, name) is value
    assert size_threshold(name, value) == threshold


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), ("1024", TypeError), (1.5, TypeError)])
@pytest.mark.parametrize("name", NAMES)
def test_refused_values(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"^{name} must be True, False or"):
        EngineOptions(**{name: value})


@pytest.mark.parametrize("name", NAMES)
def test_none_is_not_off(name: str) -> None:
    options: dict[str, Any] = {name: None}
    with pytest.raises(TypeError):
        EngineOptions(**options)


def test_defaults() -> None:
    options = EngineOptions()
    assert options.per_message_deflate is False
    assert options.http_compression == DEFAULT_THRESHOLD == 1024
