"""Tests of the router of dynamic namespaces: patterns, priorities, conflicts, and what a match costs."""

from __future__ import annotations

import itertools
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geventsio import (
    InvalidCatchAllError,
    InvalidParamError,
    InvalidParamSegmentError,
    PatternConflictError,
    PatternError,
)
from geventsio.namespaces.routes import Router


def router(*patterns: str) -> Router[str]:
    """A router whose values are the patterns."""
    made: Router[str] = Router()
    for pattern in patterns:
        made.insert(pattern, pattern)
    return made


# What one pattern matches


@pytest.mark.parametrize(
    ("pattern", "path", "params"),
    [
        ("/", "/", {}),
        ("/", "/a", None),
        ("/chat", "/chat", {}),
        ("/chat", "/Chat", None),
        ("/chat", "/chat/", None),
        ("/chat/", "/chat", None),
        ("/chat/", "/chat/", {}),
        ("/{id}", "/42", {"id": "42"}),
        ("/{id}", "/", None),
        ("/{id}", "/42/", None),
        ("/{id}", "/a/b", None),
        ("/{id}/", "/42/", {"id": "42"}),
        ("/{id}", "/größe", {"id": "größe"}),
        ("/{größe}", "/x", {"größe": "x"}),
        ("/{a}/x/{b}", "/1/x/2", {"a": "1", "b": "2"}),
        ("/{a}/x/{b}", "/1/y/2", None),
        ("/{a}/x/{b}", "//x/2", None),
        ("/img-{id}.png", "/img-1.png", {"id": "1"}),
        ("/img-{id}.png", "/img-.png", None),
        ("/img-{id}.png", "/img-1.jpg", None),
        ("/img-{id}.png", "/img-1.png.png", {"id": "1.png"}),
        ("/img-{id}.png", "/img-a/b.png", None),
        ("/aa{x}aa", "/aaa", None),
        ("/aa{x}aa", "/aaaa", None),
        ("/aa{x}aa", "/aaaaa", {"x": "a"}),
        ("/{*rest}", "/", None),
        ("/{*rest}", "/a", {"rest": "a"}),
        ("/{*rest}", "/a/b/", {"rest": "a/b/"}),
        ("/{*rest}", "//", {"rest": "/"}),
        ("/files/{*rest}", "/files/", None),
        ("/files/{*rest}", "/files", None),
        ("/files/{*rest}", "/files/a/b", {"rest": "a/b"}),
        ("/src-{*rest}", "/src-", None),
        ("/src-{*rest}", "/src-a/b", {"rest": "a/b"}),
        ("/src{*rest}", "/src/", {"rest": "/"}),
        ("/{{id}}", "/{id}", {}),
        ("/{{id}}", "/42", None),
        ("/{{{id}}}", "/{42", {"id}": "42"}),  # pairs of braces are read from the left
        ("/{{{id}-}}", "/{42-}", {"id": "42"}),
        ("/{a{{b}", "/1", {"a{b": "1"}),
    ],
)
def test_what_a_pattern_matches(pattern: str, path: str, params: dict[str, str] | None) -> None:
    assert router(pattern).match(path) == (None if params is None else (pattern, params))


