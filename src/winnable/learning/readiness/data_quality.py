"""Data quality: what is unusual about a company's data, found before anything is trained on them.

Junk, duplicates, columns that are empty, constant or new, zeros that stand for nothing, statuses
that the definition does not know, missing months, sources that fell silent, are new or have
doubled, outcomes that stopped being recorded, months whose leads are mostly still open, a share won
that changes along an export without dates, rows that are not leads. Each is a sentence with a
number; what to do about it is for people to decide. Those that make a model wrong rather than weak
are alarms, which every training repeats. Rows that could not be used at all are found by
`data.ingestion`, columns with target leakage by `data.leakage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from winnable.core.columns import CLOSED, CREATED, STATUS, FloatArray, IntArray
from winnable.core.statistics import wilson
from winnable.core.text import counted, listed
from winnable.core.timestamps import microseconds, times_of
from winnable.data.autodetect.end_dates import ended_without_outcome
from winnable.data.dataset import Dataset
from winnable.data.features.activities.properties import properties_of
from winnable.data.features.activities.touches import is_filled
from winnable.data.features.episodes import changed_later, last_change_is_no_end
from winnable.data.features.plan import AGE, FeaturePlan, Field
from winnable.data.ingestion.crm import Crm
from winnable.data.ingestion.dates import day_first_of_table
from winnable.data.ingestion.parsing import parse_moments
from winnable.data.leakage.names import LIKELY, name_clue
from winnable.definition.decide.junk import contact_columns, find_junk
from winnable.definition.stages import stage_of
from winnable.learning.readiness.row_order import moving_rate

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal[
    "rejects",
    "junk",
    "duplicates",
    "columns",
    "untracked",
    "status",
    "months",
    "label cliff",
    "open",
    "ends",
    "ended as open",
    "returns",
    "sources",
    "rows",
    "nothing to learn",
    "moving rate",
]

DATA_ALARMS = "Look at the data first"
"""Under this title pages show the alarms."""

MAX_CLIFF_SHARE = 0.2
"""Of the usual number per month: with fewer, an outcome counts as no longer recorded."""

MIN_OPEN_SHARE = 0.5
"""Of a month's leads from which on it counts as mostly open."""

MAX_NAMES_SHOWN = 8

MIN_LONELY_ROWS = 10
"""Zeros, and rows that are expected between them and the other numbers, so that a gap is not
chance: none where 10 are expected comes once in 20,000 times (Poisson)."""

MIN_SOURCE_SHARE = 0.05
"""Of the leads: a smaller source may fall silent or begin without a word."""

MIN_LEADS_FOR_SOURCES = 400
"""With fewer, the latest tenth is too few to tell."""


@dataclass(frozen=True)
class Finding:
    """One data quality issue: its kind, and what a person should know of it. An alarm makes models
    wrong, not only weaker: somebody has to look."""

    kind: Kind
    text: str
    alarm: bool = False


def inspect_quality(data: Dataset) -> tuple[Finding, ...]:
    """All data quality issues, in the order of a lead's life. An export without leads has no other
    issue than that."""
    crm = data.crm
    if not len(crm.leads):
        return (Finding("rejects", "There are no usable leads."),)
    found = [
        *_several_rows(data),
        *_nothing_to_learn(data),
        *_rejects(crm),
        *_junk(data),
        *_duplicates(data),
        *_columns(data),
        *_lonely_zeros(data),
        *_properties(data),
    ]
    found += [*_statuses(data), *_moving_rate(data)]
    if CREATED in crm.leads:
        found += _untracked(data)
        found += [
            *_months(crm),
            *_touches(data),
            *_sources(data),
            *_cliffs(data),
            *_open_months(data),
        ]
        found += [*_ends(data), *_ended_as_open(data), *_returns(data)]
    return tuple(found)


def alarms(data: Dataset) -> tuple[Finding, ...]:
    """The findings that make models wrong, for whoever trains without reading the check."""
    if not len(data.crm.leads):
        return ()
    found = [*_several_rows(data), *_nothing_to_learn(data), *_columns(data), *_statuses(data)]
    found += _moving_rate(data)
    if CREATED in data.crm.leads:
        found += [*_touches(data), *_sources(data), *_cliffs(data), *_ended_as_open(data)]
    return tuple(finding for finding in found if finding.alarm)


def _several_rows(data: Dataset) -> list[Finding]:
    """Whether a lead stands on several rows: then the table is a history or an activity log."""
    found = data.crm.repeated_id
    if found is None:
        return []
    says = f"{found}, {found.meaning}"
    return [Finding("rows", says[0].upper() + says[1:], alarm=True)]


