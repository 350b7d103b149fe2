"""The gate: who is handed to sales, what happens to the rest, and one sentence why, for every lead.

First what always wins: a customer nobody wants, junk, no consent, no way to reach the person. Then
the bars: those of the company's growth stage and those that are written, all of which must be met.
A small random share is handed over whatever its score, because a history of only the leads that a
model liked cannot show where the model is wrong. Of the others, the long view decides: nurtured,
recycled to marketing, or discarded. Here also the grades, hot to cold. Where the probabilities come
from is not known here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

import numpy as np

from winnable.core.columns import BoolArray, FeatureTable, FloatArray
from winnable.definition.conditions import Activities, Condition, all_hold
from winnable.definition.decide.junk import find_junk, unreachable
from winnable.definition.decide.scorecard import Points
from winnable.definition.schema import Definition
from winnable.definition.schema import Grade as GradeName

NO_ACTIVITIES = Activities()

Action = Literal["pass", "nurture", "recycle", "discard"]


@dataclass(frozen=True)
class GateDecision:
    """What to do with a lead: hand it to sales ("pass"), or not; and why, in one sentence."""

    action: Action
    because: str


@dataclass(frozen=True)
class _Bar:
    """One thing asked of a lead before it is handed over; the sentences may speak of {chance},
    {points} and {known}."""

    met: BoolArray
    failed: str
    passed: str = ""


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
    long one, None if the definition promises no horizon. Where sales has a capacity, the leads
    given are taken as one week's and the best are passed; a caller who scores leads one at a time
    gives the `usual_bar` instead (see `capacity_threshold`). A NaN probability passes nothing.
    """
    verdicts = _Verdicts(features.size)
    for held, action, says in _refusals(definition, features, probability):
        verdicts.give(held, action, says)
    free = verdicts.open()
    known = _known_of_bant(definition, features)
    bars = list(_bars(definition, features, points, probability, known))
    if usual_bar is not None and definition.gate.capacity_per_week is not None:
        bars.append(_probability_bar(definition, probability, np.full(features.size, usual_bar)))
    worthy = free.copy()
    for bar in bars:
        worthy &= bar.met
    lots = np.asarray([_lot(lead_id) for lead_id in lead_ids])
    drawn = free & (lots < definition.gate.always_work_share)
    if definition.gate.capacity_per_week is not None and usual_bar is None:
        seats = definition.gate.capacity_per_week
        drawn &= _first(drawn, round(seats * definition.gate.always_work_share), lots)
        seated = worthy & _first(
            worthy & ~drawn, seats - int(drawn.sum()), lots, -points.points, -probability
        )
        bars.append(_capacity_bar(definition, seated))
        worthy = seated
    verdicts.give(
        worthy,
        "pass",
        next((bar.passed for bar in reversed(bars) if bar.passed), "Nothing speaks against it."),
    )
    verdicts.give(drawn, "pass", _drawn_in_words(definition.gate.always_work_share))
    _long_view(
        definition,
        verdicts,
        bars,
        probability if winnable is None else winnable,
        dated=winnable is not None,
    )
    return verdicts.told(
        chance=lambda: _of_100(probability),
        long=lambda: _of_100(probability if winnable is None else winnable),
        points=lambda: np.round(points.points, 1),
        known=lambda: known,
    )


def capacity_threshold(
    definition: Definition, probability: FloatArray, weeks: float
) -> float | None:
    """The probability from which so many leads a week were as good as sales has capacity for; None
    if it has no capacity.

    `probability` (n,) are those of all leads that came in `weeks` weeks. 0 if there was capacity
    for all of them.
    """
    capacity = definition.gate.capacity_per_week
    if capacity is None:
        return None
    best = np.sort(probability[~np.isnan(probability)])[::-1]
    places = max(1, int(capacity * weeks))
    return float(best[places - 1]) if len(best) >= places else 0.0


def always_worked(lead_id: str, share: float) -> bool:
    """Whether this lead is in the random share that sales always works; the same answer everywhere
    and for ever."""
    return _lot(lead_id) < share


