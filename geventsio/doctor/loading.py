"""Loads an application in the order in which its server would: settings, patches, application."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from gevent import monkey

from geventsio.doctor.patching import PatchWatch

__all__ = ["Loaded", "NotLoaded", "load", "load_for_gunicorn"]


class NotLoaded(Exception):
    """The application, or the server's settings, can't be loaded.

    Attributes:
        patches: what gevent has patched meanwhile, which may be why; None if nothing was begun.
        place: see `Loaded`.
    """

    def __init__(self, text: str, patches: PatchWatch | None = None, place: str = "") -> None:
        super().__init__(text)
        self.patches = patches
        self.place = place


class Loaded:
    """An application, as its server would have it.

    Attributes:
        app: the WSGI app, or a server of ours.
        patches: what gevent has patched meanwhile.
        place: the file whose first line should patch.
        settings: of gunicorn; None without it.
        is_late: whether gunicorn's worker would patch when the application has been imported.
    """

    def __init__(self, app: Any, patches: PatchWatch, place: str, settings: Any = None, is_late: bool = False) -> None:
        self.app = app
        self.patches = patches
        self.place = place
        self.settings = settings
        self.is_late = is_late


def load(name: str, folder: str) -> Loaded:
    """Load `module:name` as `python -m geventsio` does.

    Raises:
        NotLoaded: it can't be loaded.
    """
    sys.path.insert(0, os.path.abspath(folder))
    patches = PatchWatch()
    module_name, colon, attribute = name.partition(":")
    place = f"the program that starts it, or of the module {module_name}"
    try:
        with patches.watching():
            app: Any = importlib.import_module(module_name)
            for part in (attribute if colon else "app").split("."):
                app = getattr(app, part)
    except (Exception, SystemExit) as error:
        raise NotLoaded(f"{name} can't be loaded: {_reason(error)}", patches, place) from error
    return Loaded(app, patches, place)


def load_for_gunicorn(arguments: list[str], folder: str) -> Loaded:
    """Load what gunicorn would with this command line in this folder, and its configuration file and environment.

    Raises:
        NotLoaded: it can't be loaded.
    """
    try:
        # First: gunicorn's settings keep the working directory that they are imported in.
        os.chdir(folder)
        from gunicorn.app.wsgiapp import WSGIApplication
    except OSError as error:
        raise NotLoaded(f"{folder}: {error.strerror}") from error
    except ImportError as error:
        raise NotLoaded(f"gunicorn can't be imported: {error}") from error
    patches = PatchWatch()
    before = sys.argv
    try:
        with patches.watching():
            # gunicorn reads its command line there.
            sys.argv = ["gunicorn", *arguments]
            program = WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn")
            _prepare(program.cfg)
            # Only a preloaded application comes before the worker's patches.
            app = program.load() if program.cfg.preload_app else None
            is_late = app is not None and not monkey.is_module_patched("socket")
            if _patches(program.cfg):
                monkey.patch_all()
            app = program.load() if app is None else app
    except (Exception, SystemExit) as error:
        raise NotLoaded(f"gunicorn can't load it: {_reason(error)}", patches, "gunicorn.conf.py") from error
    finally:
        sys.argv = before
    place = program.cfg.settings["config"].get() or "gunicorn.conf.py"
    return Loaded(app, patches, place, program.cfg, is_late)


def _prepare(settings: Any) -> None:
    """Do what gunicorn does with its settings before anything of the application is imported."""
    for path in (settings.pythonpath or "").split(","):
        if path and os.path.abspath(path) not in sys.path:
            sys.path.insert(0, os.path.abspath(path))
    os.environ.update(settings.env)


def _patches(settings: Any) -> bool:
    from geventsio.integrations.gunicorn import is_gevent

    return is_gevent(settings.worker_class)


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "it ended the process; does it start a server when it is imported?"
    return f"{type(error).__name__}: {error}"
