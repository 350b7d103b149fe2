"""Which column tells won from not won, and what its values mean.

Candidates come by name and by content, and are held against each other: what another column would
have counted is said beside the choice. Flags that CRMs keep beside the status (closed, won, a
probability of 0 or 100, an archived lead with a reason for losing) tell what a company's own words
mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from winnable.core.columns import BoolArray
from winnable.core.text import counted, listed, nearest, shortened
from winnable.data.autodetect.content import MAX_CATEGORIES, MIN_DATE_SHARE, Guess, dates_share
from winnable.data.autodetect.glossary import plain_names
from winnable.data.autodetect.lexicon import (
    NO,
    YES,
    meaning_of_status,
    spaced,
    stage_of_word,
    why_personal,
)
from winnable.data.autodetect.vendors import OUTCOMES, STATUS, WON_DATES, Vendor
from winnable.data.ingestion.dates import anonymous
from winnable.data.ingestion.parsing import parse_numbers
from winnable.definition.outcome import ANYTHING
from winnable.definition.schema import StageName
from winnable.errors import DataError

USUAL_OUTCOME_WORDS = ("status", "stage", "outcome", "won", "converted")

MAX_SHOWN = 3
MAX_COMPARED = 3
"""Other columns that are held against the chosen one at most."""

MIN_COVERAGE = 0.2
"""A column that decides a smaller share of the leads than this is no rival of the chosen one."""

MIN_LEADS_PER_WORD = 5
MIN_FLAGGED = 0.95
"""A word is won (lost) by the flags if this share of its leads, and as many of them, are."""

Meaning = Literal["won", "lost"]


@dataclass(frozen=True)
class OutcomeGuess:
    """The status column and what its values mean; `counts` is the number of leads with each value,
    the most frequent first. `others` says what other columns would have counted, `hints` what to
    look at where nobody is called lost."""

    status: Guess
    won: tuple[str, ...]
    lost: tuple[str, ...]
    stages: dict[StageName, tuple[str, ...]]
    counts: dict[str, int]
    others: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def won_in(self, data: pd.DataFrame) -> BoolArray:
        """Which leads are won, shape (leads,)."""
        status = data[self.status.column]
        is_won = status.notna() if self.won == (ANYTHING,) else status.isin(self.won)
        return is_won.to_numpy(dtype=bool)

    def lost_in(self, data: pd.DataFrame) -> BoolArray:
        """Which leads are lost, shape (leads,)."""
        return data[self.status.column].isin(self.lost).to_numpy(dtype=bool)


@dataclass(frozen=True)
class Flag:
    """What columns beside the status say of each lead: `won` and `lost` have shape (leads,).
    `of_status` is whether they follow from the status, so that they tell what its words mean."""

    label: str
    won: BoolArray
    lost: BoolArray
    of_status: bool = True


def find_outcome(source: str, data: pd.DataFrame, vendor: Vendor | None) -> OutcomeGuess:
    """The column that tells won from not won: first by the vendor's names, then by the usual names,
    then by what columns contain.

    Raises DataError where no column does.
    """
    named = _called((*(vendor.status if vendor else ()), *STATUS), data)
    flags = tuple(_flags(data))
    found = list(_candidates(data, vendor, named, flags))
    if found:
        chosen = _best(found)
        others = [*_compared(chosen, found, data), *_compared_flags(chosen, flags, data)]
        hints = _hints_of_lost(chosen, flags, data)
        return replace(chosen, others=tuple(others[:MAX_COMPARED]), hints=tuple(hints))
    if vendor is not None and named:
        # Nothing is won or lost yet: the vendor's default statuses make the file ready for when
        # something is.
        counts = values_of(data[named[0]])
        reason = (
            f"its name in {vendor.name} exports; no row is won yet, so these are the vendor's"
            " default statuses"
        )
        stages = _stages(counts, vendor.won, vendor.lost)
        return OutcomeGuess(Guess(named[0], reason), vendor.won, vendor.lost, stages, counts)
    raise DataError(_no_outcome(source, data))


def values_of(column: pd.Series[str]) -> dict[str, int]:
    """The values of a column with their counts, the most frequent first."""
    return {str(value): int(count) for value, count in column.value_counts().items()}


def _called(names: Iterable[str], data: pd.DataFrame) -> list[str]:
    """The columns of these plain names, in the order of the names."""
    columns: dict[str, str] = {}
    for rank in (1, 0):
        for name in reversed(data.columns):
            plain = plain_names(str(name))
            columns.update(dict.fromkeys(plain[:1] if rank == 0 else plain[1:], name))
    return list(dict.fromkeys(columns[name] for name in names if name in columns))


def _candidates(
    data: pd.DataFrame, vendor: Vendor | None, named: Sequence[str], flags: Sequence[Flag]
) -> Iterator[OutcomeGuess]:
    """Every column that can tell the outcome, the most certain kind first."""
    attempts: tuple[tuple[Iterable[str], Callable[[pd.Series[str]], OutcomeGuess | None]], ...] = (
        (named, lambda column: _by_words(column, vendor, "its name and its values", flags)),
        (_called(OUTCOMES, data), _by_truth),
        (data.columns, _by_content),
        (_called(WON_DATES, data), _by_date),
    )
    seen: set[str] = set()
    for names, attempt in attempts:
        for name in names:
            found = attempt(data[name]) if name not in seen else None
            if found is not None:
                seen.add(name)
                yield found


def _best(found: Sequence[OutcomeGuess]) -> OutcomeGuess:
    """The first candidate, or one of the same kind that also says who was lost."""
    first = found[0]
    if first.lost:
        return first
    same_kind = [other for other in found if other.status.reason == first.status.reason]
    return next((other for other in same_kind if other.lost), first)


def _compared(
    chosen: OutcomeGuess, found: Sequence[OutcomeGuess], data: pd.DataFrame
) -> Iterator[str]:
    ended = (chosen.won_in(data) | chosen.lost_in(data)).sum()
    for other in found:
        decided = (other.won_in(data) | other.lost_in(data)).sum()
        if other.status.column != chosen.status.column and decided >= MIN_COVERAGE * ended:
            flag = Flag(f"'{other.status.column}'", other.won_in(data), other.lost_in(data))
            yield _comparison(chosen, flag, data)


def _compared_flags(
    chosen: OutcomeGuess, flags: Sequence[Flag], data: pd.DataFrame
) -> Iterator[str]:
    for flag in flags:
        if f"'{chosen.status.column}'" not in flag.label:
            yield _comparison(chosen, flag, data)


def _comparison(chosen: OutcomeGuess, other: Flag, data: pd.DataFrame) -> str:
    won = chosen.won_in(data)
    both = (won | chosen.lost_in(data)) & (other.won | other.lost)
    counts = f"{int(other.won.sum()):,} won and {int(other.lost.sum()):,} lost"
    if not both.any():
        return f"{other.label} would count {counts}, none of them decided by this column"
    agreed = float((won[both] == other.won[both]).mean())
    return (
        f"{other.label} would count {counts}; the two agree on {_share(agreed)} of"
        f" {counted(int(both.sum()), 'lead')} that both decide"
    )


def _share(share: float) -> str:
    """A share in percent; 100% only where nothing is missing."""
    return "100%" if share == 1 else f"{min(100 * share, 99.9):.1f}%"


def _hints_of_lost(
    chosen: OutcomeGuess, flags: Sequence[Flag], data: pd.DataFrame
) -> Iterator[str]:
    """Where nobody is called lost: columns that seem to say it."""
    if chosen.lost:
        return
    for name, words in words_of_lost(data, chosen.status.column).items():
        yield f"'{name}' holds {words}"
    won = chosen.won_in(data)
    for flag in flags:
        unknown = int((flag.lost & ~won).sum())
        if unknown:
            yield f"{flag.label} says that {counted(unknown, 'lead')} were lost"


def words_of_lost(data: pd.DataFrame, status: str) -> dict[str, str]:
    """Columns other than the status with values that mean lost, and the most frequent of these:
    "Unqualified (480), Junk (12)"."""
    found: dict[str, str] = {}
    for name in data.columns:
        column = data[name]
        if (
            name == status
            or str(name).startswith("@")
            or not 2 <= column.nunique() <= MAX_CATEGORIES
        ):
            continue
        words = {
            value: count
            for value, count in values_of(column).items()
            if meaning_of_status(value) == "lost"
        }
        if words:
            most = list(words.items())[:MAX_SHOWN]
            found[str(name)] = ", ".join(f"{word} ({count:,})" for word, count in most)
    return found


def _flags(data: pd.DataFrame) -> Iterator[Flag]:
    """Columns beside the status that say who was won and who was lost."""
    is_won = _truth_of(("iswon", "won", "isclosedwon", "hsisclosedwon"), data)
    is_closed = _truth_of(("isclosed", "closed", "isdealclosed", "hsisclosed"), data)
    if is_won is not None and is_closed is not None:
        label = f"'{is_won[0]}' and '{is_closed[0]}'"
        yield Flag(label, is_won[1] & is_closed[1], is_closed[1] & ~is_won[1])
    names = ("probability", "dealprobability", "hsdealstageprobability", "closeprobability")
    for name in _called(names, data)[:1]:
        numbers = parse_numbers(data[name]).to_numpy()
        top = 100.0 if np.nanmax(numbers, initial=0.0) > 1 else 1.0
        yield Flag(
            f"'{name}' of 0 or {top:g}{'%' if top > 1 else ''}", numbers == top, numbers == 0
        )
    active = _truth_of(("active", "isactive"), data)
    reasons = _called(("lostreason", "lossreason", "lostreasonid", "reasonlost"), data)
    if active is not None and reasons:
        name, is_active = active
        lost = ~is_active & data[reasons[0]].notna().to_numpy()
        label = f"'{name}' no longer with a '{reasons[0]}'"
        yield Flag(label, np.zeros_like(lost), lost, of_status=False)


def _truth_of(names: Sequence[str], data: pd.DataFrame) -> tuple[str, BoolArray] | None:
    """The first of these columns that holds yes and no, and which leads have yes."""
    for name in _called(names, data):
        guess = _by_truth(data[name])
        if guess is not None:
            return name, data[name].isin(guess.won).to_numpy(dtype=bool)
    return None


def _by_content(column: pd.Series[str]) -> OutcomeGuess | None:
    """The outcome where the values of a column, whatever its name, mean won and lost."""
    found = _by_words(column, None, "its values mean won and lost")
    return found if found is not None and found.lost else None


def _by_date(column: pd.Series[str]) -> OutcomeGuess | None:
    """The outcome where only leads that were won have a date."""
    if not 0 < column.notna().sum() < len(column) or dates_share(column) < MIN_DATE_SHARE:
        return None
    reason = "there is no status column, and by its name only won leads have a date here"
    return OutcomeGuess(
        Guess(str(column.name), reason), (ANYTHING,), (), {}, {ANYTHING: int(column.notna().sum())}
    )


def _by_words(
    column: pd.Series[str], vendor: Vendor | None, reason: str, flags: Sequence[Flag] = ()
) -> OutcomeGuess | None:
    """The outcome by the meaning of the values; None if none means won, or if there are too many
    to be statuses."""
    if column.nunique() > MAX_CATEGORIES:
        return None
    counts = values_of(column)
    meant = {value: meaning_of_status(value) for value in counts}
    if vendor is not None:
        defaults: dict[str, Meaning] = {
            **{value.casefold(): "won" for value in vendor.won},
            **{value.casefold(): "lost" for value in vendor.lost},
        }
        meant = {value: defaults.get(value.casefold(), meaning) for value, meaning in meant.items()}
    for flag in flags:
        by_flag = _words_by_flag(column, meant, flag) if flag.of_status else {}
        if by_flag:
            meant |= by_flag
            reason += f", {listed(by_flag)} by {flag.label}"
    won = tuple(value for value, meaning in meant.items() if meaning == "won")
    lost = tuple(value for value, meaning in meant.items() if meaning == "lost")
    if not won and lost:
        won = tuple(value for value in counts if value.casefold() == "qualified")
        reason += "; no value means won, so qualified is used instead"
    if not won:
        return None
    return OutcomeGuess(
        Guess(str(column.name), reason), won, lost, _stages(counts, won, lost), counts
    )


def _words_by_flag(
    column: pd.Series[str], meant: dict[str, Meaning | None], flag: Flag
) -> dict[str, Meaning | None]:
    """The values without a known meaning whose leads are nearly all won or lost by a flag. A new
    lead may have a probability of 0, too."""
    found: dict[str, Meaning | None] = {}
    for value, meaning in meant.items():
        rows = (column == value).to_numpy(dtype=bool)
        if meaning is not None or rows.sum() < MIN_LEADS_PER_WORD:
            continue
        if flag.won[rows].mean() >= MIN_FLAGGED:
            found[value] = "won"
        elif flag.lost[rows].mean() >= MIN_FLAGGED and stage_of_word(value) is None:
            found[value] = "lost"
    return found


def _by_truth(column: pd.Series[str]) -> OutcomeGuess | None:
    """The outcome where a column holds yes and no, or 1 and 0, and nothing else; else None."""
    counts = values_of(column) if column.nunique() <= MAX_CATEGORIES else {}
    folded = {value: value.casefold().removesuffix(".0") for value in counts}
    won = tuple(value for value, plain in folded.items() if plain in YES)
    lost = tuple(value for value, plain in folded.items() if plain in NO)
    if not won or not lost or len(won) + len(lost) < len(counts):
        return None
    values = " and ".join(repr(value) for value in (*won, *lost))
    reason = f"its name, and it only holds {values}"
    return OutcomeGuess(Guess(str(column.name), reason), won, lost, {}, counts)


def _stages(
    counts: Iterable[str], won: Sequence[str], lost: Sequence[str]
) -> dict[StageName, tuple[str, ...]]:
    stages: dict[StageName, tuple[str, ...]] = {}
    for value in counts:
        stage = None if value in won or value in lost else stage_of_word(value)
        if stage is not None:
            stages[stage] = (*stages.get(stage, ()), value)
    return stages


def _no_outcome(source: str, data: pd.DataFrame) -> str:
    """The error message where nothing tells which leads were won: the most likely columns, and
    what to do."""
    keys = [name for name in data.columns if len(data) and data[name].nunique() == len(data)]
    few = {
        name: list(values_of(data[name]))
        for name in data.columns
        if 2 <= data[name].nunique() <= 30 and name not in keys and not why_personal(name)
    }
    wanted = [spaced(name).casefold() for name in few]
    similar = {nearest(word, wanted) for word in USUAL_OUTCOME_WORDS}
    order = sorted(few, key=lambda name: (spaced(name).casefold() not in similar, len(few[name])))
    shown = [f"'{shortened(name)}' ({_first_values(few[name])})" for name in order[:3]]
    candidates = f"nearest are {' and '.join(shown)}"
    if not shown:
        candidates = f"its columns are {listed(data.columns)}"
    key = f" on '{keys[0]}'" if keys else ""
    return (
        f"{source}: no column tells which leads were won; {candidates}. If one of these does, write"
        ' a definition with [outcome] won = ["..."], lost = ["..."] and [columns] status = "...".'
        f" If the wins are in a table of their own, join it to the leads{key} first, one row for"
        " each lead, with the date of winning as 'won_date', and run this on the result."
    )


def _first_values(values: Sequence[str]) -> str:
    more = ", ..." if len(values) > 3 else ""
    return ", ".join(map(anonymous, values[:3])) + more