@pytest.mark.parametrize(
    ("pattern", "error", "message"),
    [
        ("/{}", InvalidParamError, "Parameters must be registered with a valid name"),
        ("/user{}/", InvalidParamError, "valid name"),
        ("/{*}", InvalidParamError, "valid name"),
        ("/{**a}", InvalidParamError, "valid name"),
        ("/{a*}", InvalidParamError, "valid name"),
        ("/{", InvalidParamError, "valid name"),
        ("/}", InvalidParamError, "valid name"),
        ("/x{y", InvalidParamError, "valid name"),
        ("/x}", InvalidParamError, "valid name"),
        ("/{a{b}}", InvalidParamError, "valid name"),
        ("/{a/b}", InvalidParamError, "valid name"),
        ("/{a}}", InvalidParamError, "valid name"),
        ("/{a}/{a}", InvalidParamError, "valid name"),
        ("/{a}{b}", InvalidParamSegmentError, "Only one parameter is allowed per path segment"),
        ("/{a}-{b}/", InvalidParamSegmentError, "per path segment"),
        ("/{a}{*b}", InvalidParamSegmentError, "per path segment"),
        ("/{*a}x", InvalidCatchAllError, "Catch-all parameters are only allowed at the end of a route"),
        ("/src/{*a}/x", InvalidCatchAllError, "at the end of a route"),
        ("/src/{*a}/", InvalidCatchAllError, "at the end of a route"),
        ("/{*a}/{b}", InvalidCatchAllError, "at the end of a route"),
    ],
)
def test_patterns_that_make_no_sense(pattern: str, error: type[PatternError], message: str) -> None:
    made: Router[str] = Router()
    with pytest.raises(error, match=message) as caught:
        made.insert(pattern, pattern)
    assert caught.value.pattern == pattern
    assert repr(pattern) in str(caught.value)
    assert made.match("/x") is None


# Which of several

TREE = (
    "/",
    "/about",
    "/{page}",
    "/posts/{year}/{month}/{post}",
    "/posts/{year}/{month}/index",
    "/posts/{year}/top",
    "/static/{*path}",
    "/static/fixed/file",
    "/user_{name}",
    "/user_x",
    "/user_{name}/profile",
    "/files/{name}.png",
    "/files/{name}.tar.gz",
    "/files/{name}.gz",
    "/files/{name}",
    "/rooms/{id}/members",
    "/rooms/vip/{guest}",
    "/{area}/vip/{*rest}",
)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/", "/"),
        ("/about", "/about"),
        ("/abou", "/{page}"),
        ("/posts", "/{page}"),
        ("/posts/2021/01/rust", "/posts/{year}/{month}/{post}"),
        ("/posts/2021/01/index", "/posts/{year}/{month}/index"),
        ("/posts/2021/top", "/posts/{year}/top"),
        ("/posts/2021", None),
        ("/static/a/b", "/static/{*path}"),
        ("/static/fixed/file", "/static/fixed/file"),
        ("/static/fixed/files", "/static/{*path}"),
        ("/static/fixed", "/static/{*path}"),
        ("/static/", None),
        ("/user_x", "/user_x"),
        ("/user_y", "/user_{name}"),
        ("/user_", "/{page}"),
        ("/user_x/profile", "/user_{name}/profile"),
        ("/files/a.png", "/files/{name}.png"),
        ("/files/a.gz", "/files/{name}.gz"),
        ("/files/a.tar.gz", "/files/{name}.tar.gz"),
        ("/files/.tar.gz", "/files/{name}.gz"),
        ("/files/.gz", "/files/{name}"),
        ("/rooms/vip/members", "/rooms/vip/{guest}"),
        ("/rooms/vip2/members", "/rooms/{id}/members"),
        ("/rooms/vip/a/b", "/{area}/vip/{*rest}"),
        ("/rooms/no/a/b", None),
        ("/x/vip/a/b", "/{area}/vip/{*rest}"),
        ("/user_x/vip/a", "/{area}/vip/{*rest}"),
    ],
)
@pytest.mark.parametrize("order", [1, -1], ids=["as written", "reversed"])
def test_the_first_segment_that_differs_decides(path: str, pattern: str | None, order: int) -> None:
    found = router(*TREE[::order]).match(path)
    assert (found and found[0]) == pattern


def test_parameters_have_the_names_of_the_pattern_that_matched() -> None:
    tree = router("/x/{foo}/bar", "/x/{bar}/baz", "/{a}/{b}/{c}")
    assert tree.match("/x/1/bar") == ("/x/{foo}/bar", {"foo": "1"})
    assert tree.match("/x/1/baz") == ("/x/{bar}/baz", {"bar": "1"})
    assert tree.match("/x/1/2") == ("/{a}/{b}/{c}", {"a": "x", "b": "1", "c": "2"})


