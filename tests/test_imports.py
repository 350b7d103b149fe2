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


def dependencies() -> dict[str, set[str]]:
    """The modules of the package that each module imports, anywhere in it: under TYPE_CHECKING and
    inside functions, too."""
    names = {
        ".".join(("winnable", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in modules()
    }
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & names.keys()
            elif isinstance(node, ast.ImportFrom) and node.module:
                parts = {f"{node.module}.{alias.name}" for alias in node.names} & names.keys()
                found[name] |= parts or ({node.module} & names.keys())
        found[name] -= {name}
    return found


@pytest.mark.parametrize(
    "floors",
    [
        [floor for floor in FLOORS if floor not in ("service", "cli")],
        FLOORS,
    ],
    ids=["below the service", "all"],
)
def test_no_import_circle(floors: list[str]) -> None:
    """Neither in running order nor for the type checker, so that each module can be understood
    after those below it.

    The package's own `__init__` names its fourteen public names lazily (PEP 562) and is left out.
    """
    every = dependencies()
    left = {
        name: needed for name, needed in every.items() if set(name.split(".")[1:2]) & set(floors)
    }
    while left:
        free = {name for name, needed in left.items() if not needed & left.keys()}
        assert free, f"these import each other: {sorted(left)}"
        left = {name: needed for name, needed in left.items() if name not in free}


def test_no_folder_has_more_than_ten_modules() -> None:
    for folder in {path.parent for path in modules()}:
        shown = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(shown) <= 10, f"{folder.relative_to(SOURCE)} has {len(shown)}: {shown}"


def test_tests_mirror_the_package() -> None:
    """A folder of tests has its folder in the package; benchmarks are of the whole."""
    tests = Path(__file__).resolve().parent
    for path in tests.rglob("test_*.py"):
        folder = path.parent.relative_to(tests)
        assert folder.parts[:1] == ("benchmarks",) or (SOURCE / folder).is_dir(), path


def test_the_command_line_has_no_logic_of_its_own() -> None:
    """It calls the Python interface; what else it imports checks a path, draws, or is a type."""
    allowed = {
        "winnable.errors",
        "winnable.interface",
        "winnable.core.text",
        "winnable.data.leakage.detect",
        "winnable.data.ingestion.sources.options",
        "winnable.core.files",
        "winnable.core.documents",
        "winnable.demo.company",
        "winnable.service.http.keys",
        "winnable.service.http.guards.key_usage",
        "winnable.service.scoring.score_log_worker",
        "winnable.service.server",
        "winnable.service.web.sign_in.configuration",
        "winnable.service.web.sign_in.provider",
    }
    for path in (SOURCE / "cli").glob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
        imports = {
            node.module if node.module != "winnable" else f"winnable.{node.names[0].name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
        }
        ours = {name for name in imports if name.split(".")[0] == "winnable"}
        assert {name for name in ours if not name.startswith("winnable.cli")} <= allowed, path


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
