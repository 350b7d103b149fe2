"""Data only flows up: a module imports from its own floor or below, and what serves imports nothing
that trains."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "winnable"
FLOORS = ["errors", "core", "definition", "data", "learning", "interface", "service", "cli"]
BESIDE = {
    "demo": ["core", "definition", "errors"],
    "__init__": FLOORS,
}  # the demo company knows no floor above the definition


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def floor_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[tuple[str, ...]]:
    """Every winnable module that a file imports, anywhere in it, as its parts."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = [node.module]
        found |= {tuple(name.split(".")) for name in names}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_from_its_own_floor_or_below(path: Path) -> None:
    floor = floor_of(path)
    if floor in FLOORS:
        # Only the command line may reach the demo company, which stands beside the floors.
        allowed = FLOORS[: FLOORS.index(floor) + 1] + (["demo"] if floor == "cli" else [])
    else:
        allowed = [*BESIDE[floor], floor]
    for parts in imported(path):
        if parts[0] == "winnable" and len(parts) > 1:
            assert parts[1] in allowed, f"{path.relative_to(SOURCE)} imports {'.'.join(parts)}"


def test_only_the_registry_imports_mlflow() -> None:
    importers = {
        path.relative_to(SOURCE).as_posix()
        for path in modules()
        if any(parts[0] == "mlflow" for parts in imported(path))
    }
    assert importers == {"learning/registry/mlflow_registry.py"}


def test_nothing_reads_or_writes_pickles() -> None:
    for path in modules():
        assert not {parts[0] for parts in imported(path)} & {
            "pickle",
            "cloudpickle",
            "joblib",
            "dill",
            "skops",
            "shelve",
            "marshal",
        }


@pytest.mark.parametrize(
    "module",
    ["winnable", "winnable.service.api", "winnable.learning.pyfunc", "winnable.service.server"],
)
def test_serving_imports_nothing_that_trains(module: str) -> None:
    code = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


HEAVY = (
    "mlflow",
    "pandas",
    "sklearn",
    "matplotlib",
    "lightgbm",
    "catboost",
    "scipy",
    "ibis",
    "duckdb",
    "pyarrow",
)