def _nothing_to_learn(data: Dataset) -> list[Finding]:
    """Whether there is no column to learn from, or nothing that tells who was not won."""
    found = []
    learned = [name for name in data.feature_plan(data.left_out).learned if name != AGE]
    if not learned:
        says = (
            "There is no column to learn from besides the outcome, so every lead gets the base"
            " rate. Export what was known of the leads early: source, country, size."
        )
        found.append(Finding("nothing to learn", says, alarm=True))
    if CREATED not in data.crm.leads and not (data.outcomes == 0).any():
        says = (
            "Nothing tells who was not won: no lead has a status of outcome.lost, and without a"
            " creation date no lead's horizon can be over. Name the statuses of lost leads, or the"
            " column columns.created."
        )
        found.append(Finding("nothing to learn", says, alarm=True))
    return found


def _touches(data: Dataset) -> list[Finding]:
    """Leads without a source although their last touch counts as one: nothing else tells that the
    gate does not know where they came from."""
    name = data.definition.columns.source_name
    crm = data.crm
    if name is None or not is_filled(data.definition, name):
        return []
    if crm.activities is None:
        says = (
            'Where a source is missing the last touch counts (missing_source = "last touch"), but'
            " no activities are given, so no lead has one: add them."
        )
        return [Finding("sources", says, alarm=True)]
    unknown = int(crm.leads[name].isna().sum())
    if not unknown:
        return []
    says = (
        f"{counted(unknown, 'lead')} of {len(crm.leads):,} with neither a source nor a touch before"
        " creation: where they came from is not known."
    )
    return [Finding("sources", says)]


def _sources(data: Dataset) -> list[Finding]:
    """Sources that no lead of the latest tenth came from, such as no lead of the first four fifths
    came from, and such as many more of the latest tenth came from than before."""
    crm = data.crm
    name = data.definition.columns.source_name
    if name is None or name not in crm.leads or len(crm.leads) < MIN_LEADS_FOR_SOURCES:
        return []
    order = np.argsort(times_of(crm.leads[CREATED]), kind="stable")
    sources = crm.leads[name].iloc[order].fillna("(none)")
    new_from = len(order) * 4 // 5
    silent_from = len(order) - len(order) // 10
    before = sources.iloc[:silent_from]
    latest = sources.iloc[silent_from:]
    silent = _frequent(before, set(latest))
    new = _frequent(latest, set(sources.iloc[:new_from]))
    found = []
    if silent:
        since = crm.leads[CREATED].iloc[order[silent_from]]
        says = (
            f"Since {since:%Y-%m-%d} no lead has come from {_named(silent)}: is something missing?"
        )
        found.append(Finding("sources", says, alarm=True))
    if new:
        since = crm.leads[CREATED].iloc[order[new_from]]
        says = (
            f"Before {since:%Y-%m-%d} no lead had come from {_named(new)}: little is known of them."
        )
        found.append(Finding("sources", says, alarm=True))
    since = crm.leads[CREATED].iloc[order[silent_from]]
    found += [
        Finding("sources", f"Since {since:%Y-%m-%d} {says}", alarm=True)
        for says in _grown(before, latest, new)
    ]
    return found


def _grown(before: pd.Series[str], latest: pd.Series[str], new: Sequence[str]) -> list[str]:
    """A sentence for each source, but the new ones, whose share of the latest leads has at least
    doubled, and not by chance: their 95% confidence intervals do not meet."""
    earlier = before.value_counts()
    found = []
    for name, times in latest.value_counts().items():
        was = int(earlier.get(name, 0))
        share = times / len(latest)
        old = was / len(before)
        if not was or name in new or share < max(MIN_SOURCE_SHARE, 2 * old):
            continue
        if wilson(int(times), len(latest), 0.95)[0] > wilson(was, len(before), 0.95)[1]:
            found.append(
                f"{share:.0%} of the leads have come from {name!r}, {old:.0%} before: are they of"
                " the same kind?"
            )
    return found


def _frequent(sources: pd.Series[str], known: set[str]) -> list[str]:
    """The sources of at least a twentieth of these leads that are none of the known ones."""
    shares = sources.value_counts(normalize=True)
    return [
        str(name)
        for name, share in shares.items()
        if share >= MIN_SOURCE_SHARE and name not in known
    ]


