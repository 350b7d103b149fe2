"""Which column tells won from not won, and what its values mean; or which conditions on several
columns tell it better.

Candidates come by name and by content, and are held against each other: what another column would
have counted is said beside the choice. Flags that CRMs keep beside the status (`flags`) tell what a
company's own words mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from winnable.core.columns import STATUS as DERIVED_STATUS
from winnable.core.columns import BoolArray
from winnable.core.text import counted, listed, nearest, shortened
from winnable.data.autodetect.content import MAX_CATEGORIES, MIN_DATE_SHARE, Guess, dates_share
from winnable.data.autodetect.flags import (
    Conditions,
    Flag,
    Meaning,
    by_pipeline,
    called,
    find_flags,
    pipelines_in,
    truth_in,
    words_by_flag,
)
from winnable.data.autodetect.lexicon import (
    is_qualified,
    meaning_of_status,
    opposite_of,
    spaced,
    stage_of_word,
    why_personal,
)
from winnable.data.autodetect.vendors import OUTCOMES, STATUS, WON_DATES, Vendor, bare
from winnable.data.ingestion.dates import anonymous
from winnable.data.ingestion.leads import all_hold
from winnable.definition.conditions import Condition
from winnable.definition.outcome import ANYTHING
from winnable.definition.schema import StageName
from winnable.errors import DataError

USUAL_OUTCOME_WORDS = ("status", "stage", "outcome", "won", "converted")

MAX_SHOWN = 3
MAX_COMPARED = 3
"""Other columns that are held against the chosen one at most."""

MIN_LEADS_PER_PIPELINE = 20
"""With fewer it may be chance that nobody was won or lost."""

MIN_COVERAGE = 0.2
"""A column that decides a smaller share of the leads than this is no rival of the chosen one."""

MIN_SAME = 0.95
"""A status that says the same as flags of this share of the leads that they decide tells the
outcome; of fewer, the flags tell it better."""


@dataclass(frozen=True)
class OutcomeGuess:
    """The status column and what its values mean; `counts` is the number of leads with each value,
    the most frequent first. Where conditions on several columns tell the outcome, they are `won_if`
    and `lost_if`, and the status is the one that reading derives from them. `others` says what
    other columns would have counted, `hints` what to look at where nobody is called lost, `silent`
    which leads count as open though they may have ended: pipelines with stages of which none means
    won or lost, closing dates that have passed."""

    status: Guess
    won: tuple[str, ...]
    lost: tuple[str, ...]
    stages: dict[StageName, tuple[str, ...]]
    counts: dict[str, int]
    others: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    won_if: Conditions = ()
    lost_if: Conditions = ()
    silent: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that tell the outcome."""
        if not self.won_if:
            return (self.status.column,)
        return _columns_of((*self.won_if, *self.lost_if))

    def won_in(self, data: pd.DataFrame) -> BoolArray:
        """Which leads are won, shape (leads,)."""
        if self.won_if:
            return all_hold(self.won_if, data)
        status = data[self.status.column]
        is_won = status.notna() if self.won == (ANYTHING,) else status.isin(self.won)
        return is_won.to_numpy(dtype=bool)

    def lost_in(self, data: pd.DataFrame) -> BoolArray:
        """Which leads are lost, shape (leads,)."""
        if self.won_if:
            return all_hold(self.lost_if, data)
        return data[self.status.column].isin(self.lost).to_numpy(dtype=bool)


def find_outcome(
    source: str, data: pd.DataFrame, vendor: Vendor | None, *, has_history: bool = False
) -> OutcomeGuess:
    """What tells won from not won: a column, first by the vendor's names, then by the usual names,
    then by what columns contain; or conditions on several columns, where these tell it better.

    Beside a field history one column is preferred: the changes of a status tell when leads ended,
    those of flags do not.

    Raises DataError where nothing does.
    """
    named = called((*(vendor.status if vendor else ()), *STATUS), data)
    flags = tuple(find_flags(data))
    found = list(_candidates(data, vendor, named, flags))
    chosen = _best(found) if found else None
    together = _by_conditions(chosen, named, flags, data)
    if together is not None and not (has_history and _is_status_with_words(chosen)):
        found += [] if chosen is None else [chosen]
        chosen = together
    if chosen is not None:
        silent = tuple(_silent_pipelines(chosen, data))
        others = [*_compared(chosen, found, data), *_compared_flags(chosen, flags, data)]
        hints = _hints_of_lost(chosen, flags, data)
        others = list(dict.fromkeys(others))[:MAX_COMPARED]
        return replace(chosen, others=tuple(others), hints=tuple(hints), silent=silent)
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


