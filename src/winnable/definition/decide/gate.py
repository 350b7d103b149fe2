"""The hand-over gate: which leads go to sales, what happens to the rest, and one sentence why, for
every lead.

First come the exclusions that no score can outweigh: customers that are not wanted, junk, no
consent, no way to reach the person. Then the thresholds and other criteria, those of the company's
growth stage or those that are written, all of which must be met. A small random exploration sample
is handed over whatever its score, save from refused sources, because a history of only the leads
that a model liked cannot show where the model is wrong. Of the others, the long horizon decides:
nurture, recycle to marketing, or discard. The grades, hot to cold, are here as well. Where the
probabilities come from is not known here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import combinations
from typing import Literal, Self

import numpy as np

from winnable.core.columns import BoolArray, FeatureTable, FloatArray
from winnable.definition.conditions import all_hold
from winnable.definition.decide.fit import (
    has_raised_hand,
    is_acceptable,
    is_ideal,
    is_known,
    is_one_of,
)
from winnable.definition.decide.junk import find_junk, unreachable
from winnable.definition.decide.scorecard import Points
from winnable.definition.schema import Definition
from winnable.definition.schema import Grade as GradeName
from winnable.definition.wording import days_in_words, joined

ROUNDING = 1e-9
"""The share by which a probability may lie below a threshold and still count as reaching it."""

Action = Literal["pass", "nurture", "recycle", "discard"]


@dataclass(frozen=True)
class GateDecision:
    """What to do with a lead: hand it to sales ("pass") or not, and why, in one sentence."""

    action: Action
    because: str


@dataclass(frozen=True)
class _Criterion:
    """One thing that is required for the hand-over.

    `met` (n,) tells which leads meet it. The sentences may contain {chance}, {points} and {known}.
    Where `action` is given, that is done with leads that fail it, whatever their probability; with
    `always`, they are not in the exploration sample either. `waived` (n,) are those that meet it
    only because they asked for sales themselves, which outweighs `outweighed`.
    """

    met: BoolArray
    failed: str
    passed: str = ""
    action: Action | None = None
    always: bool = False
    waived: BoolArray | None = None
    outweighed: str = ""

    def unless(self, raised: BoolArray | None, outweighed: str) -> Self:
        """The same, but who raised a hand (n,) meets it; None: nobody can."""
        if raised is None:
            return self
        waived = ~self.met & raised
        return replace(self, met=self.met | raised, waived=waived, outweighed=outweighed)


def decide(
    definition: Definition,
    features: FeatureTable,
    lead_ids: Sequence[str],
    points: Points,
    probability: FloatArray,
    winnable: FloatArray | None,
    *,
    usual_bar: float | None = None,
) -> tuple[GateDecision, ...]:
    """The decision on each lead, in order.

    `probability` (n,) is that of being won within the short horizon, `winnable` (n,) within the
    long one, None if the definition has no horizon. Where sales has a capacity, the leads given are
    taken as one week's and the best are passed; a caller who scores leads one at a time gives the
    `usual_bar`, a threshold, instead (see `capacity_threshold`). A NaN probability passes nothing.
    """
    long_term = probability if winnable is None else winnable
    decisions = _Decisions(features.size)
    for excluded, action, because in _exclusions(definition, features, probability):
        decisions.assign(excluded, action, because)
    eligible = decisions.undecided()
    known = _known_of_bant(definition, features)
    criteria = list(_criteria(definition, features, points, probability, known))
    capacity = definition.gate.capacity_per_week
    if capacity is not None and usual_bar is not None:
        threshold = np.full(features.size, usual_bar)
        criteria.append(_probability_criterion(definition, probability, threshold))
    qualified = eligible.copy()
    for criterion in criteria:
        qualified &= criterion.met
    draws = np.asarray([_draw(lead_id) for lead_id in lead_ids])
    for criterion in criteria:
        if criterion.always:
            eligible &= criterion.met
    sampled = eligible & (draws < definition.gate.always_work_share)
    if capacity is not None and usual_bar is None:
        sampled &= _first(sampled, round(capacity * definition.gate.always_work_share), draws)
        places = capacity - int(sampled.sum())
        best = _first(qualified & ~sampled, places, draws, -points.points, -probability)
        qualified &= best
        criteria.append(_capacity_criterion(definition, qualified))
    reasons = [criterion.passed for criterion in criteria if criterion.passed]
    for waived, because in _raised_hands(criteria):
        decisions.assign(qualified & waived, "pass", because)
    decisions.assign(qualified, "pass", reasons[-1] if reasons else MEETS_EVERYTHING)
    decisions.assign(sampled, "pass", _sampled_in_words(definition.gate.always_work_share))
    _assign_others(definition, decisions, criteria, long_term, dated=winnable is not None)
    return decisions.in_words(
        chance=lambda: _per_100(probability),
        long=lambda: _per_100(long_term),
        points=lambda: np.round(points.points, 1),
        known=lambda: known,
    )


def _raised_hands(criteria: Sequence[_Criterion]) -> Iterator[tuple[BoolArray, str]]:
    """Which leads (n,) are handed over only because they asked for sales themselves, and the
    sentence that says what that outweighs."""
    waiving = [criterion for criterion in criteria if criterion.waived is not None]
    for count in range(len(waiving), 0, -1):
        for some in combinations(waiving, count):
            waived = [criterion.waived for criterion in some if criterion.waived is not None]
            outweighed = joined([criterion.outweighed for criterion in some], "and")
            because = f"It asked for sales itself, which outweighs {outweighed}."
            yield np.all(waived, axis=0), because


MEETS_EVERYTHING = "It meets everything that we ask of a lead."


def capacity_threshold(
    definition: Definition, probability: FloatArray, weeks: float
) -> float | None:
    """The probability that as many leads a week reached as sales has capacity for.

    `probability` (n,) are those of all leads that arrived in `weeks` weeks. 0 if there was capacity
    for all of them; None if the definition sets no capacity.
    """
    capacity = definition.gate.capacity_per_week
    if capacity is None:
        return None
    best = np.sort(probability[~np.isnan(probability)])[::-1]
    places = max(1, int(capacity * weeks))
    return float(best[places - 1]) if len(best) >= places else 0.0


def in_exploration_sample(lead_id: str, share: float) -> bool:
    """Whether this lead is in the random share that sales always works; the same everywhere and in
    every version."""
    return _draw(lead_id) < share


def passing_probability(definition: Definition) -> float:
    """The gate's probability threshold, where no scorecard's own expectation applies."""
    gate = definition.gate
    if gate.cost_to_work is not None and gate.deal_value is not None:
        return max(gate.probability or 0.0, gate.cost_to_work / gate.deal_value)
    return gate.probability or definition.outcome.expected_conversion


def grade(
    definition: Definition, probability: FloatArray, base: float | None = None
) -> tuple[str, ...]:
    """Hot, warm, cool or cold for each lead, in the company's own words; "" where the probability
    is NaN.

    The odds of being won are compared with those of the average lead (`base`, the conversion of the
    history, or what the definition expects) or of a lead that just passes the gate. Odds, since no
    lead can be twice as likely to be won as a base of 60%.
    """
    grades = definition.grades
    if grades.relative_to == "gate":
        reference = passing_probability(definition)
    else:
        reference = definition.outcome.expected_conversion if base is None else base
    with np.errstate(divide="ignore", invalid="ignore"):
        odds_ratio = (probability / (1 - probability)) / (reference / (1 - reference))
    names: tuple[GradeName, ...] = ("cold", "cool", "warm", "hot")
    labels = [grades.labels.get(name, name) for name in names]
    cuts = [cut * (1 - ROUNDING) for cut in (grades.cool, grades.warm, grades.hot)]
    codes = np.searchsorted(cuts, odds_ratio, side="right")
    return tuple(
        "" if unknown else labels[code]
        for code, unknown in zip(codes.tolist(), np.isnan(odds_ratio).tolist(), strict=True)
    )


def _exclusions(
    definition: Definition, features: FeatureTable, probability: FloatArray
) -> Iterator[tuple[BoolArray, Action, str]]:
    """What no score can outweigh, the first reason that applies to a lead first."""
    for case in definition.profile.unacceptable:
        held = all_hold(case.when, features, definition.activities)
        yield held, "discard", f"Not a customer that we want: {_literal(str(case))}."
    junk = find_junk(definition, features)
    for code in sorted(set(junk.codes.tolist()) - {-1}):
        yield junk.codes == code, "discard", f"Junk: {_literal(junk.vocabulary[code])}."
    if definition.columns.consent is not None:
        consents = is_one_of(definition.columns.consent, definition.gate.consent, features)
        because = "There is no consent to contact this person; marketing has to obtain it first."
        yield ~consents, "recycle", because
    because = "There is no e-mail address and no telephone number; marketing has to find one."
    yield unreachable(definition, features), "recycle", because
    because = "It could not be scored; marketing should complete its data."
    yield np.isnan(probability), "recycle", because


def _criteria(
    definition: Definition,
    features: FeatureTable,
    points: Points,
    probability: FloatArray,
    known: FloatArray,
) -> Iterator[_Criterion]:
    gate = definition.gate
    raised = has_raised_hand(definition, features)
    yield from _refused_sources(definition, features)
    yield from _acceptable(definition, features, raised)
    yield from _sources_and_fit(definition, features, raised)
    required = definition.bant.at_least
    if required:
        fields = ", ".join(definition.bant.fields)
        failed = f"Only {{known}} of {fields} known, and sales asks for {required}"
        yield _Criterion(known >= required, failed)
    if gate.points is not None:
        threshold = f"the hand-over threshold of {gate.points:g}"
        yield _Criterion(
            points.points >= gate.points,
            f"{{points}} points are below {threshold}",
            f"{{points}} points reach {threshold}.",
        )
    asks_probability = gate.probability is not None or gate.cost_to_work is not None
    if asks_probability:
        thresholds = np.full(features.size, passing_probability(definition))
        yield _probability_criterion(definition, probability, thresholds)
    if gate.points is None and gate.capacity_per_week is None and not asks_probability:
        yield from _policy(definition, features, points, probability, raised)


def _refused_sources(definition: Definition, features: FeatureTable) -> Iterator[_Criterion]:
    """A refused source is refused even where a hand is raised, and in the exploration sample: a
    purchased list has no hands."""
    source = definition.columns.source_name
    if source is not None and definition.gate.refused_sources:
        refused = is_one_of(source, definition.gate.refused_sources, features)
        failed = "Its source is one of those that we refuse"
        yield _Criterion(~refused, failed, always=True)


def _acceptable(
    definition: Definition, features: FeatureTable, raised: BoolArray | None
) -> Iterator[_Criterion]:
    """Before all that may discard a lead: acceptable customers are kept in touch with."""
    if definition.profile.acceptable and definition.requires_ideal:
        acceptable = is_acceptable(definition, features)
        criterion = _Criterion(~acceptable, ACCEPTABLE, action="nurture")
        yield criterion.unless(raised, "that it is not our ideal customer")


def _sources_and_fit(
    definition: Definition, features: FeatureTable, raised: BoolArray | None
) -> Iterator[_Criterion]:
    source = definition.columns.source_name
    if source is not None and definition.gate.sources:
        converts_best = is_one_of(source, definition.gate.sources, features)
        failed = "Its source is not one of those that convert best"
        yield _Criterion(converts_best, failed).unless(raised, "its source")
    if definition.requires_ideal:
        fits = is_ideal(definition, features) | is_acceptable(definition, features)
        yield _Criterion(fits, "It does not fit our ideal customer")


ACCEPTABLE = (
    "An acceptable customer, but not our ideal one: keep in touch until it asks for sales itself."
)


def _policy(
    definition: Definition,
    features: FeatureTable,
    points: Points,
    probability: FloatArray,
    raised: BoolArray | None,
) -> Iterator[_Criterion]:
    """What the growth stage requires where no threshold is written. A missing activity log is not
    held against a lead, and who asks for sales itself is heard whatever its probability."""
    engagement = definition.engagement()
    if engagement is None:
        engaged = np.ones(features.size, dtype=np.bool_)
    else:
        engaged = ~(features.numbers(engagement.name) < 1)
    if definition.growth_stage == "seed":
        who = "every lead" if engagement is None else "every lead that shows intent"
        failed = "It has not shown intent to buy yet"
        if raised is not None:
            who = "every lead that asks for sales"
            days = days_in_words(definition.activities.hand_raise_days)
            failed = f"It has not asked for sales itself in the last {days}"
        passed = f"At our stage nearly {who} is worth a call."
        yield _Criterion(engaged, failed, passed)
        return
    if engagement is not None:
        yield _Criterion(engaged, "It has not done anything yet that shows interest or intent")
    # A lead without a scorecard has card -1, which picks the last threshold.
    thresholds = [card.conversion_at_threshold for card in definition.scorecard]
    thresholds.append(definition.outcome.expected_conversion)
    enough = _probability_criterion(definition, probability, np.asarray(thresholds)[points.card])
    yield enough.unless(raised, "its low probability")


def _probability_criterion(
    definition: Definition, probability: FloatArray, threshold: FloatArray
) -> _Criterion:
    won = f"{{chance}} leads like this are won{_within_horizon(definition)}"
    return _Criterion(
        probability >= threshold * (1 - ROUNDING),
        f"{won}, too few to hand over",
        f"{won}, enough to hand over.",
    )


def _capacity_criterion(definition: Definition, seated: BoolArray) -> _Criterion:
    won = f"{{chance}} leads like this are won{_within_horizon(definition)}"
    places = definition.gate.capacity_per_week
    return _Criterion(
        seated,
        f"{won}, and sales only has room for the best {places} of the week",
        f"{won}, which is among the best {places} of the week.",
    )


def _within_horizon(definition: Definition) -> str:
    if definition.columns.created is None:
        return ""
    return f" within {definition.outcome.horizon_days:g} days"


def _known_of_bant(definition: Definition, features: FeatureTable) -> FloatArray:
    known = np.zeros(features.size)
    for column in definition.bant.fields.values():
        known += is_known(column, features) & ~is_one_of(
            column, definition.bant.not_known, features
        )
    return known


def _assign_others(
    definition: Definition,
    decisions: "_Decisions",
    criteria: Sequence[_Criterion],
    long_term: FloatArray,
    *,
    dated: bool,
) -> None:
    """Nurture, recycle or discard those that are not handed over; the reason is the first criterion
    that they failed and their probability `long_term` (n,) of being won in the end."""
    gate = definition.gate
    expected = definition.outcome.expected_conversion
    discard_below = expected / 10 if gate.discard_below is None else gate.discard_below
    nurture_from = expected if gate.nurture_from is None else gate.nurture_from
    hopeless = long_term < discard_below
    promising = long_term >= nurture_from
    in_time = "{long} are won in the end"
    if dated:
        in_time = f"{{long}} are won within {definition.outcome.winnable_days:g} days"
    for criterion in criteria:
        failed = ~criterion.met
        why = criterion.failed
        if criterion.action is not None:
            decisions.assign(failed, criterion.action, why)
            continue
        decisions.assign(failed & promising, "nurture", f"{why}, but {in_time}: keep in touch.")
        decisions.assign(failed & hopeless, "discard", f"{why}, and {in_time}.")
        because = f"{why}; marketing may bring it back once there is more to go on."
        decisions.assign(failed, "recycle", because)


RANDOMLY_SELECTED = "Randomly selected (exploration sample): "
"""How the sentence begins for a lead that was only handed over as part of the exploration
sample."""

RANDOMLY_SELECTED_PREFIXES = (RANDOMLY_SELECTED, "Drawn by lot: ")
"""All such beginnings; the last stands in scores that earlier versions stored."""


def randomly_selected(because: str) -> bool:
    """Whether a decision's sentence says that the lead was only handed over as part of the random
    exploration sample: on its score it would not have been."""
    return because.startswith(RANDOMLY_SELECTED_PREFIXES)


def _sampled_in_words(share: float) -> str:
    return (
        f"{RANDOMLY_SELECTED}sales works {_share_in_words(share)} leads whatever their score, so"
        " that we keep learning."
    )


def _share_in_words(share: float) -> str:
    return f"{share * 100:g} in 100" if share >= 0.01 else f"{share * 1000:g} in 1,000"


def _per_100(probability: FloatArray) -> FloatArray:
    return np.asarray(np.rint(np.where(np.isnan(probability), 0.0, probability) * 100))


def _first(rows: BoolArray, places: int, *order: FloatArray) -> BoolArray:
    """The first `places` of the rows that are true, sorted by the last array given, then by the one
    before it."""
    positions = np.flatnonzero(rows)
    chosen = np.zeros(len(rows), dtype=np.bool_)
    chosen[positions[np.lexsort([by[positions] for by in order])][:places]] = True
    return chosen


def _draw(lead_id: str) -> float:
    """A number from 0 to 1 that depends on the id alone: BLAKE2b of "winnable lottery:" and the id,
    8 bytes, over 2**64. Never changed, so that a lead that was sampled stays sampled."""
    digest = blake2b(
        f"winnable lottery:{lead_id}".encode("utf-8", "surrogatepass"), digest_size=8
    ).digest()
    return int.from_bytes(digest, "big") / 2**64


def _literal(words: str) -> str:
    """A person's own words within a sentence that is filled in later."""
    return words.rstrip(".").replace("{", "{{").replace("}", "}}")


