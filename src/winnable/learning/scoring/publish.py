"""Publishing to the inbox of sales: the scores of an export's open leads go to the feedback store,
where people label them.

Scores that are there already are not doubled: the same version scores the same lead for the same
moment once. The scores of the service are kept by `service.scoring.score_log`.
"""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from winnable.core.columns import AT, CREATED, ID, KIND, IntArray
from winnable.core.progress import Progress, no_progress
from winnable.core.timestamps import datetime_of, known_times, times_of
from winnable.core.values import text
from winnable.data.dataset import Dataset
from winnable.data.features.accounts import account_keys
from winnable.data.features.derived.people import person_keys
from winnable.data.feedback.lead_names import MAX_CHARACTERS, LeadDisplay, LeadDisplayColumns
from winnable.data.feedback.store.records import (
    ACTIVITIES_KEPT,
    LONGEST_ID,
    ScoreRecord,
    packed,
)
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError
from winnable.learning.scoring.batch import ScoringJob, score_table
from winnable.learning.scoring.predictor import Predictor, Scores
from winnable.learning.scoring.score_record import (
    ScoreOrigin,
    kept_fields,
    to_response,
    to_score_record,
)

SCORES_PER_COMMIT = 500
Activities = tuple[dict[str, Any], ...]


def score_and_publish(
    job: ScoringJob, store: Path, output: Path | str | None, *, progress: Progress = no_progress
) -> pd.DataFrame:
    """The table of `batch.score_table`, with the scores of open leads kept for sales in the store's
    feedback.

    `output` is where the table will stay, if it does (`Output.kept_at`): a file is cleared, too,
    when a person is to be forgotten. `DataError` where the definition names no column for a lead's
    id: nobody could answer a lead without one.
    """
    if job.predictor.definition.columns.id is None:
        raise DataError(
            "the inbox needs leads with an id; name its column under columns.id of the definition"
            " and train again."
        )
    feedback = FeedbackStore.open(store)
    try:
        if output is not None:
            feedback.exported(output)
        keep = InboxPublisher(job.predictor, job.data, feedback).keep
        return score_table(job, keep=keep, progress=progress)
    finally:
        feedback.close()


class InboxPublisher:
    """Keeps the scores of one export's leads as they are given, a block at a time."""

    def __init__(self, predictor: Predictor, data: Dataset, feedback: FeedbackStore) -> None:
        self._predictor = predictor
        self._crm = data.crm
        self._feedback = feedback
        self._display_columns = LeadDisplayColumns.among(
            predictor.definition,
            [name for name in data.crm.leads.columns if not name.startswith("@")],
        )
        ids = [text(each) for each in data.crm.leads[ID]]
        self._accounts = dict(zip(ids, account_keys(data.crm), strict=True))
        people = person_keys(predictor.definition, data.crm)
        self._people = dict(zip(ids, people, strict=True))
        self._fields = kept_fields(predictor.plan, predictor.definition)
        self._done: dict[datetime, set[str]] = {}
        self._now = datetime.now(UTC)

    def keep(self, rows: IntArray, as_of: IntArray, scores: Scores) -> None:
        """Keep the `scores` (n) of the leads at these positions, given for these moments in
        microseconds since 1970."""
        batch: list[ScoreRecord] = []
        for record in self._records(rows, as_of, scores):
            batch.append(record)
            if len(batch) == SCORES_PER_COMMIT:
                self._feedback.remember(batch, self._predictor.definition)
                batch = []
        self._feedback.remember(batch, self._predictor.definition)

    def _records(self, rows: IntArray, as_of: IntArray, scores: Scores) -> Iterator[ScoreRecord]:
        leads = self._crm.leads.iloc[rows].astype(object)
        leads = leads.where(leads.notna(), None)
        activities = self._activities(leads[ID].to_list(), as_of)
        for place, lead in enumerate(leads.to_dict("records")):
            lead_id = text(lead[ID])
            moment = datetime_of(as_of[place])
            if lead_id is None or len(lead_id) > LONGEST_ID:
                continue
            if moment not in self._done:
                version = self._predictor.version
                self._done[moment] = self._feedback.already_scored(version, moment)
            if lead_id in self._done[moment]:
                continue
            self._done[moment].add(lead_id)
            yield self._score(lead_id, moment, lead, activities[place], scores, place)

    def _score(
        self,
        lead_id: str,
        moment: datetime,
        lead: dict[Any, Any],
        activities: Activities,
        scores: Scores,
        place: int,
    ) -> ScoreRecord:
        record = to_score_record(
            to_response(scores, place, lead_id, str(uuid.uuid4())),
            ScoreOrigin(scores.mode, self._predictor.version, moment, self._now),
            plate=self._plate(lead_id, lead),
            fields=self._fields,
            values={**lead, **self._created(lead)},
            activities=activities,
        )
        if scores.parts is None:
            return record
        return replace(record, parts=packed(scores.parts[place].to_json()))

    def _created(self, lead: dict[Any, Any]) -> dict[str, str]:
        """When the lead was created, as it was read: the export may write it in many ways."""
        name = self._predictor.definition.columns.created
        created = lead.get(CREATED)
        return {} if name is None or created is None else {name: created.isoformat()}

    def _plate(self, lead_id: str, lead: dict[Any, Any]) -> LeadDisplay:
        """How a lead is shown. Its person and its account are known from the whole export."""
        person = self._people[lead_id]
        plate = replace(
            self._display_columns.of(lead),
            person=None if person is None else person[:MAX_CHARACTERS],
        )
        key = self._accounts[lead_id]
        if key is None:
            return replace(plate, account=None, account_name=None)
        key = key[:MAX_CHARACTERS]
        named = plate.account_name if plate.account == key else None
        return replace(plate, account=key, account_name=named or key)

    def _activities(self, ids: list[str], as_of: IntArray) -> list[Activities]:
        """The last activities of each lead before its moment, oldest first."""
        table = self._crm.activities
        if table is None:
            return [()] * len(ids)
        table = table[table[ID].isin(set(ids))]
        order = dict(table.groupby(ID, sort=False).indices.items())
        at = times_of(table[AT])
        kinds = table[KIND].to_list()
        known = known_times(table)
        written = np.datetime_as_string(at.astype("datetime64[us]"), unit="s")
        histories = []
        for lead_id, moment in zip(ids, as_of, strict=True):
            past = [row for row in order.get(lead_id, ()) if known[row] < moment][-ACTIVITIES_KEPT:]
            histories.append(tuple({"kind": kinds[row], "at": f"{written[row]}Z"} for row in past))
        return histories
