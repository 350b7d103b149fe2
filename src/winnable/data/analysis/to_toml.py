"""Suggestions written down: a scorecard in TOML that can be pasted into the definition, every rule
with its evidence.

What is suggested, and on what evidence, is found in `suggestions`.
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
    """Write it to a file, whole or not at all; StoreError if it cannot be written."""
    with whole_file(path) as file:
        file.write(text)


def rejection_lines(found: Sequence[RejectionEvidence]) -> Iterator[str]:
    """The conditions that sales' rejections propose, as lines of TOML for the list that each
    belongs to, with their evidence."""
    where = {"unacceptable": "unacceptable = [...] of [profile]", "junk": "rule = [...] of [junk]"}
    for kind, place in where.items():
        these = [each for each in found if each.kind == kind]
        if these:
            yield f"# For {place}:"
        for each in these:
            rejected, won = each.rejected, each.won
            shares = f"sales rejected {rejected.hits:,} of {rejected.trials:,} such leads"
            yield (
                f"{_inline(each.condition)},  # {shares}; {won.hits:,} of {won.trials:,} with an"
                " outcome were won"
            )


def evidence(rule: Suggestion) -> str:
    """What speaks for a rule, in one line: how many with it were won and how many without, and the
    odds with their interval."""
    with_it, without = (
        f"{rule.won:,} of {rule.leads:,}",
        f"{rule.won_without:,} of {rule.without:,}",
    )
    shares = 100 * rule.won / rule.leads, 100 * rule.won_without / rule.without
    odds = rule.effect
    return (
        f"{with_it} won ({shares[0]:.1f} %), of the others {without} ({shares[1]:.1f} %); "
        f"odds times {odds.odds_ratio:.2g} ({odds.low:.2g} to {odds.high:.2g})"
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
        "confirmed on later leads held back"
        if found.confirmed
        else "too few wins to confirm them on leads held back"
    )
    yield (
        f"# Proposed by {found.won:,} wins among {found.leads:,} people: {len(found.rules)} of"
        f" {found.looked_at:,} looked at,"
    )
    yield f"# {held_back}. In brackets: sure to 95 in 100. Take what makes sense to both teams."
    yield (
        "# The first card that fits a lead is used: put this one above your others, or take rules"
        " from it into them."
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
    told = condition.model_dump(mode="json", exclude_defaults=True)
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in told.items()) + " }"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:.15g}"
    if isinstance(value, list):
        return f"[{', '.join(_value(each) for each in value)}]"
    return _text(str(value))


def _text(value: str) -> str:
    """A TOML string: JSON's form is one, but for the one character that TOML wants escaped besides."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(words: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in words).split())
