"""Lint warnings: what a definition may contain but probably should not, on its own and checked
against the data it is to be used on.

Nothing here is an error. A field that the export does not have gives no points, and a scorecard
that an earlier one hides is never used; people should know before they wonder about the scores.
"""

from collections.abc import Collection, Iterable, Iterator

import numpy as np

from winnable.core.columns import FeatureTable
from winnable.core.text import nearest
from winnable.definition.conditions import all_hold, impossible
from winnable.definition.decide.grid import offered_points
from winnable.definition.decide.scorecard import choose_cards
from winnable.definition.schema import Definition


def warnings(definition: Definition) -> tuple[str, ...]:
    """What is doubtful without looking at any data, one sentence each."""
    found = [
        *_overlapping_scorecards(definition),
        *_unreachable_thresholds(definition),
        *_sides_without_points(definition),
        *_known_at_the_end(definition),
    ]
    gate = definition.gate
    if (gate.sources or gate.refused_sources) and definition.columns.source_name is None:
        found.append(
            "The gate lists sources, but [columns] names no source column, so the gate cannot check"
            ' them; name it, or take the last marketing touch (missing_source = "last touch").'
        )
    if definition.profile.acceptable and not definition.profile.ideal:
        found.append(
            "The profile lists acceptable customers, but no ideal ones, so acceptable ones are"
            " handed over like any other; add ideal."
        )
    ideal = set(definition.profile.ideal)
    found += [
        f"{case} is acceptable and already all that is asked of the ideal customer, so no lead is"
        " acceptable by it; change one of the two."
        for case in definition.profile.acceptable
        if ideal and ideal <= set(case.when)
    ]
    asks = bool(definition.activities.hand_raise)
    if definition.profile.acceptable and definition.requires_ideal and not asks:
        found.append(
            "The profile lists acceptable customers, but [activities] lists no hand_raise, so they"
            " are nurtured whatever they do."
        )
    if definition.profile.ideal and definition.growth_stage == "seed":
        found.append(
            "The profile describes an ideal customer, but the gate does not require it with"
            ' growth_stage = "seed".'
        )
    return tuple(found)


def _overlapping_scorecards(definition: Definition) -> Iterator[str]:
    for i, card in enumerate(definition.scorecard):
        for later in definition.scorecard[i + 1 :]:
            if set(card.segment) <= set(later.segment):
                yield (
                    f"The scorecard {later.name!r} is never used: the earlier {card.name!r} applies"
                    " to all of its leads."
                )
            elif later.segment and not impossible((*card.segment, *later.segment)):
                yield (
                    f"The scorecards {card.name!r} and {later.name!r} may both apply to a lead; the"
                    f" first, {card.name!r}, is used."
                )


def _unreachable_thresholds(definition: Definition) -> Iterator[str]:
    for card in definition.scorecard:
        most = sum(rule.points for rule in card.rule if rule.points > 0)
        if card.at_most is not None:
            most = min(most, card.at_most)
        if card.rule and most < card.threshold:
            yield (
                f"No lead can reach the threshold of {card.name!r}: its rules give at most"
                f" {most:g} of {card.threshold:g} points."
            )


def _sides_without_points(definition: Definition) -> Iterator[str]:
    if definition.grid is None:
        return
    for card in definition.scorecard:
        fit, *engagement = offered_points(definition, card).tolist()
        for side, points in (("fit", fit), ("engagement", sum(engagement))):
            if card.rule and not points:
                yield (
                    f"The grid tells fit and engagement apart, but no rule of {card.name!r} gives"
                    f" points for {side}; while it answers, {side} tells no lead from another."
                )


def _known_at_the_end(definition: Definition) -> Iterator[str]:
    asked = {name for each in definition.conditions_at_scoring() for name in each.columns}
    for name in sorted(asked & definition.untold_until_the_end):
        yield (
            f"A condition asks for {name!r}, which tells how or when a lead ended; a trained model"
            " takes it as missing, so test another column."
        )


def warnings_about_names(
    definition: Definition,
    columns: Iterable[str],
    kinds: Iterable[str] | None = None,
    statuses: Iterable[str] | None = None,
    properties: Iterable[str] = (),
) -> tuple[str, ...]:
    """Columns, kinds of activity and statuses that the definition names but the data do not have,
    with the nearest that they have.

    `columns` are the export's, `kinds` those found in the activity log and `statuses` those in the
    status column; what is None is not checked. `properties` are the further columns of the log.
    """
    found = _absent("column", definition.fields(), columns)
    if kinds is not None:
        activities = definition.activities
        groups = {"any", "intent", "interest", "hand_raise"}
        asked = {each for tested in definition.conditions() for each in tested.asked_activities}
        named = [*activities.intent, *activities.interest, *sorted(asked - groups)]
        found += _absent("kind of activity", named, kinds)
        found += _absent("property of activities", definition.properties(), properties)
    if statuses is not None:
        staged = [status for stage in definition.stages.values() for status in stage.status]
        named = [*definition.outcome.won, *definition.outcome.lost, *staged]
        found += _absent("status", named, statuses)
    return tuple(found)


def warnings_about_dates(definition: Definition, dates: Collection[str]) -> tuple[str, ...]:
    """Columns that are compared as numbers and are dates, or the other way round; `dates` are the
    columns that are read as dates."""
    found = []
    for condition in definition.conditions():
        for key in ("more_than", "less_than", "later_than", "earlier_than"):
            other = getattr(condition, key)
            if condition.field is None or other is None:
                continue
            pair = f"{condition.field!r} and {other!r}"
            is_date = [name in dates for name in (condition.field, other)]
            if key in {"more_than", "less_than"} and any(is_date):
                found.append(f"{pair} are dates; compare them by later_than or earlier_than.")
            elif key in {"later_than", "earlier_than"} and not all(is_date):
                found.append(f"{pair} are not both dates, so {key} is true of no lead.")
    return tuple(found)


def warnings_about_leads(definition: Definition, features: FeatureTable) -> tuple[str, ...]:
    """Scorecards that apply to none of these leads, leads to which several apply, and leads to
    which none applies."""
    if not definition.scorecard or not features.size:
        return ()
    applies = [
        all_hold(card.segment, features, definition.activities) for card in definition.scorecard
    ]
    chosen = choose_cards(definition, features)
    size = f"{features.size:,}"
    found = []
    for position, (card, fits) in enumerate(zip(definition.scorecard, applies, strict=True)):
        if not fits.any():
            found.append(f"The scorecard {card.name!r} applies to none of the {size} leads.")
        elif not (chosen == position).any():
            found.append(
                f"The scorecard {card.name!r} is never used: an earlier one applies to all of its"
                " leads."
            )
    several = int((np.sum(applies, axis=0) > 1).sum())
    if several:
        found.append(
            f"More than one scorecard applies to {several:,} of {size} leads; the first in the file"
            " is used."
        )
    none = int((chosen < 0).sum())
    if none:
        found.append(
            f"No scorecard applies to {none:,} of {size} leads; they get the conversion that is"
            " expected of any lead."
        )
    return tuple(found)


def _absent(what: str, named: Iterable[str], available: Iterable[str]) -> list[str]:
    known = list(dict.fromkeys(available))
    found = []
    for name in dict.fromkeys(named):
        if name not in known:
            similar = nearest(name, known)
            hint = "" if similar is None else f"; the nearest is {similar!r}"
            found.append(f"The data have no {what} {name!r}{hint}.")
    return found
