"""Reading a definition: from a TOML file or from plain data, with errors that name the file, the
key and the nearest known word.

What a definition may say is written in `model`; here is only the way in, and what a person is told
who mistyped something.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from winnable.core.text import nearest
from winnable.definition.schema import Definition
from winnable.errors import DefinitionError

Loc = tuple[int | str, ...]


def load_definition(path: Path) -> Definition:
    """The definition in a TOML file; a DefinitionError names every key that cannot be used, or the
    line and column."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DefinitionError(
            f"{path}: there is no such file; `winnable init` writes a definition from an export"
        ) from None
    except OSError as error:
        raise DefinitionError(
            f"{path}: cannot be read: {error.strerror}; name a definition file that can"
        ) from None
    except UnicodeDecodeError as error:
        raise DefinitionError(
            f"{path}: byte {error.start + 1} is not UTF-8 text; save the file as UTF-8"
        ) from None
    try:
        return definition_from(tomllib.loads(text), str(path))
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{path}: not valid TOML: {error}; correct it there") from None
    except RecursionError:
        raise DefinitionError(
            f"{path}: lists are nested too deeply; conditions are a list of tables"
        ) from None


def definition_from(data: Mapping[str, Any], origin: str) -> Definition:
    """The definition in plain data of the shape of the file; `origin` is what errors call the place
    it came from."""
    try:
        return Definition.model_validate(dict(data))
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose entry is wrong is itself reported as too short; only the innermost of such
        # errors says anything.
        inmost = [
            one
            for one in details
            if not any(_inside(other["loc"], one["loc"]) for other in details)
        ]
        lines = dict.fromkeys(_in_words(detail) for detail in inmost)
        raise DefinitionError("\n".join(f"{origin}: {line}" for line in lines)) from None


def _inside(loc: Loc, outer: Loc) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


_EXPECTED = {
    "tuple_type": "a list (a table that may come several times is written [[...]])",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "too_short": "at least {min_length} in the list",
    "too_long": "at most {max_length} in the list",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "a number below {lt}",
    "less_than_equal": "{le} or less",
}
"""What was expected, by the kind of error that pydantic reports; its own words for all others."""


def _in_words(detail: ErrorDetails) -> str:
    loc, given = _without_marks(detail["loc"]), detail["input"]
    where = _place(loc)
    if detail["type"] == "extra_forbidden":
        key = str(loc[-1])
        if len(loc) > 1 and key in Definition.model_fields:
            return (
                f"{where}: {key!r} belongs to the top of the file, above the first table; move it"
                " there"
            )
        return f"{where}: there is no such key{_did_you_mean(key, _known_keys(loc[:-1]))}"
    if detail["type"] == "missing":
        return f"{where}: is missing; add it"
    if detail["type"] == "literal_error":
        # The keys of a table with set names, such as the stages, come with "[key]" as the last
        # step, which is cut off above.
        expected = detail["ctx"]["expected"]
        return (
            f"{where}: expected {expected}, got"
            f" {given!r}{_did_you_mean(str(given), _quoted_words(expected))}"
        )
    if detail["type"] == "value_error":
        said = str(detail["ctx"]["error"])
        return f"{where}: {said}" if where else said
    expected = _EXPECTED.get(detail["type"])
    said = (
        detail["msg"]
        if expected is None
        else f"expected {expected.format(**detail.get('ctx', {}))}"
    )
    return f"{where}: {said}, got {_shown(given)}"


def _without_marks(loc: Loc) -> Loc:
    return tuple(step for step in loc if step != "[key]")


def _place(loc: Loc) -> str:
    """The way to a key, as a person counts: "scorecard 1, rule 3, points"."""
    steps: list[str] = []
    for step in loc:
        if isinstance(step, int) and steps:
            steps[-1] += f" {step + 1}"
        else:
            steps.append(str(step))
    return ", ".join(steps)


def _shown(given: object) -> str:
    if isinstance(given, Mapping):
        return "a table"
    return "a list" if isinstance(given, (list, tuple)) else repr(given)


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    known = list(known)
    found = nearest(word, known)
    if found is not None:
        return f"; did you mean {found!r}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _quoted_words(expected: str) -> list[str]:
    return expected.split("'")[1::2]


@cache
def _schema() -> dict[str, Any]:
    return Definition.model_json_schema()


def _known_keys(loc: Loc) -> list[str]:
    """The keys that the table at this place knows, found by walking the JSON schema along the way
    to it."""
    schema = _schema()
    node = schema
    for step in loc:
        node = _resolved(schema, node)
        if isinstance(step, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(step) or node.get("additionalProperties", {})
    return list(_resolved(schema, node).get("properties", {}))


def _resolved(schema: dict[str, Any], node: Any) -> dict[str, Any]:
    if not isinstance(node, dict):
        return {}
    for choice in node.get("anyOf", []):
        if "$ref" in choice or choice.get("type") in {"array", "object"}:
            return _resolved(schema, choice)
    if "$ref" in node:
        return _resolved(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[1]])
    return node