def _ends(data: Dataset) -> list[Finding]:
    """How the end of each won or lost lead was found, where that is not always its closing date."""
    if data.episodes is None:
        return []
    counts = data.episodes.counted()
    ended = sum(counts.values()) - counts["open"]
    if counts["closing date"] == ended:
        return []
    ways = (
        (counts["closing date"], "by the closing date"),
        (counts["status history"], "by the status history"),
        (counts["last change"], "by the last change of the lead"),
    )
    found = ", ".join(f"{count:,} {way}" for count, way in ways if count)
    text = f"When leads were won or lost is known {found}."
    if counts["estimate"]:
        text += (
            f" {counts['estimate']:,} have no date: when they ended is estimated from how many"
            " leads of each age are still open, so that the share won at any age is not biased."
        )
        later = changed_later(data.crm, data.episodes)
        if last_change_is_no_end(later):
            text += (
                f" The last change ({data.definition.columns.changed}) does not tell it:"
                f" {int(later.sum()):,} of {len(later):,} leads with another date were changed"
                " again after their end."
            )
    return [Finding("ends", text)]


def _returns(data: Dataset) -> list[Finding]:
    """How many leads came back after their end, or why nobody can tell."""
    episodes = data.episodes
    if episodes is None:
        return []
    if data.crm.changes_of(data.definition.columns.status) is None:
        text = (
            "No changes of the status are recorded, so it is unknown which leads came back after"
            " they were won or lost: only the present episode of each lead counts."
        )
        return [Finding("returns", text)]
    returned = len(np.unique(episodes.lead[episodes.number > 0]))
    if not returned:
        return []
    text = (
        f"{counted(returned, 'lead')} came back after being won or lost; each return begins a new"
        " episode with an outcome of its own."
    )
    return [Finding("returns", text)]


def _rejects(crm: Crm) -> list[Finding]:
    found = []
    for table, rows, word in (
        ("leads", crm.leads, "lead"),
        ("activities", crm.activities, "row"),
        ("history", crm.history, "row"),
    ):
        reasons = crm.rejects.loc[crm.rejects["table"] == table, "reason"].value_counts(sort=False)
        if rows is not None and len(reasons):
            rejected = int(reasons.sum())
            what = counted(rejected, word)
            if word != "lead":
                what += f" of the {table}"
            why = "; ".join(f"{reason} ({count:,})" for reason, count in reasons.items())
            found.append(
                Finding(
                    "rejects",
                    f"Rejected: {what} ({rejected / (rejected + len(rows)):.1%}): {why}.",
                )
            )
    return found


def _junk(data: Dataset) -> list[Finding]:
    definition = data.definition
    crm = data.crm
    conditions = (each for case in definition.junk.rule for each in case.when)
    asked = {name for each in conditions for leaf in each.leaves() for name in leaf.columns}
    plan = data.feature_plan()
    contact = contact_columns(definition.junk, (str(name) for name in crm.leads.columns)).every
    fields = [field for field in plan.fields if field.name in asked] + [
        Field(name, "words") for name in contact
    ]
    now = microseconds(data.present) if data.present is not None else 0
    measures = definition.aggregates() if definition.junk.rule else ()
    rows = np.arange(len(crm.leads))
    junk_plan = FeaturePlan(tuple(fields), measures, properties=plan.properties)
    features = data.features(junk_plan, rows, np.full(len(rows), now))
    why = find_junk(definition, features)
    junk = int((why.codes >= 0).sum())
    if not junk:
        return []
    times = np.bincount(why.codes[why.codes >= 0], minlength=len(why.vocabulary))
    reasons = "; ".join(
        f"{word}: {count:,}" for word, count in zip(why.vocabulary, times, strict=True) if count
    )
    return [
        Finding(
            "junk", f"Looks like junk: {counted(junk, 'lead')} ({junk / len(rows):.1%}; {reasons})."
        )
    ]


def _duplicates(data: Dataset) -> list[Finding]:
    _, times = np.unique(data.persons, return_counts=True)
    twice = int((times > 1).sum())
    if not twice:
        return []
    spare = int(times[times > 1].sum()) - twice
    who = "1 person" if twice == 1 else f"{twice:,} people"
    return [Finding("duplicates", f"Duplicates: {who} with {counted(spare, 'surplus record')}.")]


