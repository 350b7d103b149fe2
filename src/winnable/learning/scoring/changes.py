"""Why a score changed: the parts of two scores of a lead, one subtracted from the other.

A score's parts are what each attribute added to its log-odds, as `explanations` measures it, in the
words of its reasons. Their differences become points of probability along the straight line between
the two scores, as reasons do between the typical lead and a score: so what did not change has no
effect, and the effects with `rest` add up to the difference of the two probabilities. Nothing is
scored anew, and nothing is read from the store here.

Between two models, what did not change about the lead cannot have moved its score: all but what did
is the part of the new model. What a changed attribute counts by both models cannot be told apart
from that exactly; it is named only where the present model alone says the same of it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log
from typing import Any, Literal, Self

from winnable.core.text import effect_points, effect_text
from winnable.data.feedback.store.records import EarlierScore, ScoreRecord, unpacked

Value = str | float | None
Cause = Literal["fact", "time", "model"]

RAISING = 1
LOWERING = 2
CLEARLY_WORSE = 4
"""Whether a part may be named where it raises the score, and where it lowers it, and whether leads
that had the same were won less often, beyond chance."""

MIN_EFFECT = 0.0005
"""In probability; what moves a score by less would be shown as nothing."""

MAX_NAMED = 2
"""Parts that the sentence about a change names; its list of parts has all."""

NEW_MODEL = "a new model"

NOT_KNOWN_WHY = "we do not know why, because what made up one of the two scores was not kept"

_MIN_PROBABILITY = 1e-12
_SAME_DAYS = 0.02
"""Within which days that passed are the days that something became older."""

_DAYS = re.compile(r"[\d,]+ days?(?: ago)?|today")


@dataclass(frozen=True, slots=True)
class Part:
    """What one attribute added to a score, in log-odds, against the typical lead.

    `directions` are those of `RAISING`, `LOWERING` and `CLEARLY_WORSE` that hold. What may not be
    named, because too few leads had the same or they were won otherwise, has no `value` and no
    words.
    `days` is how old what it tells of is, where it grows old.
    """

    about: str
    name: str
    log_odds: float
    directions: int = 0
    value: Value = None
    says: str | None = None
    days: float | None = None

    def to_json(self) -> list[Any]:
        """The part as a short list of plain JSON types."""
        short: list[Any] = [self.about, self.name, round(self.log_odds, 6)]
        if self.says is not None:
            short += [self.directions, self.value, self.says]
        if self.says is not None and self.days is not None:
            short.append(round(self.days, 3))
        return short


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """All parts of one score, and the fingerprint of the model that gave it."""

    model: str
    parts: tuple[Part, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The parts that `to_json` wrote."""
        return cls(data["model"], tuple(Part(*each) for each in data["parts"]))

    def to_json(self) -> dict[str, Any]:
        """The parts as plain JSON types; one that adds nothing and has no words is left out."""
        told = [each for each in self.parts if each.says is not None or abs(each.log_odds) >= 5e-7]
        return {"model": self.model, "parts": [each.to_json() for each in told]}


@dataclass(frozen=True, slots=True)
class ChangePart:
    """One reason of a change. `cause` is "fact" (something became known, or happened), "time" (only
    time passed) or "model" (another model scored, and there is no `feature`); `before` is the value
    at the earlier score, `effect` in probability."""

    text: str
    cause: Cause
    feature: str | None
    value: Value
    before: Value
    effect: float
    log_odds: float | None

    def to_json(self) -> dict[str, Any]:
        """The part as plain JSON types."""
        return {
            "says": self.text_with_effect,
            "cause": self.cause,
            "feature": self.feature,
            "value": self.value,
            "before": self.before,
            "effect": self.effect,
            "log_odds": self.log_odds,
        }

    @property
    def text_with_effect(self) -> str:
        """The words, with the effect in points of probability."""
        return f"{self.text}: {effect_text(self.effect)}"


