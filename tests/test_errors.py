"""Tests of the tree of exceptions."""

from __future__ import annotations

import re

import pytest

import geventsio
from geventsio import errors

ALL = [getattr(errors, name) for name in errors.__all__]


def drawn() -> dict[str, str]:
    """The tree as the module's docstring draws it: each name with the name above it."""
    assert errors.__doc__ is not None
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"([│├└─ ]*)(\w+)", line)
        if match is None or match[2] not in errors.__all__:
            continue
        depth = len(match[1]) // 4
        parents[match[2]] = above[depth - 1] if depth else ""
        above[depth:] = [match[2]]
    return parents


def test_the_tree_is_as_it_is_drawn() -> None:
    parents = drawn()
    assert set(parents) == set(errors.__all__)
    for name, above in parents.items():
        assert getattr(errors, name).__bases__[0].__name__ == (above or "Exception")


def test_one_except_catches_all() -> None:
    assert all(issubclass(error, errors.GeventsioError) for error in ALL)
    assert not issubclass(errors.GeventsioError, (OSError, ValueError))


def test_users_find_them_at_the_root() -> None:
    assert {error.__name__ for error in ALL} <= set(geventsio.__all__)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.SerializeError, TypeError),
        (errors.AckTimeoutError, TimeoutError),
        (errors.HandlerSignatureError, TypeError),
        (errors.NamespaceError, LookupError),
    ],
)
def test_those_who_know_only_builtins_catch_them_too(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)
    assert str(error("what happened")) == "what happened"


def test_a_pattern_that_can_not_be_registered_is_a_wrong_value() -> None:
    conflict = errors.PatternConflictError("/{a}", "/{b}")
    assert isinstance(conflict, (ValueError, errors.NamespaceError))
    assert (conflict.pattern, conflict.other) == ("/{a}", "/{b}")


def test_a_refusal_carries_what_the_client_is_told() -> None:
    refusal = errors.ConnectRefused("wrong token", data={"code": 1})
    assert (refusal.message, refusal.data, str(refusal)) == ("wrong token", {"code": 1}, "wrong token")
    assert (errors.ConnectRefused().message, errors.ConnectRefused().data) == ("Connection refused", None)


def test_a_protocol_error_carries_a_close_code() -> None:
    assert errors.ProtocolError("broken").close_code == 1002
    assert errors.ProtocolError("too big", close_code=1009).close_code == 1009


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.ExtractError("is unknown"), "is unknown"),
        (errors.ExtractError("is unknown", "user"), "parameter 'user': is unknown"),
        (errors.ExtractError("is unknown", "user", "$"), "parameter 'user': is unknown"),
        (errors.ExtractError("is unknown", "user", "$.a[1]"), "parameter 'user': is unknown - at `$.a[1]`"),
        (errors.ExtractError("is unknown", path="$[1]"), "is unknown - at `$[1]`"),
    ],
)
def test_an_extract_error_tells_its_place(error: errors.ExtractError, text: str) -> None:
    assert str(error) == text
    assert error.reason == "is unknown"