class _Decisions:
    """Decisions on many leads as they are made: the first one assigned to a lead stands."""

    def __init__(self, size: int) -> None:
        self._codes = np.full(size, -1, dtype=np.int64)
        self._assigned: list[tuple[Action, str]] = []

    def undecided(self) -> BoolArray:
        """Which leads have no decision yet, shape (size,)."""
        return self._codes < 0

    def assign(self, leads: BoolArray, action: Action, because: str) -> None:
        """One decision, for all of these leads that have none yet."""
        if not np.count_nonzero(leads):
            return
        new = leads & self.undecided()
        if np.count_nonzero(new):
            self._codes[new] = len(self._assigned)
            self._assigned.append((action, because))

    def in_words(self, **numbers: Callable[[], FloatArray]) -> tuple[GateDecision, ...]:
        """The decisions with each lead's own numbers in their sentences; leads with the same
        sentence share one object."""
        used = [
            [name for name in numbers if f"{{{name}}}" in because] for _, because in self._assigned
        ]
        columns = {
            name: numbers[name]().tolist() for name in {name for names in used for name in names}
        }
        decisions_by_key: dict[tuple[float, ...], GateDecision] = {}
        decisions = []
        for row, code in enumerate(self._codes.tolist()):
            key = (code, *[columns[name][row] for name in used[code]])
            if key not in decisions_by_key:
                filled = dict(zip(used[code], key[1:], strict=True))
                decisions_by_key[key] = self._decision(code, filled)
            decisions.append(decisions_by_key[key])
        return tuple(decisions)

    def _decision(self, code: int, numbers: Mapping[str, float]) -> GateDecision:
        action, because = self._assigned[code]
        texts = {name: _in_words(name, number) for name, number in numbers.items()}
        return GateDecision(action, because.format(**texts))


def _in_words(name: str, number: float) -> str:
    if name in {"points", "known"}:
        return f"{number:g}"
    text = _chance_in_words(number)
    return text.lower() if name == "long" else text


def _chance_in_words(per_100: float) -> str:
    if per_100 < 1:
        return "Fewer than 1 in 100"
    return "More than 99 in 100" if per_100 > 99 else f"About {per_100:g} in 100"
