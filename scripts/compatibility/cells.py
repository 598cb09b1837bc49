"""Which versions are tested together, and with which tests."""

from __future__ import annotations

__all__ = ["AXES", "CELLS", "CORNERS", "TESTS", "Cell", "every_cell", "is_excluded"]

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

#: What is varied, and its values. "lowest" is what setup.cfg names, "newest" what newest.txt names.
AXES = {
    "python": ("3.10", "3.11", "3.12", "3.13"),
    "django": ("lowest", "5.2", "newest"),
    "flask": ("lowest", "newest"),
    "gunicorn": ("lowest", "newest"),
    "gevent": ("lowest", "newest"),
    "libraries": ("lowest", "newest"),
}


@dataclass(frozen=True)
class Cell:
    """One combination.

    Attributes:
        python, django, flask, gunicorn, gevent: see `AXES`. Flask brings Werkzeug's version along: each of its releases
            is made for one of Werkzeug's.
        libraries: whatever else geventsio depends on.
    """

    python: str
    django: str
    flask: str
    gunicorn: str
    gevent: str
    libraries: str

    @property
    def values(self) -> dict[str, str]:
        """The axes' values."""
        return {axis: getattr(self, axis) for axis in AXES}

    @property
    def name(self) -> str:
        """`lowest`, `newest`, or such as `3.12-5.2-nnll`: the first letters of flask to libraries."""
        corner = next((name for name, cell in CORNERS.items() if cell == self), None)
        letters = "".join(value[0] for value in (self.flask, self.gunicorn, self.gevent, self.libraries))
        return corner or f"{self.python}-{self.django}-{letters}"


def every_cell() -> list[Cell]:
    """All combinations but those that Django's releases exclude."""
    cells = [Cell(*values) for values in product(*AXES.values())]
    return [cell for cell in cells if not is_excluded(cell.values)]


def is_excluded(values: Mapping[str, str]) -> bool:
    """Whether Django does not support that version of Python; values that are missing exclude nothing."""
    pair = values.get("django"), values.get("python")
    return pair in {("newest", "3.10"), ("newest", "3.11"), ("lowest", "3.13")}


CORNERS = {
    "lowest": Cell("3.10", "lowest", "lowest", "lowest", "lowest", "lowest"),
    "newest": Cell("3.13", "newest", "newest", "newest", "newest", "newest"),
}

#: Any two values that can go together do so in one of these.
CELLS = (
    CORNERS["lowest"],
    Cell("3.10", "5.2", "newest", "newest", "newest", "newest"),
    Cell("3.11", "lowest", "newest", "newest", "lowest", "lowest"),
    Cell("3.11", "5.2", "lowest", "lowest", "newest", "newest"),
    Cell("3.12", "lowest", "newest", "lowest", "newest", "newest"),
    Cell("3.12", "5.2", "newest", "newest", "lowest", "lowest"),
    Cell("3.12", "newest", "lowest", "newest", "newest", "lowest"),
    Cell("3.13", "5.2", "lowest", "newest", "lowest", "newest"),
    Cell("3.13", "newest", "lowest", "lowest", "lowest", "lowest"),
    CORNERS["newest"],
)

#: Where versions make a difference: what calls the libraries, the frameworks and the insides of the servers.
TESTS = (
    *(
        f"tests/protocol/test_{name}.py"
        for name in ("common_parser", "deflate", "json_codec", "msgpack_codec", "websocket")
    ),
    *(f"tests/engine/test_{name}.py" for name in ("polling", "takeover", "upgrade", "websocket", "workers")),
    *(
        f"tests/socketio/test_{name}.py"
        for name in ("ack", "context", "convert", "dispatch", "extract", "extractors", "middleware", "operators")
    ),
    *(f"tests/socketio/test_{name}.py" for name in ("parsers", "unit_of_work", "wsgi")),
    *(f"tests/integrations/flask/test_{name}.py" for name in ("contexts", "page", "port", "session", "sqlalchemy")),
    *(f"tests/integrations/django/test_{name}.py" for name in ("docs", "integration", "site")),
    "tests/live/test_polling.py",
    "tests/live/test_socket_events.py",
    "tests/live/test_python_client.py::test_client",
    *(
        f"tests/live/test_js_clients.py::test_client[{server}-auth-socket.io-client-{mode}]"
        for server in ("pywsgi", "gunicorn", "gevent-websocket")
        for mode in ("polling", "websocket", "upgrade")
    ),
)