@pytest.mark.parametrize(
    ("earlier", "later", "other"),
    [
        (["/foo/{name}"], "/foo/{names}", "/foo/{name}"),
        (["/src/{*p}"], "/src/{f}", "/src/{*p}"),
        (["/{id}"], "/{*rest}", "/{id}"),
        (["/cmd/{tool}/{sub}"], "/cmd/{*path}", "/cmd/{tool}/{sub}"),
        (["/user_{a}"], "/user_{b}", "/user_{a}"),
        (["/con{tact}"], "/con{*rest}", "/con{tact}"),
        (["/chat"], "/chat", "/chat"),
        (["/{{a}}"], "/{{a}}", "/{{a}}"),
        (["/{*rest}"], "/{*others}", "/{*rest}"),
        (["/{y}/bar/baz", "/{y}/baz/baz", "/{z}/bar/bat"], "/{z}/bar/baz", "/{y}/bar/baz"),
        (["/{id}y"], "/x{id}", "/{id}y"),
        (["/{id}y"], "/x{id}y", "/{id}y"),
        (["/y{id}"], "/{id}y", "/y{id}"),
        (["/y{id}"], "/x{id}y", "/y{id}"),
        (["/x{id}y"], "/x{id}", "/x{id}y"),
        (["/x{id}y"], "/{id}y", "/x{id}y"),
        (["/x{id}y"], "/z{id}y", "/x{id}y"),
        (["/x{id}y"], "/x{id}z", "/x{id}y"),
        (["/x{id}y"], "/x{name}y", "/x{id}y"),
        (["/{a}suffix"], "/prefix{*rest}", "/{a}suffix"),
        (["/{a}suffix"], "/{*rest}", "/{a}suffix"),
        (["/{*rest}"], "/{a}suffix", "/{*rest}"),
        (["/prefix{a}/x", "/{id}/x"], "/{a}suffix/y", "/prefix{a}/x"),
    ],
)
def test_conflicts(earlier: list[str], later: str, other: str) -> None:
    tree = router(*earlier)
    with pytest.raises(PatternConflictError) as caught:
        tree.insert(later, "never")
    assert str(caught.value) == f"Insertion failed due to conflict with previously registered route: {other}"
    assert (caught.value.pattern, caught.value.other) == (later, other)


@pytest.mark.parametrize(
    "patterns",
    [
        ["/x/{id}", "/x/{id}/", "/x/{id}y", "/x/{id}y/", "/x/{id}z"],
        ["/y/{id}", "/y/{id}/", "/y/y{id}", "/y/y{id}/", "/y/z{id}"],
        ["/{id}", "/x{id}y", "/x"],
        ["/src/{*rest}", "/src/", "/src", "/src1{*rest}", "/src2{*rest}", "/src/x{id}", "/src/x{id}/y"],
        ["/{*rest}", "/prefix{a}suffix"],
        ["/{*rest}", "/a/{*rest}", "/a/b/{id}"],
        ["/{a}/x", "/{b}/y"],
        ["/{{yy", "/{yy}", "/}}"],
        ["/a", "/{id}", "/b{*rest}"],
    ],
)
def test_what_may_stand_side_by_side(patterns: list[str]) -> None:
    for order in itertools.permutations(patterns):
        router(*order)


def test_a_conflict_leaves_the_others_alone() -> None:
    tree = router("/a/{id}")
    for _ in range(2):
        with pytest.raises(PatternConflictError):
            tree.insert("/a/{*rest}", "never")
    assert tree.match("/a/b/c") is None
    assert tree.match("/a/b") == ("/a/{id}", {"id": "b"})


# Against a naive reference: all patterns, one after the other, and the best of those that match

SEGMENTS = ["a", "ab", "b", "", "{p}", "a{p}", "ab{p}", "{p}a", "{p}ba", "a{p}b", "{*p}", "a{*p}"]
PATTERN_PARTS = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4)
PATHS = st.lists(st.text("ab", max_size=4), min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))


def numbered(parts: list[str]) -> str:
    """A pattern of these segments, with a name of its own for each parameter."""
    return "/" + "/".join(part.replace("p}", f"p{index}" + "}") for index, part in enumerate(parts))


