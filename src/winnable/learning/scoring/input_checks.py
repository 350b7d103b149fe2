"""Input checks: how the values that are scored differ from those that the model was trained on.

Words that it never learned, numbers and dates that cannot be read, numbers out of the training's
range (another unit, most often), columns that are not there: one sentence a column, with its share.
Batches and the service say the same of the same values; nothing is refused here, and no score
depends on it. What training looked like is in the artifact's input profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from winnable.core.columns import FeatureTable, FloatArray
from winnable.core.statistics import is_surprising
from winnable.core.text import counted, listed, nearest, word_key
from winnable.data.features.plan import MIN_MEASURED_SHARE

if TYPE_CHECKING:
    import pandas as pd

    from winnable.learning.artifacts.input_profile import NumberRange
    from winnable.learning.scoring.predictor import Predictor

Kind = Literal[
    "unknown column",
    "unknown word",
    "not a number",
    "not a date",
    "range",
    "unusual number",
    "far number",
]

MAX_SENTENCES = 4096
"""Kept by a model's checks for requests."""

MIN_SHARE = 0.01
"""Of a column's values: what is rarer is not worth a sentence."""

MIN_RANGES = MIN_MEASURED_SHARE
"""A column of numbers had fewer ranges than that in training, or it would be one of words."""

_SAYS: dict[Kind, str] = {
    "unknown word": "were never seen in training, or only once",
    "not a number": "are not numbers; they count as missing",
    "not a date": "are not dates; they count as missing",
    "range": "are ranges, where the training had numbers; each counts as its middle",
}


@dataclass(frozen=True)
class Unexpected:
    """So many of a column's `values` are of a kind that training did not have."""

    column: str
    kind: Kind
    count: int
    values: int
    usual: NumberRange | None = None

    @property
    def text(self) -> str:
        """It in a sentence, without any of the values."""
        says = _SAYS.get(self.kind)
        if says is None and self.usual is not None:
            says = (
                f"lie outside the training's usual range of {self.usual.low:g} to"
                f" {self.usual.high:g}: is it another unit?"
            )
        share = self.count / max(self.values, 1)
        return (
            f"{self.column[:100]}: {self.count:,} of {counted(self.values, 'value')}"
            f" ({share:.0%}) {says}"
        )


def is_worth_telling(kind: Kind, count: int, values: int, usual_share: float) -> bool:
    """Whether so many of a column's values mean something, where training had `usual_share` of
    them; what cannot be read and what is far out of range always does."""
    if not count:
        return False
    if kind in ("not a number", "not a date", "far number"):
        return True
    if kind == "range":
        return count > MIN_RANGES * values
    return count >= MIN_SHARE * values and is_surprising(count, values, usual_share)


def input_notes(predictor: Predictor, leads: pd.DataFrame) -> tuple[str, ...]:
    """What is different about the columns of an export, `leads` as text, a sentence a column."""
    learned = _learned_from(predictor)
    columns = [str(name) for name in leads.columns if not str(name).startswith("@")]
    notes = []
    for field in predictor.plan.fields:
        if field.name not in learned:
            continue
        if field.name not in leads:
            notes.append(_missing_column(field.name, columns))
        elif leads[field.name].notna().any():
            notes += [found.text for found in _unexpected(predictor, field.name, leads)]
        elif len(leads):
            notes.append(f"{field.name}: no lead has a value, and the model learned from it")
    notes += _other_marks(predictor, leads)
    return tuple(f"{note}." if not note.endswith("?") else note for note in notes)


def _learned_from(predictor: Predictor) -> set[str]:
    """The columns that the model learned from, as they stand or by what is derived of them."""
    learned = set(predictor.learned_columns)
    derived = [
        feature
        for feature in predictor.plan.derived
        if feature.name in learned and feature.what != "completeness"
    ]
    return learned | {name for feature in derived for name in feature.of}


def _other_marks(predictor: Predictor, leads: pd.DataFrame) -> Iterator[str]:
    """Whether numbers are written with another decimal mark than in training: then also those
    that can be read either way are read wrong."""
    from winnable.data.ingestion.parsing import DecimalVotes

    learned = set(predictor.learned_columns)
    numbers = {
        field.name: (field.decimal, DecimalVotes.of(leads[field.name]))
        for field in predictor.plan.fields
        if field.kind == "number" and field.name in learned and field.name in leads
    }
    other = [name for name, (mark, votes) in numbers.items() if votes.mark not in (None, mark)]
    either = [name for name, (_, votes) in numbers.items() if votes.either and name not in other]
    if not other:
        return
    usual = "a point" if numbers[other[0]][0] == "." else "a comma"
    says = f"{listed(other)}: written with another decimal mark than in training, which had {usual}"
    if either:
        says += f"; so {listed(either)} may be read wrong (1.250 as 1.25, or the reverse)"
    yield f"{says}; export this file as the one for training"


def _missing_column(name: str, columns: Iterable[str]) -> str:
    closest = nearest(name, columns)
    hint = "" if closest is None else f"; the nearest is '{closest}': was it renamed?"
    return f"{name}: there is no such column, and the model learned from it{hint}"


