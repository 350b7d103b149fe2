"""Explanations: why a lead has its score and not that of a typical open lead.

The feature contributions of a score are log-odds that add up to it (`Scorer.explain`, an additive
attribution as SHAP values are). Here they are measured against the typical lead, summed up by
attribute, with the scorecard's part unfolded into its rules, and turned into probability: the
effects add up from the typical lead's probability to the lead's own. The strongest that rest on
enough leads are its reasons, in the words of `reason_words`.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from winnable.core.columns import (
    ActivityAggregate,
    CategoricalColumn,
    FeatureTable,
    FloatArray,
    IntArray,
)
from winnable.core.statistics import logit_of, sigmoid
from winnable.core.text import effect_text
from winnable.data.features.plan import Attribute, FeaturePlan, activity_attribute
from winnable.definition.decide.grid import SIDES, SubScores, sides_of_points
from winnable.definition.decide.scorecard import (
    Points,
    log_odds_by_rule,
    log_odds_per_point,
    log_odds_without_points,
)
from winnable.definition.schema import Definition
from winnable.learning.artifacts.typical_lead import States, TypicalLead
from winnable.learning.model.scorer import RULES, Contributions
from winnable.learning.model.segments import SEGMENT
from winnable.learning.scoring.attributes import HAS_NOT, Attributes
from winnable.learning.scoring.changes import (
    CLEARLY_WORSE,
    LOWERING,
    MIN_EFFECT,
    RAISING,
    Part,
    Value,
)
from winnable.learning.scoring.reason_words import ReasonWords

ANY_ACTIVITY = activity_attribute(())

KnownWords = Mapping[str, Container[str]]

MAX_REASONS = 6
"""Reasons that are shown of a score, the strongest for and against the lead taken together."""

MIN_LOG_ODDS = 0.01
"""What moves a score by less is no reason."""

SAME_LOG_ODDS = 1e-7
"""Closer than this to the typical lead, the slope between the two is that of the curve."""


NOT_KNOWN = -1e300
"""Stands for a number that is not known where leads of the same are found."""


@dataclass(frozen=True)
class Reason:
    """One thing that moves a score: `name` is the attribute, `text` the sentence, `value` what the
    lead has of it; `effect` is what it adds to the typical lead's probability, `log_odds` what it
    adds to its log-odds, None for points of a scorecard."""

    name: str
    text: str
    log_odds: float | None
    value: Value = None
    effect: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The reason as plain JSON types."""
        return {
            "says": self.text,
            "feature": self.name,
            "value": self.value,
            "effect": self.effect,
            "log_odds": self.log_odds,
        }


@dataclass(frozen=True)
class Explained:
    """Where the scores of n leads start, `start` (n,), and what each attribute adds to that:
    `log_odds` and `effects` (n, attributes). The effects and `rest` (n,), which no attribute
    explains, add up from the start to the probability. `sides` are the sub-scores where the
    definition has a grid."""

    start: FloatArray
    log_odds: FloatArray
    effects: FloatArray
    rest: FloatArray
    sides: SubScores | None = None