def _candidates(
    data: pd.DataFrame, vendor: Vendor | None, named: Sequence[str], flags: Sequence[Flag]
) -> Iterator[OutcomeGuess]:
    """Every column that can tell the outcome, the most certain kind first."""
    attempts: tuple[tuple[Iterable[str], Callable[[pd.Series[str]], OutcomeGuess | None]], ...] = (
        (named, lambda column: _by_words(column, vendor, "its name and its values", flags)),
        (called(OUTCOMES, data), _by_truth),
        (data.columns, _by_content),
        (named, lambda column: _by_codes(column, vendor)),
        (called(WON_DATES, data), _by_date),
        (named, _by_opposites),
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


def _by_conditions(
    chosen: OutcomeGuess | None, named: Sequence[str], flags: Sequence[Flag], data: pd.DataFrame
) -> OutcomeGuess | None:
    """The conditions on several columns that tell the outcome better than the chosen column."""
    if chosen is not None and chosen.won == (ANYTHING,):
        stages: Sequence[str] = named
    else:
        stages = named if chosen is None else [chosen.status.column]
    pipelines = by_pipeline(data, stages, flags)
    if pipelines is not None and (chosen is None or (chosen.won_in(data) != pipelines.won).any()):
        return _together(pipelines)
    for flag in flags:
        if flag.won_if and flag.lost_if and _tells_better(flag, chosen, data):
            return _together(flag)
        if chosen is not None and not chosen.lost and not flag.won_if and flag.lost_if:
            with_status = _with_status(flag, chosen, data)
            if with_status is not None:
                return with_status
    return None


def _together(flag: Flag) -> OutcomeGuess:
    status = Guess(DERIVED_STATUS, f"by {flag.label}")
    return OutcomeGuess(
        status, ("won",), ("lost",), {}, {}, won_if=flag.won_if, lost_if=flag.lost_if
    )


def _with_status(flag: Flag, chosen: OutcomeGuess, data: pd.DataFrame) -> OutcomeGuess | None:
    """Won by the status, lost by what only tells who was lost; None where it says so of a won
    lead, or of nobody."""
    column = chosen.status.column
    if chosen.won == (ANYTHING,):
        won = Condition(field=column, is_present=True)
    else:
        won = Condition(field=column, any_of=chosen.won)
    if not flag.lost.any() or (flag.lost & chosen.won_in(data)).any():
        return None
    label = f"'{column}', and {flag.label}"
    return _together(replace(flag, label=label, won_if=(won,)))


def _tells_better(flag: Flag, chosen: OutcomeGuess | None, data: pd.DataFrame) -> bool:
    """Whether flags that say who was won and who was lost tell more than a column."""
    if not flag.won.any() or not flag.lost.any():
        return False
    if chosen is None or chosen.status.column in _columns_of((*flag.won_if, *flag.lost_if)):
        return True
    won = chosen.won_in(data)
    lost = chosen.lost_in(data)
    ended = flag.won | flag.lost
    if not chosen.lost:
        return True
    same = (won & flag.won) | (lost & flag.lost)
    return bool(ended.sum() >= (won | lost).sum() and same[ended].mean() < MIN_SAME)


def _is_status_with_words(chosen: OutcomeGuess | None) -> bool:
    """Whether a column holds the words of a status, whose changes a history may record."""
    return chosen is not None and len(chosen.counts) > 2


def _columns_of(conditions: Iterable[Condition]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(condition.field) for condition in conditions))


def _compared(
    chosen: OutcomeGuess, found: Sequence[OutcomeGuess], data: pd.DataFrame
) -> Iterator[str]:
    ended = (chosen.won_in(data) | chosen.lost_in(data)).sum()
    for other in found:
        decided = (other.won_in(data) | other.lost_in(data)).sum()
        if other.status.column not in chosen.columns and decided >= MIN_COVERAGE * ended:
            flag = Flag(f"'{other.status.column}'", other.won_in(data), other.lost_in(data))
            yield _comparison(chosen, flag, data)


def _compared_flags(
    chosen: OutcomeGuess, flags: Sequence[Flag], data: pd.DataFrame
) -> Iterator[str]:
    for flag in flags:
        is_other = not any(f"'{column}'" in flag.label for column in chosen.columns)
        can_tell = flag.won_if or flag.lost_if or (flag.of_status and flag.lost.any())
        if is_other and can_tell and (flag.won.any() or flag.lost.any()):
            yield _comparison(chosen, flag, data)


