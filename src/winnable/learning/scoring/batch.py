"""Batch scoring: every row of an export gets a score or an error, in the order of the export, a
block of rows at a time.

The numbers are the predictor's; here rows are brought to it and its scores to a table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from winnable.core.columns import CLOSED, CREATED, ID, STATUS, BoolArray, IntArray
from winnable.core.progress import Progress, no_progress
from winnable.core.timestamps import NEVER, datetime_of, moment_text, times_of
from winnable.data.dataset import Dataset
from winnable.data.feedback.store.records import EarlierScore
from winnable.data.ingestion.crm import Crm, read_crm
from winnable.data.ingestion.parsing import parse_moments
from winnable.data.ingestion.sources.options import ReadOptions
from winnable.data.ingestion.sources.source import Source
from winnable.definition.decide.grid import GridPlace
from winnable.errors import DataError
from winnable.learning.scoring.changes import change_between
from winnable.learning.scoring.input_checks import input_notes
from winnable.learning.scoring.predictor import Predictor, Scores
from winnable.learning.scoring.score_record import BECAUSE_CLOSED

COLUMNS = [
    "lead_id",
    "probability",
    "low",
    "high",
    "probability_winnable",
    "grade",
    "decision",
    "because",
    "reasons",
    "mode",
    "model",
    "as_of",
    "error",
]
CHANGE_COLUMNS = ["probability_before", "before_as_of", "changed_by"]
"""Besides, where the scores are compared with earlier ones."""

GRID_COLUMNS = ["cell", "cell_says", "fit", "engagement", "interest", "intent", "behaviour"]
"""Besides, where the definition has a grid: odds ratios against the average lead."""

Keep = Callable[[IntArray, IntArray, Scores], None]
Earlier = Callable[[Sequence[tuple[str, datetime]]], Mapping[tuple[str, datetime], EarlierScore]]
"""Gives the earlier scores of leads, each by its id and the moment of scoring, of those that have
one."""

BLOCK_ROWS = 50_000
"""Rows scored together, so that memory does not grow with the export."""

WITHOUT_PAST = (
    "The export holds too few closed leads, or too short a time, to know what the accounts did"
    " before; the scores do without it. Export closed leads as well."
)

MAX_LEADS_OF_ONE_WEEK = 50_000
"""Leads of an export that are taken for those of one week, who compete for the capacity of
sales."""


def read_to_score(
    predictor: Predictor,
    leads: Source,
    activities: Source | None = None,
    history: Source | None = None,
    options: ReadOptions | None = None,
) -> Dataset:
    """The leads of an export that is to be scored, read as the model's own export was; every row
    stays, in order. Its notes also say how its values differ from the training's."""
    day_first = None if predictor.plan.created is None else predictor.plan.created.day_first
    crm = read_crm(
        predictor.definition,
        leads,
        activities,
        history,
        for_training=False,
        day_first=day_first,
        options=options,
    )
    data = Dataset(predictor.definition, crm)
    notes = (*crm.notes, *input_notes(predictor, crm.leads))
    if predictor.scorer.spec.accounts is not None and not data.knows_accounts_of(predictor.plan):
        notes = (*notes, WITHOUT_PAST)
    return Dataset(predictor.definition, replace(crm, notes=notes))


def moments_of_scoring(data: Dataset, asked: str | None) -> IntArray:
    """The moment for which each lead is scored, microseconds since 1970, shape (n,).

    `asked` is a date for all of them or the name of a column with a date for each; without it, it
    is the second after the newest time recorded in the export, so that all that it knows counts,
    and for an export without any time it is now. A row without a date of its own gets the smallest
    int64. `DataError` if what was asked for is neither a date nor a column.
    """
    size = len(data.crm.leads)
    if asked is not None and asked in data.crm.leads:
        return times_of(parse_moments(data.crm.leads[asked]))
    if asked is not None:
        moment = parse_moments(pd.Series([asked], dtype="str"))
        if moment.isna().any():
            raise DataError(
                f"--as-of {asked}: neither a date such as 2026-06-30 nor a column of the leads."
                " Give one of the two."
            )
        return np.repeat(times_of(moment), size)
    if data.present is None:
        moment_after = pd.Timestamp.now("UTC")
    else:
        moment_after = pd.Timestamp(data.present).floor("s") + pd.Timedelta(seconds=1)
    return np.repeat(times_of(pd.Series([moment_after])), size)