def _columns(data: Dataset) -> list[Finding]:
    crm = data.crm
    names = [field.name for field in data.feature_plan().fields if field.learn]
    filled = {name: crm.leads[name].notna().to_numpy() for name in names}
    empty = [name for name in names if not filled[name].any()]
    constant = [name for name in names if filled[name].all() and crm.leads[name].nunique() == 1]
    found = [
        Finding("columns", f"{counted(len(names_of), 'column')} {what}: {_named(names_of)}.")
        for names_of, what in (
            (empty, "without any value"),
            (constant, "with only one value"),
        )
        if names_of
    ]
    if CREATED not in crm.leads or len(crm.leads) < 40:
        return found
    order = np.argsort(times_of(crm.leads[CREATED]), kind="stable")
    early = order[: len(order) // 2]
    late = order[-(len(order) // 4) :]
    new = [
        name
        for name in names
        if name not in empty
        and filled[name][early].mean() < 0.02
        and filled[name][late].mean() > 0.2
    ]
    gone = [
        name
        for name in names
        if filled[name][early].mean() > 0.2 and filled[name][late].mean() < 0.02
    ]
    for names_of, what in (
        (new, "with no value in the first half of the data (new)"),
        (gone, "no longer filled in"),
    ):
        if names_of:
            says = f"{counted(len(names_of), 'column')} {what}: {_named(names_of)}."
            found.append(Finding("columns", says, alarm=names_of is gone))
    return found


def _properties(data: Dataset) -> list[Finding]:
    """What becomes of the further columns of the activity log."""
    chosen = properties_of(data.definition, data.crm)
    used = [field.name for field in data.feature_plan().properties]
    found = []
    if used:
        says = f"Activities: {listed(used)} count by sums and last values."
        found.append(Finding("columns", says))
    more = [name for name in chosen.used if name not in used]
    reasons = dict.fromkeys(more, "other properties are told more often") | dict(chosen.unused)
    for name, why in reasons.items():
        found.append(Finding("columns", f"Activities: '{name}' is not used: {why}."))
    return found


def _lonely_zeros(data: Dataset) -> list[Finding]:
    """Columns of numbers in which 0 stands apart from all other values, as where a CRM writes it
    for what nobody filled in."""
    found = []
    for field in data.feature_plan().numbers:
        if not field.learn:
            continue
        counts = data.crm.leads[field.name].dropna().value_counts()
        numbers = np.array([field.read(str(value)) for value in counts.index], dtype=np.float64)
        zeros = int(counts[numbers == 0].sum())
        often: IntArray = np.asarray(counts, dtype=np.int64)
        smallest = _smallest_beside_lonely_zeros(numbers, often)
        if smallest is not None:
            says = (
                f"'{field.name}' is 0 in {counted(zeros, 'lead')}, and never between 0 and"
                f" {smallest:g}. If 0 means unknown there, leave such cells empty."
            )
            found.append(Finding("columns", says))
    return found


def _smallest_beside_lonely_zeros(numbers: FloatArray, counts: IntArray) -> float | None:
    """The smallest of the other numbers if zeros stand apart from them; `counts` (n,) is how often
    each of the different `numbers` (n,) is there. None if they do not.

    Between 0 and the smallest one as many rows are expected as in the stretch of the same length
    above it, of whole numbers one value less. Counts begin at 1, and so do shares of counts.
    """
    others = ~np.isnan(numbers) & (numbers != 0)
    if counts[numbers == 0].sum() < MIN_LONELY_ROWS or not others.any():
        return None
    smallest = float(numbers[others].min())
    if smallest <= 1:
        return None
    above = float(counts[others & (numbers < 2 * smallest)].sum())
    if np.all(numbers[others] == np.rint(numbers[others])):
        above *= (smallest - 1) / smallest
    return smallest if above >= MIN_LONELY_ROWS else None


def _untracked(data: Dataset) -> list[Finding]:
    """Columns assumed static where no change of any column is recorded. Otherwise `leakage` has a
    verdict on each."""
    learned = {field.name for field in data.feature_plan().fields if field.learn}
    today = [name for name in data.assumed_static if name in learned]
    if not today:
        return []
    says = (
        f"No field history: for {counted(len(today), 'column')} today's value is used at every"
        f" point in time: {_named(today)}"
    )
    return [
        Finding(
            "untracked",
            f"{says}. If one of them changes while leads are being worked, list it under"
            " columns.ignore.",
        )
    ]


def _named(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMES_SHOWN} more" if len(names) > MAX_NAMES_SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:MAX_NAMES_SHOWN]) + more


def _statuses(data: Dataset) -> list[Finding]:
    """Statuses that mean no stage: all of them if the definition names open stages, else only those
    that sound final."""
    definition = data.definition
    counts = data.crm.leads[STATUS].value_counts()
    unknown = {
        str(word): int(count)
        for word, count in counts.items()
        if stage_of(definition, str(word)) is None
    }
    if not any(
        name not in {"won", "lost"} and stage.status for name, stage in definition.stages.items()
    ):
        unknown = {word: count for word, count in unknown.items() if _sounds_final(word)}
    if not unknown:
        return []
    listed = ", ".join(
        f"'{word}': {count:,}" for word, count in list(unknown.items())[:MAX_NAMES_SHOWN]
    )
    total = sum(unknown.values())
    says = (
        "Counted as open, because the status is not in the definition:"
        f" {counted(total, 'lead')} ({listed})."
    )
    return [Finding("status", says, alarm=True)]


def _moving_rate(data: Dataset) -> list[Finding]:
    """Whether the share won changes along an export without dates."""
    found = moving_rate(data)
    if found is None:
        return []
    return [Finding("moving rate", found.text, alarm=found.sorted_by is None)]


def _ended_as_open(data: Dataset) -> list[Finding]:
    """Whether leads count as open although they ended by their closing date."""
    leads = data.crm.leads
    roles = data.definition.columns
    given = {"created": roles.created, "closed": roles.closed}
    written = {role: leads[name] for role, name in given.items() if name in leads}
    if "closed" not in written or CLOSED not in leads:
        return []
    outcome = data.definition.outcome
    decided = leads[STATUS].isin([*outcome.won, *outcome.lost]).to_numpy(dtype=bool)
    first = day_first_of_table(written)["closed"]
    closed = leads[CLOSED].fillna(parse_moments(written["closed"], first))
    says = ended_without_outcome(leads[STATUS], leads[CREATED], closed, decided)
    return [] if says is None else [Finding("ended as open", f"{says}.", alarm=True)]


def _sounds_final(status: str) -> bool:
    clue = name_clue(status)
    return clue is not None and clue.weight >= LIKELY


def _month_of(moments: pd.Series) -> IntArray:
    """Months since 1970, shape (n,)."""
    return times_of(moments).view("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _month(number: int) -> str:
    return str(np.datetime64(number, "M"))


def _months(crm: Crm) -> list[Finding]:
    """Months without a lead between months with many."""
    months = _month_of(crm.leads[CREATED])
    first = int(months.min())
    counts = np.bincount(months - first)
    usual = float(np.median(counts))
    missing = [_month(first + int(place)) for place in np.flatnonzero(counts == 0)]
    if usual < 5 or not missing:
        return []
    says = (
        f"No lead was created in {', '.join(missing[:MAX_NAMES_SHOWN])} (usually {usual:.0f} a"
        " month): is something missing?"
    )
    return [Finding("months", says)]


def _cliffs(data: Dataset) -> list[Finding]:
    """Label cliffs: an outcome that stopped being recorded, common every month, then all but
    gone."""
    crm = data.crm
    latest = data.present
    if CLOSED not in crm.leads or latest is None:
        return []
    found = []
    outcome = data.outcomes
    last = (latest.year - 1970) * 12 + latest.month - 1
    for value, word in ((1.0, "won"), (0.0, "lost")):
        closed = crm.leads[CLOSED][outcome == value].dropna()
        if len(closed) < 20:
            continue
        months = _month_of(closed)
        counts = np.bincount(months - months.min(), minlength=last - int(months.min()) + 1)[:-1]
        if not len(counts):
            continue  # all in the last month, which is not over
        usual = float(np.median(counts[: max(1, len(counts) * 2 // 3)]))
        quiet = 0
        while quiet < len(counts) and counts[-1 - quiet] <= MAX_CLIFF_SHARE * usual:
            quiet += 1
        if usual >= 5 and quiet >= 2 and quiet < len(counts):
            since = _month(int(months.min()) + len(counts) - quiet)
            says = (
                f"Since {since} hardly any lead has been recorded as {word} (usually"
                f" {usual:.0f} a month): did recording stop?"
            )
            found.append(Finding("label cliff", says, alarm=True))
    return found


def _open_months(data: Dataset) -> list[Finding]:
    """The latest months of creation whose leads are mostly open."""
    months = _month_of(data.crm.leads[CREATED])
    still_open = np.isnan(data.outcomes)
    first = int(months.min())
    total = np.bincount(months - first)
    share = np.bincount(months - first, still_open) / np.maximum(total, 1)
    place = len(total)
    while place > 0 and (share[place - 1] > MIN_OPEN_SHARE or total[place - 1] == 0):
        place -= 1
    if place == len(total) or place == 0:
        return []
    leads = int(still_open[months - first >= place].sum())
    says = (
        f"Leads created since {_month(first + place)} are mostly still open ({leads:,}, censored):"
        " their outcomes are not known yet."
    )
    return [Finding("open", says)]
