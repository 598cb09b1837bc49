"""Databases for the site: SQLite's file, and a PostgreSQL server of the tests' own."""

from __future__ import annotations

__all__ = ["Database", "PostgreSQL", "SQLite"]

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.integrations.django.command import eventually


class Database(Protocol):
    """Where the site keeps its data."""

    #: By which the settings find it.
    environ: dict[str, str]

    def connections(self, pid: int) -> int:
        """How many connections a process has to it."""
        ...

    def close(self) -> None:
        """Remove it."""


class SQLite:
    """A database in a file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "site.sqlite"
        self.environ = {"DJANGO_DATABASE": str(self._file)}

    def connections(self, pid: int) -> int:
        """See `Database.connections`."""
        files = []
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                files.append(os.readlink(entry))
            except FileNotFoundError:  # closed meanwhile
                continue
        return files.count(str(self._file))

    def close(self) -> None:
        """See `Database.close`."""


class PostgreSQL:
    """A server on a Unix socket, in a temporary folder."""

    def __init__(self) -> None:
        programs = _programs()
        user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name  # root may not run it
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))
        shutil.chown(self._folder, user)
        data = str(self._folder / "data")
        as_user: dict[str, Any] = {"user": user, "cwd": self._folder} if os.getuid() == 0 else {}
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            **as_user,
        )
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=20"]
        self._server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", str(self._folder), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **as_user,
        )
        self.environ = {"DJANGO_DATABASE": "postgres", "DJANGO_POSTGRESQL": str(self._folder)}
        eventually(self._answers, "PostgreSQL answers")

    def connections(self, pid: int) -> int:
        """See `Database.connections`."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'site'"
        return int(self._ask(query))

    def close(self) -> None:
        """See `Database.close`."""
        self._server.terminate()
        self._server.wait(30)
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        import psycopg

        try:
            return bool(self._ask("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def _ask(self, query: str) -> Any:
        import psycopg

        with psycopg.connect(host=str(self._folder), user="tester", dbname="postgres") as connection:
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            return row[0]


def _programs() -> Path:
    """Where the server's programs are; Debian keeps them off PATH."""
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip('psycopg is missing; run: pip install "psycopg[binary]"')
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if on_path is None and not found:
        pytest.skip("PostgreSQL is missing (Debian: apt-get install postgresql)")
    return Path(on_path).resolve().parent if on_path is not None else found[-1].parent