@dataclass(frozen=True)
class ScoringJob:
    """The leads of an export that are scored by a model, each for its moment in `as_of`
    (microseconds, shape (number of leads,)), and whether reasons are given, which takes three times
    as long. With `earlier` scores the table says why the present ones are others; that needs
    reasons."""

    predictor: Predictor
    data: Dataset
    as_of: IntArray
    reasons: bool = True
    earlier: Earlier | None = None

    @property
    def columns(self) -> list[str]:
        """The columns of the table."""
        grid = [] if self.predictor.definition.grid is None else GRID_COLUMNS
        changes = [] if self.earlier is None else CHANGE_COLUMNS
        return [*COLUMNS[:-1], *grid, *changes, COLUMNS[-1]]


def score_table(
    job: ScoringJob,
    *,
    keep: Keep | None = None,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """The scores of all leads as a table, a row a lead, in order; a lead that cannot be scored has
    an error text and empty numbers.

    That includes rows of the source that could not even be read, so that nothing is lost. Where
    sales has a capacity, the leads of an export compete for the places of one week; those of an
    export of more than `MAX_LEADS_OF_ONE_WEEK` are held against the usual bar.

    `keep` is given the scores of open leads, a block at a time: their positions, moments and
    scores.
    """
    crm = job.data.crm
    faults = _faults(crm, job.as_of)
    blocks = [_unread(crm)]
    for start in range(0, len(crm.leads), BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, len(crm.leads)))
        blocks.append(_score_block(job, rows, faults.iloc[rows], keep))
        progress("Scoring", int(rows[-1]) + 1, len(crm.leads))
    filled = [part for part in blocks if len(part)]
    if not filled:
        return pd.DataFrame(columns=job.columns)
    return pd.concat(filled).sort_index().reindex(columns=job.columns)


def _unread(crm: Crm) -> pd.DataFrame:
    """The rows of the source that are no leads at all, with the reason, indexed by their number
    like the leads."""
    of_leads = crm.rejects["table"] == "leads"
    unread = crm.rejects[of_leads & ~crm.rejects["row"].isin(crm.leads.index)].set_index("row")
    return pd.DataFrame({"lead_id": unread["id"], "error": unread["reason"]})


def _score_block(
    job: ScoringJob, rows: IntArray, faults: "pd.Series[str]", keep: Keep | None
) -> pd.DataFrame:
    """The scores of some rows. Leads that are closed already get theirs, but take nobody's place
    with sales."""
    ended = _ended(job, rows)
    scored = [
        _score_rows(job, rows[chosen], faults[chosen], keep if chosen is not ended else None)
        for chosen in (~ended, ended)
        if chosen.any()
    ]
    table = pd.concat(scored).sort_index()
    table.loc[ended & table["error"].isna().to_numpy(), ["decision", "because"]] = [
        "closed",
        BECAUSE_CLOSED,
    ]
    return table


def _ended(job: ScoringJob, rows: IntArray) -> BoolArray:
    """Which leads were won or lost by the moment of scoring, or at a time that nobody wrote
    down."""
    leads = job.data.crm.leads.iloc[rows]
    outcome = job.data.definition.outcome
    if STATUS not in leads:
        return np.zeros(len(rows), dtype=bool)
    over: BoolArray = leads[STATUS].isin([*outcome.won, *outcome.lost]).to_numpy(dtype=bool)
    return over & (times_of(leads[CLOSED]) <= job.as_of[rows]) if CLOSED in leads else over