class Explainer:
    """Explains the scores of one model, whose contributions have these `names`. Without a `typical`
    lead, as of models of earlier versions, the start is a lead of which nothing is known. `apart`
    is for a model that is its scorecard: each rule is a reason, and the start is a lead without
    points."""

    def __init__(
        self,
        definition: Definition,
        plan: FeaturePlan,
        names: Sequence[str],
        typical: TypicalLead | None,
        *,
        apart: bool,
    ) -> None:
        self._definition = definition
        self.apart = apart
        self.typical = None if apart else typical
        self.enough: States | None = None if self.typical is None else self.typical.enough
        self.log_odds_per_point = [log_odds_per_point(card) for card in definition.scorecard]
        self.attributes = Attributes(definition, plan, names, apart=apart)
        self.words = ReasonWords(definition, self.attributes)
        every = self.attributes.every
        self._names = tuple(names)
        self._of_names = _indicators(self.attributes.of_names, len(every))
        self._of_rules = _indicators(self.attributes.of_rules, len(every))
        self._of_sides = _indicators(self.attributes.sides, len(SIDES))
        self._points = self._names.index(RULES)
        self._account = next(
            (i for i, attribute in enumerate(every) if attribute.about == "account"), None
        )
        self._segment = self.attributes.place.get(Attribute("field", SEGMENT))
        self._without_points = np.array(
            [
                *log_odds_without_points(definition),
                logit_of(definition.outcome.expected_conversion),
            ]
        )

    @property
    def has_start(self) -> bool:
        """Whether it is known what the scores start from."""
        return self.apart or self.typical is not None

    @cached_property
    def _means(self) -> FloatArray:
        parts = {} if self.typical is None else self.typical.parts
        return np.array([parts.get(name, 0.0) for name in self._names])

    def explain(
        self,
        features: FeatureTable,
        points: Points,
        parts: Contributions,
        probability: FloatArray,
    ) -> Explained:
        """The explanation of the `probability` (n,) to whose log-odds the `parts` add up."""
        values = parts.values - self._means
        base = parts.base
        if self.apart:
            without = self._without_points[points.card]
            base = base + without
            values[:, self._points] -= without
        typical = self.typical
        logit = base if typical is None else np.full(len(base), typical.logit)
        level = base - (base if typical is None else typical.base)
        added = values @ self._of_names
        added += self._by_rule(points)
        self._add_level(added, level, points)
        sides = self._sides(added, points)
        self._fold_groups(added, features)
        self._fold_inactive(added, features)
        start = sigmoid(logit)
        moved = level + values.sum(axis=1)
        slope = np.divide(
            probability - start,
            moved,
            out=probability * (1 - probability),
            where=np.abs(moved) > SAME_LOG_ODDS,
        )
        effects = added * slope[:, None]
        rest = probability - start - effects.sum(axis=1)
        return Explained(start, added, effects, rest, sides)

    def _sides(self, added: FloatArray, points: Points) -> SubScores | None:
        """The sub-scores of who they are and what they did, before what was not done is told as one
        thing; None where the definition has no grid, or it is not known what a typical lead has."""
        if self._definition.grid is None or not self.has_start:
            return None
        if self.apart:
            by_rule = log_odds_by_rule(self._definition, points)
            return sides_of_points(self._definition, by_rule, points.card)
        return SubScores(added @ self._of_sides)

    def _by_rule(self, points: Points) -> FloatArray:
        """What the rules of each lead's scorecard add, by attribute, against their means over the
        typical leads of that scorecard; what more the points moved is told by no rule."""
        if not self.attributes.rules or not self.has_start:
            return np.zeros((points.size, len(self.attributes.every)))
        given = log_odds_by_rule(self._definition, points)
        if self.typical is not None:
            own = self.attributes.cards == points.card[:, None]
            given = self.typical.slope * (given - self.typical.rules) * own
        return np.asarray(given @ self._of_rules)

    def _add_level(self, added: FloatArray, base: FloatArray, points: Points) -> None:
        """Add what is not of a single column: that a lead's account is known, and the level of its
        scorecard's points against the others'."""
        if self._account is not None:
            added[:, self._account] += base
        if self._segment is not None and self.typical is not None:
            cards = np.asarray(self.typical.cards) - self.typical.points
            added[:, self._segment] += self.typical.slope * cards[points.card]

    def _fold_groups(self, added: FloatArray, features: FeatureTable) -> None:
        """Give what several kinds of activity add together to those that the lead did, by how
        often; where it did none of them, that is one reason."""
        for group in self.attributes.groups:
            times = np.fmax(features.numbers(group.times), 0.0)
            counts = np.array([features.numbers(name) for name in group.counts]).T
            shares = np.fmax(counts, 0.0) / np.maximum(times, 1.0)[:, None]
            together = added[:, group.place].copy()
            members = list(group.members)
            did = times > 0
            added[:, group.place] = np.where(
                did,
                together * (1 - shares.sum(axis=1)),
                together + added[:, members].sum(axis=1),
            )
            added[:, members] = np.where(
                did[:, None], added[:, members] + together[:, None] * shares, 0.0
            )

    def _fold_inactive(self, added: FloatArray, features: FeatureTable) -> None:
        """Of a lead that did nothing yet that is one reason."""
        any_activity = self.attributes.place.get(ANY_ACTIVITY)
        times = ActivityAggregate("count").name
        if any_activity is None or times not in features.columns:
            return
        inactive = np.flatnonzero(features.numbers(times) == 0)
        if inactive.size:
            others = [
                place
                for place, attribute in enumerate(self.attributes.every)
                if attribute.about == "activity" and place != any_activity
            ]
            rows = inactive[:, None]
            added[inactive, any_activity] += added[rows, others].sum(axis=1)
            added[rows, others] = 0.0

    def reasons(
        self, features: FeatureTable, points: Points, explained: Explained, words: KnownWords
    ) -> tuple[tuple[Reason, ...], ...]:
        """For each lead the strongest effects that rest on enough leads, those that raise its score
        first; `words` are those that the model distinguishes, by column."""
        batch = _Batch(self, features, points, words)
        strengths = np.where(np.abs(explained.log_odds) > MIN_LOG_ODDS, explained.effects, 0.0)
        order = np.argsort(-np.abs(strengths), axis=1, kind="stable").tolist()
        found = []
        for row, (places, effects) in enumerate(zip(order, strengths.tolist(), strict=True)):
            log_odds = explained.log_odds[row]
            chosen = batch.first((i for i in places if abs(effects[i]) >= MIN_EFFECT), row, effects)
            strongest = [batch.reason(i, row, float(log_odds[i]), effects[i]) for i in chosen]
            found.append(tuple(sorted(strongest, key=lambda reason: reason.effect < 0)))
        return tuple(found)

    def parts(
        self, features: FeatureTable, points: Points, log_odds: FloatArray, words: KnownWords
    ) -> Iterator[tuple[Part, ...]]:
        """For each lead what every attribute added to its score, by the `log_odds` (n, attributes)
        of `Explained`, in the words of the reasons."""
        batch = _Batch(self, features, points, words)
        for row, added in enumerate(log_odds.tolist()):
            yield tuple(batch.part(place, row, each) for place, each in enumerate(added))


