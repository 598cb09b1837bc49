"""Mistakes of whoever comes from another library end in errors that name what is here."""

from __future__ import annotations

import copy

import pytest

from geventsio import SocketIO


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("on", "io.ns('/').on('event')"),
        ("event", "io.ns('/').on('event')"),
        ("init_app", "io.layer(app.wsgi_app)"),
        ("start_background_task", "io.spawn(function)"),
        ("on_namespace", "io.register"),
        ("send", "io.emit('message', data)"),
    ],
)
def test_names_of_other_libraries_lead_to_ours(name: str, hint: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(SocketIO(), name)
    assert str(raised.value).startswith(f"'SocketIO' object has no attribute {name!r}; ")
    assert hint in str(raised.value)


def test_other_names_are_missing_as_ever() -> None:
    io = SocketIO()
    assert not hasattr(io, "nothing")
    with pytest.raises(AttributeError, match=r"^'SocketIO' object has no attribute 'nothing'$"):
        io.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert copy.copy(io).options == io.options
