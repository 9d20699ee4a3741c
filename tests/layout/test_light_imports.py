"""`import tunesmith` and the command line stay light; every module stands on the base install."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import tunesmith

HEAVY = {"torch", "transformers", "pandas", "sklearn", "pyarrow", "scipy", "optuna", "peft"}
OPTIONAL = ("torch", "transformers", "tokenizers", "peft", "openpyxl", "fsspec", "onnx", "polars")


def _modules_after(code: str) -> set[str]:
    """Top-level modules that a new process has loaded after running some code."""
    tail = "import json, sys; print(json.dumps([n for n in sys.modules if '.' not in n]))"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tail}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(result.stdout))


@pytest.mark.parametrize(
    ("code", "barred"),
    [
        ("import tunesmith", HEAVY | {"numpy", "pydantic", "rich", "typer"}),
        ("import tunesmith.cli.main", HEAVY | {"numpy"}),
    ],
)
def test_the_front_doors_load_nothing_heavy(code: str, barred: set[str]) -> None:
    assert not barred & _modules_after(code)


def _modules() -> list[str]:
    """Every module but those of `nn`, whose classes are torch's own modules."""
    found = pkgutil.walk_packages(tunesmith.__path__, "tunesmith.")
    names = [module.name for module in found if not module.name.endswith("__main__")]
    return [name for name in names if not name.startswith("tunesmith.nn.")]


def test_every_module_imports_without_the_optional_packages() -> None:
    code = f"""
import importlib, sys
for name in {OPTIONAL!r}:
    sys.modules[name] = None  # any import of it now raises ImportError
for name in {_modules()!r}:
    importlib.import_module(name)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_no_module_loads_a_heavy_package_by_being_imported() -> None:
    assert not HEAVY & _modules_after("import " + ", ".join(_modules()))


def test_no_package_was_forgotten_by_its_init_file() -> None:
    source = Path(tunesmith.__file__ or "").parent
    folders = {file.parent for file in source.rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)