def passing_probability(definition: Definition) -> float:
    """The probability from which the gate hands over where no scorecard's own expectation
    applies."""
    gate = definition.gate
    if gate.cost_to_work is not None and gate.deal_value is not None:
        return max(gate.probability or 0.0, gate.cost_to_work / gate.deal_value)
    return gate.probability or definition.outcome.expected_conversion


def grade(
    definition: Definition, probability: FloatArray, base: float | None = None
) -> tuple[str, ...]:
    """Hot, warm, cool or cold for each lead, in the company's own words; "" where the probability
    is NaN.

    The odds of being won are compared with those of the usual lead (`base`, the conversion of the
    history, or what the definition expects) or of a lead that just passes the gate. Odds, since a
    lead of twice a conversion of 60 % cannot exist.
    """
    grades = definition.grades
    usual = definition.outcome.expected_conversion if base is None else base
    against = passing_probability(definition) if grades.relative_to == "gate" else usual
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (probability / (1 - probability)) / (against / (1 - against))
    names: tuple[GradeName, ...] = ("cold", "cool", "warm", "hot")
    labels = [grades.labels.get(name, name) for name in names]
    # A hair's breadth below a bar is rounding, not a colder lead.
    bars = [cut * (1 - 1e-9) for cut in (grades.cool, grades.warm, grades.hot)]
    codes = np.searchsorted(bars, ratio, side="right")
    return tuple(
        "" if unknown else labels[code]
        for code, unknown in zip(codes.tolist(), np.isnan(ratio).tolist(), strict=True)
    )


def _refusals(
    definition: Definition, features: FeatureTable, probability: FloatArray
) -> Iterator[tuple[BoolArray, Action, str]]:
    """What no score can outweigh, in the order in which it is said."""
    for case in definition.profile.unacceptable:
        held = all_hold(case.when, features, definition.activities)
        yield held, "discard", f"Not a customer that we want: {_literal(str(case))}."
    junk = find_junk(definition, features)
    for code, says in enumerate(junk.vocabulary):
        yield junk.codes == code, "discard", f"Junk: {_literal(says)}."
    if definition.columns.consent is not None:
        consents = _is_one_of(definition.columns.consent, definition.gate.consent, features)
        yield (
            ~consents,
            "recycle",
            "There is no consent to contact this person; marketing has to obtain it first.",
        )
    nowhere = "There is no e-mail address and no telephone number; marketing has to find one."
    yield unreachable(definition, features), "recycle", nowhere
    yield (
        np.isnan(probability),
        "recycle",
        "It could not be scored; marketing should complete its data.",
    )


def _bars(
    definition: Definition,
    features: FeatureTable,
    points: Points,
    probability: FloatArray,
    known: FloatArray,
) -> Iterator[_Bar]:
    gate, stage, activities = definition.gate, definition.growth_stage, definition.activities
    if stage == "mature" and gate.sources and definition.columns.source is not None:
        best = _is_one_of(definition.columns.source, gate.sources, features)
        yield _Bar(best, "Its source is not one of those that convert best")
    if stage != "seed" and definition.profile.ideal:
        yield _Bar(
            all_hold(definition.profile.ideal, features, activities),
            "It does not fit our ideal customer",
        )
    if definition.bant.at_least:
        four, least = ", ".join(definition.bant.fields), definition.bant.at_least
        yield _Bar(known >= least, f"Only {{known}} of {four} known, and sales asks for {least}")
    if gate.points is not None:
        asked = f"the {gate.points:g} from which we hand over"
        reached = points.points >= gate.points
        yield _Bar(
            reached, f"{{points}} points fall short of {asked}", f"{{points}} points reach {asked}."
        )
    if gate.probability is not None or gate.cost_to_work is not None:
        yield _probability_bar(
            definition, probability, np.full(features.size, passing_probability(definition))
        )
    if (
        gate.points is None
        and gate.probability is None
        and gate.cost_to_work is None
        and gate.capacity_per_week is None
    ):
        yield from _policy(definition, features, points, probability)


