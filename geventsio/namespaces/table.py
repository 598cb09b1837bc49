"""The namespaces of a server: those that exist, those that clients may call into being, and how they come and go."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from geventsio.adapters.base import Adapter
from geventsio.engine.drain import WaitGroup
from geventsio.errors import AdapterError
from geventsio.namespaces.namespace import MAX_PATH, Namespace, NamespaceHandlers, normal_path
from geventsio.namespaces.routes import Router

if TYPE_CHECKING:
    from geventsio.server import SocketIO

__all__ = ["DynamicNamespace", "Namespaces", "Start"]

logger = logging.getLogger("geventsio")


class DynamicNamespace(NamespaceHandlers):
    """All namespaces whose paths match a pattern. As a decorator it takes their connect handler.

    `SocketIO.dyn_ns` makes it. A namespace comes into being when the first client asks for it. What is registered
    here is shared by all of them, whether they exist already or not; what is registered with one of them is, too.

    Attributes:
        io: the server.
        path: the pattern, or the source of the expression.
        pattern: the pattern or the compiled regular expression.
    """

    def __init__(self, io: SocketIO, pattern: str | re.Pattern[str]) -> None:
        if isinstance(pattern, str):
            pattern = normal_path(pattern)
        elif not isinstance(pattern, re.Pattern) or not isinstance(pattern.pattern, str):
            raise TypeError(f"a pattern is a str, or a compiled regular expression for str, not {pattern!r}")
        super().__init__(io, pattern if isinstance(pattern, str) else pattern.pattern)
        self.pattern = pattern

    def __repr__(self) -> str:
        return f"<DynamicNamespace {self.path}>"

    def nsps(self) -> list[Namespace]:
        """Those of its namespaces that exist now."""
        return [namespace for namespace in self.io.nsps() if namespace.template is self]


class Start:
    """The preparation of a namespace: by the first who needs it, while others wait.

    Args:
        prepare: does it; may switch greenlets.
        namespace: the namespace.
    """

    __slots__ = ("_end", "_error", "_has_begun", "_namespace", "_prepare")

    def __init__(self, prepare: Callable[[Namespace], object], namespace: Namespace) -> None:
        self._prepare = prepare
        self._namespace = namespace
        self._has_begun = False
        self._end = Event()
        self._error: BaseException | None = None

    def __call__(self) -> None:
        """Prepare the namespace, or wait until somebody else has. May switch greenlets.

        Raises:
            AdapterError: somebody else could not do it.
        """
        if self._has_begun:
            self._end.wait()
            if self._error is not None:
                raise AdapterError(f"the adapter of {self._namespace.path} can't be prepared") from self._error
            return
        self._has_begun = True
        try:
            self._prepare(self._namespace)
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._end.set()


class Namespaces:
    """The table of namespaces.

    A namespace is `starting` until its adapter is prepared, then it is live, and when it has been taken out of the
    table it is closed as soon as its last socket is gone. Only live ones are shown to users.

    Args:
        io: the server.
        adapter: makes adapters.
    """

    def __init__(self, io: SocketIO, adapter: Callable[..., Adapter]) -> None:
        self._io = io
        self._adapter = adapter
        self._starting: dict[str, Namespace] = {}
        self._live: dict[str, Namespace] = {}
        self._closing: dict[Namespace, gevent.Greenlet[..., None]] = {}
        self._patterns: Router[DynamicNamespace] = Router()
        self._expressions: list[tuple[re.Pattern[str], DynamicNamespace]] = []

    def get(self, path: str) -> Namespace | None:
        """The live namespace of this path."""
        return self._live.get(path)

    def live(self) -> list[Namespace]:
        """All live namespaces."""
        return list(self._live.values())

    def find(self, path: str) -> Namespace | None:
        """The namespace that a client asks for, which may have to be started; None if there can't be one.

        Never switches greenlets.
        """
        namespace = self._live.get(path) or self._starting.get(path)
        if namespace is None:
            match = self._match(path)
            if match is not None:
                namespace = self._make(path, *match)
        return namespace

    def create(self, path: str) -> Namespace:
        """Return the live namespace of this path, made if there is none. May switch greenlets.

        Raises:
            AdapterError: its adapter can't be prepared; nothing of it remains.
        """
        namespace = self._live.get(path)
        if namespace is None:
            namespace = self._starting.get(path) or self._make(path)
            if namespace.start is not None:
                namespace.start()
        return namespace

    def add(self, template: DynamicNamespace) -> None:
        """Let clients create the namespaces that match a pattern.

        Raises:
            PatternError: it is no pattern, or conflicts with another.
        """
        if isinstance(template.pattern, str):
            self._patterns.insert(template.pattern, template)
        else:
            self._expressions.append((template.pattern, template))

    def delete(self, path: str) -> None:
        """Take a namespace out of the table, if it is there, and disconnect its sockets. Never switches greenlets."""
        namespace = self._live.get(path) or self._starting.get(path)
        if namespace is not None:
            self._remove(namespace)
            for socket in list(namespace.sockets.values()):
                socket.disconnect()

    def emptied(self, namespace: Namespace) -> None:
        """Learn that the last socket of a namespace is gone. Never switches greenlets."""
        cleans_up = self._io.options.cleanup_empty_child_namespaces
        if namespace.is_deleted or (cleans_up and namespace.template is not None):
            self._remove(namespace)

    def close(self, timeout: float | None) -> None:
        """Close the adapters of all namespaces, each once. May switch greenlets.

        Args:
            timeout: seconds to wait for it; None for any number.
        """
        for namespace in self.live():
            self._close(namespace)
        if self._closing:
            gevent.joinall(list(self._closing.values()), timeout)

    def _match(self, path: str) -> tuple[DynamicNamespace, dict[str, str]] | None:
        if len(path) > MAX_PATH:  # whichever parser let it through: expressions are not ours, and may take long
            return None
        found = self._patterns.match(path)
        if found is not None:
            return found
        for expression, template in self._expressions:
            match = expression.fullmatch(path)
            if match is not None:
                # A group that took no part has no value.
                return template, {name: value for name, value in match.groupdict().items() if value is not None}
        return None

    def _make(
        self, path: str, template: DynamicNamespace | None = None, params: dict[str, str] | None = None
    ) -> Namespace:
        namespace = self._starting[path] = self._io.namespace_class(self._io, path, self._adapter, template, params)
        namespace.start = Start(self._prepare, namespace)
        return namespace

    def _prepare(self, namespace: Namespace) -> None:
        path = namespace.path
        try:
            self._await_former(path)
            namespace.open_adapter()
        except BaseException as error:
            if namespace.template is not None and isinstance(error, Exception):
                logger.exception("the adapter of %s can't be prepared", path, extra={"namespace": path})
            self._remove(namespace)
            raise
        if namespace.is_deleted:
            self._remove(namespace)
        else:
            del self._starting[path]
            self._live[path] = namespace

    def _await_former(self, path: str) -> None:
        """Wait until the adapter of an earlier namespace of this path, if one is being closed, has been."""
        closing = [greenlet for namespace, greenlet in self._closing.items() if namespace.path == path]
        if closing:
            gevent.joinall(closing)

    def _remove(self, namespace: Namespace) -> None:
        """Let nobody in any more, and close the adapter unless there is still somebody."""
        namespace.is_deleted = True
        for table in (self._starting, self._live):
            if table.get(namespace.path) is namespace:
                del table[namespace.path]
        if namespace.is_empty:
            self._close(namespace)

    def _close(self, namespace: Namespace) -> None:
        """Close the adapter of a namespace, once, in a greenlet of its own."""
        if not namespace.is_open:
            return
        namespace.is_open = False
        if not self._io.engine.has_started:  # before the first request there is no hub, and nobody who must not wait
            namespace.close_adapter()
            return
        callbacks = self._io.engine.callbacks
        callbacks.add()
        self._closing[namespace] = gevent.spawn(self._run_close, namespace, callbacks)

    def _run_close(self, namespace: Namespace, callbacks: WaitGroup) -> None:
        try:
            namespace.close_adapter()
        finally:
            del self._closing[namespace]
            callbacks.done()  # of the hub's, which the server may have let go of meanwhile
