"""Dependencies: what the code imports is declared in `pyproject.toml`, and pinned by digests."""

import ast
import re
import runpy
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text())
LOCK = (HOME / ".ci" / "requirements.txt").read_text()
OWN_PACKAGES = {"winnable", "tests"}
NEEDED = [
    *PROJECT["project"]["dependencies"],
    *PROJECT["project"]["optional-dependencies"]["train"],
    *PROJECT["project"]["optional-dependencies"]["sign-in"],
]


def normalized(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {normalized(re.match(r"[\w.-]+", line)[0]) for line in requirements}


def imported_packages(folder: Path) -> dict[str, Path]:
    """Each package from elsewhere that a folder's modules import, with one that does."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            found |= {name.split(".")[0]: path for name in names}
    ours = OWN_PACKAGES | set(sys.stdlib_module_names)
    return {name: path for name, path in found.items() if name not in ours}


def undeclared(folder: Path, requirements: list[str]) -> list[str]:
    distributions = packages_distributions()
    known = declared(requirements)
    return [
        f"{path.relative_to(HOME)} imports {package}"
        for package, path in imported_packages(folder).items()
        if not known & {normalized(name) for name in distributions.get(package, [package])}
    ]


def test_what_the_package_imports_is_declared() -> None:
    assert undeclared(HOME / "src", NEEDED) == []


def test_what_the_tests_import_is_declared() -> None:
    requirements = [*NEEDED, *PROJECT["dependency-groups"]["dev"]]
    assert undeclared(HOME / "tests", requirements) == []


def test_the_lock_pins_every_requirement_by_digests() -> None:
    entries = re.split(r"\n(?=\S)", "\n".join(re.findall(r"^(?!\s*#).+$", LOCK, re.MULTILINE)))
    pinned = {}
    for entry in entries:
        name, version = re.match(r"([\w.-]+)==(\S+)", entry).groups()
        pinned[normalized(name)] = version
        assert "--hash=sha256:" in entry, name
    requirements = [*NEEDED, *PROJECT["dependency-groups"]["dev"]]
    assert declared(requirements) <= pinned.keys()


def test_the_lock_names_no_registry() -> None:
    assert "://" not in LOCK
    assert "index-url" not in LOCK


AUDIT = runpy.run_path(str(HOME / ".ci" / "audit.py"))


def test_everything_that_is_needed_may_be_used_by_everybody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert AUDIT["check_licences"]()
    told = capsys.readouterr().out
    assert "  psycopg " in told
    assert "  pytest " not in told  # needed for tests only


@pytest.mark.parametrize(
    ("stated", "refused"),
    [
        ("AGPL-3.0-only", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("MIT AND GPL-2.0-or-later", True),
        ("GPL-3.0-only OR MIT", False),
        ("BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1", False),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT", False),
    ],
)
def test_a_licence_that_binds_users_is_refused(stated: str, refused: bool) -> None:
    assert AUDIT["is_refused"](stated) is refused


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "does not answer"),
        ('echo \'{"dependencies": [{"name": "a", "skip_reason": "unknown"}]}\'', "not answer"),
        ('echo \'{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}\'', "none"),
        (
            'echo \'{"dependencies": [{"name": "a", "version": "1",'
            ' "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}]}\'; exit 1',
            "a 1: PYSEC-1, mended in 2",
        ),
    ],
)
def test_vulnerabilities_are_reported(
    script: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    AUDIT["report_vulnerabilities"](str(program))
    assert said in capsys.readouterr().out


def test_without_the_program_nothing_fails(capsys: pytest.CaptureFixture[str]) -> None:
    AUDIT["report_vulnerabilities"]("/no/such/program")
    assert "does not answer" in capsys.readouterr().out