@dataclass(frozen=True, slots=True)
class Change:
    """Why a score of `probability`, as of `as_of`, is not that of the `earlier` score.

    The effects of the `parts`, the strongest first, and `rest` add up to `effect`. `parts` is None
    where those of one of the scores were not kept. With `only_time` nothing else happened.
    """

    earlier: EarlierScore
    probability: float
    as_of: datetime
    parts: tuple[ChangePart, ...] | None
    rest: float
    only_time: bool = False

    @property
    def effect(self) -> float:
        """The difference of the two probabilities."""
        return self.probability - self.earlier.probability

    @property
    def points(self) -> int:
        """The same in points, as the difference of the two percentages that are shown."""
        return round(100 * self.probability) - round(100 * self.earlier.probability)

    @property
    def since(self) -> str:
        """When the earlier score was, in words: "Mon 22 Jun 2026"."""
        then = self.earlier.as_of.astimezone(UTC)
        day = f"{then.day} {then:%b %Y}"
        same_day = then.date() == self.as_of.astimezone(UTC).date()
        return f"{day}, {then:%H:%M} UTC" if same_day else f"{then:%a} {day}"

    @property
    def headline(self) -> str:
        """By how much since when: "+16 since Mon 22 Jun 2026"."""
        moved = f"{self.points:+d}" if self.points else "Unchanged"
        passed = ", only time passed" if self.only_time else ""
        return f"{moved} since {self.since}{passed}"

    @property
    def says(self) -> str:
        """The change in one sentence, with the strongest parts."""
        return f"{self.headline}: {self.because}" if self.because else self.headline

    @property
    def because(self) -> str:
        """The strongest parts in words: "Title is VP, was Intern (+4); everything else (+1)"; ""
        where none can be named."""
        if self.parts is None:
            return NOT_KNOWN_WHY if self.points else ""
        named = self.parts[:MAX_NAMED]
        told = [f"{part.text} ({effect_text(part.effect)})" for part in named]
        rest = self.shown_rest(named)
        if rest and named:
            told.append(f"everything else ({rest:+g})")
        return "; ".join(told)

    def shown_rest(self, named: Sequence[ChangePart]) -> float:
        """What the points of these parts leave over, so that the numbers shown add up."""
        return round(self.points - sum(effect_points(part.effect) for part in named), 1)

    def to_json(self) -> dict[str, Any]:
        """The change as plain JSON types."""
        earlier = self.earlier
        return {
            "says": self.says,
            "score_id": earlier.score_id,
            "as_of": earlier.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "version": earlier.version,
            "probability": earlier.probability,
            "effect": self.effect,
            "parts": None if self.parts is None else [part.to_json() for part in self.parts],
            "rest": self.rest,
        }


def change_of(score: ScoreRecord, earlier: EarlierScore) -> Change:
    """Why a score that was kept differs from an `earlier` one."""
    kept = unpacked(score.parts)
    parts = None if kept is None else ScoreParts.from_json(kept)
    return change_between(earlier, score.probability, score.as_of, parts)


def change_between(
    earlier: EarlierScore, probability: float, as_of: datetime, parts: ScoreParts | None
) -> Change:
    """Why a score of this `probability` and these `parts` differs from an `earlier` one."""
    kept = unpacked(earlier.parts)
    difference = probability - earlier.probability
    if parts is None or kept is None:
        return Change(earlier, probability, as_of, None, difference)
    comparison = _Comparison(
        ScoreParts.from_json(kept),
        parts,
        _slope(earlier.probability, probability),
        as_of - earlier.as_of,
    )
    found = sorted(comparison.named(), key=lambda part: -abs(part.effect))
    rest = difference - sum(part.effect for part in found)
    if not comparison.is_same_model:
        model = ChangePart(NEW_MODEL, "model", None, None, None, rest, None)
        found = sorted([*found, model], key=lambda part: -abs(part.effect))
        rest = difference - sum(part.effect for part in found)
    only_time = comparison.is_only_time(found)
    return Change(earlier, probability, as_of, tuple(found), rest, only_time)


def _slope(before: float, after: float) -> float:
    """Points of probability for one of log-odds between two probabilities."""
    low, high = sorted(min(max(p, _MIN_PROBABILITY), 1 - _MIN_PROBABILITY) for p in (before, after))
    apart = _logit(high) - _logit(low)
    return (high - low) / apart if apart > 1e-9 else low * (1 - low)


def _logit(probability: float) -> float:
    return log(probability) - log(1 - probability)