def split(part: str) -> tuple[str, str | None, str]:
    """The prefix, the name and the suffix of a segment."""
    prefix, brace, rest = part.partition("{")
    name, _, suffix = rest.partition("}")
    return prefix, (name if brace else None), suffix


def naive_match(pattern: str, path: str) -> tuple[list[tuple[int, int]], dict[str, str]] | None:
    """The rank of each segment of a pattern, and the parameters, if a path matches it."""
    ranks: list[tuple[int, int]] = []
    params: dict[str, str] = {}
    parts, values = pattern[1:].split("/"), path[1:].split("/")
    for index, part in enumerate(parts):
        prefix, name, suffix = split(part)
        if index >= len(values):
            return None
        value = values[index]
        if name is not None and name.startswith("*"):
            value = "/".join(values[index:])
            if not value.startswith(prefix) or value == prefix:
                return None
            params[name[1:]] = value[len(prefix) :]
            ranks.append((1, -len(prefix)) if prefix else (3, 0))
            return ranks, params
        if name is None:
            if value != prefix:
                return None
            ranks.append((0, 0))
            continue
        inner = value[len(prefix) : len(value) - len(suffix)]
        if not inner or prefix + inner + suffix != value:
            return None
        params[name] = inner
        ranks.append((1, -len(prefix + suffix)) if prefix or suffix else (2, 0))
    return (ranks, params) if len(values) == len(parts) else None


def naive(patterns: list[str], path: str) -> tuple[str, dict[str, str]] | None:
    """The best match."""
    matches = []
    for pattern in patterns:
        found = naive_match(pattern, path)
        if found is not None:
            matches.append((found[0], pattern, found[1]))
    if not matches:
        return None
    matches.sort()
    assert len(matches) == 1 or matches[0][0] != matches[1][0], "two patterns are equally good"
    return matches[0][1], matches[0][2]


@given(st.lists(PATTERN_PARTS, max_size=8), st.lists(PATHS, min_size=1, max_size=8))
@example([["{p}ba", "a"], ["{p}a", "b"]], ["/aba/b", "/aba/a", "/ba/b"])
@example([["a", "b"], ["a{*p}"], ["{p}", "a"]], ["/a/b", "/a/a", "/ab/a", "/b/a"])
def test_the_router_finds_what_a_naive_one_finds(parts: list[list[str]], paths: list[str]) -> None:
    tree: Router[str] = Router()
    accepted: list[str] = []
    for pattern in map(numbered, parts):
        try:
            tree.insert(pattern, pattern)
        except PatternError:
            continue
        accepted.append(pattern)
    for path in paths:
        assert tree.match(path) == naive(accepted, path)


@given(st.lists(st.sampled_from(["a", "{", "}", "*", "/", "{{", "}}"]), max_size=8).map("".join))
def test_any_text_is_a_pattern_or_a_pattern_error(text: str) -> None:
    try:
        router("/" + text).match("/a/a")
    except PatternError as error:
        assert error.pattern == "/" + text


# What a match costs


def steps(tree: Router[str], path: str) -> int:
    """How many calls of functions, Python's or built in, a match takes."""
    count = 0

    def step(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(step)
    try:
        tree.match(path)
    finally:
        sys.setprofile(None)
    return count


def test_a_path_can_not_make_a_match_expensive() -> None:
    # Each segment fits many parameters, so a search that tried all combinations would never end.
    shapes = ["{p}a", "{p}aa", "{p}aaa", "{p}", "aaaa"]
    patterns = ["/" + "/".join([*parts, "end"]) for parts in itertools.product(shapes, repeat=4)]
    tree = router(*(numbered(pattern[1:].split("/")) for pattern in patterns))
    nodes = sum(len(shapes) ** depth for depth in range(6))
    paths = ["/aaaa/aaaa/aaaa/aaaa/no", "/aaaa" * 50, "/" + "a" * 250, "/" * 250, "/aaaa/aaaa/aaaa/aaaa/end"]
    costs = [steps(tree, path) for path in paths]
    assert max(costs) < 20 * nodes
    assert steps(tree, "/aaaa" * 5000) <= max(costs)
