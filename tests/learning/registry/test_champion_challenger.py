"""The comparison: the rule by which a candidate becomes champion, case by case."""

from typing import Any

import pytest

from winnable.data.dataset import Dataset
from winnable.data.ingestion.crm import Crm
from winnable.definition.load import definition_from
from winnable.learning.artifacts.artifact import Artifact
from winnable.learning.registry.champion_challenger import Comparison, Competitor, _outcome, compare
from winnable.learning.scoring.predictor import Predictor, scorecard_artifact
from winnable.learning.training.metrics import Difference
from winnable.learning.training.train import Candidate

WRITTEN: dict[str, Any] = {
    "outcome": {"won": ["Won"], "lost": ["Lost"]},
    "columns": {"status": "Status"},
}


def candidate(
    until: str | None = "2026-06-30",
    wins: int = 100,
    mode: str = "learned",
    number: int = 1,
    **outcome: Any,
) -> Candidate:
    """A candidate whose data end on that day, with so many wins; `number` makes its bytes
    differ."""
    written = {**WRITTEN, "outcome": {**WRITTEN["outcome"], **outcome}}
    agreed = definition_from(written, "test")
    spec = scorecard_artifact(agreed).data
    card = {**spec["card"], "known_until": until and f"{until}T00:00:00+00:00", "wins": wins}
    model = {**spec["model"], "mode": mode}
    return Candidate(
        Artifact({**spec, "card": card, "model": model, "usual_bar": number / 100}, {}),
        agreed,
        None,
        (),
        {},
    )


def champion(**facts: Any) -> Predictor:
    return Predictor(candidate(**{"number": 2, **facts}).artifact, "1")


def comparison(mean: float, margin: float, rules: float = 0.1) -> Comparison:
    """The candidate's log loss is lower by `mean` than the champion's, give or take `margin`; by
    `rules` than the scorecard's."""
    competitors = (
        ("version 1", mean, margin),
        ("the scorecard", rules, 0.01),
        ("the base rate", 0.1, 0.01),
    )
    found = tuple(
        Competitor(name, 0.3, Difference(less, less - more, less + more, 0.5))
        for name, less, more in competitors
    )
    return Comparison("a holdout of leads created since 2026-01-01", 900, 90, 0.3 - mean, found)


@pytest.mark.parametrize(
    ("new", "old", "becomes", "because"),
    [
        ({}, {"number": 1}, False, "the same model"),
        ({"mode": "rules"}, {}, False, "it is the scorecard only"),
        ({"wins": 40}, {"wins": 100}, False, "it was trained on 40 wins"),
        ({"until": "2026-05-01"}, {}, False, "before those of version 1"),
        ({}, {"horizon_days": 30}, True, "what counts as won has changed"),
        ({}, {"until": "2026-06-01"}, True, "end 29 days earlier"),
        ({}, {"until": "2026-06-20"}, False, "end 10 days earlier"),
        ({}, {"winnable_days": 500}, True, "another definition"),
        ({"until": None}, {"until": None}, True, "the later training"),
    ],
)
def test_without_a_comparison_age_and_amount_decide(
    new: dict[str, Any], old: dict[str, Any], becomes: bool, because: str, data: Dataset
) -> None:
    decision = compare(candidate(**new), data, champion(**old))
    assert (decision.champion, decision.comparison) == (becomes, None)
    assert because in decision.because


def test_the_first_model_is_champion(data: Dataset) -> None:
    assert compare(candidate(), data, None).champion


@pytest.mark.parametrize(
    ("met", "old", "young"),
    [
        (
            comparison(mean=0.02, margin=0.01),
            "it is significantly better",
            "it is significantly better",
        ),
        (
            comparison(mean=-0.02, margin=0.01),
            "it is significantly worse",
            "it is significantly worse",
        ),
        (
            comparison(mean=0.02, margin=0.03),
            "it is not significantly worse",
            "it is not significantly better",
        ),
        (
            comparison(mean=-0.00001, margin=0.000005),
            "it is not significantly worse",
            "it is not significantly better",
        ),
        (
            comparison(mean=0.02, margin=0.01, rules=-0.05),
            "it is significantly worse than the scorecard",
            "it is significantly worse than the scorecard",
        ),
    ],
)
def test_with_a_comparison_the_better_one_stays_and_a_tie_goes_to_the_newer_data(
    met: Comparison, old: str, young: str
) -> None:
    for until, says in (("2026-03-31", old), ("2026-06-20", young)):
        becomes, because = _outcome(met, candidate(), champion(until=until))
        assert because.startswith(says)
        assert becomes == says.startswith(
            ("it is significantly better", "it is not significantly worse")
        )
        assert "a holdout of leads created since 2026-01-01" in because


@pytest.fixture
def data() -> Dataset:
    import pandas as pd

    leads = pd.DataFrame({"@id": pd.Series([], dtype="str"), "@status": pd.Series([], dtype="str")})
    return Dataset(candidate().definition, Crm(leads, None, None, pd.DataFrame(), ()))
