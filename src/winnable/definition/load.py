"""Loading a definition from a TOML file or from plain data, with validation errors that name the
file, the key and the nearest known word.

What a definition may contain is decided in `schema`; here it is only read, and pydantic's errors
are put into words for people.
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
"""pydantic's path to a value: keys, and positions in lists from 0."""


def load_definition(path: Path) -> Definition:
    """Read the definition in a TOML file.

    `DefinitionError` names every key that cannot be used, or the line and column of a syntax error.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DefinitionError(
            f"{path}: there is no such file; `winnable init` writes a definition from an export"
        ) from None
    except OSError as error:
        raise DefinitionError(
            f"{path}: cannot be read: {error.strerror}; name a readable definition file"
        ) from None
    except UnicodeDecodeError as error:
        raise DefinitionError(
            f"{path}: byte {error.start + 1} is not UTF-8 text; save the file as UTF-8"
        ) from None
    try:
        return definition_from(tomllib.loads(text), str(path))
    except ValueError as error:  # TOML's own, and Python's for integers of thousands of digits
        raise DefinitionError(f"{path}: not valid TOML: {error}; correct that line") from None
    except RecursionError:
        raise DefinitionError(
            f"{path}: lists are nested too deeply; conditions are a list of tables"
        ) from None


def definition_from(data: Mapping[str, Any], origin: str) -> Definition:
    """The definition in plain data of the file's shape; `origin` is what error messages call the
    place that it came from. `DefinitionError` lists every key that cannot be used."""
    try:
        return Definition.model_validate(dict(data))
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list with a wrong entry is itself reported as too short; only the innermost of such
        # errors is of any use.
        innermost = [
            detail
            for detail in details
            if not any(_inside(other["loc"], detail["loc"]) for other in details)
        ]
        lines = dict.fromkeys(_in_words(detail) for detail in innermost)
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
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "too_short": "at least {min_length} in the list",
    "too_long": "at most {max_length} in the list",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "a number below {lt}",
    "less_than_equal": "{le} or less",
}
"""What was expected, by pydantic's type of error; for all others its own message is used."""


def _in_words(detail: ErrorDetails) -> str:
    """One of pydantic's errors as a line for people."""
    loc = _without_marks(detail["loc"])
    where = _place(loc)
    given = detail["input"]
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"{where}: {_unknown_key(loc)}"
    if kind == "missing":
        return f"{where}: is missing; add it"
    if kind == "literal_error":
        expected = detail["ctx"]["expected"]
        hint = _did_you_mean(str(given), _quoted_words(expected))
        return f"{where}: expected {expected}, got {given!r}{hint}"
    if kind == "value_error":
        message = str(detail["ctx"]["error"])
        return f"{where}: {message}" if where else message
    if kind in _EXPECTED:
        expected = _EXPECTED[kind].format(**detail.get("ctx", {}))
        return f"{where}: expected {expected}, got {_shown(given)}"
    return f"{where}: {detail['msg']}, got {_shown(given)}"


def _unknown_key(loc: Loc) -> str:
    key = str(loc[-1])
    if len(loc) > 1 and key in Definition.model_fields:
        return f"{key!r} belongs to the top of the file, above the first table; move it there"
    return f"there is no such key{_did_you_mean(key, _known_keys(loc[:-1]))}"


def _without_marks(loc: Loc) -> Loc:
    """The path without what pydantic adds in brackets: "[key]" for a wrong key of a table with set
    names, such as the stages, and which form of won and lost was meant."""
    return tuple(step for step in loc if step not in {"[key]", "[words]", "[conditions]"})


def _place(loc: Loc) -> str:
    """The path to a key, counted from 1 as people do: "scorecard 1, rule 3, points"."""
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
    similar = nearest(word, known)
    if similar is not None:
        return f"; did you mean {similar!r}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _quoted_words(expected: str) -> list[str]:
    return expected.split("'")[1::2]


@cache
def _schema() -> dict[str, Any]:
    return Definition.model_json_schema()


def _known_keys(loc: Loc) -> list[str]:
    """The keys of the table at this path, found by walking along the JSON schema."""
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
    for choice in (*node.get("anyOf", []), *node.get("oneOf", [])):
        if "$ref" in choice or choice.get("type") in {"array", "object"}:
            return _resolved(schema, choice)
    if "$ref" in node:
        return _resolved(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[1]])
    return node
