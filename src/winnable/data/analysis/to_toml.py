"""Write suggestions as TOML: a scorecard to paste into the definition, every rule with its evidence
(conversion, odds ratio, 95% CI).

The suggestions and their evidence come from `suggest` and `rejections`.
"""

import json
import tomllib
from collections.abc import Iterator, Sequence
from math import log
from pathlib import Path

from winnable.core.files import whole_file
from winnable.core.statistics import logit_of
from winnable.data.analysis.rejections import RejectionEvidence
from winnable.data.analysis.suggest import STEP, Suggestion, Suggestions
from winnable.definition.conditions import Condition
from winnable.definition.load import definition_from
from winnable.definition.schema import Definition

NAME = "From past wins"


def proposal(definition: Definition, found: Suggestions) -> str:
    """The suggested rules as one scorecard in TOML, checked to load within the definition; "" where
    there is none.

    The threshold is where the conversion that the definition's first card expects there is reached
    (without a card: the usual conversion of this history), counted from a lead for which no rule
    holds.
    """
    if not found.rules:
        return ""
    text = "\n".join(_lines(definition, found)) + "\n"
    cards = tomllib.loads(text)["scorecard"]
    known = definition.model_dump(mode="json", exclude_defaults=True)
    definition_from(
        {**known, "scorecard": [*cards, *known.get("scorecard", [])]},
        "the definition with the suggested card",
    )
    return text


def write_proposal(text: str, path: Path) -> None:
    """Write it to a file atomically; raises StoreError if it cannot be written."""
    with whole_file(path) as file:
        file.write(text)


def rejection_lines(found: Sequence[RejectionEvidence]) -> Iterator[str]:
    """The conditions suggested by sales' rejections, as lines of TOML for the list that each
    belongs to, with their evidence."""
    where = {"unacceptable": "unacceptable = [...] of [profile]", "junk": "rule = [...] of [junk]"}
    for kind, place in where.items():
        of_kind = [suggestion for suggestion in found if suggestion.kind == kind]
        if of_kind:
            yield f"# For {place}:"
        for suggestion in of_kind:
            rejected = suggestion.rejected
            won = suggestion.won
            shares = f"sales rejected {rejected.hits:,} of {rejected.trials:,} such leads"
            yield (
                f"{_inline(suggestion.condition)},  # {shares}; {won.hits:,} of {won.trials:,} with"
                " an outcome were won"
            )


def evidence(rule: Suggestion) -> str:
    """The evidence for a rule in one line: conversion with and without it, odds ratio, 95% CI."""
    with_it = f"{rule.won:,} of {rule.leads:,} ({100 * rule.won / rule.leads:.1f}%)"
    conversion_without = 100 * rule.won_without / rule.without
    without = f"{rule.won_without:,} of {rule.without:,} ({conversion_without:.1f}%)"
    effect = rule.effect
    return (
        f"{with_it} won, of the others {without};"
        f" odds ratio {effect.odds_ratio:.2g} (95% CI {effect.low:.2g} to {effect.high:.2g})"
    )


def _lines(definition: Definition, found: Suggestions) -> Iterator[str]:
    card = definition.scorecard[0] if definition.scorecard else None
    expected = (
        card.conversion_at_threshold
        if card
        else float(f"{min(max(found.conversion, 0.001), 0.999):.2g}")
    )
    threshold = (
        round((float(logit_of(expected)) - found.base) * found.double / log(2) / STEP) * STEP
    )
    held_back = (
        "confirmed on later leads"
        if found.confirmed
        else "too few wins to confirm them on later leads"
    )
    yield (
        f"# Suggested from {found.won:,} wins among {found.leads:,} people: {len(found.rules)} of"
        f" {found.looked_at:,} conditions tested,"
    )
    yield f"# {held_back}. Keep what makes sense to both teams."
    yield (
        "# The first scorecard that matches a lead is used: put this one above your others, or copy"
        " its rules into them."
    )
    yield "[[scorecard]]"
    yield f"name = {json.dumps(_free_name(definition))}"
    yield f"threshold = {threshold}"
    yield f"conversion_at_threshold = {expected:.3g}"
    yield f"points_to_double_the_odds = {found.double:g}"
    for rule in found.rules:
        yield ""
        yield f"  # {_one_line(evidence(rule))}"
        yield "  [[scorecard.rule]]"
        yield f"  says = {_text(str(rule.condition))}"
        yield f"  when = [{_inline(rule.condition)}]"
        yield f"  points = {rule.points}"


def _free_name(definition: Definition) -> str:
    taken = {card.name for card in definition.scorecard}
    names = [NAME, *(f"{NAME} ({number})" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _inline(condition: Condition) -> str:
    return _value(condition.model_dump(mode="json", exclude_defaults=True))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:.15g}"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    return _text(str(value))


def _text(value: str) -> str:
    """A TOML string: the same as JSON's, except for one more character that TOML must escape."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(words: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in words)
    return " ".join(printable.split())
