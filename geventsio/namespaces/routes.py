"""Patterns of paths: which of them a path matches, and with which values."""

from __future__ import annotations

import re
from bisect import insort
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from geventsio.errors import InvalidCatchAllError, InvalidParamError, InvalidParamSegmentError, PatternConflictError

__all__ = ["Router"]

T = TypeVar("T")

_TOKEN = re.compile(r"\{\{|\}\}|[{}]|[^{}]+")


class Router(Generic[T]):
    """Values by the patterns of paths.

    In a pattern, `{name}` stands for a part of one segment that is not empty, `{*name}` at the end for all that is
    left, and `{{` and `}}` for braces. Where several patterns match, the first segment in which they differ decides:
    a fixed one comes before a parameter with a prefix or a suffix (the longest first), this before a bare parameter
    and before a catch-all. What would still leave a choice is a conflict.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def insert(self, pattern: str, value: T) -> None:
        """Add a pattern, which begins with a slash.

        Raises:
            PatternConflictError: an earlier pattern matches the same paths.
            InvalidParamError: a parameter has no valid name, or a brace no partner.
            InvalidParamSegmentError: there are two parameters in a segment.
            InvalidCatchAllError: something follows a catch-all.
        """
        node = self._root
        segments = _parse(pattern)
        for segment in segments:
            node = node.enter(segment, pattern)
        if node.end is not None:
            raise PatternConflictError(pattern, node.end.pattern)
        node.end = _End(pattern, [segment.name for segment in segments if segment.name], value)

    def match(self, path: str) -> tuple[T, dict[str, str]] | None:
        """Return the value of the pattern that a path matches, and its parameters; None if there is no such pattern.

        A node of the tree is only ever compared with the segment at its own depth. So each is looked at once at
        most, and the cost depends on the patterns, not on what a client makes up.
        """
        found = self._root.find(path, 1, ())
        return None if found is None else (found[0].value, dict(zip(found[0].names, found[1], strict=True)))


class _Segment(NamedTuple):
    """What is between two slashes of a pattern."""

    prefix: str
    name: str | None = None
    suffix: str = ""
    is_rest: bool = False

    @property
    def is_bare(self) -> bool:
        return not self.prefix and not self.suffix

    def conflicts(self, other: _Segment) -> bool:
        """Whether a segment could match both of two parameters that differ, with none the more precise one."""
        if self.is_bare and other.is_bare:
            return True
        if self.is_bare or other.is_bare:
            # Only the rest is against suffixes alone, as it is in the router that this one is modelled on.
            bare, affixed = (self, other) if self.is_bare else (other, self)
            return bare.is_rest and not affixed.prefix
        if self.suffix or other.suffix:
            return bool(self.prefix or other.prefix)
        return self.prefix == other.prefix

    def take(self, path: str, start: int, end: int) -> str | None:
        """Return the value of the parameter in a part of the path; None if it does not match."""
        start += len(self.prefix)
        end -= len(self.suffix)
        if start < end and path.startswith(self.prefix, start - len(self.prefix)) and path.startswith(self.suffix, end):
            return path[start:end]
        return None


@dataclass(frozen=True, slots=True)
class _End(Generic[T]):
    """The end of a pattern."""

    pattern: str
    names: list[str]
    value: T


class _Branch(Generic[T]):
    """A parameter, and what follows it."""

    __slots__ = ("node", "pattern", "segment")

    def __init__(self, segment: _Segment, pattern: str) -> None:
        self.segment = segment
        self.node: _Node[T] = _Node()
        #: The pattern that brought it.
        self.pattern = pattern

    @property
    def length(self) -> int:
        return -len(self.segment.prefix) - len(self.segment.suffix)


class _Node(Generic[T]):
    """A place between two segments."""

    __slots__ = ("branches", "end", "fixed")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node[T]] = {}
        #: The longest first.
        self.branches: list[_Branch[T]] = []
        self.end: _End[T] | None = None

    def enter(self, segment: _Segment, pattern: str) -> _Node[T]:
        """Return the node behind a segment of a pattern, made if there is none.

        Raises:
            PatternConflictError: the segment has a parameter that can't stand beside those that are here.
        """
        if segment.name is None:
            return self.fixed.setdefault(segment.prefix, _Node())
        for branch in self.branches:
            if segment._replace(name=branch.segment.name) == branch.segment:
                return branch.node
            if segment.conflicts(branch.segment):
                raise PatternConflictError(pattern, branch.pattern)
        branch = _Branch(segment, pattern)
        insort(self.branches, branch, key=lambda branch: branch.length)
        return branch.node

    def find(self, path: str, start: int, values: tuple[str, ...]) -> tuple[_End[T], tuple[str, ...]] | None:
        """Return the end that the rest of a path leads to, and the values on the way there."""
        if start > len(path):
            return None if self.end is None else (self.end, values)
        end = path.find("/", start)
        if end < 0:
            end = len(path)
        node = self.fixed.get(path[start:end])
        found = None if node is None else node.find(path, end + 1, values)
        for branch in () if found else self.branches:
            stop = len(path) if branch.segment.is_rest else end
            value = branch.segment.take(path, start, stop)
            if value is not None:
                found = branch.node.find(path, stop + 1, (*values, value))
                if found:
                    break
        return found


def _parse(pattern: str) -> list[_Segment]:
    segments = [_parse_segment(text, pattern) for text in pattern[1:].split("/")]
    if any(segment.is_rest for segment in segments[:-1]) or (segments[-1].is_rest and segments[-1].suffix):
        raise InvalidCatchAllError(pattern)
    names = [segment.name for segment in segments if segment.name]
    if len(set(names)) < len(names):
        raise InvalidParamError(pattern)
    return segments


def _parse_segment(text: str, pattern: str) -> _Segment:
    """Return a segment as its fixed text, or as the prefix, the name and the suffix of a parameter."""
    parts = [""]
    is_open = False
    for token in _TOKEN.findall(text):
        if token not in ("{", "}"):
            parts[-1] += token[0] if token in ("{{", "}}") else token
        elif is_open is (token == "{"):
            raise InvalidParamError(pattern)
        elif len(parts) == 3:
            raise InvalidParamSegmentError(pattern)
        else:
            is_open = not is_open
            parts.append("")
    if is_open:
        raise InvalidParamError(pattern)
    if len(parts) == 1:
        return _Segment(parts[0])
    prefix, name, suffix = parts
    is_rest = name.startswith("*")
    name = name[is_rest:]
    if not name or "*" in name:
        raise InvalidParamError(pattern)
    return _Segment(prefix, name, suffix, is_rest)
