"""What the linter cannot ask of the source: one thought a line, without packing."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MAX_COLUMNS = 100
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def nested_ternaries(tree: ast.AST) -> Iterator[ast.AST]:
    """Conditional expressions that are the condition or a branch of another one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.IfExp):
            parts = (node.test, node.body, node.orelse)
            yield from (part for part in parts if isinstance(part, ast.IfExp))


def walruses_in_filters(tree: ast.AST) -> Iterator[ast.AST]:
    """Assignments in the filter of a comprehension."""
    for node in ast.walk(tree):
        if isinstance(node, COMPREHENSIONS):
            for generator in node.generators:
                for condition in generator.ifs:
                    yield from (
                        part for part in ast.walk(condition) if isinstance(part, ast.NamedExpr)
                    )


def packed_assignments(tree: ast.AST) -> Iterator[ast.AST]:
    """`a, b = x, y`; but an exchange, where a name of the left is read on the right, needs both
    sides at once."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
            continue
        (target, *_) = node.targets
        if not isinstance(target, ast.Tuple):
            continue
        read = {ast.unparse(part) for part in ast.walk(node.value) if isinstance(part, ast.expr)}
        if not any(ast.unparse(name) in read for name in target.elts):
            yield node


@pytest.mark.parametrize("rule", [nested_ternaries, walruses_in_filters, packed_assignments])
def test_no_line_packs_what_belongs_on_several(
    rule: Callable[[ast.AST], Iterator[ast.AST]],
) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"  # type: ignore[attr-defined]
        for path in SOURCES
        for node in rule(ast.parse(path.read_text()))
    ]
    assert found == []


def test_no_line_of_a_script_or_stylesheet_is_too_long() -> None:
    """Python is the linter's. Templates are left out: a line break in them shows as a blank."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for kind in ("*.css", "*.js")
        for path in sorted((ROOT / "src").rglob(kind))
        if "assets" not in path.parts  # written by others
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > MAX_COLUMNS
    ]
    assert found == []
