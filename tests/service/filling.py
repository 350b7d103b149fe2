"""A store as it stands after months of work at the demo company: scores given week by week, and
labels that came back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from winnable.core.timestamps import microseconds
from winnable.data.features.offline import compute_features
from winnable.data.feedback.store.records import Label, ScoreRecord, packed
from winnable.data.feedback.store.store import FeedbackStore
from winnable.data.ingestion.crm import Crm, latest_moment, read_crm
from winnable.demo.company import DemoFiles
from winnable.learning.scoring.predictor import Predictor

OWNERS = ("Kim Osei", "Ravi Menon", "Lena Sturm")


WEEKS = (36, 24, 12, 2, 1, 0)


def fill(store: Path, files: DemoFiles, weeks: Sequence[int] = WEEKS) -> None:
    """Scores of the leads that were open so many weeks before the demo's present, and the outcomes
    of those closed since."""
    predictor = Predictor.of_store(store)
    crm = read_crm(
        predictor.definition,
        str(files.leads),
        str(files.activities),
        str(files.history),
        for_training=False,
    )
    present = latest_moment(crm)
    assert present is not None
    feedback = FeedbackStore.open(store)
    for week in weeks:
        as_of = present.to_pydatetime() - timedelta(weeks=week)
        feedback.remember(scores_at(predictor, crm, as_of))
    for row in np.flatnonzero(
        (crm.leads["@closed"] > present - timedelta(weeks=max(weeks))).to_numpy()
    ):
        lead = crm.leads.iloc[row]
        if feedback.lead(lead["@id"]) is not None:
            outcome = "won" if lead["@status"] in predictor.definition.outcome.won else "lost"
            feedback.add(
                Label(
                    lead["@id"],
                    outcome,
                    OWNERS[row % 3],
                    lead["@closed"].to_pydatetime(),
                    origin="import",
                )
            )
    feedback.close()


def scores_at(predictor: Predictor, crm: Crm, as_of: datetime) -> list[ScoreRecord]:
    """The scores of all leads that were open at a moment, as the service would have given them."""
    closed = crm.leads["@closed"]
    rows = np.flatnonzero(
        ((crm.leads["@created"] < as_of) & (closed.isna() | (closed > as_of))).to_numpy()
    )
    features = compute_features(
        predictor.plan, predictor.definition, crm, rows, np.full(len(rows), microseconds(as_of))
    )
    ids = crm.leads["@id"].iloc[rows].tolist()
    scores = predictor.score(features, ids, one_week=True, parts=True)
    assert scores.parts is not None
    assert crm.activities is not None
    acts = crm.activities[crm.activities["@at"] < as_of].groupby("@id")
    given = []
    for i, row in enumerate(rows):
        lead, lead_id = crm.leads.iloc[row], ids[i]
        did = acts.get_group(lead_id).tail(20) if lead_id in acts.groups else crm.activities.head(0)
        columns = [
            field.name
            for field in predictor.plan.fields
            if field.name in lead and not pd.isna(lead[field.name])
        ]
        name = " ".join(
            str(lead[part]) for part in ("First Name", "Last Name") if not pd.isna(lead[part])
        )
        given.append(
            ScoreRecord(
                score_id=f"{lead_id}-{as_of:%Y%m%d}",
                lead_id=lead_id,
                as_of=as_of,
                given_at=as_of,
                probability=float(scores.probability[i]),
                low=float(scores.low[i]),
                high=float(scores.high[i]),
                probability_winnable=None,
                grade=scores.grade[i],
                decision=scores.decision[i].action,
                because=scores.decision[i].because,
                mode=scores.mode,
                version=predictor.version,
                reasons=tuple(each.to_json() for each in scores.reasons[i]),
                start=None if scores.start is None else float(scores.start[i]),
                parts=packed(scores.parts[i].to_json()),
                values={name: lead[name] for name in columns},
                activities=[
                    {"kind": kind, "at": at.isoformat()}
                    for kind, at in zip(did["@kind"], did["@at"], strict=True)
                ],
                name=name or None,
                owner=OWNERS[row % 3],
                source=None if pd.isna(lead["@source"]) else lead["@source"],
            )
        )
    return given
