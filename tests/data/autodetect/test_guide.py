"""The guide's table of recognized columns says what the tests of exports hold: each of its cells is
a column that `test_infer` or `test_roles` finds in that role."""

from pathlib import Path

from tests.data.autodetect.exports import EXPORTS
from tests.data.autodetect.test_roles import LANGUAGES, VENDORS

GUIDE = Path(__file__).parents[3] / "models" / "README.md"
ROLES = ("id", "status", "created", "closed", "person", "source", "owner")
IN_EACH_LANGUAGE = ("id", "person", "created", "closed", "source", "owner")


def table() -> list[str]:
    rows: dict[str, dict[str, str]] = {}
    for name, (_, expected) in EXPORTS.items():
        rows[name] = {role: str(expected[role]) for role in ROLES if role in expected}
    for name, (roles, _) in VENDORS.items():
        rows[name] = roles
    for language, (_, names, _) in LANGUAGES.items():
        columns = dict(zip(IN_EACH_LANGUAGE, names.split("|"), strict=True))
        rows[f"Any, in {language}"] = {"status": "by its words", **columns}
    lines = [f"| Export | {' | '.join(ROLES)} |", f"|{' --- |' * (len(ROLES) + 1)}"]
    for name, found in rows.items():
        lines.append(f"| {name} | {' | '.join(found.get(role, '') for role in ROLES)} |")
    return lines


def test_the_table_of_the_guide_is_that_of_the_tests() -> None:
    written = [line for line in GUIDE.read_text().splitlines() if line.startswith("|")]
    start = written.index(table()[0])
    assert written[start : start + len(table())] == table()