@dataclass(frozen=True)
class _Naming:
    """How parts of one attribute are named: by lead the code of its state, and by code whether
    enough leads had the same and in which directions it may be named. Leads of the same key have
    the same words, which are made once (`told`)."""

    name: str
    codes: Sequence[int]
    enough: Sequence[bool]
    directions: Sequence[int]
    keys: Sequence[int | None]
    told: dict[int, tuple[str, Value]] = field(default_factory=dict)


class _Batch:
    """A batch of leads whose reasons are put into words; what is the same for all of them is looked
    up once."""

    def __init__(
        self, explainer: Explainer, features: FeatureTable, points: Points, words: KnownWords
    ) -> None:
        self._explainer = explainer
        self._attributes = explainer.attributes
        self._features = features
        self._points = points
        self._words = words
        self._states: dict[Attribute, tuple[list[int], tuple[str, ...]]] = {}
        self._naming: dict[int, _Naming] = {}

    def first(self, places: Iterable[int], row: int, effects: Sequence[float]) -> Iterator[int]:
        """The first of these attributes of the lead in this row that may be shown, as many as are
        shown."""
        shown = (place for place in places if self._is_shown(place, row, effects[place]))
        return islice(shown, MAX_REASONS)

    def reason(self, place: int, row: int, log_odds: float, effect: float) -> Reason:
        """The reason of one attribute for the lead in this row."""
        attribute = self._attributes.every[place]
        words = self._explainer.words
        if self._explainer.apart:
            card = int(self._points.card[row])
            points = log_odds / self._explainer.log_odds_per_point[card]
            text = f"{attribute.name}: {points:+.3g} points"
            return Reason(attribute.name, text, None, round(points, 6), effect)
        says, value = self._told(attribute, row)
        text = f"{says}: {effect_text(effect)}"
        return Reason(words.name(attribute), text, log_odds, value, effect)

    def part(self, place: int, row: int, log_odds: float) -> Part:
        """What one attribute added to the score of the lead in this row."""
        attribute = self._attributes.every[place]
        naming = self._naming_of(place)
        code = naming.codes[row]
        directions = naming.directions[code]
        if not naming.enough[code] and self._rule_met(attribute, row) is None:
            directions = 0
        is_undone = attribute.about == "activity" and not code
        if not directions or (is_undone and not log_odds):
            return Part(attribute.about, naming.name, log_odds)
        key = naming.keys[row] if naming.enough[code] else None
        told = None if key is None else naming.told.get(key)
        if told is None:
            told = self._told(attribute, row)
            if key is not None:
                naming.told[key] = told
        says, value = told
        if self._explainer.apart:
            card = int(self._points.card[row])
            value = round(log_odds / self._explainer.log_odds_per_point[card], 6)
        days = None if is_undone else self._explainer.words.days(attribute, self._features, row)
        return Part(attribute.about, naming.name, log_odds, directions, value, says, days)

    def _naming_of(self, place: int) -> "_Naming":
        """What is the same for all leads that have the same of an attribute, looked up once."""
        if place not in self._naming:
            attribute = self._attributes.every[place]
            codes, states = self._states_of(attribute)
            known = self._explainer.enough
            found = frozenset(states) if known is None else known.get(attribute, frozenset())
            self._naming[place] = _Naming(
                self._explainer.words.name(attribute),
                codes,
                [attribute.about == "age" or state in found for state in states],
                [self._directions(attribute, state) for state in states],
                self._keys(attribute, codes),
            )
        return self._naming[place]

    def _keys(self, attribute: Attribute, codes: Sequence[int]) -> Sequence[int | None]:
        """A number for each lead, the same for those of whom the same is said."""
        names = self._explainer.words.depends_on(attribute)
        if names is None:
            return [None] * len(codes)
        columns = [self._features.columns[name] for name in names if name in self._features.columns]
        numbers = [
            each.codes if isinstance(each, CategoricalColumn) else each.values for each in columns
        ]
        if not numbers:
            return [0] * len(codes)
        known = np.nan_to_num(np.array(numbers, dtype=np.float64), nan=NOT_KNOWN)
        if attribute.about == "activity":
            known = np.round(known)  # as the words have it, which tell of whole days
        _, groups = np.unique(known, axis=1, return_inverse=True)
        keys: list[int] = groups.reshape(-1).tolist()
        if attribute.about == "activity" and attribute != ANY_ACTIVITY:
            # How old a lead is tells nothing about what it did not do.
            return [key if code else -1 for key, code in zip(keys, codes, strict=True)]
        return keys

    def _told(self, attribute: Attribute, row: int) -> tuple[str, Value]:
        """What the lead in this row has of an attribute, in words and for machines."""
        words = self._explainer.words
        value = words.value(attribute, self._features, row)
        rule = None if self._has_enough(attribute, row) else self._rule_met(attribute, row)
        says = words.says(attribute, self._features, self._points, row)
        if rule is not None and attribute.about == "field":  # few leads have this value
            return rule, None
        if rule is not None:
            return f"{rule} ({says})", value
        if self._explainer.enough is None and self._is_rare(attribute, value):
            return f"{says}, one of the rare ones", value
        return says, value

    def _directions(self, attribute: Attribute, state: str) -> int:
        """The directions in which what leads in this state have of an attribute may be named."""
        typical = self._explainer.typical
        is_worse = typical is not None and state in typical.worse.get(attribute, frozenset())
        is_better = typical is not None and state in typical.better.get(attribute, frozenset())
        is_undone = attribute.about == "activity" and state == HAS_NOT
        return (
            (0 if is_worse or is_undone else RAISING)
            | (0 if is_better else LOWERING)
            | (CLEARLY_WORSE if is_worse else 0)
        )

    def _is_rare(self, attribute: Attribute, value: Value) -> bool:
        """Whether the model does not tell a word apart from other rare ones."""
        known = self._words.get(attribute.name)
        return known is not None and isinstance(value, str) and value not in known

    def _is_shown(self, place: int, row: int, effect: float) -> bool:
        """Whether a reason rests on enough leads and does not contradict them. That a lead did not
        do something yet is none that speaks for it: it only says what others did who did it."""
        attribute = self._attributes.every[place]
        if attribute.about == "activity" and effect > 0 and not self._did(attribute, row):
            return False
        if self._contradicts(attribute, row, effect):
            return False
        return self._has_enough(attribute, row) or self._rule_met(attribute, row) is not None

    def _contradicts(self, attribute: Attribute, row: int, effect: float) -> bool:
        """Whether leads that had the same were won otherwise than the effect says, beyond chance:
        then it tells of what goes with it, which nobody would believe."""
        typical = self._explainer.typical
        if typical is None:
            return False
        codes, states = self._states_of(attribute)
        against = typical.worse if effect > 0 else typical.better
        return states[codes[row]] in against.get(attribute, frozenset())

    def _did(self, attribute: Attribute, row: int) -> bool:
        """Whether the lead in this row did this."""
        return bool(self._states_of(attribute)[0][row])

    def _states_of(self, attribute: Attribute) -> tuple[list[int], tuple[str, ...]]:
        """What each lead has of an attribute, looked up once."""
        if attribute not in self._states:
            codes, states = self._attributes.states(attribute, self._features, self._points)
            self._states[attribute] = (codes.tolist(), states)
        return self._states[attribute]

    def _rule_met(self, attribute: Attribute, row: int) -> str | None:
        """The first of an attribute's rules that this lead and enough others meet."""
        for award in self._points.awarded:
            rule = Attribute("rule", award.says)
            if (
                award.held[row]
                and self._attributes.of_award(award) == attribute
                and self._has_enough(rule, row)
            ):
                return award.says
        return None

    def _has_enough(self, attribute: Attribute, row: int) -> bool:
        """Whether enough leads had the same of an attribute as the lead in this row."""
        enough = self._explainer.enough
        if enough is None or attribute.about == "age":
            return True
        codes, states = self._states_of(attribute)
        return states[codes[row]] in enough.get(attribute, frozenset())


def _indicators(places: IntArray, size: int) -> FloatArray:
    """A matrix (n, size) that sums up n columns by their places; those of place -1 are left out."""
    return np.asarray((places[:, None] == np.arange(size)) * 1.0)
