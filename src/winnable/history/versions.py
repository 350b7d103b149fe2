"""A version of the definition held against what happened: whom its own points would have handed to sales, and who was won.

Nothing learned takes part, so that two versions are compared and not two models. The page is written by
`winnable.definition.page`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from winnable.definition.compare import HandedOver
from winnable.definition.doubts import doubts_about_leads, doubts_about_names
from winnable.definition.gate import bar_of_capacity, decide
from winnable.definition.model import Definition
from winnable.definition.scorecard import probability_of, score_points
from winnable.history.crm import latest_moment
from winnable.history.features import facts_of
from winnable.history.moments import DAY
from winnable.history.plan import learn_plan
from winnable.history.snapshots import outcomes, take_snapshots

if TYPE_CHECKING:
    from winnable.history.crm import Crm


def handed_over(definition: Definition, crm: Crm) -> HandedOver:
    """How many leads this version would have passed at one of the moments at which they are looked at, and how these ended.

    Where sales has a capacity, the bar is the one that its usual week would have meant for leads as they came in. A lead's
    outcome is known when it is won or lost.
    """
    latest = latest_moment(crm)
    rows = take_snapshots(definition, crm, None if latest is None else latest.to_pydatetime())
    facts = facts_of(learn_plan(definition, crm), definition, crm, rows.leads, rows.as_of)
    points = score_points(definition, facts)
    chance = probability_of(points.logit)
    arriving = rows.age == 0
    weeks = float(np.ptp(rows.as_of[arriving])) / (7 * DAY) if rows.timed and arriving.any() else 0.0
    bar = bar_of_capacity(definition, chance[arriving], weeks) if weeks >= 1 else None
    ids = crm.leads["@id"].to_numpy()[rows.leads]
    decisions = decide(definition, facts, [str(each) for each in ids], points, chance, None, usual_bar=bar)
    passed = np.unique(rows.leads[np.asarray([decision.action == "pass" for decision in decisions], dtype=np.bool_)])
    ended = outcomes(definition, crm)[passed]
    known = ended[~np.isnan(ended)]
    return HandedOver(definition.version, len(np.unique(rows.leads)), len(passed), len(known), int(known.sum()))


def doubts_about(definition: Definition, crm: Crm) -> tuple[str, ...]:
    """What in the definition is probably not meant, held against an export: names that it lacks, cards that fit nobody."""
    kinds = None if crm.activities is None else [str(kind) for kind in crm.activities["@kind"].dropna().unique()]
    statuses = [str(status) for status in crm.leads["@status"].dropna().unique()] if "@status" in crm.leads else None
    columns = [str(column) for column in crm.leads.columns if not str(column).startswith("@")]
    latest = latest_moment(crm)
    rows = take_snapshots(definition, crm, None if latest is None else latest.to_pydatetime())
    rows = rows.take(rows.age == 0)
    facts = facts_of(learn_plan(definition, crm), definition, crm, rows.leads, rows.as_of)
    return (*doubts_about_names(definition, columns, kinds, statuses), *doubts_about_leads(definition, facts))
