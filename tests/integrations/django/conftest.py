"""Fixtures of the Django integration's tests: the site in processes of its own, on each database."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.integrations.django.command import Command, Run
from tests.integrations.django.databases import Database, PostgreSQL, SQLite
from tests.integrations.django.site import Site
from tests.tools import require

#: Seconds after which a test that waits for something is given up; never a measure of speed.
DEADLINE = 60.0


class Hung(BaseException):
    """What a test waits for does not happen. Not an Exception, so that nothing takes it for one of its own."""


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """End a test that hangs."""
    timeout = gevent.Timeout.start_new(DEADLINE, Hung(f"still waiting after {DEADLINE} seconds"))
    yield
    timeout.close()


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """Skip everything where Django is missing."""
    require(importlib.util.find_spec("django"), 'Django is missing; run: pip install "django>=4.2"')


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Each kind of database in turn."""
    is_file = request.param == "sqlite"
    database: Database = SQLite(tmp_path_factory.mktemp("site")) if is_file else PostgreSQL()
    yield database
    database.close()


@pytest.fixture(scope="module")
def migrated(database: Database) -> Database:
    """A database with its tables."""
    migrate = Command(database.environ, "-m", "django", "migrate", "--verbosity", "0")
    assert migrate.end() == 0, migrate.output()
    migrate.close()
    return database


@pytest.fixture(scope="module")
def site(migrated: Database) -> Iterator[Site]:
    """The site."""
    site = Site(migrated, DJANGO_SAVE_SESSION="1")
    yield site
    site.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run Django's commands, with an empty database."""
    commands: list[Command] = []

    def start(*arguments: str, **environ: str) -> Command:
        known = {"DJANGO_DATABASE": str(tmp_path / "site.sqlite")}
        commands.append(Command({**known, **environ}, "-m", "django", *arguments))
        return commands[-1]

    yield start
    for command in commands:
        command.close()
