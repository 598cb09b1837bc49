"""The packages of this environment: versions, combinations that don't work, and libraries that block."""

from __future__ import annotations

import gc
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from geventsio.doctor.findings import Report

__all__ = ["examine_packages", "examine_integrations", "has_proxy_fix"]

#: What is named if it is there.
SHOWN = (
    "geventsio gevent greenlet websockets orjson msgspec werkzeug gunicorn gevent-websocket flask django bottle falcon "
    "pyramid"
).split()

#: The oldest versions that serve well, beside those that the package itself asks for.
OLDEST = {
    "gunicorn": ("23.0.0", "older ones take one request for two (CVE-2024-1135, CVE-2024-6827)"),
    "gevent": ("24.10.1", "older ones are not supported"),
    "websockets": ("13.0", "older ones are not supported"),
    "orjson": ("3.12.0", "older ones are not supported"),
    "msgspec": ("0.19.0", "older ones are not supported"),
    "werkzeug": ("2.2.2", "older ones are not supported"),
}

#: Libraries that wait outside of Python, where gevent can't see it.
BLOCKING = {
    "MySQLdb": "use PyMySQL, or call it in gevent's thread pool",
    "mysql.connector": "use PyMySQL, or connect with use_pure=True",
    "cx_Oracle": "call it in gevent's thread pool, or use oracledb in its thin mode",
    "pyodbc": "call it in gevent's thread pool",
    "pymssql": "call it in gevent's thread pool",
    "confluent_kafka": "poll it in gevent's thread pool",
}

#: Servers for the same path.
OTHERS = ("flask_socketio", "socketio", "engineio")


def examine_packages(report: Report) -> None:
    """Report on versions."""
    topic = "versions"
    found = {name: version for name in SHOWN if (version := _version(name)) is not None}
    python = platform.python_version()
    report.ok(topic, ", ".join([f"Python {python}", *(f"{name} {version}" for name, version in found.items())]))
    for name, (oldest, why) in OLDEST.items():
        if name in found and _numbers(found[name]) < _numbers(oldest):
            report.error(topic, f"{name} {found[name]} is too old: {why}", f'pip install "{name} >= {oldest}"')
    if "gunicorn" in found and find_spec("packaging") is None:
        report.error(
            topic,
            "gunicorn can't load its gevent worker, which needs the package packaging",
            'pip install "gunicorn[gevent]"',
        )
    if find_spec("websockets") is not None and find_spec("websockets.speedups") is None:
        report.warning(
            topic,
            "websockets was installed without its C extension: reading messages takes many times as long",
            "install a wheel of websockets, or a C compiler before it is built",
        )


def examine_integrations(report: Report) -> None:
    """Report on the frameworks that the application has imported, and on libraries that don't go with gevent."""
    topic = "integrations"
    _examine_frameworks(report)
    others = [name for name in OTHERS if name in sys.modules]
    if others:
        report.hint(
            topic,
            f"another Socket.IO server is imported in this process: {others[0]}",
            "see that one path is not served twice, and leave out what has been replaced",
        )
    if "eventlet" in sys.modules:
        report.error(topic, "eventlet is imported: its loop and gevent's can't both run", "leave eventlet out")
    for name, fix in BLOCKING.items():
        if name in sys.modules:
            report.warning(topic, f"{name} waits where gevent can't see it: all clients wait meanwhile", fix)
    driver: Any = sys.modules.get("psycopg2.extensions")
    if driver is not None and driver.get_wait_callback() is None:
        report.warning(
            topic,
            "psycopg2 has no wait callback: all clients wait while a handler waits for PostgreSQL",
            "call psycogreen.gevent.patch_psycopg() after patching, or use psycopg 3",
        )


def has_proxy_fix() -> bool:
    """Whether there is one of Werkzeug's ProxyFix middlewares."""
    module: Any = sys.modules.get("werkzeug.middleware.proxy_fix")
    return module is not None and any(type(item) is module.ProxyFix for item in gc.get_objects())


def _examine_frameworks(report: Report) -> None:
    topic = "integrations"
    for name, title in (("flask", "Flask"), ("django", "Django")):
        if not _is_in_use(name):
            continue
        if f"geventsio.integrations.{name}" in sys.modules:
            report.ok(topic, f"{title}, with geventsio.integrations.{name}")
        else:
            report.hint(
                topic,
                f"{title} without its integration: handlers have no contexts, and don't give connections back",
                f"see geventsio.integrations.{name}",
            )


def _is_in_use(framework: str) -> bool:
    """Whether the application is one of this framework; libraries may import it for their own sake."""
    if framework == "django":
        return "django.core.handlers.wsgi" in sys.modules
    module: Any = sys.modules.get("flask")
    return module is not None and any(isinstance(item, module.Flask) for item in _plain_objects())


def _plain_objects() -> Iterator[object]:
    # Lazy objects, such as Django's settings, would have to say what they are.
    return (item for item in gc.get_objects() if hasattr(type(item), "wsgi_app"))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """The release numbers of a version; what follows them does not count."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