def _comparison(chosen: OutcomeGuess, other: Flag, data: pd.DataFrame) -> str:
    won = chosen.won_in(data)
    both = (won | chosen.lost_in(data)) & (other.won | other.lost)
    counts = f"{int(other.won.sum()):,} won and {int(other.lost.sum()):,} lost"
    if not both.any():
        by = "these conditions" if chosen.won_if else "this column"
        return f"{other.label} would count {counts}, none of them decided by {by}"
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
    for name, words in words_of_lost(data, chosen.columns[0]).items():
        yield f"'{name}' holds {words}"
    won = chosen.won_in(data)
    for flag in flags:
        unknown = int((flag.lost & ~won).sum())
        if unknown:
            yield f"{flag.label} says that {counted(unknown, 'lead')} were lost"


def _silent_pipelines(chosen: OutcomeGuess, data: pd.DataFrame) -> Iterator[str]:
    """Pipelines with stages of their own of which none means won or lost: all their leads count as
    open."""
    if chosen.won_if or not chosen.counts:
        return
    ended = chosen.won_in(data) | chosen.lost_in(data)
    for name, rows in pipelines_in(data):
        if rows.sum() >= MIN_LEADS_PER_PIPELINE and not ended[rows].any() and ended.any():
            stages = values_of(data.loc[rows, chosen.status.column])
            most = ", ".join(f"{word} ({count:,})" for word, count in [*stages.items()][:MAX_SHOWN])
            yield (
                f"No stage of the pipeline '{name}' means won or lost, so its"
                f" {counted(int(rows.sum()), 'lead')} count as open: {most}. Add the words that"
                " mean won or lost to the definition"
            )


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
        by_flag = words_by_flag(column, meant, flag) if flag.of_status else {}
        if by_flag:
            meant |= by_flag
            reason += f", {listed(by_flag)} by {flag.label}"
    won = tuple(value for value, meaning in meant.items() if meaning == "won")
    lost = tuple(value for value, meaning in meant.items() if meaning == "lost")
    if not won and lost:
        won = tuple(value for value in counts if is_qualified(value))
        reason += "; no value means won, so qualified is used instead"
    if not won:
        return None
    return OutcomeGuess(
        Guess(str(column.name), reason), won, lost, _stages(counts, won, lost), counts
    )


def _by_opposites(column: pd.Series[str]) -> OutcomeGuess | None:
    """The outcome where a status has a word and the same with a no before it, and nothing else
    that means an end: "Auftrag" and "Kein Auftrag". A word for a stage is none for an outcome."""
    if column.nunique() > MAX_CATEGORIES:
        return None
    counts = values_of(column)
    plain = {value.strip().casefold(): value for value in counts}
    pairs = {value: plain.get(opposite_of(value) or "") for value in counts}
    found = [(won, lost) for lost, won in pairs.items() if won and stage_of_word(won) is None]
    if len(found) != 1:
        return None
    won, lost = found[0]
    stages = _stages(counts, (won,), (lost,))
    reason = f"its name, and '{shortened(lost)}' is the opposite of '{shortened(won)}'"
    return OutcomeGuess(Guess(str(column.name), reason), (won,), (lost,), stages, counts)


def _by_codes(column: pd.Series[str], vendor: Vendor | None) -> OutcomeGuess | None:
    """The outcome where a column of a vendor's API has its numbers for won and lost."""
    codes = {} if vendor is None else vendor.codes.get(bare(str(column.name)), {})
    counts = values_of(column)
    won = tuple(value for value in counts if codes.get(value.removesuffix(".0")) == "won")
    lost = tuple(value for value in counts if codes.get(value.removesuffix(".0")) == "lost")
    if vendor is None or not won:
        return None
    reason = f"its name, and these are the numbers of {vendor.name} for won and lost"
    return OutcomeGuess(Guess(str(column.name), reason), won, lost, {}, counts)


def _by_truth(column: pd.Series[str]) -> OutcomeGuess | None:
    """The outcome where a column holds yes and no, or 1 and 0, and nothing else; else None."""
    truth = truth_in(column)
    if truth is None:
        return None
    values = " and ".join(repr(value) for value in (*truth.yes, *truth.no))
    reason = f"its name, and it only holds {values}"
    return OutcomeGuess(Guess(truth.column, reason), truth.yes, truth.no, {}, values_of(column))


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
