"""Replay a definition on past leads: which leads its scorecard would have handed to sales, and
which of them were won.

No model takes part, so that two versions of the definition are compared and not two models. The
page is rendered by `winnable.definition.review.summary`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from winnable.core.columns import ID, KIND, STATUS
from winnable.core.documents import Page
from winnable.core.text import counted
from winnable.core.timestamps import DAY, microseconds
from winnable.data.dataset import Dataset
from winnable.data.features.plan import FeaturePlan
from winnable.data.ingestion.crm import read_crm
from winnable.definition.decide.gate import capacity_threshold, decide
from winnable.definition.decide.scorecard import probability_of, score_points
from winnable.definition.review.diff import HandOverChange
from winnable.definition.review.lint import (
    warnings_about_dates,
    warnings_about_leads,
    warnings_about_names,
)
from winnable.definition.review.summary import describe, describe_changes
from winnable.definition.schema import Definition

if TYPE_CHECKING:
    from winnable.data.ingestion.sources.options import ReadOptions
    from winnable.data.ingestion.sources.source import Source


def page_beside_leads(
    definition: Definition,
    old: Definition | None,
    leads: Source,
    activities: Source | None = None,
    history: Source | None = None,
    options: ReadOptions | None = None,
) -> Page:
    """The definition as a page with warnings about these leads; with an `old` version, what changed
    since and which leads each of the two would have handed over. Each version reads the export on
    its own, since columns may have other roles in it.
    """
    data = Dataset(definition, read_crm(definition, leads, activities, history, options=options))
    if old is None:
        return describe(definition, warnings_about(data))
    crm = read_crm(old, leads, activities, history, options=options)
    before = handed_over(Dataset(old, crm))
    return describe_changes(old, definition, (before, handed_over(data)))


def handed_over(data: Dataset) -> HandOverChange:
    """How many leads this version would have passed at one of the moments at which they are looked
    at, and how these ended.

    Where sales has a capacity, the bar is the one that its usual week would have meant for leads as
    they came in. A lead's outcome is known when it is won or lost.
    """
    definition = data.definition
    rows = data.training_rows
    features = data.features(data.feature_plan(), rows.leads, rows.as_of)
    points = score_points(definition, features)
    chance = probability_of(points.logit)
    arriving = rows.age == 0
    weeks = (
        float(np.ptp(rows.as_of[arriving])) / (7 * DAY) if rows.timed and arriving.any() else 0.0
    )
    bar = capacity_threshold(definition, chance[arriving], weeks) if weeks >= 1 else None
    ids = data.crm.leads[ID].to_numpy()[rows.leads]
    decisions = decide(
        definition, features, [str(lead_id) for lead_id in ids], points, chance, None, usual_bar=bar
    )
    passed = np.unique(
        rows.leads[
            np.asarray([decision.action == "pass" for decision in decisions], dtype=np.bool_)
        ]
    )
    ended = data.outcomes[passed]
    known = ended[~np.isnan(ended)]
    return HandOverChange(
        definition.version, len(np.unique(rows.leads)), len(passed), len(known), int(known.sum())
    )


def warnings_about(data: Dataset) -> tuple[str, ...]:
    """What in the definition is probably a mistake, given an export: names that the export lacks,
    scorecards that match no lead."""
    definition = data.definition
    crm = data.crm
    rows = data.training_rows
    kinds = (
        None
        if crm.activities is None
        else [str(kind) for kind in crm.activities[KIND].dropna().unique()]
    )
    statuses = (
        [str(status) for status in crm.leads[STATUS].dropna().unique()]
        if STATUS in crm.leads
        else None
    )
    columns = [str(column) for column in crm.leads.columns if not str(column).startswith("@")]
    log = () if crm.activities is None else map(str, crm.activities.columns)
    properties = [name for name in log if not name.startswith("@")]
    rows = rows.take(rows.age == 0)
    plan = data.feature_plan()
    features = data.features(plan, rows.leads, rows.as_of)
    dates = [field.name for field in plan.fields if field.kind == "moment"]
    return (
        *warnings_about_names(definition, columns, kinds, statuses, properties),
        *warnings_about_dates(definition, dates),
        *_dates_to_come(data, plan),
        *warnings_about_leads(definition, features),
    )


def _dates_to_come(data: Dataset, plan: FeaturePlan) -> Iterator[str]:
    """Dates of the future that conditions compare with others: not known yet, they meet none."""
    crm = data.crm
    compared = {
        name
        for condition in data.definition.conditions_at_scoring()
        if len(condition.columns) > 1
        for name in condition.dates
    }
    fields = tuple(
        field for field in plan.fields if field.kind == "moment" and field.name in compared
    )
    if data.present is None or not fields:
        return
    rows = np.arange(len(crm.leads))
    now = np.full(len(rows), microseconds(data.present) + 1)
    features = data.features(FeaturePlan(fields), rows, now)
    for field in fields:
        days = features.numbers(field.name)
        later = int((np.isnan(days) & crm.leads[field.name].notna().to_numpy()).sum())
        if later:
            yield (
                f"{counted(later, 'lead')} of {len(rows):,} with a date under {field.name!r} that"
                " is still to come, or is none: it is not known yet, so no comparison with it is"
                " true."
            )