def _score_rows(
    job: ScoringJob, rows: IntArray, faults: "pd.Series[str]", keep: Keep | None
) -> pd.DataFrame:
    predictor = job.predictor
    crm = job.data.crm
    as_of = job.as_of[rows]
    ids = crm.leads[ID].iloc[rows].fillna("").tolist()
    good: BoolArray = faults.isna().to_numpy()
    features = job.data.features(predictor.plan, rows, np.where(good, as_of, 0))
    one_week = len(crm.leads) <= MAX_LEADS_OF_ONE_WEEK
    parts = job.reasons and (keep is not None or job.earlier is not None)
    scores = predictor.score(features, ids, reasons=job.reasons, one_week=one_week, parts=parts)
    if keep is not None:
        keep(rows[good], as_of[good], scores.take(np.flatnonzero(good)))
    empty = np.full(len(rows), np.nan)
    table = pd.DataFrame(
        {
            "lead_id": ids,
            "probability": scores.probability,
            "low": scores.low,
            "high": scores.high,
            "probability_winnable": empty if scores.winnable is None else scores.winnable,
            "grade": scores.grade,
            "decision": [decision.action for decision in scores.decision],
            "because": [decision.because for decision in scores.decision],
            "reasons": ["; ".join(reason.text for reason in reasons) for reasons in scores.reasons],
            "mode": scores.mode,
            "model": predictor.version,
            "as_of": (
                pd.to_datetime(np.where(good, as_of, 0), unit="us", utc=True).strftime(
                    "%Y-%m-%dT%H:%M:%SZ"
                )
            ),
        },
        index=crm.leads.index[rows],
    )
    if scores.grid is not None:
        places = [_grid_row(place) for place in scores.grid]
        table[GRID_COLUMNS] = pd.DataFrame(places, table.index, GRID_COLUMNS)
    if job.earlier is not None:
        table[CHANGE_COLUMNS] = _changes(job.earlier, ids, np.where(good, as_of, 0), scores)
    table.loc[~good, table.columns[1:]] = None
    return table.assign(error=faults.to_numpy())


def _grid_row(place: GridPlace | None) -> list[str | float | None]:
    """What is in `GRID_COLUMNS` for a lead."""
    if place is None:
        return [None] * len(GRID_COLUMNS)
    ratios = (place.fit, place.engagement, place.interest, place.intent, place.behaviour)
    return [place.cell, place.says, *ratios]


def _changes(
    earlier: Earlier, ids: Sequence[str], as_of: IntArray, scores: Scores
) -> list[tuple[float | None, str | None, str | None]]:
    """What is in `CHANGE_COLUMNS` for each lead."""
    moments = [datetime_of(moment) for moment in as_of]
    found = earlier(list(zip(ids, moments, strict=True)))
    changes: list[tuple[float | None, str | None, str | None]] = []
    for row, key in enumerate(zip(ids, moments, strict=True)):
        before = found.get(key)
        if before is None:
            changes.append((None, None, None))
            continue
        parts = None if scores.parts is None else scores.parts[row]
        change = change_between(before, float(scores.probability[row]), key[1], parts)
        at = moment_text(before.as_of)
        changes.append((before.probability, at, change.because))
    return changes


def _faults(crm: Crm, as_of: IntArray) -> "pd.Series[str]":
    """Why a lead cannot be scored, missing where it can."""
    faults = pd.Series(pd.NA, index=crm.leads.index, dtype="str")
    rejects = crm.rejects[crm.rejects["table"] == "leads"].drop_duplicates("row").set_index("row")
    faults.update(rejects["reason"].astype("str"))
    faults[(as_of == NEVER) & faults.isna().to_numpy()] = (
        "the column of --as-of has no date for this lead"
    )
    if CREATED in crm.leads:
        late = (times_of(crm.leads[CREATED]) > as_of) & faults.isna().to_numpy()
        faults[late] = "the lead was created after the moment of scoring"
    return faults