@dataclass(frozen=True)
class _Comparison:
    """The parts of a score `then` and `now`, and the time between them."""

    then: ScoreParts
    now: ScoreParts
    slope: float
    elapsed: timedelta

    @property
    def is_same_model(self) -> bool:
        """Whether one model gave both scores."""
        return self.then.model == self.now.model

    def named(self) -> Iterator[ChangePart]:
        """What changed about the lead, and may be named."""
        for before, part in self._pairs():
            told = self._told(before, part)
            if told is not None:
                yield told

    def is_only_time(self, named: Sequence[ChangePart]) -> bool:
        """Whether it is certain that nothing but time passed: nothing else is named, and what may
        not be named counts as before."""
        if not self.is_same_model or any(part.cause != "time" for part in named):
            return False
        return bool(named) and all(
            self._is_unchanged(before, part) or self._is_older(before, part)
            for before, part in self._pairs()
        )

    def _pairs(self) -> Iterator[tuple[Part | None, Part]]:
        """Each part now, and what it was then; what is no part now adds nothing any more."""
        before = {(part.about, part.name): part for part in self.then.parts}
        for part in self.now.parts:
            yield before.pop((part.about, part.name), None), part
        for part in before.values():
            yield part, Part(part.about, part.name, 0.0)

    def _told(self, before: Part | None, part: Part) -> ChangePart | None:
        if part.says is None or self._is_unchanged(before, part):
            return None
        is_known = before is not None and before.says is not None
        if not is_known and (not self.is_same_model or _is_undone(part)):
            return None  # nobody knows whether it changed, or it is still not done
        log_odds = part.log_odds - (0.0 if before is None else before.log_odds)
        effect = log_odds * self.slope
        is_older = self._is_older(before, part)
        if abs(effect) < MIN_EFFECT or not self._is_plausible(part, effect, is_older=is_older):
            return None
        return ChangePart(
            text=part.says if is_older else _words(before, part),
            cause="time" if is_older else "fact",
            feature=part.name,
            value=part.value,
            before=None if before is None else before.value,
            effect=effect,
            log_odds=log_odds,
        )

    def _is_plausible(self, part: Part, effect: float, *, is_older: bool) -> bool:
        """Whether it may be named that it moved the score this way.

        That a lead did no more of something takes from what spoke for it, and speaks for nobody;
        that it did more speaks against those alone of whom that is known.
        """
        if is_older and part.about == "activity":
            allowed = effect < 0
        elif is_older:
            allowed = True
        elif part.about == "activity" and effect < 0:
            allowed = bool(part.directions & CLEARLY_WORSE)
        else:
            allowed = bool(part.directions & (RAISING if effect > 0 else LOWERING))
        return allowed and (self.is_same_model or effect * part.log_odds > 0)

    @staticmethod
    def _is_unchanged(before: Part | None, part: Part) -> bool:
        """Whether the lead has the same of an attribute as before; of what has no words, whether it
        counts the same."""
        if part.says is None:
            then = 0.0 if before is None else before.log_odds
            return (before is None or before.says is None) and abs(part.log_odds - then) < 2e-6
        return before is not None and (before.says, before.value) == (part.says, part.value)

    def _is_older(self, before: Part | None, part: Part) -> bool:
        """Whether what a part tells of only grew older."""
        if before is None or before.says is None or part.says is None:
            return False
        if part.about == "age":
            return self._grew_old(before.days, part.days)
        if part.about == "rule" and isinstance(part.value, float):
            return before.says == part.says and _is_less(part.value, before.value)
        if part.about == "activity":
            is_less = part.days is not None and _is_less(part.value, before.value)
            is_same = is_less or part.value == before.value
        else:
            is_same = part.value == before.value
            is_same = is_same and _DAYS.sub("", part.says) == _DAYS.sub("", before.says)
        return is_same and self._grew_old(before.days, part.days)

    def _grew_old(self, before: float | None, days: float | None) -> bool:
        if before is None or days is None:
            return before is days
        return abs(days - before - self.elapsed / timedelta(days=1)) < _SAME_DAYS


def _is_undone(part: Part) -> bool:
    return part.about == "activity" and not part.value and part.days is None


def _is_less(value: Value, before: Value) -> bool:
    return isinstance(value, float) and isinstance(before, float) and value < before


def _words(before: Part | None, part: Part) -> str:
    """The words of a part, and what it was."""
    says = part.says or ""
    if part.about == "rule" and isinstance(part.value, float):
        return f"{says}, {part.value:+.3g} points"
    if before is None or before.says is None:
        return says
    if part.about == "activity" and before.value and _is_less(before.value, part.value):
        more = float(part.value or 0) - float(before.value)
        return f"{says}, {more:g} more than before"
    verb = f"{part.name} is "
    if part.about == "field" and before.says.startswith(verb) and says.startswith(verb):
        return f"{says}, was {before.says.removeprefix(verb)}"
    return says
