"""The typical lead of a training: what a model says on average of the leads that are open now, and
of which values there were enough leads for a reason to rest on.

Reasons are measured against it in `scoring.explanations`; what is kept is in
`artifacts.typical_lead`.
"""

from dataclasses import dataclass

import numpy as np

from winnable.core.columns import CREATED, FeatureTable, FloatArray, IntArray
from winnable.core.timestamps import microseconds, times_of
from winnable.data.dataset import Dataset
from winnable.data.features.plan import Attribute, FeaturePlan
from winnable.data.features.training_rows import TrainingRows
from winnable.definition.decide.scorecard import Points, log_odds_by_rule, score_points
from winnable.definition.schema import Definition
from winnable.learning.artifacts.typical_lead import States, TypicalLead
from winnable.learning.model.lead_model import LeadModel
from winnable.learning.model.scorer import RULES, Contributions
from winnable.learning.model.segments import with_segment
from winnable.learning.scoring.attributes import Attributes

MIN_OPEN_LEADS = 50
"""With fewer open leads the latest training rows say what a typical lead is."""

MAX_LEADS = 2000
"""Typical leads at most, the newest; the mean of more is the same."""

SECOND = 1_000_000

CLEAR = 1.96
"""Standard errors from which on leads with something were won more or less often than others."""

MIN_LEADS_PER_STATE = 20
"""What fewer leads had of an attribute is no reason."""


@dataclass(frozen=True)
class SeenInTraining:
    """What a model was trained on: the `features` that it may use and the scorecard's `points` of
    the training `rows`."""

    features: FeatureTable
    points: Points
    rows: TrainingRows


def typical_lead(
    data: Dataset, plan: FeaturePlan, model: LeadModel, seen: SeenInTraining
) -> TypicalLead | None:
    """The typical lead for a model of this plan; None where the model is the scorecard, or there
    are no leads."""
    if model.spec_.mode == "rules" or not len(seen.rows.leads):
        return None
    still_open = np.flatnonzero(np.isnan(data.outcomes))
    if len(still_open) >= MIN_OPEN_LEADS:
        who = "open lead"
        leads = _newest(data, still_open)
        now = _present(data, seen.rows)
        features = data.features(plan, leads, np.full(len(leads), now))
        points = score_points(data.definition, features)
        features = with_segment(data.definition, features, points)
    else:
        who = "lead"
        latest = _latest(seen.rows)
        features = seen.features.take(latest)
        points = seen.points.take(latest)
    parts = model.explain(features, points.logit)
    attributes = Attributes(data.definition, plan, parts.names, apart=False)
    enough, better, worse = _states(attributes, seen)
    return TypicalLead(
        who=who,
        base=float(parts.base.mean()),
        parts=dict(zip(parts.names, parts.values.mean(axis=0).tolist(), strict=True)),
        rules=_rule_means(data.definition, points, attributes),
        cards=_card_means(data.definition, points),
        points=float(points.logit.mean()),
        slope=_slope(points.logit, parts),
        enough=enough,
        better=better,
        worse=worse,
    )


def _newest(data: Dataset, leads: IntArray) -> IntArray:
    if CREATED in data.crm.leads:
        created = times_of(data.crm.leads[CREATED])[leads]
        leads = leads[np.argsort(created, kind="stable")]
    return leads[-MAX_LEADS:]


def _present(data: Dataset, rows: TrainingRows) -> int:
    """The moment for which an export is scored, microseconds."""
    if data.present is None:
        return int(rows.as_of.max())
    return microseconds(data.present) + SECOND


def _latest(rows: TrainingRows) -> IntArray:
    """The latest training rows; of rows without times some, evenly spaced."""
    if rows.timed:
        return np.argsort(rows.as_of, kind="stable")[-MAX_LEADS:].astype(np.int64)
    size = len(rows.leads)
    return np.unique(np.linspace(0, size - 1, min(size, MAX_LEADS)).astype(np.int64))


def _rule_means(
    definition: Definition, points: Points, attributes: Attributes
) -> tuple[float, ...]:
    """The mean of what each rule adds to the log-odds of the leads of its scorecard."""
    given = log_odds_by_rule(definition, points)
    own = attributes.cards == points.card[:, None]
    return tuple((given.sum(axis=0) / np.maximum(own.sum(axis=0), 1)).tolist())


def _card_means(definition: Definition, points: Points) -> tuple[float, ...]:
    """The mean log-odds of the points of each scorecard's leads and, last, of those without a
    scorecard; of a scorecard that nobody has, that of all leads."""
    cards = [*range(len(definition.scorecard)), -1]
    return tuple(
        float(
            points.logit[points.card == card].mean() if card in points.card else points.logit.mean()
        )
        for card in cards
    )


def _slope(logit: FloatArray, parts: Contributions) -> float:
    """How much of the points' log-odds (n,) arrives in the score, by least squares; not below 0,
    so that no rule is said to do the opposite of what it was made for."""
    spread = float(logit.var())
    if spread == 0:
        return 0.0
    arrived = parts.values[:, parts.names.index(RULES)]
    return max(0.0, float(np.mean((logit - logit.mean()) * (arrived - arrived.mean()))) / spread)


def _states(attributes: Attributes, seen: SeenInTraining) -> tuple[States, States, States]:
    """What enough people had of each attribute, at any of their ages; and with what of it those
    whose outcome is known were won clearly more often than without, and less often."""
    people = np.unique(seen.rows.person, return_inverse=True)[1]
    every = int(people.max()) + 1
    known = np.zeros(every, dtype=bool)
    known[people[~np.isnan(seen.rows.won)]] = True
    won = np.zeros(every, dtype=bool)
    won[people[seen.rows.won == 1.0]] = True
    found: tuple[dict[Attribute, frozenset[str]], ...] = ({}, {}, {})
    for attribute, codes, states in attributes.every_state(seen.features, seen.points):
        names, places = np.unique(np.array(states, dtype=object), return_inverse=True)
        pairs = np.unique(places[codes] * every + people)
        enough = np.bincount(pairs // every, minlength=len(names)) >= MIN_LEADS_PER_STATE
        state = pairs // every
        person = pairs % every
        counts = np.bincount(state[known[person]], minlength=len(names))
        wins = np.bincount(state[won[person]], minlength=len(names)).astype(float)
        errors = _standard_errors(counts, wins, int(known.sum()), int(won.sum()))
        for kept, chosen in zip(
            found,
            (enough, enough & (errors > CLEAR), enough & (errors < -CLEAR)),
            strict=True,
        ):
            kept[attribute] = frozenset(names[chosen].tolist())
    return found[0], found[1], found[2]


def _standard_errors(counts: IntArray, wins: FloatArray, every: int, won: int) -> FloatArray:
    """By how many standard errors the leads of each state were won more often than the others."""
    inside = np.maximum(counts, 1)
    others = np.maximum(every - counts, 1)
    rate = won / every
    error = np.sqrt(rate * (1 - rate) * (1 / inside + 1 / others))
    return np.asarray((wins / inside - (won - wins) / others) / np.maximum(error, 1e-9))