def _unexpected(predictor: Predictor, name: str, leads: pd.DataFrame) -> list[Unexpected]:
    """What is unexpected about the values of one column, at most one thing."""
    from winnable.data.ingestion.parsing import parse_moments

    field = next(field for field in predictor.plan.fields if field.name == name)
    known = leads[name].dropna()
    size = len(known)
    if field.kind == "words":
        usual = predictor.profile.words.get(name, 0.0)
        unknown = _count_unknown(known, predictor.scorer.words.get(name))
        return _told(Unexpected(name, "unknown word", unknown, size), usual)
    if field.kind == "moment":
        unread = int(parse_moments(known, field.day_first).isna().sum())
        return _told(Unexpected(name, "not a date", unread, size), 0.0)
    read = {str(value): field.read(str(value)) for value in known.unique()}
    numbers: FloatArray = np.asarray(known.map(read), dtype=np.float64)
    missing = known.map({value: field.means_missing(value) for value in read}).to_numpy(dtype=bool)
    unread = int((np.isnan(numbers) & ~missing).sum())
    if unread:
        return _told(Unexpected(name, "not a number", unread, size), 0.0)
    is_range = {value: field.is_range(value) for value in read}
    ranges = _told(Unexpected(name, "range", int(known.map(is_range).sum()), size), 0.0)
    return ranges or _unexpected_numbers(
        name, numbers[~np.isnan(numbers)], predictor.profile.numbers.get(name)
    )


def _count_unknown(known: pd.Series, learned: Mapping[str, int] | None) -> int:
    """How many values are words that the model does not tell apart, in no way of writing them."""
    if learned is None:
        return 0
    keys = {word_key(word) for word in learned}
    counts = known.value_counts()
    return int(sum(times for word, times in counts.items() if word_key(str(word)) not in keys))


def _unexpected_numbers(
    name: str, numbers: FloatArray, ends: NumberRange | None
) -> list[Unexpected]:
    if ends is None:
        return []
    far = _outside(numbers, *ends.reach)
    if far:
        return _told(Unexpected(name, "far number", far, len(numbers), ends), 0.0)
    outside = _outside(numbers, ends.low, ends.high)
    found = Unexpected(name, "unusual number", outside, len(numbers), ends)
    return _told(found, ends.outside)


def _outside(numbers: FloatArray, low: float, high: float) -> int:
    return int(((numbers < low) | (numbers > high)).sum())


def _told(found: Unexpected, usual_share: float) -> list[Unexpected]:
    worth = is_worth_telling(found.kind, found.count, found.values, usual_share)
    return [found] if worth else []


class InputChecks:
    """The same checks for the leads of requests, some at a time."""

    def __init__(self, predictor: Predictor) -> None:
        self._profile = predictor.profile
        self._sentences: dict[tuple[str, Kind, int, int], str | None] = {}
        learned = predictor.scorer.words
        fields = predictor.plan.fields
        # The words that the model tells apart, and what all ways of writing these have in common.
        self._words = tuple(
            (field.name, learned[field.name], frozenset(map(word_key, learned[field.name])))
            for field in fields
            if field.kind == "words" and field.name in learned
        )
        ranges = self._profile.numbers
        self._numbers = tuple(ranges)
        self._low, self._high, self._least, self._most = (
            np.array(ends, dtype=np.float64)[:, None]
            for ends in (
                [usual.low for usual in ranges.values()],
                [usual.high for usual in ranges.values()],
                [usual.reach[0] for usual in ranges.values()],
                [usual.reach[1] for usual in ranges.values()],
            )
        )

    def unexpected(self, features: FeatureTable) -> list[tuple[int, str, Kind]]:
        """The words that the model does not tell apart, and the numbers out of the usual range, as
        (row, column, kind)."""
        found: list[tuple[int, str, Kind]] = []
        for name, learned, keys in self._words:
            column = features.words(name)
            for code, word in enumerate(column.vocabulary):
                if word not in learned and word_key(word) not in keys:
                    rows = np.flatnonzero(column.codes == code).tolist()
                    found += [(row, name, "unknown word") for row in rows]
        if self._numbers:
            found += self._unusual_numbers(features)
        return found

    def _unusual_numbers(self, features: FeatureTable) -> Iterator[tuple[int, str, Kind]]:
        numbers = np.array([features.numbers(name) for name in self._numbers])
        outside = (numbers < self._low) | (numbers > self._high)
        if not np.count_nonzero(outside):
            return
        far = (numbers < self._least) | (numbers > self._most)
        places, rows = (at.tolist() for at in np.nonzero(outside))
        for place, row in zip(places, rows, strict=True):
            yield row, self._numbers[place], "far number" if far[place, row] else "unusual number"

    def warnings(self, found: Sequence[tuple[str, Kind]], given: Sequence[object]) -> list[str]:
        """A sentence for each column whose unexpected values mean something among the leads that
        were given; what is no object of columns and values counts as none."""
        told: dict[str, str | None] = {}
        if len(given) == 1:  # which most requests have: each value is the only one of its column
            told = {column: self._sentence(column, kind, 1, 1) for column, kind in found}
        else:
            leads = [lead for lead in given if isinstance(lead, dict)]
            for (column, kind), count in Counter(found).items():
                values = len([lead for lead in leads if lead.get(column) is not None])
                told[column] = told.get(column) or self._sentence(column, kind, count, values)
        return [sentence for sentence in told.values() if sentence is not None]

    def _sentence(self, column: str, kind: Kind, count: int, values: int) -> str | None:
        """The sentence about one column; None if its unexpected values mean nothing. Kept, since
        requests of one lead ask the same again and again."""
        key = (column, kind, count, values)
        if key not in self._sentences:
            if len(self._sentences) >= MAX_SENTENCES:
                self._sentences.clear()
            self._sentences[key] = self._tell(column, kind, count, values)
        return self._sentences[key]

    def _tell(self, column: str, kind: Kind, count: int, values: int) -> str | None:
        ends = self._profile.numbers.get(column)
        usual = self._profile.words.get(column, 0.0) if ends is None else ends.outside
        if not is_worth_telling(kind, count, values, usual):
            return None
        return Unexpected(column, kind, count, values, ends).text