def _policy(
    definition: Definition, features: FeatureTable, points: Points, probability: FloatArray
) -> Iterator[_Bar]:
    """What the growth stage asks where no bar is written. An activity log that nobody gave is not
    held against a lead."""
    engagement = definition.engagement()
    done = (
        features.numbers(engagement.name)
        if engagement is not None
        else np.full(features.size, np.nan)
    )
    if definition.growth_stage == "seed":
        who = "every lead" if engagement is None else "everyone who raises a hand"
        yield _Bar(
            ~(done < 1),
            "It has not raised a hand yet",
            f"At our stage nearly {who} is worth a call.",
        )
        return
    if engagement is not None:
        yield _Bar(~(done < 1), "It has not done anything yet that shows interest or intent")
    # Card -1, no card, takes the last.
    bars = [
        *(card.conversion_at_threshold for card in definition.scorecard),
        definition.outcome.expected_conversion,
    ]
    yield _probability_bar(definition, probability, np.asarray(bars)[points.card])


def _probability_bar(definition: Definition, probability: FloatArray, bar: FloatArray) -> _Bar:
    soon = _soon(definition)
    # A hair's breadth below the bar is rounding, not a worse lead.
    return _Bar(
        probability >= bar * (1 - 1e-9),
        f"{{chance}} leads like this are won{soon}, too few to hand over",
        f"{{chance}} leads like this are won{soon}, enough to hand over.",
    )


def _capacity_bar(definition: Definition, seated: BoolArray) -> _Bar:
    soon, seats = _soon(definition), definition.gate.capacity_per_week
    return _Bar(
        seated,
        f"{{chance}} leads like this are won{soon}, and sales has room for the best {seats} of the"
        " week only",
        f"{{chance}} leads like this are won{soon}, which is among the best {seats} of the week.",
    )


def _soon(definition: Definition) -> str:
    return (
        f" within {definition.outcome.horizon_days:g} days"
        if definition.columns.created is not None
        else ""
    )


def _known_of_bant(definition: Definition, features: FeatureTable) -> FloatArray:
    known = np.zeros(features.size)
    for column in definition.bant.fields.values():
        known += _is_known(column, features) & ~_is_one_of(
            column, definition.bant.not_known, features
        )
    return known


def _is_known(column: str, features: FeatureTable) -> BoolArray:
    return _asking(column, ()).holds(features, NO_ACTIVITIES)


def _is_one_of(column: str, values: tuple[str, ...], features: FeatureTable) -> BoolArray:
    return (
        _asking(column, values).holds(features, NO_ACTIVITIES)
        if values
        else np.zeros(features.size, dtype=np.bool_)
    )


@lru_cache(maxsize=1024)
def _asking(column: str, values: tuple[str, ...]) -> Condition:
    return (
        Condition(field=column, any_of=values)
        if values
        else Condition(field=column, is_present=True)
    )


def _long_view(
    definition: Definition,
    verdicts: "_Verdicts",
    bars: Sequence[_Bar],
    chance: FloatArray,
    *,
    dated: bool,
) -> None:
    """What becomes of those that are not handed over, and why: the first bar that they missed, and
    their long-term chance."""
    gate, expected = definition.gate, definition.outcome.expected_conversion
    hopeless = chance < (expected / 10 if gate.discard_below is None else gate.discard_below)
    promising = chance >= (expected if gate.nurture_from is None else gate.nurture_from)
    in_time = (
        f"{{long}} are won within {definition.outcome.winnable_days:g} days"
        if dated
        else "{long} are won in the end"
    )
    for bar in bars:
        verdicts.give(
            ~bar.met & promising, "nurture", f"{bar.failed}, but {in_time}: keep in touch."
        )
        verdicts.give(~bar.met & hopeless, "discard", f"{bar.failed}, and {in_time}.")
        verdicts.give(
            ~bar.met,
            "recycle",
            f"{bar.failed}; marketing may bring it back when more speaks for it.",
        )


