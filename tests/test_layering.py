"""The layers of the package: imports run downward only, in no circle, and a file has one job.

Reads the source with `ast`; nothing is imported. An import inside a function counts like one at the top, for it only
hides a circle. One under `if TYPE_CHECKING` never runs: it may close a circle within its layer, but not point upward.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "geventsio"
MAX_LINES = 400

# From the bottom up; a folder's name stands for all its modules. "" is the package's own __init__.
LAYERS: tuple[tuple[str, frozenset[str]], ...] = (
    ("vocabulary", frozenset({"errors", "config", "types"})),
    ("protocol", frozenset({"protocol"})),
    ("engine", frozenset({"engine"})),
    ("adapters", frozenset({"adapters"})),
    (
        "Socket.IO API",
        frozenset(
            "background client client4 context embedded extensions extracting globals handling handshake hints".split()
            + "metrics namespaces sending server socket static wsgi".split()
        ),
    ),
    ("users of the API", frozenset({"", "__main__", "cli", "doctor", "integrations", "testing"})),
)

GEVENT = frozenset({"gevent", "geventwebsocket", "greenlet", "simple_websocket"})
INPUT_OUTPUT_AND_CLOCKS = frozenset("_socket asyncio select selectors socket ssl time".split())
FORBIDDEN: Mapping[str, frozenset[str]] = {
    "vocabulary": GEVENT,
    "protocol": GEVENT | INPUT_OUTPUT_AND_CLOCKS,
}


class Import(NamedTuple):
    """One imported module, by its full name."""

    target: str
    line: int
    runs: bool


class _Reader(ast.NodeVisitor):
    """Collects the imports of one module.

    Args:
        module: its full name.
        known: the full names of all the package's modules, which tell `from package import module` from a name in it.
    """

    def __init__(self, module: str, is_package: bool, known: frozenset[str]) -> None:
        self.imports: list[Import] = []
        self._package = module if is_package else module.rpartition(".")[0]
        self._known = known
        self._runs = True

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.generic_visit(node)
            return
        before, self._runs = self._runs, False
        for statement in node.body:
            self.visit(statement)
        self._runs = before
        for statement in node.orelse:
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._absolute(node)
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            self._add(submodule if submodule in self._known else base, node)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parents = self._package.split(".")
        kept = parents[: len(parents) - node.level + 1]
        return ".".join([*kept, node.module] if node.module else kept)

    def _add(self, target: str, node: ast.stmt) -> None:
        self.imports.append(Import(target, node.lineno, self._runs))


def layer_of(module: str) -> int | None:
    """The layer's place from the bottom, None when no layer names the module."""
    head = module.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]
    return next((place for place, (_, members) in enumerate(LAYERS) if head in members), None)


def violations(sources: Mapping[str, str]) -> Iterator[str]:
    """What breaks the layering, one sentence each.

    Args:
        sources: the package's files; paths as in "geventsio/engine/session.py".
    """
    paths = {_module(path): path for path in sources}
    known = frozenset(paths)
    running: dict[str, set[str]] = {}
    for module, path in paths.items():
        reader = _Reader(module, path.endswith("/__init__.py"), known)
        reader.visit(ast.parse(sources[path], path))
        if layer_of(module) is None:
            yield f"{path}: {module} belongs to no layer; name it in LAYERS"
            continue
        inner = [found for found in reader.imports if found.target in known]
        running[module] = {found.target for found in inner if found.runs}
        yield from _upward(module, path, inner)
        yield from _forbidden(module, path, reader.imports)
    yield from _circles(running)


def too_long(sources: Mapping[str, str]) -> Iterator[str]:
    """The files that have grown past one job."""
    for path, source in sources.items():
        lines = len(source.splitlines())
        if lines > MAX_LINES:
            yield f"{path}: {lines} lines, of {MAX_LINES} allowed"


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _upward(module: str, path: str, imports: list[Import]) -> Iterator[str]:
    own = layer_of(module)
    for found in imports:
        other = layer_of(found.target)
        if own is not None and other is not None and other > own:
            yield f"{path}:{found.line}: {LAYERS[own][0]} imports {found.target}, of {LAYERS[other][0]} above it"


def _forbidden(module: str, path: str, imports: list[Import]) -> Iterator[str]:
    own = layer_of(module)
    name = "" if own is None else LAYERS[own][0]
    for found in imports:
        if found.target.partition(".")[0] in FORBIDDEN.get(name, frozenset()):
            yield f"{path}:{found.line}: {name} imports {found.target}"


