"""The conversion funnel: how many leads get from stage to stage and to Closed Won, by month and by
source, and how well sources convert.

Every conversion comes with a 90% interval, and sources with few leads are shrunk towards the
others. Leads too young for a known outcome count as volume, but not in conversions. Visitors who
came before anybody knew them stand above all leads. The plot is drawn in `funnel_plot`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from winnable.core.columns import (
    AT,
    CREATED,
    ID,
    IDENTIFIED,
    SOURCE,
    BoolArray,
    FloatArray,
    IntArray,
)
from winnable.core.statistics import wilson
from winnable.core.timestamps import DAY, NEVER, microseconds, times_of
from winnable.data.features.activities.touches import last_touches
from winnable.data.features.stage_history import LOST, WON, StageHistory, stage_history
from winnable.definition.decide.gate import grade
from winnable.definition.decide.recalibration import shrink
from winnable.definition.schema import Definition
from winnable.definition.stages import STAGES, MoveKind, label

if TYPE_CHECKING:
    import pandas as pd

    from winnable.data.dataset import Dataset

By = Literal["source", "month", "grid"]
LEVEL = 0.90
"""The level of every confidence interval."""
UNKNOWN = "(unknown)"
WITHOUT_CELL = "(no cell)"
SALES = STAGES.index("SAL")
"""From this stage on, sales has accepted the lead."""


Cells = Mapping[str, tuple[datetime, str]]
"""By lead, the moment of its first kept score that has a cell of the grid, and that cell."""


@dataclass(frozen=True)
class Step:
    """A stage: how many leads ever reached it (`volume`), who are so many `people` (None where
    nobody knows), and its conversion: how many `reached` it of the `before` mature leads that
    reached the previous stage."""

    name: str
    volume: int
    before: int
    reached: int
    conversion: float
    low: float
    high: float
    people: int | None = None


@dataclass(frozen=True)
class Group:
    """The leads of one source, month or cell of the grid. `reached` counts by stage as in the
    funnel's steps; conversion is of leads to won.

    `young` leads are in no conversion; `worked` is how many of the others sales took up, None where
    no stage tells; `grade` is hot to cold (sources only), `advice` what sales and marketing should
    think about, or "".
    """

    name: str
    leads: int
    young: int
    reached: tuple[int, ...]
    won: int
    worked: int | None
    conversion: float
    low: float
    high: float
    grade: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Funnel:
    """Stages in order, the first being all leads and the last the won ones; groups; moves between
    stages; notes in words.

    `anonymous` counts the visitors who came before anybody knew them, where the activities tell
    them, and how many of those who came a horizon ago or earlier were identified since.
    """

    steps: tuple[Step, ...]
    groups: tuple[Group, ...]
    by: By
    moves: dict[MoveKind, int]
    notes: tuple[str, ...]
    anonymous: Step | None = None


@dataclass(frozen=True)
class _Units:
    """What is counted: every lead, and each time that one came back after its end once more. All
    arrays have shape (u,)."""

    lead: IntArray
    created: IntArray
    furthest: IntArray
    won: BoolArray
    known: BoolArray


def funnel(data: Dataset, by: By = "source", cells: Cells | None = None) -> Funnel:
    """The funnel of an export at its `present`; `cells` are those of kept scores, by which leads
    are compared where it is by grid.

    With dates a lead's outcome counts once the horizon has passed since it came; without them, once
    it is won or lost.
    """
    definition = data.definition
    history = stage_history(definition, data.crm)
    units = _units(data, history)
    seen = bool((history.move >= 0).any())
    stages = [code for code in range(LOST) if code == WON or (seen and _named(definition, code))]
    names = ["Leads", *(label(definition, STAGES[code]) for code in stages)]
    reached = [
        np.ones(len(units.lead), dtype=np.bool_),
        *((units.furthest >= code) for code in stages),
    ]
    steps = tuple(
        replace(
            _step(names[i], reached[i], reached[max(i - 1, 0)], units.known),
            people=len(np.unique(data.persons[units.lead[reached[i]]])),
        )
        for i in range(len(names))
    )
    worked = _worked(definition, history, units)
    if by == "grid":
        keys = _cells(data, units, cells or {})
    else:
        keys = _months(units) if by == "month" else _sources(data, units)
    groups = _groups(definition, units, keys, reached, worked, by)
    anonymous = _anonymous(data)
    notes = (*_notes_on(anonymous), *_notes(data, history, units, by))
    return Funnel(steps, groups, by, history.counted(), notes, anonymous)


def _anonymous(data: Dataset) -> Step | None:
    """The visitors who came anonymously, and how many of them were identified; None where the
    activities tell no visitors."""
    visitors = data.crm.visitors
    if visitors is None or data.present is None:
        return None
    came = np.ones(len(visitors), dtype=np.bool_)
    old_enough = microseconds(data.present) - data.definition.outcome.horizon_days * DAY
    known = np.asarray(times_of(visitors[AT]) <= old_enough)
    return _step("Anonymous", visitors[IDENTIFIED].notna().to_numpy(), came, known, came)


def _notes_on(anonymous: Step | None) -> Sequence[str]:
    if anonymous is None:
        return ()
    if not anonymous.before:
        return (f"{anonymous.volume:,} anonymous visitors came too recently to tell who they are.",)
    return (
        f"Of {anonymous.before:,} anonymous visitors {anonymous.reached:,}"
        f" ({anonymous.conversion:.0%}, 90% CI {anonymous.low:.0%} to {anonymous.high:.0%}) were"
        " identified as leads later.",
    )


def source_of(data: Dataset) -> pd.Series[str]:
    """Each lead's source: the CRM's own, else its last marketing touch, else missing."""
    crm = data.crm
    own = crm.leads.get(SOURCE)
    if own is not None and own.notna().all():
        return own
    touch = last_touches(data.definition, crm.leads, crm.activities)
    return touch if own is None else own.where(own.notna(), touch)


def _units(data: Dataset, history: StageHistory) -> _Units:
    crm = data.crm
    present = data.present
    size = len(crm.leads)
    episodes = np.zeros(size, dtype=np.int64)
    np.maximum.at(episodes, history.lead, history.episode)
    start = np.append(0, np.cumsum(episodes + 1))
    unit = start[history.lead] + history.episode
    lead = np.repeat(np.arange(size), episodes + 1)
    furthest = np.full(len(lead), -1)
    ended = np.zeros(len(lead), dtype=np.bool_)
    np.maximum.at(furthest, unit, np.where(history.stage == LOST, -1, history.stage))
    np.logical_or.at(ended, unit, history.stage >= WON)
    timed = CREATED in crm.leads and present is not None
    created = times_of(crm.leads[CREATED])[lead] if timed else np.full(len(lead), NEVER)
    again = np.flatnonzero(history.episode > 0)
    first = again[np.append(True, unit[again][1:] != unit[again][:-1])[: len(again)]]
    if timed and present is not None:
        created[unit[first]] = history.at[first]
        known = (created != NEVER) & (
            created <= microseconds(present) - data.definition.outcome.horizon_days * DAY
        )
    else:
        known = ended
    return _Units(lead, created, furthest, furthest == WON, known)


def _named(definition: Definition, code: int) -> bool:
    stage = definition.stages.get(STAGES[code])
    return stage is not None and bool(stage.status)


def _worked(definition: Definition, history: StageHistory, units: _Units) -> BoolArray | None:
    """Which units sales took up; None where statuses before the end were never seen, so that
    nothing can be stages."""
    sales = any(_named(definition, code) for code in range(SALES, WON))
    return np.asarray(units.furthest >= SALES) if sales and (history.move >= 0).any() else None


def _months(units: _Units) -> list[str]:
    known = units.created != NEVER
    months = (
        np.where(known, units.created, 0)
        .astype("datetime64[us]")
        .astype("datetime64[M]")
        .astype(str)
    )
    return [str(month) if dated else UNKNOWN for month, dated in zip(months, known, strict=True)]


def _sources(data: Dataset, units: _Units) -> list[str]:
    sources = source_of(data).fillna(UNKNOWN).to_list()
    return [str(sources[lead]) for lead in units.lead]


def _cells(data: Dataset, units: _Units, cells: Cells) -> list[str]:
    """The cell of each unit, with the company's words: that of the lead's first kept score, which
    tells of the time that the lead had come back to by then, and of no other."""
    grid = data.definition.grid
    of_lead: dict[int, tuple[int, str]] = {}
    ids = data.crm.leads[ID].to_list()
    for unit, (lead, came) in enumerate(
        zip(units.lead.tolist(), units.created.tolist(), strict=True)
    ):
        scored = cells.get(ids[lead])
        if scored is not None and (came == NEVER or came <= microseconds(scored[0])):
            says = "" if grid is None else grid.says(scored[1])
            of_lead[lead] = (unit, f"{scored[1]} {says}".rstrip())
    by_unit = dict(of_lead.values())
    return [by_unit.get(unit, WITHOUT_CELL) for unit in range(len(units.lead))]


def _step(
    name: str,
    reached: BoolArray,
    before: BoolArray,
    known: BoolArray,
    counted: BoolArray | None = None,
) -> Step:
    """The step from `before` to `reached`; `counted` are its volume where that is not `reached`."""
    volume = int((reached if counted is None else counted).sum())
    asked = int((before & known).sum())
    got = int((reached & before & known).sum())
    low, high = wilson(got, asked)
    return Step(name, volume, asked, got, got / asked if asked else np.nan, low, high)


def _groups(
    definition: Definition,
    units: _Units,
    keys: Sequence[str],
    reached: Sequence[BoolArray],
    worked: BoolArray | None,
    by: By,
) -> tuple[Group, ...]:
    names = sorted(set(keys))
    place = {name: i for i, name in enumerate(names)}
    code = np.asarray([place[key] for key in keys], dtype=np.int64)

    def count(held: BoolArray) -> IntArray:
        return np.bincount(code[held], minlength=len(names))

    leads = count(np.ones_like(units.known))
    known = count(units.known)
    won = count(units.known & units.won)
    stages = [count(each) for each in reached]
    up = None if worked is None else count(units.known & worked)
    conversion, low, high = (
        _shrunk(definition, won, known) if by == "source" else _by_itself(won, known)
    )
    groups = [
        Group(
            name,
            leads=int(leads[i]),
            young=int(leads[i] - known[i]),
            reached=tuple(int(each[i]) for each in stages),
            won=int(won[i]),
            worked=None if up is None else int(up[i]),
            conversion=float(conversion[i]),
            low=float(low[i]),
            high=float(high[i]),
        )
        for i, name in enumerate(names)
    ]
    if by == "grid":
        return tuple(sorted(groups, key=lambda group: (group.name == WITHOUT_CELL, group.name)))
    if by == "month":
        return tuple(groups)
    return tuple(
        sorted(_with_grades(definition, groups), key=lambda group: (-group.conversion, group.name))
    )


def _shrunk(
    definition: Definition, won: IntArray, known: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Conversion with its 90% interval, each source shrunk towards the others
    (`winnable.definition.decide.recalibration.shrink`)."""
    from scipy.stats import beta

    drawn = shrink(
        won.astype(np.float64), known.astype(np.float64), definition.outcome.expected_conversion
    )
    low, high = beta.ppf([[(1 - LEVEL) / 2], [(1 + LEVEL) / 2]], drawn.alpha, drawn.beta)
    return drawn.conversion, low, high


