"""What the package says it exports: it is there, and it is described."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import GenericAlias, ModuleType

import pytest

import geventsio
from tests.tools import require

ROOT = Path(__file__).parent.parent
# What an integration integrates, and no more than that, may be missing.
OPTIONAL = frozenset({"django", "flask", "gunicorn", "prometheus_client"})

FILES = sorted((ROOT / "geventsio").rglob("*.py"))
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in FILES
    # Importing it runs it, and nobody imports it.
    if file.name != "__main__.py"
]
PUBLIC = [module for module in MODULES if not any(part.startswith("_") for part in module.split("."))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_file_begins_with_its_responsibility(file: Path) -> None:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].endswith((".", ":")), "its first line is no sentence"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_lists_its_names_and_has_them(name: str) -> None:
    module = _import(name)
    assert "__all__" in vars(module), "no __all__"
    listed = vars(module)["__all__"]
    assert len(listed) == len(set(listed)), "__all__ names something twice"
    assert [name for name in listed if not hasattr(module, name)] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_classes_and_functions_are_described(name: str) -> None:
    assert list(undescribed(_import(name))) == []


def test_the_root_lists_its_names_in_order() -> None:
    assert list(geventsio.__all__) == sorted(geventsio.__all__)


def test_the_root_shows_nothing_that_it_does_not_list() -> None:
    shown = {name for name, value in vars(geventsio).items() if _is_api(value) and not name.startswith("_")}
    assert shown <= set(geventsio.__all__)


def test_public_methods_are_described() -> None:
    assert list(undescribed_methods(geventsio)) == []


def test_an_undescribed_name_is_found() -> None:
    module = ModuleType("sample")

    def silent() -> None: ...

    class Spoken:
        """Has words."""

        def method(self) -> None: ...

    vars(module).update(__all__=["LIMIT", "Spoken", "silent"], LIMIT=3, Spoken=Spoken, silent=silent)
    assert list(undescribed(module)) == ["sample.silent"]
    assert list(undescribed_methods(module)) == ["sample.Spoken.method"]


def undescribed(module: ModuleType) -> Iterator[str]:
    """The exported classes and functions without a docstring."""
    for name, value in _exported(module):
        if not value.__doc__:
            yield f"{module.__name__}.{name}"


def undescribed_methods(module: ModuleType) -> Iterator[str]:
    """The public methods and properties of exported classes that have no docstring, not even an inherited one."""
    for class_name, cls in _exported(module):
        for name, value in vars(cls).items() if inspect.isclass(cls) else ():
            spoken_of = inspect.isroutine(value) or isinstance(value, property)
            if spoken_of and not name.startswith("_") and not inspect.getdoc(getattr(cls, name)):
                yield f"{module.__name__}.{class_name}.{name}"


def _exported(module: ModuleType) -> Iterator[tuple[str, object]]:
    named = ((name, getattr(module, name)) for name in vars(module)["__all__"])
    return ((name, value) for name, value in named if _is_api(value))


def _is_api(value: object) -> bool:
    # Python 3.10 takes an alias such as list[int] for a class.
    return inspect.isroutine(value) or (inspect.isclass(value) and not isinstance(value, GenericAlias))


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL or ".integrations." not in name:
            raise
        return require(None, f"{error.name} is not installed")