RANDOMLY_SELECTED = "Drawn by lot: "
"""How the sentence begins for a lead that was handed over by lot alone."""


def randomly_selected(because: str) -> bool:
    """Whether a decision's sentence says that the lead was handed over by lot alone: it was below
    the gate."""
    return because.startswith(RANDOMLY_SELECTED)


def _drawn_in_words(share: float) -> str:
    return (
        f"{RANDOMLY_SELECTED}sales works {_share_in_words(share)} leads whatever their score, so"
        " that we keep learning."
    )


def _share_in_words(share: float) -> str:
    return f"{share * 100:g} in 100" if share >= 0.01 else f"{share * 1000:g} in 1,000"


def _of_100(probability: FloatArray) -> FloatArray:
    return np.asarray(np.rint(np.where(np.isnan(probability), 0.0, probability) * 100))


def _first(rows: BoolArray, places: int, *order: FloatArray) -> BoolArray:
    """The first so many of the rows that are true, in the order of the last array given, then of
    the one before it."""
    positions = np.flatnonzero(rows)
    best = positions[np.lexsort([by[positions] for by in order])][:places]
    chosen = np.zeros(len(rows), dtype=np.bool_)
    chosen[best] = True
    return chosen


def _lot(lead_id: str) -> float:
    """A number from 0 to 1 that the id alone decides: BLAKE2b of "winnable lottery:" and the id, 8
    bytes, over 2**64."""
    digest = blake2b(
        f"winnable lottery:{lead_id}".encode("utf-8", "surrogatepass"), digest_size=8
    ).digest()
    return int.from_bytes(digest, "big") / 2**64


def _literal(words: str) -> str:
    """A person's own words within a sentence that is filled in later."""
    return words.rstrip(".").replace("{", "{{").replace("}", "}}")


class _Verdicts:
    """Decisions on many leads as they fall: the first one given to a lead stands."""

    def __init__(self, size: int) -> None:
        self._codes = np.full(size, -1, dtype=np.int64)
        self._given: list[tuple[Action, str]] = []

    def open(self) -> BoolArray:
        """Which leads have none yet."""
        return self._codes < 0

    def give(self, held: BoolArray, action: Action, says: str) -> None:
        """One decision, to all of these leads that have none yet."""
        if not np.count_nonzero(held):
            return
        new = held & self.open()
        if np.count_nonzero(new):
            self._codes[new] = len(self._given)
            self._given.append((action, says))

    def told(self, **numbers: Callable[[], FloatArray]) -> tuple[GateDecision, ...]:
        """The decisions with each lead's own numbers in their sentences; one object for all leads
        of which the same is said."""
        spoken = [[name for name in numbers if f"{{{name}}}" in says] for _, says in self._given]
        columns = {
            name: numbers[name]().tolist() for name in {name for names in spoken for name in names}
        }
        once: dict[tuple[float, ...], GateDecision] = {}
        told = []
        for row, code in enumerate(self._codes.tolist()):
            said = (code, *[columns[name][row] for name in spoken[code]])
            if said not in once:
                once[said] = self._one(code, dict(zip(spoken[code], said[1:], strict=True)))
            told.append(once[said])
        return tuple(told)

    def _one(self, code: int, numbers: Mapping[str, float]) -> GateDecision:
        action, says = self._given[code]
        return GateDecision(
            action,
            says.format(**{name: _in_words(name, number) for name, number in numbers.items()}),
        )


def _in_words(name: str, number: float) -> str:
    if name in {"points", "known"}:
        return f"{number:g}"
    return _chance_in_words(number).lower() if name == "long" else _chance_in_words(number)


def _chance_in_words(of_100: float) -> str:
    if of_100 < 1:
        return "Fewer than 1 in 100"
    return "More than 99 in 100" if of_100 > 99 else f"About {of_100:g} in 100"