def _by_itself(won: IntArray, known: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    share = np.divide(won, known, out=np.full(len(known), np.nan), where=known > 0)
    intervals = np.asarray(
        [wilson(int(w), int(n)) for w, n in zip(won, known, strict=True)]
    ).reshape(-1, 2)
    return share, intervals[:, 0], intervals[:, 1]


def _with_grades(definition: Definition, groups: Sequence[Group]) -> list[Group]:
    """Sources with their grades against the usual lead, and what to think about."""
    usual = _Usual.of(definition, groups)
    if not 0 < usual.conversion < 1:
        return list(groups)
    grades = grade(definition, np.asarray([group.conversion for group in groups]), usual.conversion)
    advice = [_advice(definition, group, usual) for group in groups]
    return [replace(group, grade=grades[i], advice=advice[i]) for i, group in enumerate(groups)]


@dataclass(frozen=True)
class _Usual:
    """What is usual: the conversion of all leads, the share that sales took up, and the conversion
    of these."""

    conversion: float
    taken_up: float
    of_taken_up: float
    cool: float

    @classmethod
    def of(cls, definition: Definition, groups: Sequence[Group]) -> _Usual:
        known = sum(group.leads - group.young for group in groups)
        won = sum(group.won for group in groups)
        worked = sum(group.worked or 0 for group in groups)
        share = won / known if known else 0.0
        per_worked = won / worked if worked else 0.0
        return cls(share, worked / known if known else 0.0, per_worked, definition.grades.cool)

    def poor(self, conversion: float) -> float:
        """The conversion below which a source is cold."""
        odds = self.cool * conversion / (1 - conversion) if conversion < 1 else np.inf
        return float(odds / (1 + odds)) if np.isfinite(odds) else 1.0


def _advice(definition: Definition, group: Group, usual: _Usual) -> str:
    """Refuse what surely converts too seldom, and look again at what converts well but is worked
    too seldom.

    Where it is known which leads sales took up, only those say what a source is worth: nobody wins
    leads that nobody calls.
    """
    known = group.leads - group.young
    if group.name == UNKNOWN or not known:
        return ""
    refused = {source.casefold() for source in definition.gate.refused_sources}
    if group.name.casefold() in refused:
        return _advice_on_refused(group, usual)
    if group.worked is not None:
        return _advice_on_worked(group, group.worked, known, usual)
    poor = usual.poor(usual.conversion)
    listed = definition.gate.sources
    if group.high < poor:
        return f"refuse: conversion significantly below {100 * poor:.3g}%"
    if listed and group.name not in listed and group.low > usual.conversion:
        return (
            "take up: the gate excludes it, but its conversion is significantly above the average"
            f" of {100 * usual.conversion:.3g}%"
        )
    return ""


def _advice_on_refused(group: Group, usual: _Usual) -> str:
    if group.low <= usual.conversion:
        return ""
    return (
        "take up: the gate refuses it, but its conversion is significantly above the average of"
        f" {100 * usual.conversion:.3g}%"
    )


def _advice_on_worked(group: Group, worked: int, known: int, usual: _Usual) -> str:
    low, high = wilson(group.won, worked)
    if high < usual.poor(usual.of_taken_up):
        return f"refuse: of {worked:,} leads that sales accepted, {group.won:,} were won"
    if wilson(worked, known)[1] < usual.taken_up and low > usual.of_taken_up:
        accepted = f"{100 * worked / known:.0f}% (of all leads {100 * usual.taken_up:.0f}%)"
        return (
            f"take up: sales accepts {accepted}, but wins {100 * group.won / worked:.0f}% of these"
        )
    return ""


def _notes(data: Dataset, history: StageHistory, units: _Units, by: By) -> list[str]:
    definition = data.definition
    crm = data.crm
    notes = []
    young = int((~units.known).sum())
    if young:
        timed = bool((units.created != NEVER).any())
        why = (
            f"came less than {definition.outcome.horizon_days:g} days ago"
            if timed
            else "are still open"
        )
        notes.append(f"{young:,} leads {why}; they count as volume, but not in conversions.")
    again = len(units.lead) - len(crm.leads)
    if again:
        notes.append(
            f"{again:,} times a lead came back after it was won or lost; each time counts as a"
            " separate lead."
        )
    silent = int(((units.furthest < 0) & units.known).sum())
    if silent and (history.move < 0).all() and any(_named(definition, code) for code in range(WON)):
        notes.append(
            f"No stage changes are known, so it is unknown how far {silent:,} leads got; pass"
            " --history to see it."
        )
    if by == "grid":
        notes.append(
            "Each lead counts in the cell of its first kept score; those without one were never"
            " scored with a grid."
        )
    if by == "source":
        own = int(crm.leads[SOURCE].notna().sum()) if SOURCE in crm.leads else 0
        found = int(source_of(data).notna().sum()) - own
        if found or not own:
            lacking = len(crm.leads) - own
            notes.append(
                f"{lacking:,} leads have no source in the CRM; for {found:,} the last marketing"
                " touch was used."
            )
    return notes


def funnel_table(report: Funnel) -> pd.DataFrame:
    """The funnel as one flat table: the stages (part "stage") and the groups (part "source",
    "month" or "grid"), shares from 0 to 1."""
    import pandas as pd

    names = [step.name for step in report.steps]
    rows: list[dict[str, object]] = [
        {
            "part": "stage",
            "name": step.name,
            "leads": step.volume,
            "known": step.before,
            "reached": step.reached,
            "people": step.people,
        }
        | {"conversion": step.conversion, "low": step.low, "high": step.high}
        for step in (*([] if report.anonymous is None else [report.anonymous]), *report.steps)
    ]
    for group in report.groups:
        row = {
            "part": report.by,
            "name": group.name,
            "leads": group.leads,
            "known": group.leads - group.young,
        }
        row |= {
            "reached": group.won,
            "conversion": group.conversion,
            "low": group.low,
            "high": group.high,
        }
        row |= {"worked": group.worked, "grade": group.grade, "advice": group.advice}
        rows.append(
            row
            | {
                f"reached {name}": count
                for name, count in zip(names[1:], group.reached[1:], strict=True)
            }
        )
    return pd.DataFrame(rows)
