"""The predictor (inference): features of leads in, scores out; the one way from a model to a
number, in batch and in the service alike.

It is made from an artifact, or from a definition alone, in which case the rules answer (baseline).
It holds no state but the model's and needs neither pandas nor the libraries that trained it.
Training it is `training`'s work, finding the champion `registry`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np

from winnable.core.columns import STATUS, FeatureTable, FloatArray, IntArray
from winnable.data.features.derived.derive import warm as warm_derived
from winnable.data.features.online import Activity, features_of_records
from winnable.data.features.plan import AGE, Attribute, FeaturePlan, Field
from winnable.definition.decide.gate import GateDecision, decide, grade
from winnable.definition.decide.grid import GridPlace, places
from winnable.definition.decide.scorecard import Points, score_points
from winnable.definition.load import load_definition
from winnable.definition.schema import Definition
from winnable.errors import StoreError
from winnable.learning.artifacts.artifact import Artifact, read_artifact
from winnable.learning.artifacts.card import ModelCard, Spec
from winnable.learning.artifacts.deployed import champion_of
from winnable.learning.artifacts.typical_lead import TypicalLead
from winnable.learning.model.calibration import identity
from winnable.learning.model.scorer import UNKNOWN_BAND, Contributions, Prediction, Scorer
from winnable.learning.model.segments import with_segment
from winnable.learning.model.spec import ModelSpec
from winnable.learning.scoring.changes import ScoreParts
from winnable.learning.scoring.explanations import Explainer, Reason


@dataclass(frozen=True)
class Scores:
    """The answers for n leads, in their order.

    `probability` is that of Closed Won within the horizon, between `low` and `high`; `winnable`
    that within the longer horizon, or None where the history has no dates. All of shape (n,).
    `start` is the probability of a typical open lead (of one without points, where the scorecard
    answers), from which the effects of the `reasons` and `rest`, that of everything else, add up to
    `probability`; both None without reasons, and for a model that does not know typical leads.
    `mode` is "rules", "blend" or "learned", and `why` says why. `log_odds` (n, attributes) is
    what the reasons are chosen from, `parts` the same with its words, where they were asked for.
    `grid` are the places in the grid, None without reasons and where the definition has no grid.
    """

    probability: FloatArray
    low: FloatArray
    high: FloatArray
    winnable: FloatArray | None
    grade: tuple[str, ...]
    decision: tuple[GateDecision, ...]
    reasons: tuple[tuple[Reason, ...], ...]
    mode: str
    why: str
    start: FloatArray | None = None
    rest: FloatArray | None = None
    log_odds: FloatArray | None = None
    parts: tuple[ScoreParts, ...] | None = None
    grid: tuple[GridPlace | None, ...] | None = None

    def take(self, rows: IntArray) -> "Scores":
        """The scores at these positions."""
        chosen = rows.tolist()
        return replace(
            self,
            probability=self.probability[rows],
            low=self.low[rows],
            high=self.high[rows],
            winnable=None if self.winnable is None else self.winnable[rows],
            grade=tuple(self.grade[row] for row in chosen),
            decision=tuple(self.decision[row] for row in chosen),
            reasons=tuple(self.reasons[row] for row in chosen),
            start=None if self.start is None else self.start[rows],
            rest=None if self.rest is None else self.rest[rows],
            log_odds=None if self.log_odds is None else self.log_odds[rows],
            parts=None if self.parts is None else tuple(self.parts[row] for row in chosen),
            grid=None if self.grid is None else tuple(self.grid[row] for row in chosen),
        )


class Predictor:
    """A model ready to score leads.

    `definition` and `plan` say what it looks at, `scorer` what it learned, `columns` are the
    columns that it knows, `card` is its model card, and `profile` what its columns looked like in
    training.
    """

    def __init__(self, artifact: Artifact, version: str = "") -> None:
        spec = artifact.spec
        self.definition = spec.definition
        self.plan = spec.plan
        self.scorer = Scorer(spec.model, artifact.boosters)
        self.mode = spec.model.mode
        self._explainer = Explainer(
            self.definition,
            self.plan,
            self.scorer.names,
            spec.typical,
            apart=self.mode == "rules",
        )
        self.why = spec.model.why
        self.win_time_curve = spec.win_time_curve
        self.usual_bar = spec.usual_bar
        self.fingerprint = artifact.fingerprint
        self.version = version or self.fingerprint
        self.card = spec.card
        self.profile = spec.profile
        self._sources = spec.sources
        roles = self.definition.columns
        named = (
            roles.id,
            roles.person,
            roles.account,
            roles.created,
            roles.closed,
            *(self.definition.outcome_columns - {STATUS}),
            *roles.ignore,
        )
        self.columns = frozenset(
            {field.name for field in self.plan.fields} | {name for name in named if name}
        )

    @classmethod
    def read(cls, folder: Path, version: str = "") -> Self:
        """The predictor of an artifact folder; `ArtifactError` if the folder is incomplete or
        altered."""
        return cls(read_artifact(folder), version)

    @classmethod
    def of_store(cls, store: Path, definition: Path | None = None) -> Self:
        """The predictor of a store's champion, or of the rules in a definition file while there is
        none.

        `StoreError` if there is neither, `ArtifactError` if the champion's copy is incomplete or
        altered.
        """
        champion = champion_of(store)
        if champion is not None:
            return cls.read(champion.folder, str(champion.version))
        if definition is None:
            raise StoreError(
                f"{store}: there is no champion here and no definition to score by. Train first or"
                " name a --definition."
            )
        return cls.from_rules(load_definition(definition))

    @classmethod
    def from_rules(cls, definition: Definition) -> Self:
        """The predictor of a definition without any history: the rules answer and say so."""
        return cls(scorecard_artifact(definition), "rules")

    def features(
        self,
        records: Sequence[Mapping[str, Any]],
        activities: Sequence[Sequence[Activity]],
        as_of: Sequence[datetime],
    ) -> FeatureTable:
        """The features of the leads of a request, by the model's own plan."""
        return features_of_records(
            self.plan, self.definition, records, activities, as_of, self.scorer.words
        )

    @property
    def typical(self) -> TypicalLead | None:
        """The lead against which reasons are measured, if the model knows it."""
        return self._explainer.typical

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the reasons tell of, in the order of `Scores.log_odds`."""
        return self._explainer.attributes.every

    @property
    def learned_columns(self) -> tuple[str, ...]:
        """The columns that the model learned from."""
        return self.scorer.names

    def warm(self) -> None:
        """Prepare what the first lead with reasons would have to wait for, by scoring one of which
        nothing is known."""
        self.score(FeatureTable(1, {}), [""])
        if self.plan.derived:
            warm_derived()

    def score(
        self,
        features: FeatureTable,
        lead_ids: Sequence[str],
        *,
        reasons: bool = True,
        one_week: bool = False,
        parts: bool = False,
    ) -> Scores:
        """Scores for features of n leads; `lead_ids` (n) only choose the random slice that is
        always worked.

        Where sales has a capacity, `one_week` says that these leads compete with each other for the
        places of a week; otherwise each is held against the bar that the capacity usually means.
        With `parts` the scores can be compared with later ones (`changes`); they need `reasons`.
        """
        points = score_points(self.definition, features)
        features = with_segment(self.definition, features, points)
        answer = self.scorer.answer(features, points.logit, reasons=reasons)
        probability = answer.probability
        winnable = self.within(features, probability, self.definition.outcome.winnable_days)
        scores = Scores(
            probability=probability,
            low=answer.low,
            high=answer.high,
            winnable=winnable,
            grade=self._grades(features, probability),
            decision=decide(
                self.definition,
                features,
                lead_ids,
                points,
                probability,
                winnable,
                usual_bar=None if one_week else self.usual_bar,
            ),
            reasons=((),) * features.size,
            mode=self.mode,
            why=self.why,
        )
        if not reasons:
            return scores
        scores = self._with_reasons(scores, features, points, answer)
        return self._with_parts(scores, features, points) if parts else scores

    def _grades(self, features: FeatureTable, probability: FloatArray) -> tuple[str, ...]:
        """Hot to cold by each lead's probability (n,), or by its source while the history is
        thin."""
        source = self.definition.columns.source_name
        if self._sources is None or source is None:
            return grade(self.definition, probability, self.card.base_rate)
        return self._sources.grades(self.definition, features.words(source))

    def within(
        self, features: FeatureTable, probability: FloatArray, days: float
    ) -> FloatArray | None:
        """The probability of being won within any number of `days`, from the score's `probability`
        (n,) of the same features.

        It never falls with the days. None where the history has no dates, and so no horizon. A
        lead without a date of creation is taken as new.
        """
        if self.win_time_curve is None:
            return None
        age = np.maximum(np.nan_to_num(features.numbers(AGE), nan=0.0), 0.0)
        return self.win_time_curve.rescale_horizon(
            probability, age, self.definition.outcome.horizon_days, days
        )

    def probability(self, features: FeatureTable) -> FloatArray:
        """The probability of Closed Won within the horizon alone, shape (n,)."""
        points = score_points(self.definition, features)
        return self.scorer.probability(
            with_segment(self.definition, features, points), points.logit
        )

    def explain(self, features: FeatureTable) -> tuple[FeatureTable, Contributions]:
        """All that the model looks at, and what each of it added to the log-odds."""
        points = score_points(self.definition, features)
        seen = with_segment(self.definition, features, points)
        return seen, self.scorer.explain(seen, points.logit)

    def _with_reasons(
        self, scores: Scores, features: FeatureTable, points: Points, answer: Prediction
    ) -> Scores:
        assert answer.reasons is not None, "they were asked for"
        explained = self._explainer.explain(features, points, answer.reasons, answer.probability)
        reasons = self._explainer.reasons(features, points, explained, self.scorer.words)
        scores = replace(scores, reasons=reasons, log_odds=explained.log_odds)
        if self.definition.grid is not None and explained.sides is not None:
            scores = replace(scores, grid=places(self.definition.grid, explained.sides))
        if not self._explainer.has_start:
            return scores
        shown = np.array([sum(reason.effect for reason in own) for own in reasons])
        rest = answer.probability - explained.start - shown
        return replace(scores, start=explained.start, rest=rest)

    def _with_parts(self, scores: Scores, features: FeatureTable, points: Points) -> Scores:
        assert scores.log_odds is not None, "reasons were asked for"
        parts = self._explainer.parts(features, points, scores.log_odds, self.scorer.words)
        return replace(scores, parts=tuple(ScoreParts(self.fingerprint, own) for own in parts))


def scorecard_spec() -> ModelSpec:
    """The learned part of a model that has learned nothing: the rules' own log-odds."""
    return ModelSpec(
        mode="rules",
        why="there is no history yet to train on",
        encoding={"numbers": [], "words": []},
        experts={"rules": {"kind": "rules", "intercept": 0.0, "slope": 1.0}},
        base=0.0,
        weights={"rules": 1.0},
        calibration=identity(),
        interval=UNKNOWN_BAND,
    )


def scorecard_artifact(definition: Definition) -> Artifact:
    """The artifact of a company without any history: nothing is learned, and what the rules look at
    is all that is read."""
    dates = {name for condition in definition.conditions() for name in condition.dates}
    fields = tuple(
        Field(name, "moment" if name in dates else "words", learn=False)
        for name in definition.fields()
    )
    created = definition.columns.created
    plan = FeaturePlan(
        fields,
        definition.aggregates(),
        None if created is None else Field(created, "moment", learn=False),
        properties=tuple(Field(name, "words", learn=False) for name in definition.properties()),
    )
    card = ModelCard(
        horizon_days=None,
        winnable_days=None,
        leads=0,
        wins=0,
        rows=0,
        known_until=None,
        base_rate=definition.outcome.expected_conversion,
        judged_on=None,
        measured={},
        winnable=metadata.version("winnable"),
    )
    spec = Spec(
        definition=definition,
        plan=plan,
        model=scorecard_spec(),
        win_time_curve=None,
        usual_bar=None,
        card=card,
    )
    return Artifact.of(spec, {})