def _circles(running: Mapping[str, set[str]]) -> Iterator[str]:
    try:
        TopologicalSorter(running).prepare()
    except CycleError as error:
        # graphlib lists the imported before the importing, and the first once more at the end, wherever it began.
        circle = error.args[1][:0:-1]
        start = circle.index(min(circle))
        yield f"circle: {' imports '.join([*circle[start:], *circle[:start], circle[start]])}"


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    files = sorted((ROOT / PACKAGE).rglob("*.py"))
    assert files
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


def test_the_package_keeps_its_layers(sources: dict[str, str]) -> None:
    assert list(violations(sources)) == []


def test_files_stay_short(sources: dict[str, str]) -> None:
    assert list(too_long(sources)) == []


GOOD = {
    "geventsio/__init__.py": "from .server import SocketIO",
    "geventsio/errors.py": "import time",
    "geventsio/protocol/__init__.py": "",
    "geventsio/protocol/websocket.py": "from ..errors import ProtocolError",
    "geventsio/engine/__init__.py": "from .session import Session",
    "geventsio/engine/session.py": "from geventsio.protocol import websocket\nimport gevent",
    "geventsio/engine/outbox.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .polling import x",
    "geventsio/engine/polling.py": "from . import outbox",
    "geventsio/server.py": "from geventsio.engine import Session",
}


def test_good_samples_pass() -> None:
    assert list(violations(GOOD)) == []


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        pytest.param(
            "geventsio/engine/session.py",
            "import geventsio.server",
            "geventsio/engine/session.py:1: engine imports geventsio.server, of Socket.IO API above it",
            id="upward",
        ),
        pytest.param(
            "geventsio/protocol/websocket.py",
            "from ..engine import session",
            "geventsio/protocol/websocket.py:1: protocol imports geventsio.engine.session, of engine above it",
            id="upward, relative",
        ),
        pytest.param(
            "geventsio/engine/session.py",
            "def late():\n    from .. import server",
            "geventsio/engine/session.py:2: engine imports geventsio.server, of Socket.IO API above it",
            id="upward, in a function",
        ),
        pytest.param(
            "geventsio/engine/session.py",
            "import typing\nif typing.TYPE_CHECKING:\n    from geventsio.server import SocketIO",
            "geventsio/engine/session.py:3: engine imports geventsio.server, of Socket.IO API above it",
            id="upward, for types only",
        ),
        pytest.param(
            "geventsio/engine/session.py",
            "from geventsio import SocketIO",
            "geventsio/engine/session.py:1: engine imports geventsio, of users of the API above it",
            id="upward, from the root",
        ),
        pytest.param(
            "geventsio/engine/outbox.py",
            "from .polling import x",
            "circle: geventsio.engine.outbox imports geventsio.engine.polling imports geventsio.engine.outbox",
            id="circle in a layer",
        ),
        pytest.param(
            "geventsio/engine/outbox.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    from .polling import x",
            "circle: geventsio.engine.outbox imports geventsio.engine.polling imports geventsio.engine.outbox",
            id="circle that only runs",
        ),
        pytest.param(
            "geventsio/engine/session.py",
            "from geventsio.engine import Session",
            "circle: geventsio.engine imports geventsio.engine.session imports geventsio.engine",
            id="circle through a folder's __init__",
        ),
        pytest.param(
            "geventsio/protocol/websocket.py",
            "import gevent.socket",
            "geventsio/protocol/websocket.py:1: protocol imports gevent.socket",
            id="gevent in the protocol",
        ),
        pytest.param(
            "geventsio/protocol/websocket.py",
            "from time import monotonic",
            "geventsio/protocol/websocket.py:1: protocol imports time",
            id="a clock in the protocol",
        ),
        pytest.param(
            "geventsio/errors.py",
            "import gevent",
            "geventsio/errors.py:1: vocabulary imports gevent",
            id="gevent in the vocabulary",
        ),
        pytest.param(
            "geventsio/novelty.py",
            "",
            "geventsio/novelty.py: geventsio.novelty belongs to no layer; name it in LAYERS",
            id="no layer",
        ),
    ],
)
def test_bad_samples_are_found(path: str, source: str, complaint: str) -> None:
    assert complaint in list(violations(GOOD | {path: source}))


def test_a_long_file_is_found() -> None:
    sample = {"geventsio/a.py": "\n" * MAX_LINES, "geventsio/b.py": "\n" * (MAX_LINES + 1)}
    assert list(too_long(sample)) == ["geventsio/b.py: 401 lines, of 400 allowed"]
