"""Doubts: what in a definition is allowed but probably not meant, alone and held against the data
it is to be used on.

Nothing here is an error. A field that the export does not have gives no points and a card that
another one hides is never used; people should hear of it before they wonder about the scores.
"""

from collections.abc import Iterable

import numpy as np

from winnable.core.columns import FeatureTable
from winnable.core.text import nearest
from winnable.definition.conditions import all_hold, impossible
from winnable.definition.decide.scorecard import choose_cards
from winnable.definition.schema import Definition


def warnings(definition: Definition) -> tuple[str, ...]:
    """What can be doubted without any data, a sentence each."""
    told = []
    cards = definition.scorecard
    for i, card in enumerate(cards):
        for later in cards[i + 1 :]:
            one, other = repr(card.name), repr(later.name)
            if set(card.segment) <= set(later.segment):
                told.append(
                    f"The scorecard {other} is never used: {one}, which stands before it, fits"
                    " every lead that it fits."
                )
            elif later.segment and not impossible((*card.segment, *later.segment)):
                told.append(
                    f"The scorecards {one} and {other} may both fit a lead; then {one}, the first,"
                    " is used."
                )
        best = sum(rule.points for rule in card.rule if rule.points > 0)
        reachable = min(best, np.inf if card.at_most is None else card.at_most)
        if card.rule and reachable < card.threshold:
            most = f"its rules give at most {reachable:g} of {card.threshold:g} points"
            told.append(f"No lead can reach the threshold of {card.name!r}: {most}.")
    if definition.gate.sources and definition.columns.source is None:
        told.append(
            "The gate names sources, but [columns] names no source column; the gate cannot look at"
            " them."
        )
    if definition.gate.sources and definition.growth_stage != "mature":
        told.append("The gate names sources, which only a mature company's gate looks at.")
    if definition.profile.ideal and definition.growth_stage == "seed":
        told.append(
            "The ideal customer is described, but a seed company's gate does not ask for it."
        )
    return tuple(told)


def warnings_about_names(
    definition: Definition,
    columns: Iterable[str],
    kinds: Iterable[str] | None = None,
    statuses: Iterable[str] | None = None,
) -> tuple[str, ...]:
    """Fields, kinds of activity and statuses that the definition names and the data lack, with the
    nearest that they have.

    `columns` are the export's, `kinds` those found in the activity log and `statuses` those in the
    status column; what is None is not looked at.
    """
    activities = definition.activities
    asked = {c.activity for c in definition.conditions() if c.activity is not None} - {
        "any",
        "intent",
        "interest",
    }
    staged = [status for stage in definition.stages.values() for status in stage.status]
    named = [*definition.outcome.won, *definition.outcome.lost, *staged]
    told = _absent("column", definition.fields(), columns)
    if kinds is not None:
        told += _absent(
            "kind of activity", [*activities.intent, *activities.interest, *sorted(asked)], kinds
        )
    if statuses is not None:
        told += _absent("status", named, statuses)
    return tuple(told)


def warnings_about_leads(definition: Definition, features: FeatureTable) -> tuple[str, ...]:
    """Scorecards that fit none of these leads, leads that several fit, and leads that none fits."""
    if not definition.scorecard or not features.size:
        return ()
    fits = [
        all_hold(card.segment, features, definition.activities) for card in definition.scorecard
    ]
    chosen = choose_cards(definition, features)
    told = []
    for position, (card, fit) in enumerate(zip(definition.scorecard, fits, strict=True)):
        if not fit.any():
            told.append(f"The scorecard {card.name!r} fits none of the {features.size:,} leads.")
        elif not (chosen == position).any():
            told.append(
                f"The scorecard {card.name!r} is never used: every lead that it fits has one that"
                " stands before it."
            )
    several = int((np.sum(fits, axis=0) > 1).sum())
    if several:
        told.append(
            f"More than one scorecard fits {several:,} of {features.size:,} leads; the first in the"
            " file is used."
        )
    none = int((chosen < 0).sum())
    if none:
        told.append(
            f"No scorecard fits {none:,} of {features.size:,} leads; they get the conversion that"
            " is expected of any lead."
        )
    return tuple(told)


def _absent(what: str, named: Iterable[str], there: Iterable[str]) -> list[str]:
    known = list(dict.fromkeys(there))
    told = []
    for name in dict.fromkeys(named):
        if name not in known:
            near = nearest(name, known)
            told.append(
                f"The data have no {what} {name!r}"
                + (f"; the nearest is {near!r}." if near else ".")
            )
    return told
