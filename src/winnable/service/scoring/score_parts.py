"""The parts of scores that the score log keeps, with which later scores are compared
(`learning.scoring.changes`).

A server hands on what each attribute of a lead added, which it knows anyway, as bare numbers; the
words, which take longer, are made here, in the worker beside it and for many leads at once. They
need the model's description in the score journal, and not the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from winnable.core.columns import FloatArray
from winnable.data.features.online import features_of_records
from winnable.data.features.plan import FeaturePlan
from winnable.data.feedback.store.records import packed
from winnable.definition.decide.scorecard import score_points
from winnable.definition.schema import Definition
from winnable.learning.artifacts.typical_lead import TypicalLead
from winnable.learning.model.segments import with_segment
from winnable.learning.scoring.changes import ScoreParts
from winnable.learning.scoring.explanations import Explainer
from winnable.service.http.request import RequestLead

if TYPE_CHECKING:
    from winnable.learning.scoring.predictor import Predictor


@dataclass(frozen=True, slots=True)
class ScoredLead:
    """A lead as it was scored for a moment, and what each attribute added, (attributes,)."""

    lead: RequestLead
    as_of: datetime
    log_odds: FloatArray


def described(predictor: "Predictor") -> dict[str, Any]:
    """What `PartsMaker` has to know of a model besides its definition and plan, as plain JSON
    types."""
    typical = predictor.typical
    return {
        "fingerprint": predictor.fingerprint,
        "names": predictor.scorer.names,
        "words": {name: list(words) for name, words in predictor.scorer.words.items()},
        "typical": None if typical is None else typical.to_json(),
        "apart": predictor.mode == "rules",
        "attributes": predictor.attributes,
    }


class PartsMaker:
    """Makes the parts of scores of one model, `described`."""

    def __init__(
        self, definition: Definition, plan: FeaturePlan, description: Mapping[str, Any]
    ) -> None:
        typical = description["typical"]
        self._definition = definition
        self._plan = plan
        self._fingerprint = description["fingerprint"]
        self._words = {name: frozenset(words) for name, words in description["words"].items()}
        self._explainer = Explainer(
            definition,
            plan,
            description["names"],
            None if typical is None else TypicalLead.from_json(typical),
            apart=description["apart"],
        )
        attributes = [list(each) for each in self._explainer.attributes.every]
        self._is_alike = attributes == description["attributes"]

    def log_odds(self, written: bytes) -> FloatArray:
        """What each attribute added to the scores of a request, (leads, attributes), as the server
        wrote it; (0, attributes) if it was of a version that knew others."""
        width = len(self._explainer.attributes.every)
        numbers = np.frombuffer(written if self._is_alike else b"")
        is_whole = width > 0 and numbers.size % width == 0
        return (numbers if is_whole else numbers[:0]).reshape(-1, width)

    def parts(self, leads: Sequence[ScoredLead]) -> list[bytes]:
        """The parts of these scores, as they are kept."""
        features = features_of_records(
            self._plan,
            self._definition,
            [each.lead.values for each in leads],
            [each.lead.activities for each in leads],
            [each.as_of for each in leads],
            self._words,
        )
        points = score_points(self._definition, features)
        features = with_segment(self._definition, features, points)
        log_odds = np.array([each.log_odds for each in leads])
        parts = self._explainer.parts(features, points, log_odds, self._words)
        return [packed(ScoreParts(self._fingerprint, own).to_json()) for own in parts]
